//! A clock that jumps. Without these, a clock that was set back could make a finished task run again, put runs and
//! receipts in a wrong order, or make what was signed before look expired or not yet valid.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ipvm_node::{Cancel, Node, Progress, RunOptions, RunState, Status};
use ipvm_testkit::Folder;

use crate::helpers::{open, prepare, run, step, workflow};

const YEAR: i64 = 365 * 24 * 60 * 60;
/// In 2033.
const START: i64 = 2_000_000_000;

/// A clock that is set by hand.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn at(time: i64) -> Self {
        Self(Arc::new(AtomicI64::new(time)))
    }

    fn set(&self, time: i64) {
        self.0.store(time, Ordering::Relaxed);
    }

    fn open(&self, folder: &Folder) -> Node {
        let time = Arc::clone(&self.0);
        open(&folder.home()).with_clock(Arc::new(move || time.load(Ordering::Relaxed)))
    }
}

const CHAIN: &str = "  one: { mod: calc.wasm, fun: add, args: [20, 3] }
  two: { mod: calc.wasm, fun: add, args: [{await: one}, 1] }
  odd: { mod: calc.wasm, fun: halve, args: [{await: one}] }
  never: { mod: calc.wasm, fun: add, args: [{await: odd}, 1] }
";
const LONGER: &str = "  three: { mod: calc.wasm, fun: add, args: [{await: two}, 1] }\n";

/// Everything that `jumps` say is tried between two runs: back, forward, to the beginning of time and far away.
#[test]
fn between_runs() {
    let hand = Hand::at(START);
    let folder = Folder::with_workflow(&workflow(CHAIN));
    let first = run(&hand.open(&folder), &folder);
    assert_eq!((first.executed, first.reused), (3, 0));
    for (turn, time) in [
        START - YEAR,
        0,
        -YEAR,
        START + 200 * YEAR,
        START - 20 * YEAR,
    ]
    .into_iter()
    .enumerate()
    {
        hand.set(time);
        let node = hand.open(&folder);
        folder.write("workflow.yaml", workflow(CHAIN));
        let again = run(&node, &folder);
        assert_eq!((again.executed, again.run), (0, first.run), "at {time}");
        // Another workflow with the same tasks and a new one.
        let other = LONGER.replace("}, 1]", &format!("}}, {}]", 100 + turn));
        folder.write("workflow.yaml", workflow(&format!("{CHAIN}{other}")));
        let longer = run(&node, &folder);
        assert_eq!(longer.executed, 1, "only what is new, at {time}");
        assert_eq!(step(&longer, "two").receipt, step(&first, "two").receipt);

        let newest = &node.receipts(1).unwrap()[0];
        assert_eq!(newest.payload().meta.started, time, "the clock was there");
        let runs = node.runs(10).unwrap();
        assert_eq!(
            (runs[0].run, runs[0].started),
            (longer.run, time),
            "newest first"
        );
        assert_eq!(runs.last().unwrap().run, first.run);
        let shown = node.run_report(&runs[0]).unwrap();
        assert_eq!(shown.executed, 1, "the record says the same, at {time}");
        assert!(step(&shown, "one").memo && !step(&shown, "three").memo);
        for label in ["one", "three"] {
            let receipt = step(&longer, label).receipt.unwrap();
            let verified = node.verify_receipt(&receipt, &Cancel::new()).unwrap();
            assert!(verified.is_same(), "{label} is valid whenever it was made");
        }
        node.audit_runs(&mut |finding| panic!("{finding}")).unwrap();
    }
}

/// A run that is stopped in one year goes on in another, where it stood.
#[test]
fn between_stop_and_resume() {
    let tasks: String = (0..40)
        .map(|n| {
            format!(
                "  t{n}: {{ mod: calc.wasm, fun: burn, args: [{}] }}\n",
                9_000_000 + n
            )
        })
        .collect();
    let folder = Folder::with_workflow(&workflow(&tasks));
    let hand = Hand::at(START);
    let mut executed = 0;
    for time in [
        START,
        START - 10 * YEAR,
        START + 10 * YEAR,
        START - 1,
        START,
    ] {
        hand.set(time);
        let node = hand.open(&folder);
        let prepared = prepare(&node, &folder);
        let cancel = Cancel::new();
        let mut ended = 0;
        let mut stop_soon = |progress: Progress<'_>| {
            if let Progress::Ended { memo: false, .. } = progress {
                ended += 1;
                if ended == 5 {
                    cancel.cancel();
                }
            }
        };
        let report = node
            .run(&prepared, &RunOptions::default(), &cancel, &mut stop_soon)
            .unwrap();
        executed += report.executed;
        assert_eq!(node.runs(10).unwrap().len(), 1, "one run all the time");
    }
    hand.set(START - YEAR);
    let node = hand.open(&folder);
    let last = run(&node, &folder);
    assert_eq!(last.status, RunState::Ok);
    assert_eq!(executed + last.executed, 40, "each task ran once");
    assert_eq!(node.receipts(100).unwrap().len(), 40);
    let times: std::collections::BTreeSet<_> = node
        .receipts(100)
        .unwrap()
        .iter()
        .map(|receipt| receipt.payload().meta.started)
        .collect();
    assert!(times.len() > 2, "the clock jumped meanwhile: {times:?}");
}

/// Each reading is years from the one before.
#[test]
fn during_a_run() {
    let folder = Folder::with_workflow(&workflow(CHAIN));
    let readings = Arc::new(AtomicI64::new(0));
    let counted = Arc::clone(&readings);
    let node = open(&folder.home()).with_clock(Arc::new(move || {
        let n = counted.fetch_add(1, Ordering::Relaxed);
        START + if n % 2 == 0 { n * YEAR } else { -n * YEAR }
    }));
    let report = run(&node, &folder);
    assert_eq!(report.executed, 3);
    assert_eq!(step(&report, "never").status, Status::Error);
    assert!(
        readings.load(Ordering::Relaxed) > 5,
        "it was read, and jumped"
    );
    assert_eq!(run(&node, &folder).executed, 0);
    for receipt in node.receipts(10).unwrap() {
        receipt.verify_signature().unwrap();
    }
    for label in ["one", "two", "odd"] {
        let receipt = step(&report, label).receipt.unwrap();
        assert!(
            node.verify_receipt(&receipt, &Cancel::new())
                .unwrap()
                .is_same()
        );
    }
}
