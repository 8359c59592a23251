//! Admission, step by step, below the command line: what a node lets in, what it asks directly before it executes, and
//! whose results it waits for. Without these: somebody could have a machine do what nobody allowed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use ipvm_ipld::{Cid, Ipld};
use ipvm_node::{
    Access, Answer, Asking, Bounds, Cancel, Foreign, Giving, Node, NodeError, Progress, RunOptions,
    RunState, Subject, TokenFile, WhichKey,
};
use ipvm_testkit::Folder;
use ipvm_ucan::{Container, Did, Encoding, Kind, Outcome, Policy};

use crate::helpers::{open, prepare, results, run, workflow};

/// A day, in seconds.
const DAY: i64 = 24 * 60 * 60;
const START: i64 = 1_800_000_000;

/// A node whose clock is turned by hand, with the test functions, open to all; and their CID.
fn machine(folder: &Folder, clock: &Arc<AtomicI64>) -> (Node, Cid) {
    let clock = Arc::clone(clock);
    let node = open(&folder.home()).with_clock(Arc::new(move || clock.load(Ordering::SeqCst)));
    let module = node
        .add(&folder.path("calc.wasm"), &mut |_| ())
        .unwrap()
        .cid;
    let mut batch = ipvm_store::Batch::new();
    batch.pin(ipvm_store::Pin {
        cid: module,
        kind: ipvm_store::PinKind::Public,
        since: 0,
    });
    node.store().commit(batch).unwrap();
    (node, module)
}

fn folder() -> Folder {
    Folder::with_workflow(&workflow(
        "  one: { mod: calc.wasm, fun: add, args: [1, 0] }\n",
    ))
}

fn args(module: Cid, function: &str, args: Vec<Ipld>) -> BTreeMap<String, Ipld> {
    BTreeMap::from([
        ("mod".to_owned(), Ipld::Link(module)),
        ("fun".to_owned(), function.into()),
        ("args".to_owned(), Ipld::List(args)),
    ])
}

fn giving(to: &Did, cmd: &str, policy: &str, expires: Option<i64>) -> Giving {
    Giving {
        to: to.clone(),
        cmd: cmd.parse().unwrap(),
        subject: None,
        policy: policy.parse::<Policy>().unwrap(),
        expires,
        not_before: None,
        proofs: vec![],
    }
}

/// Passes a right on, on the giver's own resources, for as long as there is time.
pub(crate) fn delegate(from: &Node, to: &Node, cmd: &str, policy: &str) {
    let given = Giving {
        subject: Some(Subject::Of(from.owner().clone())),
        ..giving(to.owner(), cmd, policy, None)
    };
    import(to, &from.give(&given).unwrap().container);
}

fn asking(cmd: &str, args: BTreeMap<String, Ipld>, machine: &Did) -> Asking {
    Asking {
        cmd: cmd.parse().unwrap(),
        args,
        subject: Some(machine.clone()),
        audience: None,
        expires: Some(START + 10 * DAY),
        nonce: None,
        bounds: Bounds::default(),
        proofs: vec![],
    }
}

