//! A block that is gone, one after the other, sealed or not. Without this, what a run needs could be lost and nobody be
//! told before it is wanted.

use crate::home::Home;
use ipvm_ipld::{Cid, codec};
use ipvm_testkit::{CALC, component};
use rusqlite::{Connection, params};

/// A row of the table of blocks.
type Row = (i64, i64, Vec<u8>, i64, Option<Vec<u8>>);

fn database(home: &Home) -> Connection {
    Connection::open(home.path().join("store").join("main.db")).unwrap()
}

fn rows(home: &Home) -> Vec<Row> {
    let conn = database(home);
    let mut select = conn
        .prepare("SELECT id, k_cid, cid, size, data FROM block ORDER BY id")
        .unwrap();
    let rows = select.query_map([], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
        ))
    });
    rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

/// A run with files of one block and of several, a result of bytes, one that is structured and large, and small ones.
fn run(secret: bool) -> Home {
    let home = Home::new();
    home.file("calc.wasm", component(CALC));
    home.file("large.bin", vec![9; 2_500_000]);
    home.file("small.txt", "small");
    let pairs: Vec<String> = (0..3_000)
        .map(|n| format!("key{n}: \"value {n}\""))
        .collect();
    let text = format!(
        "ipvm: \"0.2\"\ndefaults: {{secret: {secret}}}\ntasks:\n  large: {{mod: calc.wasm, fun: count, args: [{{file: ./large.bin}}]}}\n  small: {{mod: calc.wasm, fun: count, args: [{{file: ./small.txt}}]}}\n  blob: {{mod: calc.wasm, fun: blob, args: [100000]}}\n  pairs: {{mod: calc.wasm, fun: echo-pairs, args: [{{{}}}]}}\n",
        pairs.join(", ")
    );
    home.file("workflow.yaml", text);
    home.run(&["run", "workflow.yaml", "--quiet"]).code(0);
    home
}

fn check(secret: bool) {
    let home = run(secret);
    let verified = home.json(&["store", "verify", "--json"]);
    assert_eq!(
        (&verified["sound"], &verified["missing"]),
        (&true.into(), &0.into())
    );
    let rows = rows(&home);
    let name = |row: &Row| Cid::try_from(row.2.as_slice()).unwrap();
    let sealed = rows.iter().filter(|row| name(row).codec() == codec::SEALED);
    // All but the module and the agent's delegation.
    let expect = if secret { rows.len() - 2 } else { 0 };
    assert_eq!(sealed.count(), expect);
    let mut unnoticed = Vec::new();
    for row in &rows {
        let (id, key, cid, size, data) = row;
        let gone = database(&home).execute("DELETE FROM block WHERE id = ?1", [id]);
        assert_eq!(gone.unwrap(), 1, "the fault happened");
        let ran = home.run(&["store", "verify", "--json"]);
        let said: serde_json::Value = serde_json::from_slice(&ran.out).unwrap();
        if said["sound"] == true && said["missing"] == 0 {
            unnoticed.push(data.as_deref());
        }
        let sql = "INSERT INTO block(id, k_cid, cid, size, data) VALUES(?1, ?2, ?3, ?4, ?5)";
        let again = database(&home).execute(sql, params![id, key, cid, size, data]);
        assert_eq!(again.unwrap(), 1);
    }
    // The agent's delegation lies among the keys as well, and every run stores it anew.
    let delegation = std::fs::read(home.path().join("keys/agent.dlg")).unwrap();
    assert_eq!(unnoticed, [Some(delegation.as_slice())]);
    assert_eq!(home.json(&["store", "verify", "--json"]), verified);
}

#[test]
fn a_block_that_is_gone_is_noticed() {
    check(false);
}

#[test]
fn a_sealed_block_that_is_gone_is_noticed() {
    check(true);
}
