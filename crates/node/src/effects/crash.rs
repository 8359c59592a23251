//! A crash after each step of an effect, against a real server. Without this, a mutation that had left when the process
//! died could be sent a second time, or be forgotten without a word.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ipvm_effects::{Account, HttpAccount};
use ipvm_ipld::Ipld;
use ipvm_testkit::failpoint;
use ipvm_testkit::web::{Web, times};

use super::{Serving, Settlement};
use crate::{Access, Cancel, FileRequest, Node, RunOptions, RunReport, RunState};

const OTHER_PROCESS: &str = "effects::crash::other_process";

fn workflow(address: &str) -> String {
    format!(
        "ipvm: \"0.2\"
name: crash
tasks:
  read: {{ cmd: /crud/read, args: {{ uri: \"http://{address}/page\", as: text }} }}
  made: {{ cmd: /crud/create, args: {{ uri: \"http://{address}/made\", body: {{await: read}} }} }}
  lost: {{ cmd: /crud/create, args: {{ uri: \"http://{address}/lost\", body: {{await: made}} }} }}
  put: {{ cmd: /crud/update, args: {{ uri: \"http://{address}/put\", body: {{await: lost}} }} }}
  kept: {{ cmd: /kv/set, args: {{ key: last, value: {{await: put}} }} }}
"
    )
}

fn node(folder: &Path) -> Node {
    Node::open(&folder.join("home"), Access::Write).unwrap()
}

fn run(node: &Node, folder: &Path) -> RunReport {
    let request = FileRequest {
        file: folder.join("workflow.yaml"),
        ..FileRequest::default()
    };
    let prepared = node.prepare(&request).unwrap();
    let options = RunOptions::default();
    node.run(&prepared, &options, &Cancel::new(), &mut |_| ())
        .unwrap()
}

/// Not a test of its own: the work that is crashed, and a person who settles doubts by looking at the server.
#[test]
fn other_process() {
    let Some(folder) = failpoint::work() else {
        return;
    };
    let address = std::fs::read_to_string(folder.join("address")).unwrap();
    std::fs::write(folder.join("workflow.yaml"), workflow(&address)).unwrap();
    let node = node(&folder);
    let account = HttpAccount {
        allow_private: vec![address.clone()],
        ..HttpAccount::default()
    };
    let serving = Serving {
        name: "local".to_owned(),
        subject: node.owner().clone(),
        account: Account::Http(account),
        hedge: None,
    };
    node.add_account(&serving).unwrap();
    // One round for each of the two that can be in doubt, and one to end.
    for _ in 0..3 {
        let report = run(&node, &folder);
        if report.status == RunState::Ok {
            return;
        }
        assert_eq!(report.status, RunState::InDoubt);
        for doubt in node.doubts().unwrap() {
            let task = doubt.task.to_string();
            let settlement = match times(&address, &task) {
                0 => Settlement::NotDone,
                _ => Settlement::Done(Some(Ipld::Null)),
            };
            node.settle_doubt(&task, &settlement).unwrap();
        }
    }
    panic!("the run does not end");
}

#[test]
fn a_crash_after_any_step_does_nothing_twice() {
    let folder = || {
        let folder = failpoint::folder();
        let web = Web::start();
        std::fs::write(folder.path().join("address"), web.address()).unwrap();
        (folder, web)
    };
    let creations = |web: &Web| -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for asked in web.asked() {
            if asked.line.starts_with("POST") {
                *times
                    .entry(format!("{} {}", asked.line, asked.key))
                    .or_default() += 1;
            }
        }
        times
    };
    let (undisturbed, web) = folder();
    let steps = failpoint::count(OTHER_PROCESS, undisturbed.path());
    assert_eq!(creations(&web).len(), 2, "one made, one lost");
    let names = failpoint::names_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/effects"));
    let ours: BTreeMap<_, _> = steps
        .into_iter()
        .filter(|(name, _)| names.contains(name))
        .collect();
    let reached: BTreeSet<_> = ours.keys().cloned().collect();
    assert_eq!(
        reached, names,
        "the work makes every step that the sources name"
    );
    let mut held_back = 0;
    for crash in failpoint::crashes(&ours) {
        let (folder, web) = folder();
        let life = failpoint::run(OTHER_PROCESS, folder.path(), Some(&crash));
        assert!(life.crashed, "{crash:?} did not happen");
        if crash.name == "effect.leaving" {
            // Nothing had left: nobody is asked about it.
            let node = node(folder.path());
            assert!(node.doubts().unwrap().is_empty(), "{crash:?}");
            held_back += 1;
        }
        failpoint::run(OTHER_PROCESS, folder.path(), None);
        let done = creations(&web);
        assert_eq!(done.len(), 2, "{crash:?}: {done:?}");
        assert!(
            done.values().all(|times| *times == 1),
            "{crash:?}: done twice: {done:?}"
        );
        let node = node(folder.path());
        assert!(node.doubts().unwrap().is_empty(), "{crash:?}");
        let report = run(&node, folder.path());
        assert_eq!((report.status, report.executed), (RunState::Ok, 0));
    }
    assert_eq!(held_back, 2, "once for each creation");
}