fn execute(node: &Node, container: &Container) -> Result<Answer, Box<NodeError>> {
    let bytes = container.encode(Encoding::Raw).unwrap();
    let request = Foreign {
        tokens: &bytes,
        content: None,
        documents: &[],
    };
    let done = node.execute_request(&request, &Cancel::new(), &mut |_: Progress<'_>| ());
    done.map_err(Box::new)
}

fn kind(result: Result<Answer, Box<NodeError>>) -> (Kind, String) {
    match result.map_err(|error| *error) {
        Err(NodeError::Refused(refusal)) => (refusal.kind, refusal.message),
        Err(other) => panic!("{other}"),
        Ok(answer) => panic!("admitted: {answer:?}"),
    }
}

/// Takes in what was handed over.
fn import(node: &Node, container: &Container) {
    let bytes = container.encode(Encoding::Raw).unwrap();
    let file = TokenFile::read(&bytes).unwrap();
    node.take_in(&file, None, &[]).unwrap();
}

/// Step 5: rights begin and end by the clock of whoever executes.
#[test]
fn a_right_ends_when_it_says() {
    let (alices, bobs) = (folder(), folder());
    let clock = Arc::new(AtomicI64::new(START));
    let (alice, module) = machine(&alices, &clock);
    let (bob, _) = machine(&bobs, &clock);
    let mut given = giving(bob.owner(), "/wasm", "", Some(START + 2 * DAY));
    given.not_before = Some(START + DAY);
    import(&bob, &alice.give(&given).unwrap().container);
    let ask = asking(
        "/wasm/run",
        args(module, "add", vec![1.into(), 2.into()]),
        alice.agent(),
    );
    // Bob's own search finds no right that is valid now; later it does, and the request stays the same.
    assert!(bob.ask(&ask).is_err());
    clock.store(START + DAY, Ordering::SeqCst);
    let request = bob.ask(&ask).unwrap();
    for (at, expect) in [
        (START, Some(Kind::TooEarly)),
        (START + DAY - 61, Some(Kind::TooEarly)),
        (START + 2 * DAY + 61, Some(Kind::Expired)),
        (START + DAY, None),
    ] {
        clock.store(at, Ordering::SeqCst);
        let done = execute(&alice, &request);
        match expect {
            Some(expect) => assert_eq!(kind(done).0, expect, "{at}"),
            None => assert_eq!(done.unwrap().status, RunState::Ok),
        }
    }
}

/// Steps 7 and 11, and that a right is the holder's: what this home holds itself is no proof for others.
#[test]
fn what_this_home_holds_is_nobody_elses_proof() {
    let (alices, bobs) = (folder(), folder());
    let clock = Arc::new(AtomicI64::new(START));
    let (alice, module) = machine(&alices, &clock);
    let (bob, _) = machine(&bobs, &clock);
    let given = alice.give(&giving(bob.owner(), "/wasm", "", None)).unwrap();
    import(&bob, &given.container);
    let ask = asking(
        "/wasm/run",
        args(module, "add", vec![1.into(), 2.into()]),
        alice.agent(),
    );
    let request = bob.ask(&ask).unwrap();
    // Alice keeps the delegation, having made it; but it must come along.
    let mut bare = Container::new();
    for token in request.tokens().unwrap() {
        if let ipvm_ucan::Token::Invocation(invocation) = token {
            bare.insert(invocation.bytes().to_vec());
        }
    }
    assert_eq!(kind(execute(&alice, &bare)).0, Kind::UnavailableProof);
    assert_eq!(execute(&alice, &request).unwrap().status, RunState::Ok);
    // Taken back, it counts no more, whatever came along; and that is remembered.
    let revoking = ipvm_node::Revoking {
        delegation: given.delegation.cid(),
        path: vec![],
    };
    alice.revoke(&revoking).unwrap();
    assert_eq!(kind(execute(&alice, &request)).0, Kind::Revoked);
    drop(alice);
    let clock_again = Arc::clone(&clock);
    let alice =
        open(&alices.home()).with_clock(Arc::new(move || clock_again.load(Ordering::SeqCst)));
    assert_eq!(kind(execute(&alice, &request)).0, Kind::Revoked);
}

/// A revocation is forgotten once what it is about has ended by itself, and not before.
#[test]
fn revocations_go_with_what_they_are_about() {
    let alices = folder();
    let clock = Arc::new(AtomicI64::new(START));
    let (alice, _) = machine(&alices, &clock);
    let ends = [Some(START + DAY), None].map(|expires| {
        let given = alice
            .give(&giving(alice.agent(), "/crud", "", expires))
            .unwrap();
        let revoking = ipvm_node::Revoking {
            delegation: given.delegation.cid(),
            path: vec![],
        };
        alice.revoke(&revoking).unwrap().0.cid()
    });
    assert_eq!(alice.revocations().unwrap().len(), 2);
    clock.store(START + DAY + 30, Ordering::SeqCst);
    alice
        .give(&giving(alice.agent(), "/msg", "", None))
        .unwrap();
    let left = |node: &Node| -> Vec<Cid> {
        let left = node.revocations().unwrap();
        left.iter().map(ipvm_ucan::Revocation::cid).collect()
    };
    drop(alice);
    let alice = open(&alices.home());
    assert_eq!(left(&alice).len(), 2, "clocks may differ by a minute");
    let alice = alice.with_clock(Arc::new(|| START + DAY + 61));
    alice
        .give(&giving(alice.agent(), "/msg", "", None))
        .unwrap();
    drop(alice);
    assert_eq!(left(&open(&alices.home())), [ends[1]]);
}

/// A whole workflow of another: each task on what came along for its subject, all of it within what was lent.
#[test]
fn a_workflow_of_another_runs_on_what_came_along() {
    let (alices, bobs) = (
        folder(),
        Folder::with_workflow(
            "ipvm: \"0.2\"\nname: bobs\ndefaults: { fuel: 100000, memory: 8MiB, time: 5s }\ntasks:
  a: { mod: calc.wasm, fun: add, args: [2, 3] }
  b: { mod: calc.wasm, fun: add, args: [{await: a}, 10] }
",
        ),
    );
    let clock = Arc::new(AtomicI64::new(START));
    let (alice, _) = machine(&alices, &clock);
    let (bob, _) = machine(&bobs, &clock);
    let prepared = prepare(&bob, &bobs);
    let lent = alice
        .give(&giving(
            bob.owner(),
            "/workflow/run",
            ".fuel <= 200000",
            None,
        ))
        .unwrap();
    import(&bob, &lent.container);
    // Bob lets Alice's machine do these tasks for him.
    let mut deputy = giving(alice.agent(), "/wasm/run", "", Some(START + DAY));
    deputy.subject = Some(Subject::Of(bob.owner().clone()));
    let deputy = bob.give(&deputy).unwrap();
    // The workflow is content, and comes along.
    let car = bobs.path("workflow.car");
    let mut file = std::fs::File::create(&car).unwrap();
    run(&bob, &bobs);
    bob.export_car(&prepared.plan.cid(), &mut |bytes| {
        std::io::Write::write_all(&mut file, bytes)
    })
    .unwrap();
    let request = |fuel: i64, proofs: Vec<ipvm_ucan::Delegation>| {
        let args = BTreeMap::from([
            ("workflow".to_owned(), Ipld::Link(prepared.plan.cid())),
            ("fuel".to_owned(), fuel.into()),
            ("memory".to_owned(), (8_i64 << 20).into()),
            ("time".to_owned(), 10_000.into()),
            ("commands".to_owned(), Ipld::List(vec!["/wasm/run".into()])),
        ]);
        let mut ask = asking("/workflow/run", args, alice.agent());
        ask.proofs = proofs;
        bob.ask(&ask).unwrap().encode(Encoding::Raw).unwrap()
    };
    let run_it = |bytes: &[u8]| {
        let request = Foreign {
            tokens: bytes,
            content: Some(&car),
            documents: &[],
        };
        let done = alice.execute_request(&request, &Cancel::new(), &mut |_: Progress<'_>| ());
        done.map_err(Box::new)
    };
    // Less than its tasks may use by their own limits.
    let (refused, message) = kind(run_it(&request(150_000, vec![deputy.delegation.clone()])));
    assert_eq!(refused, Kind::MatchError);
    assert!(message.contains("200000 fuel"), "{message}");
    // Without Bob's word that Alice's machine may act for him.
    let (refused, message) = kind(run_it(&request(200_000, vec![])));
    assert_eq!(refused, Kind::InvalidClaim);
    assert!(message.contains("no delegations lead"), "{message}");
    assert!(alice.runs(9).unwrap().is_empty(), "nothing was begun");
    let answer = run_it(&request(200_000, vec![deputy.delegation])).unwrap();
    assert_eq!((answer.status, answer.receipts.len()), (RunState::Ok, 2));
    let values: Vec<_> = answer
        .receipts
        .iter()
        .map(|receipt| receipt.payload().out.clone())
        .collect();
    assert_eq!(values, [Outcome::Ok(5.into()), Outcome::Ok(15.into())]);
    assert!(
        answer
            .receipts
            .iter()
            .all(|receipt| receipt.executor() == alice.agent())
    );
    // What is on record is sound, and verifies whole.
    let summary = alice.verify_store(&mut |event| {
        if let ipvm_store::VerifyEvent::Finding(finding) = event {
            assert!(!finding.is_damage(), "{finding}");
        }
    });
    assert_eq!(summary.unwrap().damage, 0);
    alice
        .audit_runs(&mut |finding| panic!("{finding}"))
        .unwrap();
    for receipt in &answer.receipts {
        assert!(
            alice
                .verify_receipt(&receipt.cid(), &Cancel::new())
                .unwrap()
                .is_same()
        );
    }
}

/// A promise for a task that another run of this node is about to end is waited for; one that nobody will keep is not.
#[test]
fn a_promise_waits_for_a_run_under_way() {
    let first = Folder::with_workflow(&workflow(
        "  slow: { mod: calc.wasm, fun: burn, args: [400000000] }\n",
    ));
    let node = open(&first.home());
    let slow = prepare(&node, &first);
    let task = slow.plan.graph().task(0).unwrap();
    let second = Folder::with_workflow(&workflow(&format!(
        "  after: {{ mod: calc.wasm, fun: add, args: [{{await: {task}}}, 1] }}\n"
    )));
    let after = prepare(&node, &second);
    let options = RunOptions::default();
    let refused = node.run(&after, &options, &Cancel::new(), &mut |_| ());
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("has no receipt here")
    );
    let (begun, has_begun) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            node.run(&slow, &options, &Cancel::new(), &mut |progress| {
                if matches!(progress, Progress::Started { .. }) {
                    begun.send(()).unwrap();
                }
            })
            .unwrap();
        });
        has_begun.recv().unwrap();
        assert!(
            node.look_up_task(&task).unwrap().is_none(),
            "it is not there yet"
        );
        let report = node
            .run(&after, &options, &Cancel::new(), &mut |_| ())
            .unwrap();
        assert_eq!(results(&node, &report)["after"], r#"{"ok":400000001}"#);
    });
    // Whoever waits can be stopped.
    let third = Folder::with_workflow(&workflow(
        "  slow: { mod: calc.wasm, fun: spin, args: [] }\n",
    ));
    let spin = prepare(&node, &third);
    let task = spin.plan.graph().task(0).unwrap();
    let fourth = Folder::with_workflow(&workflow(&format!(
        "  after: {{ mod: calc.wasm, fun: echo-pairs, args: [{{await: {task}}}] }}\n"
    )));
    let waiting = prepare(&node, &fourth);
    let (begun, has_begun) = mpsc::channel();
    let (stop_spin, stop_wait) = (Cancel::new(), Cancel::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = node.run(&spin, &options, &stop_spin, &mut |progress| {
                if matches!(progress, Progress::Started { .. }) {
                    begun.send(()).unwrap();
                }
            });
        });
        has_begun.recv().unwrap();
        let waiter = scope.spawn(|| {
            let waited = node.run(&waiting, &options, &stop_wait, &mut |_| ());
            matches!(waited, Err(NodeError::Interrupted))
        });
        stop_wait.cancel();
        assert!(waiter.join().unwrap(), "it was not stopped");
        stop_spin.cancel();
    });
}

/// Old receipts stay this home's own after a rotation, and old keys are what they were.
#[test]
fn receipts_of_a_former_agent_are_own() {
    let folder = folder();
    let node = open(&folder.home());
    let first = run(&node, &folder);
    assert_eq!(first.executed, 1);
    node.rotate_key(WhichKey::Agent, None).unwrap();
    drop(node);
    let node = open(&folder.home());
    let again = run(&node, &folder);
    assert_eq!((again.executed, again.reused), (0, 1));
    assert_eq!(node.former_keys().unwrap().len(), 1);
    // A stranger's receipt for the same task is none of its own.
    let other = Folder::with_workflow(&workflow(
        "  one: { mod: calc.wasm, fun: add, args: [1, 0] }\n",
    ));
    let stranger = Node::open(&other.home(), Access::Write).unwrap();
    assert!(
        !node
            .former_keys()
            .unwrap()
            .iter()
            .any(|(_, did, _)| did == stranger.agent())
    );
}
