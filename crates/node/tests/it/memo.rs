//! Reuse: what was computed is not computed again, and nothing else is reused.

use ipvm_node::{RunOptions, RunState, Why};
use ipvm_testkit::Folder;

use crate::helpers::{open, prepare, results, run, run_with, step, workflow};

const CHAIN: &str = "  sum: { mod: calc.wasm, fun: add, args: [2, 3] }
  more: { mod: calc.wasm, fun: add, args: [{await: sum}, 1] }
  other: { mod: calc.wasm, fun: add, args: [7, 1] }
";

#[test]
fn the_same_workflow_again_executes_nothing() {
    let folder = Folder::with_workflow(&workflow(CHAIN));
    let node = open(&folder.home());
    let first = run(&node, &folder);
    assert_eq!((first.executed, first.reused), (3, 0));
    let again = run(&node, &folder);
    assert_eq!(
        (again.executed, again.reused, again.status),
        (0, 3, RunState::Ok)
    );
    assert_eq!(again.run, first.run, "answered from the same run");
    let receipts = |report: &ipvm_node::RunReport| -> Vec<_> {
        report.steps.iter().map(|step| step.receipt).collect()
    };
    assert_eq!(receipts(&first), receipts(&again));
    assert_eq!(node.runs(10).unwrap().len(), 1);

    // After a restart too.
    drop(node);
    let node = open(&folder.home());
    let again = run(&node, &folder);
    assert_eq!((again.executed, again.reused), (0, 3));

    // A new run on demand is answered by the same receipts.
    let anew = run_with(
        &node,
        &folder,
        RunOptions {
            memo: true,
            again: true,
            ..RunOptions::default()
        },
    );
    assert_eq!((anew.executed, anew.reused), (0, 3));
    assert_ne!(anew.run, first.run);

    // Without memory everything is executed, with the same results.
    let fresh = run_with(
        &node,
        &folder,
        RunOptions {
            memo: false,
            again: false,
            ..RunOptions::default()
        },
    );
    assert_eq!((fresh.executed, fresh.reused), (3, 0));
    assert_eq!(results(&node, &fresh), results(&node, &first));
}

#[test]
fn a_change_reruns_what_depends_on_it_and_nothing_else() {
    let folder = Folder::with_workflow(&workflow(CHAIN));
    let node = open(&folder.home());
    run(&node, &folder);
    folder.write("workflow.yaml", workflow(CHAIN).replace("[2, 3]", "[2, 4]"));
    let why = node.explain(&prepare(&node, &folder)).unwrap();
    let told: Vec<String> = why
        .iter()
        .map(|one| match &one.why {
            Why::Hit { .. } => format!("{} hit", one.label.as_deref().unwrap()),
            why @ (Why::Done { .. } | Why::InDoubt { .. }) => panic!("{why:?}"),
            Why::Miss { reasons } => {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                format!("{} {}", one.label.as_deref().unwrap(), reasons.join("; "))
            }
        })
        .collect();
    assert_eq!(
        told,
        [
            "sum argument 2 changed: was 3, is 4",
            "more its inputs must be computed first: `sum`",
            "other hit"
        ]
    );
    let report = run(&node, &folder);
    assert_eq!((report.executed, report.reused), (2, 1));
    assert!(step(&report, "other").memo);
}

#[test]
fn the_same_computation_under_another_task_is_reused_by_a_new_receipt() {
    let folder = Folder::with_workflow(&workflow(
        "  direct: { mod: calc.wasm, fun: add, args: [5, 1] }
",
    ));
    let node = open(&folder.home());
    let first = run(&node, &folder);
    folder.write("workflow.yaml", workflow(CHAIN));
    let report = run(&node, &folder);
    assert_eq!((report.executed, report.reused), (2, 1));
    let more = node
        .receipt(&step(&report, "more").receipt.unwrap())
        .unwrap()
        .unwrap();
    let original = step(&first, "direct").receipt.unwrap();
    assert_eq!(
        more.payload().meta.memo,
        Some(original),
        "links the original"
    );
    assert_ne!(more.cid(), original);
    assert_eq!(more.payload().ran, step(&report, "more").task);
}

