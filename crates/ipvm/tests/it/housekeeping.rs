//! Pins, collection, limit. Without these: what a user added could vanish, what nobody needs could stay for ever, a
//! result that was given up could be answered with a hole in it.

use crate::home::Home;
use ipvm_testkit::web::Web;
use ipvm_testkit::{CALC, component};
use serde_json::{Value, json};

const MIB: usize = 1 << 20;
/// Smallest limit, in bytes.
const LIMIT: u64 = 16 << 20;

/// Bytes that differ from chunk to chunk.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// A module with the function `blob(bytes: u32, byte: u32) -> list<u8>`.
fn blobs() -> Vec<u8> {
    let text = CALC
        .replace(
            r#"(func (export "blob") (param $len i32)"#,
            r#"(func (export "blob") (param $len i32) (param $byte i32)"#,
        )
        .replace("(i32.const 120)", "(local.get $byte)")
        .replace(
            r#"(param "bytes" u32)"#,
            r#"(param "bytes" u32) (param "byte" u32)"#,
        );
    component(&text)
}

/// A workflow of this many results of 1 MiB.
fn large_results(home: &Home, count: usize) {
    home.file("blobs.wasm", blobs());
    let mut text = "ipvm: \"0.2\"\nname: blobs\ntasks:\n".to_owned();
    for n in 0..count {
        text += &format!("  b{n:02}: {{ mod: ./blobs.wasm, fun: blob, args: [{MIB}, {n}] }}\n");
    }
    home.file("workflow.yaml", text);
}

fn number(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} in {value}"))
}

fn used(home: &Home) -> u64 {
    number(&home.json(&["store", "limit", "--json"]), "used")
}

#[test]
fn what_is_added_is_pinned_until_it_is_let_go() {
    let home = Home::new();
    home.file("a", noise(3 * MIB, 1));
    home.file("b", "public");
    let a = home.ok(&["add", "-q", "a"]);
    let b = home.ok(&["add", "-q", "--public", "b"]);
    let pins = home.json(&["store", "pins", "--json"]);
    let mut kinds: Vec<(&str, &str)> = pins
        .as_array()
        .unwrap()
        .iter()
        .map(|pin| (pin["cid"].as_str().unwrap(), pin["kind"].as_str().unwrap()))
        .collect();
    kinds.sort_unstable_by_key(|(_, kind)| *kind);
    assert_eq!(kinds, [(a.as_str(), "pinned"), (b.as_str(), "public")]);
    assert!(number(&pins[0], "since") > 1_700_000_000);
    assert!(home.ok(&["store", "pins"]).contains("public  2"));
    assert_eq!(home.json(&["inspect", &b, "--json"])["pin"], "public");
    assert!(home.ok(&["inspect", &a]).contains("pinned since 2"));
    let kept = home.json(&["store", "gc", "--json"]);
    assert_eq!(
        (number(&kept, "blocks"), number(&kept["kept"], "blocks")),
        (0, 5)
    );

    // A prefix is enough; what is pinned is let go once.
    assert_eq!(home.ok(&["store", "unpin", &a[..20]]), a);
    home.run(&["store", "unpin", &a])
        .code(2)
        .says("is not pinned");
    let dry = home.json(&["store", "gc", "--dry-run", "--json"]);
    assert_eq!(number(&dry, "blocks"), 4);
    assert!(
        home.run(&["cat", &a]).code(0).out.len() == 3 * MIB,
        "a dry run deletes nothing"
    );
    let gone = home.json(&["store", "gc", "--json"]);
    assert_eq!(
        (number(&gone, "blocks"), number(&gone["kept"], "blocks")),
        (4, 1)
    );
    assert!(number(&gone, "freed") >= 3 * MIB as u64, "{gone}");
    home.run(&["cat", &a]).code(2);
    home.run(&["store", "pin", &a]).code(2).says("no block");
    assert_eq!(home.ok(&["cat", &b]), "public");
    home.ok(&["store", "verify"]);

    // Pinned anew, and made public afterwards.
    home.ok(&["store", "unpin", &b]);
    home.ok(&["store", "pin", &b]);
    home.ok(&["store", "pin", "--public", &b]);
    home.ok(&["store", "pin", &b]);
    assert_eq!(home.json(&["store", "pins", "--json"])[0]["kind"], "public");
}

