//! Homes that earlier versions wrote. Without these an update could lose what somebody has.
//!
//! `fixtures/layout-1` is a home as version 0.1 wrote it: a run of `flow.yaml`, `large.bin` and `alone.txt` added, one
//! call. Its keys are nobody's.

use crate::home::Home;
use rusqlite::Connection;
use std::fs;
use std::path::Path;

const LARGE: &str = "bafkreiausf5uwukjpyatqdyapszektmtywdiyp2fnal3cr6hpr6ixge7fi";
const ALONE: &str = "bafkreighimewlevvgsf7cx3bccv2dep6spcwyja5ijucmpuskwrc2rv2ci";

fn large() -> Vec<u8> {
    b"layout one\n".repeat(7_000)
}

/// The home of the fixture, and the files that its workflow names.
fn layout_1() -> Home {
    let home = Home::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layout-1");
    let read = |name: &str| fs::read(fixture.join(name)).unwrap();
    for name in ["flow.yaml", "note.txt", "add.wasm"] {
        home.file(name, read(name));
    }
    let inside = |path: &str, bytes: &[u8]| {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    inside("keys/owner.key", &read("owner.key"));
    inside("keys/agent.key", &read("agent.key"));
    let hex = String::from_utf8(read("agent.dlg.hex")).unwrap();
    let digits: Vec<char> = hex.trim().chars().collect();
    let delegation: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect();
    inside("keys/agent.dlg", &delegation);
    inside(&format!("blocks/fi/{LARGE}"), &large());
    fs::create_dir_all(home.path().join("store")).unwrap();
    let sql = String::from_utf8(read("main.sql")).unwrap();
    open(&home).execute_batch(&sql).unwrap();
    home
}

fn open(home: &Home) -> Connection {
    Connection::open(home.path().join("store").join("main.db")).unwrap()
}

fn layout(home: &Home) -> i64 {
    open(home)
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

#[test]
fn a_home_of_the_first_layout_is_read_as_it_is() {
    let home = layout_1();
    let stat = home.json(&["store", "stat", "--json"]);
    assert_eq!(
        (&stat["receipts"], &stat["runs"], &stat["blocks"]),
        (&3.into(), &2.into(), &14.into())
    );
    assert!(home.run(&["cat", LARGE]).code(0).out == large());
    assert_eq!(
        home.json(&["receipt", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert_eq!(
        home.json(&["workflow", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(home.ok(&["store", "pins"]), "");
    assert_eq!(home.json(&["store", "verify", "--json"])["sound"], true);
    assert_eq!(layout(&home), 1, "who only looks changes nothing");
}

#[test]
fn a_home_of_the_first_layout_goes_on() {
    let home = layout_1();
    let report = home.json(&["run", "flow.yaml", "--json"]);
    assert_eq!(
        (&report["executed"], &report["reused"]),
        (&0.into(), &2.into()),
        "{report}"
    );
    assert_eq!(layout(&home), 5);
    assert_eq!(
        home.json(&["call", "add.wasm", "add", "4", "5", "--json"])["memo"],
        true
    );
    let verified = home.json(&["store", "verify", "--json"]);
    assert_eq!(verified["sound"], true);
    // Three receipts with their invocations, two requests, the delegation.
    assert_eq!(verified["signatures"], 9, "{verified}");
    // What was added when there were no pins is kept, and is pinned now.
    let collected = home.json(&["store", "gc", "--json"]);
    assert_eq!(
        (&collected["blocks"], &collected["pinned"]),
        (&0.into(), &2.into()),
        "{collected}"
    );
    let pins = home.ok(&["store", "pins"]);
    assert!(pins.contains(LARGE) && pins.contains(ALONE), "{pins}");
    assert_eq!(home.ok(&["cat", ALONE]), "alone");
}
