//! `verify`. Without these: damage could go unnoticed, or a sound store could be called damaged.

use crate::fixture::{keys_of, put, put_block, receipt, run};
use ipvm_store::{
    Batch, Finding, INLINE_BYTES_MAX, StepReceipt, StepState, StepUpdate, Store, VerifyEvent,
    VerifyPart, VerifySummary,
};
use rusqlite::Connection;
use std::fs;
use std::path::Path;

const RECEIPTS: u64 = 2_000;

/// A store with some of everything, its index on the disk.
fn make(home: &Path) {
    let store = Store::open(home, keys_of).unwrap();
    store.warm_up().unwrap();
    put_block(&store, b"small");
    put_block(&store, &vec![1; INLINE_BYTES_MAX + 1]);
    let id = store.new_run_id();
    let mut batch = Batch::new();
    batch.run(run(id, 1));
    for serial in 0..RECEIPTS {
        let receipt = batch.receipt(receipt(serial, serial % 3, serial));
        batch.step(StepUpdate {
            run: id,
            index: serial as u32,
            state: StepState::Ok,
            receipt: Some(receipt),
        });
    }
    store.commit(batch).unwrap();
}

fn verify(home: &Path) -> (VerifySummary, Vec<Finding>, Vec<VerifyPart>) {
    let store = Store::open(home, keys_of).unwrap();
    let (mut findings, mut parts) = (Vec::new(), Vec::new());
    let summary = store.verify(&mut |event| match event {
        VerifyEvent::Finding(finding) => findings.push(finding),
        VerifyEvent::Progress { part, done, total } => {
            assert!(done <= total);
            parts.push(part);
        }
    });
    (summary.unwrap(), findings, parts)
}

#[test]
fn a_sound_store_has_no_findings() {
    let home = tempfile::tempdir().unwrap();
    make(home.path());
    let (summary, findings, mut parts) = verify(home.path());
    assert_eq!(findings, []);
    assert_eq!(
        summary,
        VerifySummary {
            receipts: RECEIPTS,
            blocks: 2,
            runs: 1,
            ..VerifySummary::default()
        }
    );
    parts.dedup();
    use VerifyPart::{Blocks, Database, Files, Receipts, Runs};
    assert_eq!(parts, [Database, Receipts, Blocks, Runs, Files]);
}

#[test]
fn every_kind_of_damage_is_found() {
    let sql = |file: &'static str, sql: &'static str| {
        move |home: &Path| {
            let conn = Connection::open(home.join("store").join(file)).unwrap();
            assert!(
                conn.execute(sql, []).unwrap() > 0,
                "the fault happened: {sql}"
            );
        }
    };
    let blocks = |home: &Path| home.join("blocks");
    let block_file = move |home: &Path| {
        let shard = fs::read_dir(blocks(home))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        fs::read_dir(shard).unwrap().next().unwrap().unwrap().path()
    };
    let lose_file = move |home: &Path| fs::remove_file(block_file(home)).unwrap();
    let change_file = move |home: &Path| fs::write(block_file(home), b"x").unwrap();
    let stray =
        move |home: &Path| fs::write(block_file(home).with_file_name(".part-1-1"), b"x").unwrap();
    let misplaced = move |home: &Path| {
        let path = block_file(home);
        fs::create_dir(blocks(home).join("zz")).unwrap();
        fs::copy(
            &path,
            blocks(home).join("zz").join(path.file_name().unwrap()),
        )
        .map(drop)
        .unwrap();
    };
    type Fault<'a> = &'a dyn Fn(&Path);
    let cases: [(Fault<'_>, &str); 14] = [
        (
            &sql("main.db", "UPDATE receipt SET block = x'52' WHERE id = 7"),
            "receipt 7 is damaged: its bytes are not",
        ),
        (
            &sql(
                "main.db",
                "UPDATE receipt SET k_cid = k_cid + 1 WHERE id = 7",
            ),
            "receipt 7 is damaged: its bytes are not",
        ),
        (
            &sql(
                "main.db",
                "UPDATE receipt SET k_task = k_task + 1 WHERE id = 7",
            ),
            "receipt 7 is damaged: it is filed",
        ),
        (
            &sql("main.db", "UPDATE receipt SET k_comp = NULL WHERE id = 8"),
            "receipt 8 is damaged: it is filed",
        ),
        (
            &sql(
                "main.db",
                "UPDATE block SET data = x'00' WHERE data IS NOT NULL",
            ),
            "its bytes do not have its hash",
        ),
        (
            &sql("main.db", "UPDATE block SET k_cid = k_cid + 1 WHERE id = 1"),
            "row 1 of the block table is damaged: its key",
        ),
        (
            &sql("main.db", "UPDATE block SET cid = x'00' WHERE id = 1"),
            "row 1 of the block table is damaged: its CID",
        ),
        (&lose_file, "the file is missing"),
        (&change_file, "its bytes do not have its hash"),
        (
            &sql("main.db", "UPDATE step SET receipt = 999999 WHERE idx = 3"),
            "1 of its steps name receipts that are not there",
        ),
        (
            &sql("main.db", "UPDATE run SET status = 99"),
            "run 1 is damaged: its status is unknown",
        ),
        (
            &sql("index.db", "DELETE FROM by_task WHERE id = 5"),
            "receipt 5 is not found by its task",
        ),
        (
            &sql("index.db", "INSERT INTO by_cid VALUES(1, 1)"),
            "2001 entries by CID for 2000 receipts",
        ),
        (&stray, ".part-1-1 belongs to nothing"),
    ];
    for (fault, expect) in cases
        .into_iter()
        .chain([(&misplaced as Fault<'_>, "belongs to nothing")])
    {
        let home = tempfile::tempdir().unwrap();
        make(home.path());
        fault(home.path());
        let (summary, findings, _) = verify(home.path());
        let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(
            text.iter().any(|text| text.contains(expect)),
            "{expect}: {text:?}"
        );
        let damage = findings
            .iter()
            .filter(|finding| finding.is_damage())
            .count() as u64;
        assert_eq!(summary.damage, damage);
        assert_eq!(
            summary.damage == 0,
            expect.contains("belongs to nothing"),
            "{text:?}"
        );
    }
}

/// A torn page ends in findings, not in a panic or an error, and what else is there is still checked.
#[test]
fn a_torn_main_db_is_a_finding() {
    let home = tempfile::tempdir().unwrap();
    make(home.path());
    let path = home.path().join("store").join("main.db");
    Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes.get_mut(middle..middle + 4096).unwrap().fill(0xff);
    fs::write(&path, bytes).unwrap();
    let (summary, findings, parts) = verify(home.path());
    assert!(
        findings
            .iter()
            .any(|finding| matches!(finding, Finding::Database { .. })),
        "{findings:?}"
    );
    assert!(summary.damage > 0);
    assert!(parts.contains(&VerifyPart::Files));
}

#[test]
fn a_step_with_a_wrong_receipt_number_is_found() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    put(&store, receipt(1, 1, 1));
    let id = store.new_run_id();
    let mut batch = Batch::new();
    let receipt = Some(StepReceipt::Stored(ipvm_store::ReceiptId(2)));
    batch.run(run(id, 1)).step(StepUpdate {
        run: id,
        index: 0,
        state: StepState::Ok,
        receipt,
    });
    store.commit(batch).unwrap();
    drop(store);
    let (_, findings, _) = verify(home.path());
    assert!(
        matches!(findings.as_slice(), [Finding::Run { run, .. }] if *run == id),
        "{findings:?}"
    );
}
