//! Verbs that look things up: shapes that scripts rely on, on an empty home, and names that stand for nothing.

use crate::home::Home;
use serde_json::json;

#[test]
fn key_show_names_owner_and_agent_and_keeps_them() {
    let home = Home::new();
    let keys = home.json(&["key", "show", "--json"]);
    let names: Vec<&String> = keys.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 2, "{keys}");
    for name in ["owner", "agent"] {
        assert!(
            keys[name].as_str().unwrap().starts_with("did:key:z6Mk"),
            "{keys}"
        );
    }
    assert_ne!(keys["owner"], keys["agent"]);
    assert_eq!(
        home.json(&["key", "show", "--json"]),
        keys,
        "the keys of a home stay"
    );
    assert_eq!(
        home.json(&["key", "list", "--json"])[0],
        json!({"name": "owner", "did": keys["owner"], "protected": false})
    );
    home.run(&["key", "new"])
        .code(2)
        .says("has its keys already");
    let other = Home::new();
    assert_ne!(
        other.json(&["key", "new", "--json"])["owner"],
        keys["owner"],
        "another home, other keys"
    );
}

#[test]
fn an_empty_home_has_empty_lists() {
    let home = Home::new();
    for verb in ["receipt", "workflow"] {
        assert_eq!(home.json(&[verb, "list", "--json"]), json!([]), "{verb}");
        assert_eq!(
            home.ok(&[verb, "list"]).lines().count(),
            1,
            "{verb}: the heading alone"
        );
    }
    let stat = home.json(&["store", "stat", "--json"]);
    assert_eq!(
        (&stat["receipts"], &stat["runs"]),
        (&json!(0), &json!(0)),
        "{stat}"
    );
    let verified = home.json(&["store", "verify", "--json"]);
    assert_eq!(
        (&verified["sound"], &verified["findings"]),
        (&json!(true), &json!([])),
        "{verified}"
    );
    assert!(
        home.ok(&["store", "verify"])
            .starts_with("sound: 0 receipts")
    );
}

#[test]
fn names_that_stand_for_nothing_are_wrong_use() {
    let home = Home::new();
    let absent = "bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq";
    for verb in ["show", "trace", "verify"] {
        home.run(&["receipt", verb, absent]).code(2).says(absent);
        home.run(&["receipt", verb, "bafyreig"])
            .code(2)
            .says("bafyreig");
        home.run(&["receipt", verb, "x"]).code(2).says("not a CID");
    }
    for verb in ["show", "cancel"] {
        home.run(&["workflow", verb, "nothing"])
            .code(2)
            .says("nothing");
    }
    home.run(&["run", "nowhere.yaml"])
        .code(2)
        .says("nowhere.yaml")
        .says("help:");
    home.run(&["explain", "nowhere.yaml"])
        .code(2)
        .says("nowhere.yaml");
    home.run(&["call", "nowhere.wasm"])
        .code(2)
        .says("nowhere.wasm");
}

#[test]
fn the_home_is_where_the_variable_says_else_in_the_data_folder() {
    let home = Home::new();
    let data = home.work().join("data");
    let mut command = home.command(&["key", "show", "--json"]);
    let output = command
        .env("IPVM_HOME", "")
        .env("XDG_DATA_HOME", &data)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(!home.path().exists());
    if cfg!(target_os = "linux") {
        assert!(data.join("ipvm").join("keys").exists());
    }
}