#[test]
fn equal_tasks_in_one_workflow_are_executed_once() {
    let twins = "  a: { mod: calc.wasm, fun: add, args: [2, 3] }
  b: { mod: calc.wasm, fun: add, args: [2, 3] }
  c: { each: [1, 1, 1], mod: calc.wasm, fun: add, args: [{item: true}, 0] }
  all: { mod: calc.wasm, fun: total, args: [{await: c}] }
";
    let folder = Folder::with_workflow(&workflow(twins));
    let node = open(&folder.home());
    for memo in [false, true] {
        let report = run_with(
            &node,
            &folder,
            RunOptions {
                memo,
                again: true,
                ..RunOptions::default()
            },
        );
        let executed = if memo { 0 } else { 3 };
        assert_eq!((report.executed, report.reused), (executed, 6 - executed));
        assert_eq!(results(&node, &report)["all"], r#"{"ok":3}"#);
    }
}

#[test]
fn errors_of_functions_are_reused_like_results_crashes_are_not() {
    let folder = Folder::with_workflow(&workflow(
        "  odd: { mod: calc.wasm, fun: halve, args: [3] }
  trap: { mod: calc.wasm, fun: trap, args: [] }
",
    ));
    let node = open(&folder.home());
    assert_eq!(run(&node, &folder).executed, 2);
    let again = run(&node, &folder);
    assert_eq!(
        (again.executed, again.reused, again.status),
        (1, 1, RunState::Error)
    );
    assert!(step(&again, "odd").memo);
    assert_eq!(
        node.runs(1).unwrap()[0].status,
        RunState::Error,
        "the record says how it ended"
    );
}

/// A task is the same whatever it awaits ends with. Without this, what was made of an error that has passed (a limit that
/// was too low) would answer for the task once there is a result.
#[test]
fn a_receipt_of_a_task_answers_only_for_the_same_inputs() {
    let text = |fuel: u64| {
        workflow(&format!(
            "  a: {{ mod: calc.wasm, fun: burn, args: [100000], config: {{ fuel: {fuel} }} }}
  b: {{ mod: catch.wasm, fun: ok-or-six, args: [{{\"await/*\": a}}] }}
"
        ))
    };
    let folder = Folder::with_workflow(&text(1_000));
    folder.write("catch.wasm", ipvm_testkit::component(CATCH));
    let node = open(&folder.home());
    let low = run(&node, &folder);
    assert_eq!(results(&node, &low)["b"], r#"{"ok":666}"#);
    folder.write("workflow.yaml", text(5_000_000_000));
    let high = run(&node, &folder);
    assert_eq!(step(&low, "b").task, step(&high, "b").task, "the same task");
    assert_eq!(results(&node, &high)["b"], r#"{"ok":100000}"#);
    // And it is remembered as such.
    folder.write("workflow.yaml", text(5_000_000_001));
    let third = run(&node, &folder);
    assert_eq!((third.executed, third.reused), (0, 2));
    assert_eq!(results(&node, &third)["b"], r#"{"ok":100000}"#);
}

/// `ok-or-six(input: variant { ok(u32), error(failure) }) -> u32`: the ok value, else 666.
const CATCH: &str = r#"
(component
  (type $failure (record (field "allowed" u64) (field "limit" string) (field "reason" string)))
  (core module $m
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get 3))))
    (func (export "f") (param i32 i64 i32 i32 i32 i32) (result i32)
      (if (result i32) (local.get 0) (then (i32.const 666)) (else (i32.wrap_i64 (local.get 1))))))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (export $exported "failure" (type $failure))
  (func (export "ok-or-six") (param "input" (result u32 (error $exported))) (result u32)
    (canon lift (core func $i "f") (memory $memory) (realloc (core func $realloc)))))
"#;
