//! Running: order, failures, promises. Without these a result could be computed from the wrong
//! inputs, or a failure could take independent work with it.

use ipvm_node::{Access, Node, NodeError, RunState, Status};
use ipvm_testkit::Folder;

use crate::helpers::{open, results, run, step, workflow};

fn check(tasks: &str, expect: &[(&str, &str)]) {
    let folder = Folder::with_workflow(&workflow(tasks));
    let node = open(&folder.home());
    let report = run(&node, &folder);
    let results = results(&node, &report);
    for (label, value) in expect {
        assert_eq!(
            results.get(*label).map(String::as_str),
            Some(*value),
            "{label}"
        );
    }
    assert_eq!(results.len(), expect.len());
}

#[test]
fn results_flow_along_promises() {
    check(
        "  sum: { mod: calc.wasm, fun: add, args: [2, 3] }
  more: { mod: calc.wasm, fun: add, args: [{await: sum}, 1] }
  whole: { mod: calc.wasm, fun: add, args: [{await: more}, {await: sum}] }
",
        &[
            ("sum", r#"{"ok":5}"#),
            ("more", r#"{"ok":6}"#),
            ("whole", r#"{"ok":11}"#),
        ],
    );
}

#[test]
fn each_makes_one_task_per_item_and_gathers_in_order() {
    check(
        "  part: { each: [3, 1, 2], mod: calc.wasm, fun: add, args: [{item: true}, 10] }
  all: { mod: calc.wasm, fun: total, args: [{await: part}] }
",
        &[
            ("part[0]", r#"{"ok":13}"#),
            ("part[1]", r#"{"ok":11}"#),
            ("part[2]", r#"{"ok":12}"#),
            ("all", r#"{"ok":36}"#),
        ],
    );
}

#[test]
fn an_error_of_a_function_is_its_result_and_can_be_awaited() {
    check(
        "  odd: { mod: calc.wasm, fun: halve, args: [3] }
  even: { mod: calc.wasm, fun: halve, args: [4] }
  after-even: { mod: calc.wasm, fun: halve, args: [{await/ok: even}] }
",
        &[
            ("odd", r#"{"error":"the number is"}"#),
            ("even", r#"{"ok":2}"#),
            ("after-even", r#"{"ok":1}"#),
        ],
    );
}

#[test]
fn dependents_of_a_failure_get_receipts_and_other_branches_go_on() {
    let folder = Folder::with_workflow(&workflow(
        "  bad: { mod: calc.wasm, fun: trap, args: [] }
  next: { mod: calc.wasm, fun: add, args: [{await: bad}, 1] }
  last: { mod: calc.wasm, fun: add, args: [{await: next}, 1] }
  free: { mod: calc.wasm, fun: add, args: [1, 1] }
",
    ));
    let node = open(&folder.home());
    let report = run(&node, &folder);
    assert_eq!(report.status, RunState::Error);
    assert_eq!(report.executed, 2);
    assert_eq!(step(&report, "free").status, Status::Ok);
    for (label, because) in [("next", "bad"), ("last", "next")] {
        let ended = step(&report, label);
        assert_eq!(ended.status, Status::Error);
        assert_eq!(ended.because.as_deref(), Some(because));
        let receipt = node.receipt(&ended.receipt.unwrap()).unwrap().unwrap();
        receipt.verify_signature().unwrap();
        assert_eq!(receipt.payload().ran, ended.task);
        let input = step(&report, because).receipt.unwrap();
        let out = &results(&node, &report)[label];
        assert!(
            out.contains("branch mismatch") && out.contains(&input.to_string()),
            "{out}"
        );
    }
    // The record of the run says the same.
    let shown = node.run_report(&node.runs(10).unwrap()[0]).unwrap();
    assert_eq!(step(&shown, "last").because.as_deref(), Some("next"));
    assert_eq!(shown.executed, 2);
}

#[test]
fn data_that_looks_like_a_promise_stays_data() {
    let pairs = r#"{"ok":{"await/ok":"plain"}}"#;
    check(
        "  pairs: { mod: calc.wasm, fun: pairs, args: [] }
  again: { mod: calc.wasm, fun: echo-pairs, args: [{await: pairs}] }
  twice: { mod: calc.wasm, fun: echo-pairs, args: [{await: again}] }
",
        &[("pairs", pairs), ("again", pairs), ("twice", pairs)],
    );
}

#[test]
fn large_bytes_become_content_and_are_taken_as_bytes_again() {
    let folder = Folder::with_workflow(&workflow(
        "  small: { mod: calc.wasm, fun: blob, args: [32000] }
  large: { mod: calc.wasm, fun: blob, args: [32769] }
  huge: { mod: calc.wasm, fun: blob, args: [3000000] }
",
    ));
    let node = open(&folder.home());
    let report = run(&node, &folder);
    let results = results(&node, &report);
    assert!(results["small"].starts_with(r#"{"ok":{"/":{"bytes":"#));
    for (label, size) in [("large", 32_769), ("huge", 3_000_000)] {
        let cid = results[label]
            .trim_start_matches(r#"{"ok":{"/":""#)
            .trim_end_matches("\"}}");
        let cid = ipvm_ipld::parse_cid(cid).unwrap();
        let mut bytes = Vec::new();
        let written = node.export(&cid, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        });
        assert_eq!(written.unwrap(), size);
        assert!(bytes.iter().all(|byte| *byte == b'x'));
    }
}

#[test]
fn two_homes_with_other_keys_compute_equal_results() {
    let folder = Folder::with_workflow(&workflow(
        "  sum: { mod: calc.wasm, fun: add, args: [2, 3] }
  odd: { mod: calc.wasm, fun: halve, args: [{await: sum}] }
  blob: { mod: calc.wasm, fun: blob, args: [100000] }
",
    ));
    let (one, two) = (open(&folder.path("one")), open(&folder.path("two")));
    assert_ne!(one.owner(), two.owner());
    let (first, second) = (run(&one, &folder), run(&two, &folder));
    assert_eq!(results(&one, &first), results(&two, &second));
    assert_ne!(
        first.steps.first().unwrap().task,
        second.steps.first().unwrap().task,
        "tasks name their owner"
    );
}

#[test]
fn what_is_not_offered_is_refused_by_name() {
    let cases = [
        ("  t: { cmd: /chan/open, args: { to: x } }\n", "/chan/open"),
        (
            "  t: { cmd: /crud/read, args: { uri: \"gopher://x\" } }\n",
            "gopher:",
        ),
        ("  t: { cmd: /crud/read, args: {} }\n", "uri"),
        (
            "  t: { mod: calc.wasm, fun: add, args: [1, 2], config: { disk: 2 } }\n",
            "disk",
        ),
        (
            "  t: { mod: calc.wasm, fun: add, args: [1, 2], rescue: { mod: calc.wasm, fun: trap } }\n",
            "rescue",
        ),
    ];
    for (tasks, name) in cases {
        let folder = Folder::with_workflow(&workflow(tasks));
        let node = open(&folder.home());
        let prepared = crate::helpers::prepare(&node, &folder);
        let cancel = Default::default();
        let error = node
            .run(&prepared, &Default::default(), &cancel, &mut |_| ())
            .unwrap_err();
        assert!(matches!(error, NodeError::NotOffered { .. }));
        assert!(error.to_string().contains(name), "{error}");
        assert!(node.runs(1).unwrap().is_empty(), "nothing is on record");
    }
}

#[test]
fn a_home_has_one_writer_and_any_readers() {
    let folder = Folder::with_workflow(&workflow(
        "  t: { mod: calc.wasm, fun: add, args: [1, 2] }\n",
    ));
    assert!(matches!(
        Node::open(&folder.home(), Access::Read),
        Err(NodeError::NoHome(_))
    ));
    let writer = open(&folder.home());
    let error = Node::open(&folder.home(), Access::Write)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&std::process::id().to_string()),
        "names the other process: {error}"
    );
    run(&writer, &folder);
    let reader = Node::open(&folder.home(), Access::Read).unwrap();
    assert_eq!(reader.runs(10).unwrap().len(), 1);
    assert_eq!(reader.receipts(10).unwrap().len(), 1);
}
