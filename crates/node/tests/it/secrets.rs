//! Secret work below the command line: what finds what, for whom, and what outlives a change of keys. Without these, a
//! secret could be answered to others, or be lost to its owner.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use ipvm_ipld::{Cid, Ipld, cbor};
use ipvm_node::{
    Access, AddOptions, Asking, Bounds, Cancel, Foreign, Keep, Node, NodeError, PrepareError,
    Progress, RunOptions, WhichKey, Why,
};
use ipvm_store::Batch;
use ipvm_testkit::{CALC, Folder, component};
use ipvm_ucan::{Encoding, Kind};
use ipvm_workflow::content::MAX_VALUE_BYTES;

use crate::helpers::{open, prepare, results, run, run_with, step, workflow};

const SECRET: &str =
    "  size: { mod: calc.wasm, fun: count, args: [{file: ./data.bin}], config: {secret: true} }
  more: { mod: calc.wasm, fun: add, args: [{await: size}, 1] }
  open: { mod: calc.wasm, fun: add, args: [1, 2] }
";

fn folder(tasks: &str) -> Folder {
    let folder = Folder::with_workflow(&workflow(tasks));
    folder.write("data.bin", [7; 100_000]);
    folder
}

fn secrets(report: &ipvm_node::RunReport) -> Vec<String> {
    let secret = report.steps.iter().filter(|step| step.secret);
    let secret: Vec<String> = secret.map(|step| step.label).collect();
    assert_eq!(report.steps.secret(), secret.len());
    secret
}

