//! What `run` prints, where, in which order. Without these a script that reads it could break unnoticed.

use crate::home::Home;

/// Three tasks that are ok, and with `n` odd one that fails and one that awaits it.
fn home(n: u32) -> Home {
    let home = Home::new();
    home.file("calc.wasm", ipvm_testkit::component(ipvm_testkit::CALC));
    let text = format!(
        r#"
ipvm: "0.2"
name: sums
tasks:
  one: {{ mod: ./calc.wasm, fun: add, args: [1, {n}] }}
  two: {{ mod: ./calc.wasm, fun: add, args: [{{await: one}}, 1] }}
  half: {{ mod: ./calc.wasm, fun: halve, args: [{n}] }}
  after: {{ mod: ./calc.wasm, fun: add, args: [{{await: half}}, 1] }}
"#
    );
    home.file("w.yaml", text);
    home
}

#[test]
fn without_outputs_stdout_has_labels_and_values() {
    let home = home(4);
    let ran = home
        .run(&["run", "w.yaml"])
        .code(0)
        .says("done: 4 tasks: 4 executed, 0 reused");
    let mut lines: Vec<&str> = ran
        .err
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(lines.pop(), Some("done:"));
    assert_eq!(lines, ["ok"; 4], "one line for each task:\n{}", ran.err);
    let values = "after\t3\nhalf\t2\none\t5\ntwo\t6";
    assert_eq!(ran.text(), values);
    let again = home
        .run(&["run", "w.yaml"])
        .code(0)
        .says("0 executed, 4 reused")
        .says("memo half");
    assert_eq!(again.text(), values);
    let quiet = home.run(&["run", "-q", "w.yaml"]).code(0);
    assert_eq!(quiet.err, "", "--quiet is quiet");
    assert!(
        !home.work().join("ipvm-out").exists(),
        "no outputs, no folder"
    );
}

#[test]
fn the_json_report_has_the_keys_in_their_order() {
    let home = home(4);
    let text = home.ok(&["run", "w.yaml", "--json"]);
    let mut rest = text.as_str();
    for key in [
        "workflow", "run", "status", "executed", "reused", "saved_us", "tasks", "after", "task",
        "receipt", "status", "memo", "class", "fuel", "took_us", "out", "because", "half", "one",
        "two", "outputs",
    ] {
        let place = rest.find(&format!("\"{key}\":"));
        rest = &rest[place.unwrap_or_else(|| panic!("{key} after the others in {text}")) + 1..];
    }
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        report["outputs"],
        serde_json::json!({"after": 3, "half": 2, "one": 5, "two": 6})
    );
    let shown = home.json(&["workflow", "show", "sums", "--json"]);
    for part in ["workflow", "run", "status", "tasks", "outputs"] {
        assert_eq!(
            shown[part], report[part],
            "`workflow show` has the same shape: {part}"
        );
    }
}

#[test]
fn an_error_is_told_once_and_its_consequences_name_it() {
    let home = home(5);
    let ran = home
        .run(&["run", "w.yaml"])
        .code(1)
        .says("failed: 4 tasks")
        .says("2 failed");
    assert!(ran.err.contains("error half: the number is"), "{}", ran.err);
    assert!(
        ran.err.contains("error after: because of half"),
        "{}",
        ran.err
    );
    assert_eq!(ran.text(), "one\t6\ntwo\t7", "what is ok is printed");
    // The same error from memory is told as clearly.
    home.run(&["run", "w.yaml"])
        .code(1)
        .says("error half: the number is")
        .says("error after: because of half");
    let shown = home.run(&["workflow", "show", "sums"]).code(0).text();
    assert!(
        shown.contains("because of half") && shown.contains("the number is"),
        "{shown}"
    );
}

#[test]
fn outputs_go_where_they_are_asked_to() {
    let home = home(4);
    let mut text = String::from_utf8(home.read("w.yaml")).unwrap();
    text.push_str("outputs: { two: deep/two.json, blob: blob.bin }\n");
    let text = text.replace(
        "tasks:",
        "tasks:\n  blob: { mod: ./calc.wasm, fun: blob, args: [100000] }",
    );
    home.file("w.yaml", text);
    let mut paths: Vec<String> = home
        .ok(&["run", "w.yaml"])
        .lines()
        .map(str::to_owned)
        .collect();
    paths.sort();
    assert_eq!(
        paths,
        ["ipvm-out/sums/blob.bin", "ipvm-out/sums/deep/two.json"]
    );
    assert_eq!(home.read("ipvm-out/sums/deep/two.json"), b"6\n");
    assert!(
        home.read("ipvm-out/sums/blob.bin") == vec![b'x'; 100_000],
        "a link to content is written as bytes"
    );
    let report = home.json(&["run", "w.yaml", "--json", "--out", "else where"]);
    assert_eq!(report["outputs"]["two"], "else where/deep/two.json");
    assert_eq!(home.read("else where/deep/two.json"), b"6\n");
    home.file("taken", "a file");
    home.run(&["run", "w.yaml", "--out", "taken"])
        .code(1)
        .says("taken");
}

#[cfg(unix)]
#[test]
fn a_symlink_in_the_place_of_the_folder_for_outputs_is_refused() {
    let home = home(4);
    let mut text = String::from_utf8(home.read("w.yaml")).unwrap();
    text.push_str("outputs: { two: two.json }\n");
    home.file("w.yaml", text);
    let outside = home.path().with_file_name("outside");
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, home.work().join("ipvm-out")).unwrap();
    home.run(&["run", "w.yaml"])
        .code(2)
        .says("leads out")
        .says("--out");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}
