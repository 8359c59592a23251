//! What programs print, and what they see. Without these, output is lost, or a result depends on the machine.

use crate::home::Home;
use ipvm_testkit::program;

fn home() -> Home {
    let home = Home::new();
    home.file("program.wasm", program());
    home
}

#[test]
fn what_a_program_prints_is_shown_and_kept() {
    let home = home();
    let called = home
        .run(&["call", "program.wasm", "look", "--json"])
        .code(0);
    assert_eq!(
        called.err.matches("what I saw\na complaint\n").count(),
        1,
        "{}",
        called.err
    );
    let report: serde_json::Value = serde_json::from_str(&called.text()).unwrap();
    let receipt = report["receipt"].as_str().unwrap();

    let logs = home.run(&["receipt", "logs", receipt]).code(0);
    assert_eq!(
        (logs.out.as_slice(), logs.err.as_str()),
        (&b"what I saw\n"[..], "a complaint\n")
    );
    let json = home.json(&["receipt", "logs", receipt, "--json"]);
    assert_eq!(
        json["log"],
        serde_json::json!([
            {"stream": "out", "text": "what I saw\n"},
            {"stream": "err", "text": "a complaint\n"},
        ])
    );
    assert!(home.json(&["receipt", "show", receipt, "--json"])["log"].is_string());
    // Answered from memory, it still has its log, and quiet is quiet.
    home.run(&["call", "program.wasm", "look"])
        .code(0)
        .says("a complaint");
    let quiet = home.run(&["call", "-q", "program.wasm", "look"]).code(0);
    assert_eq!(quiet.err, "");
}

#[test]
fn a_function_that_prints_nothing_has_an_empty_log() {
    let home = Home::new();
    home.file("calc.wasm", ipvm_testkit::component(ipvm_testkit::CALC));
    let report = home.json(&["call", "calc.wasm", "add", "1", "2", "--json"]);
    let receipt = report["receipt"].as_str().unwrap();
    let logs = home
        .run(&["receipt", "logs", receipt])
        .code(0)
        .says("printed nothing");
    assert!(logs.out.is_empty());
    assert!(home.json(&["receipt", "show", receipt, "--json"])["log"].is_null());
}

#[test]
fn a_program_sees_the_same_world_in_every_home() {
    let outcome = |home: &Home, name: &str| {
        let mut command = home.command(&["call", "program.wasm", "look", "--json"]);
        command.env("VISIBLE_TO_NOBODY", name);
        let output = command.output().unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["out"].clone()
    };
    let (one, other) = (outcome(&home(), "one"), outcome(&home(), "other"));
    assert_eq!(
        one, other,
        "two homes, two keys, two environments, one result"
    );
    let bytes = one["ok"]["/"]["bytes"].as_str().unwrap();
    // 2000-01-01T00:00:00Z is 946,684,800 seconds after 1970 began: the first eight bytes, little-endian.
    assert!(bytes.starts_with("gENtOAAAAA"), "{bytes}");
}

#[test]
fn a_receipt_of_a_program_can_be_verified() {
    let home = home();
    let report = home.json(&["call", "program.wasm", "look", "--json"]);
    let receipt = report["receipt"].as_str().unwrap();
    let verified = home.json(&["receipt", "verify", receipt, "--json"]);
    assert_eq!(verified["same"], true, "{verified}");
}

/// Without it, the reason that a failed function printed is there and nobody knows.
#[test]
fn a_failed_run_says_where_its_log_is() {
    let home = home();
    let report = home.json(&["call", "program.wasm", "look", "--json"]);
    // All but the last output, which costs 500 units, fits.
    let fuel = report["fuel"].as_u64().unwrap() - 100;
    let text = format!(
        "ipvm: \"0.2\"\ntasks: {{ seen: {{ mod: ./program.wasm, fun: look, args: [], config: {{ fuel: {fuel} }} }} }}\n"
    );
    home.file("w.yaml", text);
    let ran = home
        .run(&["run", "--no-memo", "w.yaml"])
        .code(1)
        .says("what `seen` printed: ipvm receipt logs ");
    let receipt = ran.err.trim_end().rsplit(' ').next().unwrap();
    let logs = home.run(&["receipt", "logs", receipt]).code(0);
    assert_eq!(logs.out, b"what I saw\n");
}
