//! `call` as far as it goes without running long: lists, arguments, mistakes.

use crate::home::Home;

/// A component with one function, `add: func(a: s32, b: s32) -> s32`.
const ADD: &str = r#"
(component
  (core module $m
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" s32) (param "b" s32) (result s32) (canon lift (core func $i "add"))))
"#;

fn home() -> Home {
    let home = Home::new();
    home.file("add.wasm", wat::parse_str(ADD).unwrap());
    home
}

#[test]
fn functions_are_listed_with_their_types() {
    let home = home();
    assert_eq!(
        home.ok(&["call", "add.wasm"]),
        "add: func(a: s32, b: s32) -> s32"
    );
    let listed = home.json(&["call", "add.wasm", "--json"]);
    assert_eq!(listed["functions"][0]["name"], "add", "{listed}");
    assert_eq!(
        listed["functions"][0]["params"][1]["type"], "s32",
        "{listed}"
    );
    let cid = home.ok(&["add", "-q", "add.wasm"]);
    assert_eq!(
        home.ok(&["call", &cid]),
        "add: func(a: s32, b: s32) -> s32",
        "by CID"
    );
    assert!(
        home.ok(&["inspect", "add.wasm"])
            .starts_with(&format!("Wasm component  {cid}"))
    );
    assert!(home.ok(&["inspect", &cid]).contains("add: func"));
    home.run(&["call", "add.wasm", "-o", "x"])
        .code(2)
        .says("-o");
}

#[test]
fn results_are_one_line_of_dag_json_and_memoised() {
    let home = home();
    assert_eq!(home.ok(&["call", "add.wasm", "add", "-1", "2"]), "1");
    let first = home.json(&["call", "add.wasm", "add", "2", "3", "--json"]);
    assert_eq!(
        (first["out"]["ok"].as_i64(), first["memo"].as_bool()),
        (Some(5), Some(false)),
        "{first}"
    );
    let again = home.json(&["call", "--json", "add.wasm", "add", "2", "3"]);
    assert_eq!(
        (again["receipt"].as_str(), again["memo"].as_bool()),
        (first["receipt"].as_str(), Some(true)),
        "{again}"
    );
    assert_eq!(
        home.ok(&["call", "add.wasm", "add", "2", "3", "-o", "sum"]),
        "sum"
    );
    assert_eq!(home.read("sum"), b"5\n");
    let task = first["task"].as_str().unwrap();
    assert_eq!(
        home.json(&["inspect", task, "--json"])["value"]["cmd"],
        "/wasm/run"
    );
    let receipt = first["receipt"].as_str().unwrap();
    assert!(home.ok(&["receipt", "verify", receipt]).contains("same"));
    assert_eq!(
        home.json(&["receipt", "show", first["task"].as_str().unwrap(), "--json"])["receipt"],
        receipt
    );
}

#[test]
fn mistakes_are_named() {
    let home = home();
    home.file("not.wasm", "hello");
    home.run(&["call", "add.wasm", "ad", "1", "2"])
        .code(2)
        .says("add");
    home.run(&["call", "add.wasm", "add", "1"])
        .code(2)
        .says("expected");
    home.run(&["call", "add.wasm", "add", "1", "x"])
        .code(2)
        .says("b");
    home.run(&["call", "add.wasm", "add", "1", "99999999999"])
        .code(2)
        .says("b");
    home.run(&["call", "not.wasm"]).code(2);
}
