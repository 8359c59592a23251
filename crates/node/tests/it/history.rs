//! The record: receipts can be shown, traced to their roots and checked again.

use ipvm_node::{CallRequest, Status, TraceInput};
use ipvm_testkit::Folder;

use crate::helpers::{open, results, run, step, workflow};

const CHAIN: &str = "  sum: { mod: calc.wasm, fun: add, args: [2, 3] }
  more: { mod: calc.wasm, fun: add, args: [{await: sum}, 1] }
  odd: { mod: calc.wasm, fun: halve, args: [{await: sum}] }
";

#[test]
fn a_receipt_can_be_traced_to_its_roots() {
    let folder = Folder::with_workflow(&workflow(CHAIN));
    let node = open(&folder.home());
    let report = run(&node, &folder);
    let trace = node.trace(&step(&report, "more").receipt.unwrap()).unwrap();
    assert_eq!(trace.what, "add");
    assert_eq!(trace.executor, *node.agent());
    let TraceInput::Task(sum) = &trace.inputs[0] else {
        panic!("{:?}", trace.inputs)
    };
    assert_eq!(sum.task, step(&report, "sum").task);
    let TraceInput::Content { path, size, .. } = &trace.inputs[1] else {
        panic!("{:?}", trace.inputs)
    };
    assert_eq!(path.as_deref(), Some("calc.wasm"));
    assert!(size.unwrap() > 0);
}

#[test]
fn a_receipt_can_be_checked_by_computing_it_again() {
    let folder = Folder::with_workflow(&workflow(CHAIN));
    let node = open(&folder.home());
    let report = run(&node, &folder);
    for label in ["sum", "more", "odd"] {
        let receipt = step(&report, label).receipt.unwrap();
        let verified = node.verify_receipt(&receipt, &Default::default()).unwrap();
        assert!(verified.is_same(), "{label}: {verified:?}");
    }
    let before = node.receipts(100).unwrap().len();
    assert_eq!(before, 3, "checking writes nothing");
}

#[test]
fn a_single_call_is_a_task_like_any_other() {
    let folder = Folder::with_workflow(&workflow(CHAIN));
    let node = open(&folder.home());
    let call = |args: &[&str]| CallRequest {
        module: folder.path("calc.wasm").display().to_string(),
        function: "add".into(),
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
    };
    let prepared = node.prepare_call(&call(&["2", "3"])).unwrap();
    let report = node
        .run(
            &prepared,
            &Default::default(),
            &Default::default(),
            &mut |_| (),
        )
        .unwrap();
    assert_eq!(results(&node, &report)["add"], r#"{"ok":5}"#);
    assert_eq!(report.executed, 1);
    let report = run(&node, &folder);
    assert_eq!(step(&report, "sum").status, Status::Ok);
    assert!(step(&report, "sum").memo, "the call is remembered");
    for (args, part) in [
        (vec!["2"], "1 arguments given, 2 expected"),
        (vec!["2", "x"], "not DAG-JSON"),
        (vec!["2", "-1"], "argument"),
        (vec!["2", "\"3\""], "argument"),
    ] {
        let error = node.prepare_call(&call(&args)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn names_stand_for_one_thing_or_are_refused() {
    let folder = Folder::with_workflow(&workflow(CHAIN));
    let node = open(&folder.home());
    let report = run(&node, &folder);
    let receipt = step(&report, "sum").receipt.unwrap();
    let text = receipt.to_string();
    assert_eq!(node.find_cid(&text).unwrap(), receipt);
    assert_eq!(node.find_cid(&text[..24]).unwrap(), receipt);
    let task = step(&report, "sum").task;
    assert_eq!(node.find_cid(&task.to_string()[..24]).unwrap(), task);
    let block = node.receipt(&receipt).unwrap().unwrap().payload().meta.inv;
    assert_eq!(
        node.find_cid(&block.to_string()[..24]).unwrap(),
        block,
        "blocks, too"
    );
    for bad in ["", "bafy", "bafyrei", "hello", "bafyreizzzzzzzzzzzz"] {
        assert!(node.find_cid(bad).is_err(), "{bad}");
    }
    for name in [
        "test",
        &report.run.to_string(),
        &report.workflow.to_string()[..24],
    ] {
        assert_eq!(node.find_run(name).unwrap().run, report.run);
    }
    assert!(node.find_run("nothing").is_err());
}