#[test]
fn old_runs_go_with_what_only_they_need() {
    let home = Home::new();
    home.file("calc.wasm", component(CALC));
    let workflow = |n: u32| {
        let text = format!(
            "ipvm: \"0.2\"\nname: w{n}\ntasks:\n  one: {{ mod: ./calc.wasm, fun: add, args: [{n}00, 1] }}\n  two: {{ mod: ./calc.wasm, fun: add, args: [{{await: one}}, 1] }}\n"
        );
        home.file(&format!("w{n}.yaml"), text);
        format!("w{n}.yaml")
    };
    for n in 1..=3 {
        home.ok(&["run", &workflow(n)]);
    }
    // Nothing is unneeded, and nothing is computed twice afterwards.
    let kept = home.json(&["store", "gc", "--json"]);
    assert_eq!(
        (number(&kept, "receipts"), number(&kept["kept"], "receipts")),
        (0, 6)
    );
    assert_eq!(number(&kept["kept"], "runs"), 3);
    for n in 1..=3 {
        assert_eq!(home.json(&["run", &workflow(n), "--json"])["executed"], 0);
    }
    let none = home.json(&["store", "gc", "--keep", "1d", "--json"]);
    assert_eq!(number(&none, "runs"), 0, "none is a day old");

    let gone = home.json(&["store", "gc", "--keep-runs", "1", "--json"]);
    assert_eq!((number(&gone, "runs"), number(&gone, "receipts")), (2, 4));
    assert_eq!(
        home.json(&["workflow", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        home.json(&["receipt", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let stat = home.json(&["store", "stat", "--json"]);
    assert_eq!((number(&stat, "receipts"), number(&stat, "runs")), (2, 1));
    home.ok(&["store", "verify"]);
    // The kept run is answered, and can be traced to its roots; the others are computed again.
    let again = home.json(&["run", "w3.yaml", "--json"]);
    assert_eq!(
        (number(&again, "executed"), number(&again, "reused")),
        (0, 2)
    );
    let receipt = again["tasks"]["two"]["receipt"].as_str().unwrap();
    home.ok(&["receipt", "trace", receipt]);
    assert_eq!(home.json(&["run", "w1.yaml", "--json"])["executed"], 2);
    home.ok(&["store", "verify"]);
    home.run(&["store", "gc", "--keep", "1d", "--keep-runs", "1"])
        .code(2);
    home.run(&["store", "gc", "--keep", "soon"])
        .code(2)
        .says("30d");
}

/// A home is cleaned up by a timer, and the same command given by another: without this, it would create or send anew what
/// nobody asked for twice.
#[test]
fn what_a_dropped_run_did_is_not_done_anew_unless_that_is_said() {
    let (home, web) = (Home::new(), Web::start());
    let at = web.address();
    home.ok(&["provider", "add", "local", "http", "--allow-private", &at]);
    let write = |file: &str, command: &str| {
        let rest = if command == "create" { ", body: x" } else { "" };
        let text = format!(
            "ipvm: \"0.2\"\ntasks:\n  t: {{ cmd: /crud/{command}, args: {{ uri: \"http://{at}/page\"{rest} }} }}\n"
        );
        home.file(file, text);
    };
    write("made.yaml", "create");
    write("read.yaml", "read");
    let posts = || {
        let lines = web.lines();
        lines.iter().filter(|line| *line == "POST /page").count()
    };
    for again in [&["run", "made.yaml"][..], &["run", "made.yaml", "--again"]] {
        home.ok(again);
    }
    home.ok(&["run", "read.yaml"]);
    for _ in 0..2 {
        home.ok(&["store", "gc", "--keep-runs", "0"]);
        let refused = home.run(&["run", "made.yaml"]).code(2);
        refused.says("`ipvm store gc`").says("--again");
        assert_eq!(posts(), 2);
    }
    let runs = home.json(&["workflow", "list", "--json"]);
    assert_eq!(runs.as_array().unwrap().len(), 0);
    // What only asks is asked anew, as ever.
    assert_eq!(home.json(&["run", "read.yaml", "--json"])["executed"], 1);
    let run = ["run", "made.yaml", "--json"];
    let again = home.json(&[&run[..], &["--again"]].concat());
    assert_eq!((&again["executed"], posts()), (&json!(1), 3));
    assert_eq!((&home.json(&run)["executed"], posts()), (&json!(0), 3));
    home.ok(&["store", "verify"]);
}

#[test]
fn compiled_modules_go_with_their_module() {
    let home = Home::new();
    home.file("calc.wasm", component(CALC));
    home.ok(&["call", "calc.wasm", "add", "1", "2"]);
    let before = home.json(&["store", "stat", "--json"]);
    assert!(number(&before, "cache_bytes") > 1_000);
    assert_eq!(
        number(&home.json(&["store", "gc", "--json"]), "cache_files"),
        0
    );
    let gone = home.json(&["store", "gc", "--keep-runs", "0", "--json"]);
    assert_eq!(
        (number(&gone, "cache_files"), number(&gone, "runs")),
        (2, 1)
    );
    let after = home.json(&["store", "stat", "--json"]);
    assert_eq!(
        (number(&after, "cache_bytes"), number(&after, "blocks")),
        (0, 0)
    );
    home.ok(&["call", "calc.wasm", "add", "1", "2"]);
    home.ok(&["store", "verify"]);
}

#[test]
fn results_are_given_up_under_a_limit_and_made_again() {
    const COUNT: usize = 24;
    let home = Home::new();
    large_results(&home, COUNT);
    home.file("mine", noise(2 * MIB, 7));
    let mine = home.ok(&["add", "-q", "mine"]);
    assert_eq!(
        home.ok(&["store", "limit", "16MiB"]).split(',').next(),
        Some("limit 16.0 MiB")
    );
    let ran = home
        .run(&["run", "workflow.yaml", "--json"])
        .code(0)
        .says("gave up");
    let first: Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!(number(&first, "executed"), COUNT as u64);
    assert!(used(&home) <= LIMIT, "{}", used(&home));
    assert!(
        home.run(&["cat", &mine]).code(0).out == noise(2 * MIB, 7),
        "what is pinned stays"
    );
    let verified = home.json(&["store", "verify", "--json"]);
    let evicted = number(&verified, "given_up");
    assert!(
        verified["sound"] == true && evicted > 5 && evicted < COUNT as u64,
        "{verified}"
    );

    // Asking for one of them says what to do.
    let cid = |report: &Value, n: usize| {
        let out = &report["tasks"][format!("b{n:02}")]["out"]["ok"]["/"];
        out.as_str()
            .unwrap_or_else(|| panic!("{report}"))
            .to_owned()
    };
    let is_gone = |n: &usize| home.run(&["store", "pin", &cid(&first, *n)]).code != Some(0);
    let gone: Vec<usize> = (0..COUNT).filter(is_gone).collect();
    assert_eq!(gone.len() as u64, evicted);
    home.run(&["store", "pin", &cid(&first, gone[0])])
        .code(2)
        .says("given up")
        .says("ipvm run");
    for n in (0..COUNT).filter(|n| !gone.contains(n)) {
        home.ok(&["store", "unpin", &cid(&first, n)]);
    }
    // Whoever wants to see it gets it, computed again.
    let seen = home
        .run(&["cat", &cid(&first, gone[1])])
        .code(0)
        .says("computed again");
    assert!(seen.out == vec![gone[1] as u8; MIB]);
    assert_eq!(home.run(&["cat", &cid(&first, gone[1])]).code(0).err, "");

    // The same run again computes these and no others, with the same results, and they are there when it ends.
    home.file("single.yaml", format!(
        "ipvm: \"0.2\"\nname: single\ntasks:\n  b: {{ mod: ./blobs.wasm, fun: blob, args: [{MIB}, {}] }}\noutputs: {{ b: b.bin }}\n", gone[0]
    ));
    let single = home.json(&["run", "single.yaml", "--json"]);
    assert_eq!(
        number(&single, "executed"),
        1,
        "a result with a hole in it is no answer"
    );
    let bytes = home.read(single["outputs"]["b"].as_str().unwrap());
    assert!(bytes == vec![gone[0] as u8; MIB]);
    let again = home.json(&["run", "workflow.yaml", "--json"]);
    assert_eq!(
        number(&again, "executed") + number(&again, "reused"),
        COUNT as u64
    );
    let executed = number(&again, "executed");
    assert!(executed > 0 && executed < COUNT as u64, "{executed}");
    for n in 0..COUNT {
        assert_eq!(cid(&again, n), cid(&first, n));
    }
    assert!(used(&home) <= LIMIT);
    assert_eq!(home.json(&["store", "verify", "--json"])["sound"], true);

    // Without a limit all of them stay.
    home.ok(&["store", "limit", "none"]);
    home.ok(&["run", "workflow.yaml"]);
    assert_eq!(
        home.json(&["run", "workflow.yaml", "--json"])["executed"],
        0
    );
    assert!(used(&home) > LIMIT);
    home.ok(&["store", "gc"]);
    assert_eq!(
        number(&home.json(&["store", "verify", "--json"]), "given_up"),
        0
    );
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_stored() {
    let home = Home::new();
    home.ok(&["store", "limit", "16MiB"]);
    home.file("small", noise(MIB, 3));
    home.ok(&["add", "small"]);
    home.file("large", noise(16 * MIB, 4));
    let before = home.json(&["store", "stat", "--json"]);
    home.run(&["add", "large"])
        .code(1)
        .says("may hold")
        .says("ipvm store limit SIZE");
    assert_eq!(
        home.json(&["store", "stat", "--json"]),
        before,
        "nothing was stored"
    );
    // From stdin nobody knows how much will come; the next one is refused.
    home.run_with_input(&["add", "-"], &noise(16 * MIB, 4))
        .code(0)
        .says("warning");
    home.run(&["add", "small"]).code(1).says("may hold");
    home.file("calc.wasm", component(CALC));
    home.run(&["call", "calc.wasm", "add", "1", "2"])
        .code(1)
        .says("may hold");
    home.ok(&["store", "limit", "none"]);
    home.ok(&["call", "calc.wasm", "add", "1", "2"]);
    home.run(&["store", "limit", "1MiB"])
        .code(2)
        .says("smallest");
    home.run(&["store", "limit", "much"]).code(2).says("20GiB");
}

/// A forged signature does not show in any hash.
#[test]
fn verify_checks_signatures_and_pins() {
    let home = Home::new();
    home.file("calc.wasm", component(CALC));
    home.ok(&["call", "calc.wasm", "add", "1", "2"]);
    let sound = home.json(&["store", "verify", "--json"]);
    // The receipt, its invocation, the request, and the delegation.
    assert_eq!(number(&sound, "signatures"), 4, "{sound}");
    let db = rusqlite::Connection::open(home.path().join("store").join("main.db")).unwrap();
    let token: Vec<u8> = db
        .query_row(
            "SELECT data FROM block WHERE hex(substr(data, 1, 3)) = '825840' LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let mut forged = token;
    forged[10] ^= 1;
    let block = ipvm_ipld::Block::new(ipvm_ipld::codec::DAG_CBOR, forged);
    let store = |block: &ipvm_ipld::Block| {
        let store = ipvm_store::Store::open(&home.path(), |_| None).unwrap();
        let mut batch = ipvm_store::Batch::new();
        batch.block(block.clone());
        batch.pin(ipvm_store::Pin {
            cid: ipvm_ipld::cid_of(ipvm_ipld::codec::RAW, b"never here"),
            kind: ipvm_store::PinKind::Pinned,
            since: 0,
        });
        store.commit(batch).unwrap();
    };
    store(&block);
    let ran = home.run(&["store", "verify", "--json"]).code(1);
    let found: Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!(
        (number(&found, "damage"), found["sound"].clone()),
        (2, Value::Bool(false)),
        "{found}"
    );
    let text = found["findings"].to_string();
    assert!(
        text.contains(&block.cid().to_string()) && text.contains("is pinned and not here"),
        "{text}"
    );
}

/// A folder is pinned by its root, and what is public in it shows.
#[test]
fn folders_and_cars_are_pinned_by_their_roots() {
    let home = Home::new();
    home.file("folder/public", "for everybody");
    home.file("folder/private", "for me");
    home.ok(&["add", "--public", "folder/public"]);
    let root = home.ok(&["add", "-q", "folder"]);
    let listed = home.json(&["ls", &root, "--json"]);
    assert_eq!(
        (&listed[0]["pin"], &listed[1]["pin"]),
        (&Value::Null, &"public".into()),
        "{listed}"
    );
    assert!(home.ok(&["ls", &root]).contains("file, public"));
    assert_eq!(number(&home.json(&["store", "gc", "--json"]), "blocks"), 0);
    let car = home.ok(&["get", &root, "--car"]);
    let other = Home::new();
    other.file("a.car", home.read(&car));
    assert_eq!(other.ok(&["add", "-q", "--car", "a.car"]), root);
    let kept = other.json(&["store", "gc", "--json"]);
    assert_eq!(
        (number(&kept, "blocks"), number(&kept["kept"], "blocks")),
        (0, 3)
    );
    assert_eq!(other.json(&["store", "pins", "--json"])[0]["cid"], root);
}
