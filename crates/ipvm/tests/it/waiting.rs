//! `--wait`: a result that somebody else brings into the home while a command waits for it. Without these, two people's
//! work could be joined only by hand, in the right order, or a command would wait for ever.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use serde_json::Value;

use crate::home::Home;
use crate::parties::call;
use crate::sharing::{ask, bob_may_add};

/// A command that waits for a task: what it says is read up to there.
fn waits(home: &Home, args: &[&str], task: &str) -> (Child, BufReader<ChildStderr>) {
    let mut command = home.command(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let (mut all, mut line) = (String::new(), String::new());
    while !line.contains("waiting for the result of") {
        line.clear();
        let read = said.read_line(&mut line).unwrap();
        assert!(read > 0, "it ended without waiting:\n{all}");
        all += &line;
    }
    assert!(line.contains(task), "{line}");
    (child, said)
}

fn task_in(home: &Home, request: &str) -> String {
    let inspected = home.json(&["ucan", "inspect", request, "--json"]);
    inspected["invocations"][0]["task"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_run_waits_for_what_another_process_imports() {
    let ([alice, bob, _], module) = bob_may_add();
    ask(&bob, &alice, &call(&module, "add", "[2, 3]"), "two.ucan");
    let task = task_in(&bob.home, "two.ucan");
    bob.has_calc();
    let workflow = format!(
        "ipvm: \"0.2\"\nname: across\ntasks:\n  more: {{ mod: ./calc.wasm, fun: add, args: [{{await: {task}}}, 10] }}\n"
    );
    bob.home.file("across.yaml", &workflow);
    // Usually nobody waits, and a wait has an end. Nothing is begun.
    bob.home
        .run(&["run", "across.yaml"])
        .code(2)
        .says("--wait SECONDS");
    for wait in ["0", "1"] {
        bob.home
            .run(&["run", "across.yaml", "--wait", wait])
            .code(1)
            .says(&task)
            .says(&format!("waited {wait} second"))
            .says("ipvm ucan import");
    }
    assert_eq!(
        bob.home.json(&["workflow", "list", "--json"]),
        Value::Array(vec![])
    );

    let (child, said) = waits(&bob.home, &["run", "across.yaml", "--wait", "600"], &task);
    alice.executes("two.ucan", "answer.ucan");
    alice.gives(&bob, "answer.ucan");
    // The home is not held by who waits.
    bob.home.ok(&["ucan", "import", "answer.ucan"]);
    let ended = child.wait_with_output().unwrap();
    let rest: Vec<String> = said.lines().map(Result::unwrap).collect();
    assert_eq!(ended.status.code(), Some(0), "{rest:?}");
    assert_eq!(ended.stdout, b"more\t15\n");
    // What is there is not waited for.
    let again = bob.home.ok(&["run", "across.yaml", "--wait", "600"]);
    assert_eq!(again, "more\t15");
}

#[test]
fn a_request_waits_for_what_another_process_does() {
    let ([alice, bob, _], module) = bob_may_add();
    ask(&bob, &alice, &call(&module, "add", "[2, 3]"), "two.ucan");
    let task = task_in(&bob.home, "two.ucan");
    let args = format!(r#"[{{"await/ok": {{"/": "{task}"}}}}, 100]"#);
    ask(&bob, &alice, &call(&module, "add", &args), "then.ucan");
    let waiting = ["ucan", "execute", "then.ucan", "-o", "then-answer.ucan"];
    let receipts = alice.home.json(&["store", "stat", "--json"])["receipts"].clone();
    alice.home.run(&waiting).code(2).says("--wait SECONDS");
    alice
        .home
        .run(&[&waiting[..], &["--wait", "1"]].concat())
        .code(1)
        .says(&task)
        .says("waited 1 second for it");
    let after = alice.home.json(&["store", "stat", "--json"])["receipts"].clone();
    assert_eq!(after, receipts, "nothing was done");

    let long = [&waiting[..], &["--wait", "600"]].concat();
    let (child, said) = waits(&alice.home, &long, &task);
    alice.executes("two.ucan", "answer.ucan");
    let ended = child.wait_with_output().unwrap();
    let rest: Vec<String> = said.lines().map(Result::unwrap).collect();
    assert_eq!(ended.status.code(), Some(0), "{rest:?}");
    alice.gives(&bob, "then-answer.ucan");
    bob.home.ok(&["ucan", "import", "then-answer.ucan"]);
    let newest = &bob.home.json(&["receipt", "list", "--json"])[0];
    let receipt = newest["receipt"].as_str().unwrap();
    let shown = bob.home.json(&["receipt", "show", receipt, "--json"]);
    assert_eq!(shown["out"]["ok"], 105);
}

/// Ctrl-C ends the waiting, and nothing else was begun.
#[cfg(unix)]
#[test]
fn waiting_can_be_interrupted() {
    let home = Home::new();
    home.file("calc.wasm", ipvm_testkit::component(ipvm_testkit::CALC));
    let task = "bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq";
    let workflow = format!(
        "ipvm: \"0.2\"\nname: never\ntasks:\n  more: {{ mod: ./calc.wasm, fun: add, args: [{{await: {task}}}, 10] }}\n"
    );
    home.file("never.yaml", workflow);
    let (mut child, said) = waits(&home, &["run", "never.yaml", "--wait", "600"], task);
    crate::interrupt::interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(said);
    assert_eq!(
        home.json(&["workflow", "list", "--json"]),
        Value::Array(vec![])
    );
}
