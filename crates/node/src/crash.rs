//! A crash after each step that a node makes beside those of its store. Without this, a first start that is cut short
//! could leave a home without keys or with others, or a wish for the end of a run could be forgotten.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use ipvm_testkit::failpoint::{self, Crash};
use ipvm_testkit::{CALC, component};
use ipvm_ucan::Receipt;

use crate::{Access, Cancel, FileRequest, Node, Progress, RunOptions, RunReport, RunState};

const OTHER_PROCESS: &str = "crash::other_process";
const PAIRS: u64 = 6;

fn text() -> String {
    let mut text = "ipvm: \"0.2\"\nname: crash\ntasks:\n".to_owned();
    for n in 0..PAIRS {
        text += &format!("  a{n}: {{ mod: calc.wasm, fun: add, args: [{n}, 50] }}\n");
        text += &format!("  b{n}: {{ mod: calc.wasm, fun: halve, args: [{{await: a{n}}}] }}\n");
    }
    text
}

fn node(folder: &Path) -> Node {
    Node::open(&folder.join("home"), Access::Write).unwrap()
}

/// Runs the workflow and says each receipt; `stop` asks another handle to cancel the run after the first.
fn carry_out(folder: &Path, file: &str, stop: bool) -> RunReport {
    let node = node(folder);
    failpoint::say(&format!("owner {}", node.owner()));
    let request = FileRequest {
        file: folder.join(file),
        ..FileRequest::default()
    };
    let prepared = node.prepare(&request).unwrap();
    let mut asked = !stop;
    let mut observe = |progress: Progress<'_>| {
        let Progress::Ended { receipt, .. } = progress else {
            return;
        };
        failpoint::say(&format!("receipt {receipt}"));
        if !asked {
            asked = true;
            let other = Node::open(&folder.join("home"), Access::Read).unwrap();
            let run = other.find_run("endless").unwrap();
            other.cancel_run(&run).unwrap();
            failpoint::say("cancel");
        }
    };
    node.run(
        &prepared,
        &RunOptions::default(),
        &Cancel::new(),
        &mut observe,
    )
    .unwrap()
}

/// Not a test of its own: the work that is crashed. It goes on from whatever is there, and ends the same.
#[test]
fn other_process() {
    let Some(folder) = failpoint::work() else {
        return;
    };
    std::fs::write(folder.join("calc.wasm"), component(CALC)).unwrap();
    std::fs::write(folder.join("workflow.yaml"), text()).unwrap();
    let endless = "ipvm: \"0.2\"\nname: endless\ntasks:\n  one: { mod: calc.wasm, fun: add, args: [1, 1] }\n  spin: { mod: calc.wasm, fun: spin, args: [], config: { fuel: 9000000000000, time: 60s } }\n";
    std::fs::write(folder.join("endless.yaml"), endless).unwrap();
    let report = carry_out(&folder, "workflow.yaml", false);
    assert_eq!(
        report.status,
        RunState::Error,
        "half of the numbers are odd"
    );
    for _ in 0..2 {
        let report = carry_out(&folder, "endless.yaml", true);
        assert_eq!(report.status, RunState::Cancelled);
        failpoint::say("cancelled");
    }
}

/// What must hold right after a crash, and again at the end.
fn check(folder: &Path, said: &[String], crash: Option<&Crash>) -> BTreeMap<String, String> {
    let node = node(folder);
    node.store()
        .verify(&mut |event| {
            if let ipvm_store::VerifyEvent::Finding(finding) = event {
                assert!(!finding.is_damage(), "{crash:?}: {finding}");
            }
        })
        .unwrap();
    node.audit_runs(&mut |finding| panic!("{crash:?}: {finding}"))
        .unwrap();
    for line in said {
        match line.split_once(' ') {
            Some(("owner", owner)) => assert_eq!(node.owner().to_string(), owner, "{crash:?}"),
            Some(("receipt", cid)) => {
                let cid = cid.try_into().unwrap();
                assert!(
                    node.receipt(&cid).unwrap().is_some(),
                    "{crash:?}: {line} is lost"
                );
            }
            _ => {}
        }
    }
    let asked = said.iter().any(|line| line == "cancel");
    let told = said.iter().filter(|line| *line == "cancelled").count();
    if asked && told == 0 {
        let run = node.find_run("endless").unwrap();
        let is_known = run.status == RunState::Cancelled || node.cancel_asked(run.id);
        assert!(is_known, "{crash:?}: the wish to cancel is forgotten");
    }
    let mut executed: HashMap<_, u64> = HashMap::new();
    let mut outs = BTreeMap::new();
    for receipt in node.receipts(1_000).unwrap() {
        let receipt: Receipt = receipt;
        let payload = receipt.payload();
        if payload.meta.memo.is_none() {
            *executed.entry(payload.ran).or_default() += 1;
        }
    }
    assert!(
        executed.values().all(|times| *times == 1),
        "{crash:?}: executed twice"
    );
    for run in node.runs(10).unwrap() {
        for step in node.run_report(&run).unwrap().steps.iter() {
            let out = step.receipt.map(|receipt| node.outcome(&receipt).unwrap());
            outs.insert(format!("{} {}", run.name, step.label), format!("{out:?}"));
        }
    }
    outs
}

#[test]
fn a_crash_after_any_step_loses_nothing() {
    let undisturbed = failpoint::folder();
    let times = failpoint::count(OTHER_PROCESS, undisturbed.path());
    let expected = check(undisturbed.path(), &[], None);
    assert_eq!(expected.len() as u64, 2 * PAIRS + 2);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // Effects have a test of their own.
    let of_effects = failpoint::names_in(&sources.join("effects"));
    let mut names = failpoint::names_in(&sources);
    names.retain(|name| !of_effects.contains(name));
    let reached: BTreeSet<_> = times.keys().cloned().collect();
    assert_eq!(
        reached, names,
        "the work makes every step that the sources name"
    );
    let mut crashed: BTreeMap<String, u64> = BTreeMap::new();
    for crash in failpoint::crashes(&times) {
        let folder = failpoint::folder();
        let life = failpoint::run(OTHER_PROCESS, folder.path(), Some(&crash));
        *crashed.entry(crash.name.clone()).or_default() += u64::from(life.crashed);
        check(folder.path(), &life.said, Some(&crash));
        failpoint::run(OTHER_PROCESS, folder.path(), None);
        let ended = check(folder.path(), &life.said, Some(&crash));
        assert_eq!(ended, expected, "{crash:?}: another end");
    }
    let crashes: u64 = crashed.values().sum();
    println!("{crashes} crashes at {} steps", crashed.len());
    assert!(crashed.values().all(|times| *times > 0), "{crashed:?}");
}