fn refusal(node: &Node, folder: &Folder) -> String {
    let request = ipvm_node::FileRequest {
        file: folder.path("workflow.yaml"),
        ..Default::default()
    };
    match node.prepare(&request) {
        Err(PrepareError::Node(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Breaks: a secret would be computed anew each time, or its open twin be taken for it.
#[test]
fn secret_and_open_results_are_found_apart() {
    let folder = folder(SECRET);
    let node = open(&folder.home());
    let first = run(&node, &folder);
    assert_eq!(secrets(&first), ["more", "size"]);
    assert_eq!((first.executed, first.reused), (3, 0));
    assert_eq!(results(&node, &first)["more"], r#"{"ok":100001}"#);
    let again = run(&node, &folder);
    assert_eq!((again.executed, again.reused), (0, 3));
    // A new run finds each by its task; another task with the same computation finds it too.
    let options = RunOptions {
        again: true,
        ..RunOptions::default()
    };
    let anew = run_with(&node, &folder, options);
    assert_eq!((anew.executed, anew.reused), (0, 3));
    folder.write(
        "workflow.yaml",
        workflow("  other: { mod: calc.wasm, fun: add, args: [{await: size}, 1] }\n  size: { mod: calc.wasm, fun: count, args: [{file: ./data.bin}], config: {secret: true} }\n"),
    );
    let other = run(&node, &folder);
    assert_eq!((other.executed, other.reused), (0, 2));
    // The same work, open: nothing sealed answers it, and it answers nothing sealed.
    let sum = |secret: bool, b: u32| {
        workflow(&format!(
            "  s: {{ mod: calc.wasm, fun: add, args: [100000, {b}], config: {{secret: {secret}}} }}\n"
        ))
    };
    for (secret, b, executed) in [
        (false, 1, 1),
        (true, 1, 0),
        (true, 2, 1),
        (false, 2, 1),
        (false, 2, 0),
        (true, 2, 0),
    ] {
        folder.write("workflow.yaml", sum(secret, b));
        let found = run(&node, &folder);
        assert_eq!(found.executed, executed, "secret {secret}, {b}");
    }
    let (listed, runs) = (node.receipts(100).unwrap(), node.runs(100).unwrap());
    assert_eq!(listed.len(), 3, "those that are open");
    assert_eq!(runs.iter().filter(|run| run.secret).count(), 5);
}

/// Breaks: what somebody marked as no secret would be one, and content would be lost or stay open.
#[test]
fn content_is_sealed_if_only_secret_steps_use_it() {
    let both = folder(
        "  a: { mod: calc.wasm, fun: count, args: [{file: ./data.bin}], config: {secret: true} }
  b: { mod: calc.wasm, fun: count, args: [{file: ./shared.bin}], config: {secret: true} }
  c: { mod: other.wasm, fun: count, args: [{file: ./shared.bin}] }
",
    );
    both.write("shared.bin", [8; 1_000]);
    // Another module makes it another task: equal ones are secret together.
    let other = CALC.replace("the number is", "this one is, ");
    both.write("other.wasm", component(&other));
    let node = open(&both.home());
    let report = run(&node, &both);
    assert_eq!(secrets(&report), ["a", "b"]);
    let has = |name: &str| {
        let cid = *prepare(&node, &both).inputs.get(name).unwrap();
        (
            node.store().has(&cid).unwrap(),
            node.block(&cid).unwrap().is_some(),
        )
    };
    assert_eq!(has("./data.bin"), (false, true), "for its owner alone");
    assert_eq!(has("./shared.bin"), (true, true));
    // An open step that uses the sealed file is secret from now on.
    let open_use = "  d: { mod: calc.wasm, fun: count, args: [{file: ./data.bin}] }\n";
    both.write("workflow.yaml", workflow(open_use));
    assert_eq!(secrets(&run(&node, &both)), ["d"]);
    both.write(
        "workflow.yaml",
        workflow(&open_use.replace("}] }", "}], config: {secret: false} }")),
    );
    assert_eq!(
        refusal(&node, &both),
        "task `d` says `secret: false`, but it names content that is secret in this home"
    );
    // Until its owner adds it openly.
    node.add(&both.path("data.bin"), &mut |_| ()).unwrap();
    assert!(secrets(&run(&node, &both)).is_empty());
}

/// Breaks: a workflow could take a secret result of another one, and show it.
#[test]
fn a_secret_result_taints_other_workflows() {
    let first = folder(SECRET);
    let node = open(&first.home());
    let known = run(&node, &first);
    let task = step(&known, "size").task;
    let taking = |config: &str| {
        workflow(&format!(
            "  after: {{ mod: calc.wasm, fun: add, args: [{{await: {task}}}, 5]{config} }}\n  beside: {{ mod: calc.wasm, fun: add, args: [3, 3] }}\n"
        ))
    };
    let second = Folder::with_workflow(&taking(""));
    let report = run(&node, &second);
    assert_eq!(secrets(&report), ["after"]);
    assert_eq!(results(&node, &report)["after"], r#"{"ok":100005}"#);
    let explained = node.explain(&prepare(&node, &second)).unwrap();
    assert_eq!(
        explained[0].secret.as_deref(),
        Some("it awaits a secret task of another workflow")
    );
    assert!(matches!(explained[0].why, Why::Hit { .. }));
    second.write("workflow.yaml", taking(", config: {secret: false}"));
    assert!(refusal(&node, &second).contains("`after` says `secret: false`"));
    let verified = node.verify_receipt(&step(&report, "after").receipt.unwrap(), &Cancel::new());
    assert!(verified.unwrap().is_same(), "its owner can check it");
}

/// Breaks: a secret that another run is about to end would be taken for an open result.
#[test]
fn a_secret_that_is_still_computed_taints_too() {
    let slow = folder(
        "  slow: { mod: calc.wasm, fun: burn, args: [400000000], config: {secret: true} }\n",
    );
    let node = open(&slow.home());
    let first = prepare(&node, &slow);
    let task = first.plan.graph().task(0).unwrap();
    let second = Folder::with_workflow(&workflow(&format!(
        "  after: {{ mod: calc.wasm, fun: add, args: [{{await: {task}}}, 1] }}\n"
    )));
    let options = RunOptions::default();
    let (begun, has_begun) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            node.run(&first, &options, &Cancel::new(), &mut |progress| {
                if matches!(progress, Progress::Started { .. }) {
                    begun.send(()).unwrap();
                }
            })
            .unwrap();
        });
        has_begun.recv().unwrap();
        let report = run(&node, &second);
        assert_eq!(secrets(&report), ["after"]);
        assert_eq!(results(&node, &report)["after"], r#"{"ok":400000001}"#);
    });
    assert!(node.receipts(10).unwrap().is_empty());
}

/// What a foreign request for one task is answered.
fn answer(node: &Node, asker: &Node, cmd: &str, key: &str, link: Cid) -> (Kind, String) {
    let request = asker
        .ask(&Asking {
            cmd: cmd.parse().unwrap(),
            args: [(key.to_owned(), Ipld::Link(link))].into(),
            subject: Some(asker.owner().clone()),
            audience: Some(node.agent().clone()),
            expires: None,
            nonce: None,
            bounds: Bounds::default(),
            proofs: vec![],
        })
        .unwrap();
    let tokens = request.encode(Encoding::Raw).unwrap();
    let foreign = Foreign {
        tokens: &tokens,
        content: None,
        documents: &[],
    };
    let done = node.execute_request(&foreign, &Cancel::new(), &mut |_: Progress<'_>| ());
    match done {
        Err(NodeError::Refused(refusal)) => (refusal.kind, refusal.message),
        Err(NodeError::Name(message) | NodeError::Unmet { message, .. }) => {
            (Kind::MatchError, message)
        }
        other => panic!("{other:?}"),
    }
}

/// Breaks: somebody else could learn of a secret by asking for it by name.
#[test]
fn for_others_there_is_no_secret() {
    let (mine, theirs) = (folder(SECRET), folder(SECRET));
    let (node, stranger) = (open(&mine.home()), open(&theirs.home()));
    let known = run(&node, &mine);
    let content = *prepare(&node, &mine).inputs.get("./data.bin").unwrap();
    let never = ipvm_ipld::cid_of(content.codec(), b"never");
    let task = step(&known, "size").task;
    let other = ipvm_ipld::cid_of(task.codec(), b"never");
    for (cmd, key, secret, never) in [
        ("/receipt/read", "task", task, other),
        ("/content/read", "cid", content, never),
    ] {
        let say = |cid: Cid| {
            let (kind, message) = answer(&node, &stranger, cmd, key, cid);
            (kind, message.replace(&cid.to_string(), "CID"))
        };
        assert_eq!(say(secret), say(never), "{cmd}");
    }
}

/// Breaks: after a change of the owner's key, secrets would be lost.
#[test]
fn a_new_key_opens_what_the_old_one_sealed() {
    let folder = folder(SECRET);
    let node = open(&folder.home());
    let first = run(&node, &folder);
    let receipt = step(&first, "size").receipt.unwrap();
    drop(node);
    for _ in 0..2 {
        let node = open(&folder.home());
        node.rotate_key(WhichKey::Owner, None).unwrap();
    }
    let node = open(&folder.home());
    assert!(folder.home().join("keys/sealing.key").exists());
    assert_eq!(node.receipt(&receipt).unwrap().unwrap().cid(), receipt);
    // Tasks name the owner, computations do not.
    let again = run(&node, &folder);
    assert_eq!((again.executed, again.reused), (0, 3));
    let summary = node.verify_store(&mut |_| ()).unwrap();
    assert_eq!(summary.damage, 0);
}

/// Breaks: what can be a result in the open could not be one when it is sealed, or be lost.
#[test]
fn a_sealed_value_may_be_as_large_as_an_open_one() {
    let folder = folder(SECRET);
    let mut node = open(&folder.home());
    for (bytes, fits) in [(MAX_VALUE_BYTES, true), (MAX_VALUE_BYTES + 1, false)] {
        // A map of one entry: its key, and a text with its length before it.
        let value = Ipld::Map([("k".to_owned(), "x".repeat(bytes - 8).into())].into());
        let block = cbor::encode_block(&value).unwrap();
        assert_eq!(block.data().len(), bytes);
        let cid = *block.cid();
        let mut out = |secret: bool| {
            let mut batch = Batch::new();
            batch.block(block.clone());
            node.store().commit(batch).unwrap();
            folder.write(
                "workflow.yaml",
                workflow(&format!(
                    "  t: {{ mod: calc.wasm, fun: echo-pairs, args: [{{link: {cid}}}], config: {{secret: {secret}}} }}\n"
                )),
            );
            let report = run(&node, &folder);
            assert_eq!((report.secret, report.executed), (secret, 1));
            // What only secret work names is collected, and its sealed copy is not.
            node.gc(Keep::All, false, &mut |_, _| ()).unwrap();
            assert_eq!(node.store().has(&cid).unwrap(), !secret);
            assert_eq!(node.block(&cid).unwrap().as_deref(), Some(block.data()));
            results(&node, &report)["t"].clone()
        };
        let sealed = out(true);
        assert_eq!(sealed, out(false), "{bytes} bytes");
        let said = if fits {
            cid.to_string()
        } else {
            "too large".to_owned()
        };
        assert!(sealed.contains(&said), "{sealed} with {bytes} bytes");
    }
}

/// Breaks: with a damaged key file, secrets would be computed anew under another key without a word, as if they had
/// never been.
#[test]
fn a_damaged_sealing_key_is_named() {
    let folder = folder(SECRET);
    let node = open(&folder.home());
    let receipt = step(&run(&node, &folder), "size").receipt.unwrap();
    node.rotate_key(WhichKey::Owner, None).unwrap();
    drop(node);
    let path = folder.home().join("keys/sealing.key");
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[30] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let error = open(&folder.home()).receipt(&receipt).unwrap_err();
    assert!(matches!(&error, NodeError::SealingKey(at) if *at == path));
    assert!(error.help().contains("restore the file"), "{error}");
    std::fs::write(&path, whole).unwrap();
    assert!(open(&folder.home()).receipt(&receipt).unwrap().is_some());
}

/// Breaks: a secret under a passphrase could be read without it.
#[test]
fn a_passphrase_guards_what_is_sealed() {
    let folder = folder(SECRET);
    let node = open(&folder.home());
    let receipt = step(&run(&node, &folder), "size").receipt.unwrap();
    node.protect_keys(Some("correct horse")).unwrap();
    drop(node);
    let locked = open(&folder.home());
    assert!(locked.receipt(&receipt).unwrap().is_none());
    assert_eq!(locked.verify_store(&mut |_| ()).unwrap().damage, 0);
    drop(locked);
    let ask = Arc::new(|| -> io::Result<_> { Ok(Some("correct horse".to_owned().into())) });
    let node = Node::open_asking(&folder.home(), Access::Write, ask).unwrap();
    assert!(node.receipt(&receipt).unwrap().is_some());
    assert_eq!(run(&node, &folder).executed, 0);
}

/// Breaks: damage to what is sealed would be found only when it is needed.
#[test]
fn damage_to_what_is_sealed_is_found() {
    let folder = folder(SECRET);
    let node = open(&folder.home());
    run(&node, &folder);
    assert_eq!(node.verify_store(&mut |_| ()).unwrap().damage, 0);
    drop(node);
    let blocks = folder.home().join("blocks");
    let mut files = Vec::new();
    for shard in std::fs::read_dir(blocks).unwrap() {
        let entries = std::fs::read_dir(shard.unwrap().path()).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    let sealed = files.iter().find(|path| {
        let bytes = std::fs::read(path).unwrap();
        ipvm_ipld::sealed::is_frame(&bytes)
    });
    let path = sealed.expect("the secret file is large enough to be one");
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let node = open(&folder.home());
    assert_eq!(node.verify_store(&mut |_| ()).unwrap().damage, 1);
}

/// Breaks: a module that is a secret would be left behind, compiled.
#[test]
fn a_secret_module_leaves_nothing_in_the_cache() {
    let folder = folder("  t: { mod: calc.wasm, fun: add, args: [1, 2] }\n");
    let node = open(&folder.home());
    let options = AddOptions::default();
    node.add_secret(&folder.path("calc.wasm"), options, &mut |_| ())
        .unwrap();
    let report = run(&node, &folder);
    assert_eq!(results(&node, &report)["t"], r#"{"ok":3}"#);
    assert_eq!(secrets(&report), ["t"]);
    let files = |name: &str| match std::fs::read_dir(folder.home().join("cache").join(name)) {
        Ok(entries) => entries.count(),
        Err(_) => 0,
    };
    assert_eq!((files("modules"), files("interfaces")), (0, 0));
}
