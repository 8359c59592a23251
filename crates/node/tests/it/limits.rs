//! Limits and stops: never results, never in the way of a later run.

use ipvm_node::{Cancel, Progress, RunOptions, RunState, Status};
use ipvm_testkit::Folder;

use crate::helpers::{open, prepare, results, run, step, workflow};

fn burn(config: &str) -> String {
    workflow(&format!(
        "  work: {{ mod: calc.wasm, fun: burn, args: [100000], config: {{ {config} }} }}
  next: {{ mod: calc.wasm, fun: add, args: [{{await: work}}, 1] }}
"
    ))
}

#[test]
fn a_limit_is_not_a_result() {
    let folder = Folder::with_workflow(&burn("fuel: 1000"));
    let node = open(&folder.home());
    let short = run(&node, &folder);
    assert_eq!(short.status, RunState::Error);
    assert!(results(&node, &short)["work"].contains("fuel"));
    assert_eq!(step(&short, "next").because.as_deref(), Some("work"));
    // The same again: executed anew, not answered from the failure.
    assert_eq!(run(&node, &folder).executed, 1);
    // The same task with more fuel: same Task CID, succeeds.
    folder.write("workflow.yaml", burn("fuel: 10_000_000"));
    let enough = run(&node, &folder);
    assert_eq!((enough.status, enough.executed), (RunState::Ok, 2));
    assert_eq!(step(&enough, "work").task, step(&short, "work").task);
    // And the first file is now answered from memory: limits are not part of the work.
    folder.write("workflow.yaml", burn("fuel: 1000"));
    let answered = run(&node, &folder);
    assert_eq!(
        (answered.status, answered.executed, answered.reused),
        (RunState::Ok, 0, 2)
    );
}

#[test]
fn each_limit_has_its_own_error_and_the_neighbour_goes_on() {
    let folder = Folder::with_workflow(&workflow(
        "  fuel: { mod: calc.wasm, fun: spin, args: [], config: { fuel: 100000 } }
  time: { mod: calc.wasm, fun: spin, args: [], config: { fuel: 1_000_000_000_000, time: 100ms } }
  memory: { mod: calc.wasm, fun: grow, args: [1000], config: { memory: 2MiB } }
  fine: { mod: calc.wasm, fun: add, args: [1, 2] }
",
    ));
    let node = open(&folder.home());
    let report = run(&node, &folder);
    let results = results(&node, &report);
    for limit in ["fuel", "time", "memory"] {
        assert!(
            results[limit].contains(&format!(r#""limit":"{limit}""#)),
            "{}",
            results[limit]
        );
    }
    assert_eq!(step(&report, "fine").status, Status::Ok);
}

#[test]
fn a_stopped_run_goes_on_where_it_stopped() {
    let folder = Folder::with_workflow(&workflow(
        "  first: { mod: calc.wasm, fun: add, args: [1, 2] }
  slow: { mod: calc.wasm, fun: burn, args: [{await: first}] }
  endless: { mod: calc.wasm, fun: spin, args: [], config: { fuel: 1_000_000_000_000 } }
",
    ));
    let node = open(&folder.home());
    let prepared = prepare(&node, &folder);
    let cancel = Cancel::new();
    let mut ended = 0;
    let report = node
        .run(
            &prepared,
            &RunOptions::default(),
            &cancel,
            &mut |progress| {
                if let Progress::Ended { .. } = progress {
                    ended += 1;
                    if ended == 2 {
                        cancel.cancel();
                    }
                }
            },
        )
        .unwrap();
    assert_eq!(report.status, RunState::Cancelled);
    assert_eq!(step(&report, "endless").status, Status::Pending);
    assert_eq!(step(&report, "slow").status, Status::Ok);
    assert_eq!(
        node.runs(1).unwrap()[0].status,
        RunState::Running,
        "unfinished, not ended"
    );

    // The same again goes on: what ended is not executed again.
    let again = node
        .run(&prepared, &RunOptions::default(), &cancel, &mut |_| ())
        .unwrap();
    assert_eq!(
        (again.run, again.executed, again.reused),
        (report.run, 0, 2)
    );
}

#[test]
fn a_run_can_be_cancelled_for_good() {
    let folder = Folder::with_workflow(&workflow(
        "  endless: { mod: calc.wasm, fun: spin, args: [], config: { fuel: 1_000_000_000_000 } }
",
    ));
    let node = open(&folder.home());
    let prepared = prepare(&node, &folder);
    let cancel = Cancel::new();
    let home = folder.home();
    let report = node
        .run(
            &prepared,
            &RunOptions::default(),
            &cancel,
            &mut |progress| {
                if let Progress::Started { .. } = progress {
                    // As another process does it.
                    let reader = ipvm_node::Node::open(&home, ipvm_node::Access::Read).unwrap();
                    let run = reader.find_run("test").unwrap();
                    reader.cancel_run(&run).unwrap();
                }
            },
        )
        .unwrap();
    assert_eq!(report.status, RunState::Cancelled);
    let run = node.find_run("test").unwrap();
    assert_eq!(run.status, RunState::Cancelled);
    assert!(node.cancel_run(&run).is_err(), "it is over");
}
