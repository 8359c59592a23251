//! Who waits for whom.

use crate::fake::{build, owner};
use ipvm_ipld::{Cid, Ipld, cid_of, codec};
use ipvm_ucan::promise::{Await, Branch};
use ipvm_workflow::{Graph, GraphError, Step, Task, Workflow};
use std::collections::BTreeMap;

fn task(args: BTreeMap<String, Ipld>) -> Task {
    Task {
        sub: owner(),
        cmd: "/wasm/run".parse().unwrap(),
        args,
        nonce: Vec::new(),
    }
}

fn step(task: Task) -> Step {
    Step {
        task,
        config: None,
        rescue: None,
        undo: None,
    }
}

fn promise(task: Cid, branch: Branch) -> Ipld {
    Await { branch, task }.to_ipld()
}

fn workflow(steps: Vec<(&str, Task)>) -> Workflow {
    let steps = steps
        .into_iter()
        .map(|(label, task)| (label.to_owned(), step(task)))
        .collect();
    Workflow {
        steps,
        ..Workflow::default()
    }
}

/// Breaks: a task would start before its inputs, twice for one input, or never.
#[test]
fn dependencies() {
    let outside = cid_of(codec::DAG_CBOR, b"outside");
    let first = task(BTreeMap::from([("n".to_owned(), Ipld::Integer(1))]));
    let awaits_first = |branch| promise(first.cid().unwrap(), branch);
    let second = task(BTreeMap::from([
        (
            "x".to_owned(),
            Ipld::List(vec![awaits_first(Branch::Ok), awaits_first(Branch::Any)]),
        ),
        ("y".to_owned(), promise(outside, Branch::Ok)),
        (
            "z".to_owned(),
            Ipld::Map(BTreeMap::from([(
                "deep".to_owned(),
                promise(outside, Branch::Error),
            )])),
        ),
    ]));
    let third = task(BTreeMap::from([
        ("a".to_owned(), promise(second.cid().unwrap(), Branch::Ok)),
        ("b".to_owned(), awaits_first(Branch::Error)),
    ]));
    let graph = Graph::of(&workflow(vec![
        ("a", third),
        ("b", second),
        ("c", first.clone()),
        ("d", first),
    ]))
    .unwrap();
    assert_eq!(
        (0..4).map(|i| graph.deps(i).to_vec()).collect::<Vec<_>>(),
        [vec![1, 2], vec![2], vec![], vec![]]
    );
    assert_eq!(
        (0..4)
            .map(|i| graph.dependents(i).to_vec())
            .collect::<Vec<_>>(),
        [vec![], vec![0], vec![0, 1], vec![]]
    );
    assert_eq!(
        (graph.external(0), graph.external(1)),
        (&[][..], &[outside][..])
    );
    assert_eq!((graph.twin(2), graph.twin(3)), (2, 2));
    assert_eq!(graph.find(&graph.task(3).unwrap()), Some(2));
    assert_eq!(graph.order(), [2, 1, 0, 3]);
    assert_eq!(
        (graph.deps(9), graph.task(9), graph.len()),
        (&[][..], None, 4)
    );
}

/// Breaks: plain data with a reserved key would become a promise later, or a broken promise plain data.
#[test]
fn malformed_awaits() {
    let check = |args: Vec<(&str, Ipld)>, expect: &str| {
        let args = args
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let e = Graph::of(&workflow(vec![("t", task(args))])).unwrap_err();
        assert!(e.to_string().contains(expect), "{e}");
    };
    let link = Ipld::Link(cid_of(codec::DAG_CBOR, b""));
    check(
        vec![("await/ok", link.clone())],
        "step \"t\": args: \"await/ok\" is reserved for promises",
    );
    let map = |key: &str, value: Ipld| Ipld::Map(BTreeMap::from([(key.to_owned(), value)]));
    check(
        vec![("x", map("await/ok", Ipld::Integer(1)))],
        "args.x: \"await/ok\" needs the link of a task",
    );
    let Ipld::Map(mut two) = map("await/*", link) else {
        panic!()
    };
    two.insert("other".to_owned(), Ipld::Null);
    check(
        vec![("x", Ipld::List(vec![Ipld::Map(two)]))],
        "args.x: the key \"await/*\" is reserved",
    );
    let large = task(BTreeMap::from([(
        "x".to_owned(),
        Ipld::Bytes(vec![0; 1 << 20]),
    )]));
    assert!(matches!(
        Graph::of(&workflow(vec![("t", large)])),
        Err(GraphError::TooLarge { .. })
    ));
}

/// Breaks: an unfinished run would not be found again, or one run's mails would count as another's.
#[test]
fn another_nonce() {
    let text = r#"
ipvm: "0.2"
tasks:
  a: { mod: ./image.wasm, fun: none }
  b: { cmd: /msg/send, args: { body: {await: a} }, undo: { cmd: /msg/send, args: { x: [{await: b}, {await: c}] } } }
  c: { mod: ./image.wasm, fun: any, args: [[{await: b}]] }
"#;
    let compiled = build(text).unwrap();
    let again = |nonce: &[u8]| {
        let workflow = compiled.workflow.with_nonce(nonce).unwrap();
        // Written and read: all nonces are those that follow from it.
        let encoded = workflow.encode().unwrap();
        let mut get =
            |_: &Cid| Ok::<_, std::convert::Infallible>(encoded.chunks[0].data().to_vec());
        assert_eq!(
            Workflow::decode(encoded.root.data(), &mut get).unwrap(),
            workflow
        );
        workflow
    };
    let other = again(&[9; 16]);
    let tasks = |workflow: &Workflow| {
        workflow
            .steps
            .values()
            .map(|step| step.task.cid().unwrap())
            .collect::<Vec<_>>()
    };
    let (before, after) = (tasks(&compiled.workflow), tasks(&other));
    assert_eq!(before[0], after[0]);
    assert!(before[1] != after[1] && before[2] != after[2]);
    let graph = Graph::of(&other).unwrap();
    assert_eq!((graph.deps(1), graph.deps(2)), (&[0][..], &[1][..]));
    let undo = other.steps["b"].undo.as_ref().unwrap().awaits().unwrap();
    assert_eq!(
        undo.iter().map(|promise| promise.task).collect::<Vec<_>>(),
        after[1..]
    );
    assert_eq!(again(&compiled.workflow.nonce), compiled.workflow);
    assert_eq!(
        other.identity().unwrap(),
        compiled.workflow.identity().unwrap()
    );

    let pure = build("ipvm: \"0.2\"\ntasks: {a: {mod: ./image.wasm, fun: none}}")
        .unwrap()
        .workflow;
    assert_eq!(pure.with_nonce(&[1; 16]).unwrap(), pure);
    assert_eq!(pure.identity().unwrap(), *pure.encode().unwrap().root.cid());
}
