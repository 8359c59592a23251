//! Workflows on the wire: strict, canonical, there and back.

use crate::fake::{bob, ipld, owner};
use ipvm_ipld::{Block, Cid, Ipld, cbor, cid_of, codec};
use ipvm_ucan::Command;
use ipvm_workflow::{
    CHUNK_BYTES, CHUNK_STEPS, Check, Class, Computation, Config, Encoded, Handler, MAX_TASKS, Step,
    Task, WasmCall, Workflow, class_of, step_nonce,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::convert::Infallible;

fn task(command: &str, args: BTreeMap<String, Ipld>, nonce: Vec<u8>) -> Task {
    Task {
        sub: owner(),
        cmd: command.parse().unwrap(),
        args,
        nonce,
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

fn decode(encoded: &Encoded) -> Result<Workflow, String> {
    let chunks: BTreeMap<Cid, &Block> = encoded
        .chunks
        .iter()
        .map(|chunk| (*chunk.cid(), chunk))
        .collect();
    let mut get = |cid: &Cid| {
        chunks
            .get(cid)
            .map(|chunk| chunk.data().to_vec())
            .ok_or(std::fmt::Error)
    };
    Workflow::decode(encoded.root.data(), &mut get).map_err(|e| e.to_string())
}

fn numbered(count: usize, size: usize) -> Workflow {
    let args = |i: usize| {
        BTreeMap::from([(
            "n".to_owned(),
            Ipld::String(format!("{i}{}", "x".repeat(size))),
        )])
    };
    let steps = (0..count)
        .map(|i| (format!("t{i:06}"), step(task("/wasm/run", args(i), vec![]))))
        .collect();
    Workflow {
        steps,
        ..Workflow::default()
    }
}

/// Breaks: the same workflow would have several CIDs, or blocks that other machines refuse.
#[test]
fn chunks() {
    let check = |count: usize, size: usize, expect: &[usize]| {
        let workflow = numbered(count, size);
        let encoded = workflow.encode().unwrap();
        let sizes: Vec<usize> = encoded
            .chunks
            .iter()
            .map(|chunk| {
                assert!(chunk.data().len() <= CHUNK_BYTES);
                let Ipld::Map(map) =
                    cbor::decode(chunk.data(), ipvm_ipld::Limits::default()).unwrap()
                else {
                    panic!()
                };
                map.len()
            })
            .collect();
        assert_eq!(sizes, expect, "{count} of {size}");
        assert_eq!(decode(&encoded).unwrap(), workflow);
    };
    check(1, 1, &[1]);
    check(1_000, 1, &[1_000]);
    check(1_001, 1, &[1_000, 1]);
    check(2_500, 1, &[1_000, 1_000, 500]);
    // Too many bytes for one block: halved until it fits.
    check(1_000, 3_000, &[500, 500]);
    check(5, 900_000, &[2, 1, 2]);
}

/// Breaks: labels in byte order would be sorted as DAG-CBOR sorts keys, short ones first.
#[test]
fn order_of_labels() {
    let mut workflow = numbered(CHUNK_STEPS, 1);
    for label in ["zzz", "a"] {
        workflow.steps.insert(
            label.to_owned(),
            step(task("/wasm/run", BTreeMap::new(), vec![])),
        );
    }
    let encoded = workflow.encode().unwrap();
    let Ipld::Map(last) =
        cbor::decode(encoded.chunks[1].data(), ipvm_ipld::Limits::default()).unwrap()
    else {
        panic!()
    };
    assert_eq!(last.keys().collect::<Vec<_>>(), ["t000999", "zzz"]);
    assert_eq!(decode(&encoded).unwrap(), workflow);
}

/// A workflow of two steps with everything that is optional.
fn whole() -> Workflow {
    let config = Config {
        secret: Some(true),
        check: Some(Check::Consensus {
            agents: vec![bob(), owner()],
            threshold: 2,
        }),
        fuel: Some(1),
        memory: Some(2),
        disk: Some(0),
        time: Some(4),
        retry: Some(5),
    };
    let handler = Handler {
        module: cid_of(codec::RAW, b"m"),
        function: "f".into(),
    };
    let nonce = vec![3; 16];
    let args = |key: &str| BTreeMap::from([(key.to_owned(), Ipld::Bool(true))]);
    let mail = Step {
        task: task("/msg/send", args("x"), step_nonce(&nonce, "mail")),
        config: Some(config.clone()),
        rescue: Some(handler.clone()),
        undo: Some(task("/msg/send", args("y"), step_nonce(&nonce, "mail"))),
    };
    let call = WasmCall {
        module: cid_of(codec::RAW, b"m"),
        function: "g".into(),
        args: vec![Ipld::Null],
    };
    let pure = step(task("/wasm/run", call.into_args(), vec![]));
    Workflow {
        nonce,
        meta: Some(args("note")),
        parent: Some((cid_of(codec::DAG_CBOR, b"parent"), "label".into())),
        roles: Some(BTreeMap::from([("mail".to_owned(), bob())])),
        global: Some(Config::default()),
        defaults: Some(config),
        steps: BTreeMap::from([("mail".to_owned(), mail), ("pure".to_owned(), pure)]),
        rescue: Some(handler),
    }
}

/// Breaks: something a workflow says would be lost on the way.
#[test]
fn everything_optional() {
    assert_eq!(decode(&whole().encode().unwrap()).unwrap(), whole());
}

type Fields = BTreeMap<String, Ipld>;

/// Root and only chunk of [`whole`], changed, and what decoding says.
fn refusal(change: &dyn Fn(&mut Fields, &mut Fields)) -> String {
    let encoded = whole().encode().unwrap();
    let map = |block: &Block| {
        let Ipld::Map(map) = cbor::decode(block.data(), ipvm_ipld::Limits::default()).unwrap()
        else {
            panic!()
        };
        map
    };
    let (mut root, mut chunk) = (map(&encoded.root), map(&encoded.chunks[0]));
    change(&mut root, &mut chunk);
    let chunk = cbor::encode_block(&Ipld::Map(chunk)).unwrap();
    if root.get("tasks") == Some(&Ipld::List(vec![Ipld::Link(*encoded.chunks[0].cid())])) {
        root.insert(
            "tasks".to_owned(),
            Ipld::List(vec![Ipld::Link(*chunk.cid())]),
        );
    }
    let root = cbor::encode_block(&Ipld::Map(root)).unwrap();
    match decode(&Encoded {
        root,
        chunks: vec![chunk],
    }) {
        Ok(_) => "accepted".into(),
        Err(e) => e,
    }
}

fn inner<'a>(map: &'a mut BTreeMap<String, Ipld>, path: &[&str]) -> &'a mut BTreeMap<String, Ipld> {
    path.iter().fold(map, |map, key| match map.get_mut(*key) {
        Some(Ipld::Map(map)) => map,
        other => panic!("{key}: {other:?}"),
    })
}

/// Breaks: a field that nobody reads, or that is of another type, would be accepted from strangers.
#[test]
fn strict() {
    assert_eq!(refusal(&|_, _| {}), "accepted");
    let root = |key: &str, value: &str, expect: &str| {
        let message = refusal(&|root, _| drop(root.insert(key.to_owned(), ipld(value))));
        assert!(message.contains(expect), "{key}: {value}: {message}");
    };
    root("v", "\"0.1.0\"", "the version \"0.1.0\" is not \"0.2.0\"");
    root("v", "2", "workflow.v must be a string");
    root("nonce", "\"x\"", "workflow.nonce must be bytes");
    root(
        "nonce",
        r#"{"/":{"bytes":""}}"#,
        "workflow.nonce: must be 1 to 64 bytes that were drawn for this run, or empty if",
    );
    root(
        "nonce",
        r#"{"/":{"bytes":"AQI"}}"#,
        "step \"mail\": task.nonce: must be empty if pure, else the first 16 bytes",
    );
    root("extra", "null", "workflow has the unknown key \"extra\"");
    root("meta", "[]", "workflow.meta must be a map");
    root("meta", "null", "workflow.meta must be a map");
    root(
        "parent",
        "[]",
        "workflow.parent: must be a workflow and a label",
    );
    root("parent", "[1, 2]", "workflow.parent[0] must be a link");
    root("roles", r#"{"a": "b"}"#, "workflow.roles.a");
    root("global", r#"{"fuel": -1}"#, "workflow.global");
    root("global", r#"{"fule": 1}"#, "unknown key \"fule\"");
    root(
        "defaults",
        r#"{"check": "zkp"}"#,
        "workflow.defaults.check: \"zkp\" is not offered",
    );
    root("tasks", "{}", "workflow.tasks must be a list");
    root("tasks", "[1]", "workflow.tasks[0] must be a link");
    root(
        "tasks",
        "[]",
        "a workflow has 1 to 100000 steps, and this has 0",
    );
    root(
        "rescue",
        r#"{"mod": 1, "fun": "f"}"#,
        "rescue.mod must be a link",
    );
    let missing = |key: &str| refusal(&|root, _| drop(root.remove(key)));
    assert!(missing("v").contains("workflow lacks the key \"v\""));
    assert!(missing("nonce").contains("workflow lacks the key \"nonce\""));
    assert!(missing("tasks").contains("lacks the key \"tasks\""));
}

/// Breaks: as [`strict`], for steps.
#[test]
fn strict_steps() {
    let step = |path: &[&str], key: &str, value: &str, expect: &str| {
        let message =
            refusal(&|_, chunk| drop(inner(chunk, path).insert(key.to_owned(), ipld(value))));
        assert!(
            message.contains(expect),
            "{path:?} {key}: {value}: {message}"
        );
    };
    step(&[], "x", "1", "step \"x\": step must be a map");
    step(&[], "", r#"{"task": 1}"#, "step \"\": task must be a map");
    step(
        &["mail"],
        "extra",
        "1",
        "step \"mail\": step has the unknown key \"extra\"",
    );
    step(
        &["mail", "task"],
        "extra",
        "1",
        "step \"mail\": task has the unknown key \"extra\"",
    );
    step(&["mail", "task"], "sub", "\"bob\"", "task.sub");
    step(
        &["mail", "task"],
        "cmd",
        "\"msg\"",
        "task.cmd: the command \"msg\" must begin",
    );
    step(&["mail", "task"], "args", "[]", "task.args must be a map");
    step(
        &["mail", "task"],
        "nonce",
        r#"{"/":{"bytes":""}}"#,
        "step \"mail\": task.nonce: must be",
    );
    step(
        &["pure", "task"],
        "nonce",
        r#"{"/":{"bytes":"AQ"}}"#,
        "step \"pure\": task.nonce: must be",
    );
    step(
        &["mail", "undo"],
        "nonce",
        r#"{"/":{"bytes":"AQ"}}"#,
        "step \"mail\": task.nonce: must be",
    );
    step(
        &["mail", "config"],
        "retry",
        "101",
        "step \"mail\": config.retry: more than 100",
    );
    step(
        &["mail"],
        "config",
        "null",
        "step \"mail\": config must be a map",
    );
    step(
        &["mail", "rescue"],
        "fun",
        "1",
        "rescue.fun must be a string",
    );
    let long = "x".repeat(257);
    let message = refusal(&|_, chunk| {
        let pure = chunk["pure"].clone();
        chunk.insert(long.clone(), pure);
    });
    assert!(
        message.contains("label: must have 1 to 256 bytes"),
        "{message}"
    );
    assert!(refusal(&|_, chunk| chunk.clear()).contains("a chunk has 1 to 1000 steps, and bafy"));
    let message = refusal(&|_, chunk| {
        let pure = chunk["pure"].clone();
        chunk.extend((0..=CHUNK_STEPS).map(|i| (format!("x{i}"), pure.clone())));
    });
    assert!(message.contains("has 1003"), "{message}");
}

/// Breaks: chunks in another order, twice, or with other bytes would be taken for the workflow.
#[test]
fn chunks_are_checked() {
    let good = numbered(2_500, 1).encode().unwrap();
    let with_links = |order: &[usize]| {
        let links = order
            .iter()
            .map(|i| Ipld::Link(*good.chunks[*i].cid()))
            .collect();
        let root = BTreeMap::from([
            ("v".to_owned(), Ipld::String("0.2.0".into())),
            ("nonce".to_owned(), Ipld::Bytes(vec![])),
            ("tasks".to_owned(), Ipld::List(links)),
        ]);
        decode(&Encoded {
            root: cbor::encode_block(&Ipld::Map(root)).unwrap(),
            chunks: good.chunks.clone(),
        })
    };
    assert!(with_links(&[0, 1, 2]).is_ok());
    assert!(with_links(&[0, 2]).is_ok());
    assert!(
        with_links(&[1, 0])
            .unwrap_err()
            .contains("\"t000000\" is not after all labels")
    );
    assert!(
        with_links(&[0, 0])
            .unwrap_err()
            .contains("\"t000000\" is not after all labels")
    );
    let mut other = |_: &Cid| Ok::<_, Infallible>(good.chunks[1].data().to_vec());
    assert!(
        Workflow::decode(good.root.data(), &mut other)
            .unwrap_err()
            .to_string()
            .contains("they hash to")
    );
    let mut none = |_: &Cid| Err::<Vec<u8>, _>(std::fmt::Error);
    let message = Workflow::decode(good.root.data(), &mut none)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("of the workflow could not be read"),
        "{message}"
    );
}

/// Breaks: a workflow could be written that nobody reads.
#[test]
fn encoding_is_checked() {
    assert!(
        Workflow::default()
            .encode()
            .unwrap_err()
            .to_string()
            .contains("this has 0")
    );
    let check = |change: &dyn Fn(&mut Workflow), expect: &str| {
        let mut workflow = whole();
        change(&mut workflow);
        let message = workflow.encode().unwrap_err().to_string();
        assert!(message.contains(expect), "{message}");
    };
    check(&|workflow| workflow.nonce.clear(), "workflow.nonce");
    check(&|workflow| workflow.nonce = vec![1; 65], "workflow.nonce");
    // Functions alone may ask for effects, which are then those of a run.
    let mut asking = whole();
    asking.steps.retain(|_, step| step.task.is_pure());
    asking.encode().unwrap();
    check(
        &|workflow| {
            workflow.meta = Some(BTreeMap::from([(
                "x".into(),
                Ipld::Bytes(vec![0; 2 << 20]),
            )]))
        },
        "the root block",
    );
    check(
        &|workflow| {
            workflow.steps.get_mut("pure").unwrap().task.args =
                BTreeMap::from([("x".into(), Ipld::Bytes(vec![0; 5 << 20]))])
        },
        "step \"pure\" has",
    );
    check(
        &|workflow| {
            workflow.steps.get_mut("pure").unwrap().task.args =
                BTreeMap::from([("x".into(), Ipld::Float(f64::NAN))])
        },
        "NaN",
    );
    let many = numbered(1, 1).steps["t000000"].clone();
    let steps = (0..=MAX_TASKS)
        .map(|i| (format!("t{i}"), many.clone()))
        .collect();
    assert!(
        Workflow {
            steps,
            ..Workflow::default()
        }
        .encode()
        .unwrap_err()
        .to_string()
        .contains("this has 100001")
    );
}

/// Breaks: an effect would be repeated, or a pure result computed again.
#[test]
fn classes() {
    let check = |command: &str, expect: Option<Class>| {
        let command: Command = command.parse().unwrap();
        assert_eq!(class_of(&command), expect, "{command}");
    };
    check("/wasm/run", Some(Class::Pure));
    check("/crud/read", Some(Class::Query));
    check("/time/now", Some(Class::Query));
    check("/crud/update", Some(Class::Idempotent));
    check("/crud/delete", Some(Class::Idempotent));
    check("/crud/create", Some(Class::Mutation));
    check("/msg/send", Some(Class::Mutation));
    check("/wasm", None);
    check("/wasm/run/x", None);
    check("/chan/open", None);
    assert_eq!(Class::Mutation.to_string(), "mutation");
}

/// Breaks: a computation with other keys would be taken for a memo key.
#[test]
fn computations() {
    let value = ipld(r#"{"cmd": "/wasm/run", "args": {"x": [1]}}"#);
    let computation = Computation::from_ipld(value.clone()).unwrap();
    assert_eq!(computation.to_ipld(), value);
    for wrong in [
        "[]",
        r#"{"cmd": "/x"}"#,
        r#"{"cmd": "/x", "args": {}, "nonce": 1}"#,
        r#"{"cmd": "x", "args": {}}"#,
    ] {
        assert!(Computation::from_ipld(ipld(wrong)).is_err(), "{wrong}");
    }
    let call = ipld(r#"{"fun": "f", "args": []}"#);
    let Ipld::Map(args) = call else { panic!() };
    assert!(
        WasmCall::from_args(args)
            .unwrap_err()
            .to_string()
            .contains("mod")
    );
}

fn arbitrary_args() -> impl Strategy<Value = BTreeMap<String, Ipld>> {
    let leaf = prop_oneof![
        Just(Ipld::Null),
        any::<i64>().prop_map(|i| Ipld::Integer(i.into())),
        "[a-z]{0,5}".prop_map(Ipld::String),
        prop::collection::vec(any::<u8>(), 0..5)
            .prop_map(|bytes| Ipld::Link(cid_of(codec::RAW, &bytes))),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Ipld::List),
            prop::collection::btree_map("[a-z]{0,3}", inner, 0..3).prop_map(Ipld::Map),
        ]
    });
    prop::collection::btree_map("[a-z]{1,3}", value, 0..3)
}

fn arbitrary_workflow() -> impl Strategy<Value = Workflow> {
    let config = prop::option::of((
        prop::option::of(any::<bool>()),
        prop::option::of(0_u64..1 << 53),
        prop::option::of(0_u64..=100),
    ))
    .prop_map(|config| {
        config.map(|(secret, fuel, retry)| Config {
            secret,
            fuel,
            retry,
            ..Config::default()
        })
    });
    let one = (arbitrary_args(), any::<bool>(), config.clone());
    let steps = prop::collection::btree_map("[a-zé]{1,4}", one, 1..8);
    (steps, config, prop::option::of(arbitrary_args())).prop_map(|(steps, defaults, meta)| {
        let pure = steps.values().all(|(_, pure, _)| *pure);
        let nonce = if pure { vec![] } else { vec![7; 16] };
        let make = |(label, (args, pure, config)): (String, (_, bool, _))| {
            let command = if pure { "/wasm/run" } else { "/msg/send" };
            let task_nonce = if pure {
                vec![]
            } else {
                step_nonce(&nonce, &label)
            };
            (
                label,
                Step {
                    config,
                    ..step(task(command, args, task_nonce))
                },
            )
        };
        let steps = steps.into_iter().map(make).collect();
        Workflow {
            nonce: nonce.clone(),
            meta,
            defaults,
            steps,
            ..Workflow::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Breaks: a workflow would change by being stored.
    #[test]
    fn there_and_back(workflow in arbitrary_workflow()) {
        let encoded = workflow.encode().unwrap();
        let again = decode(&encoded).unwrap();
        prop_assert_eq!(again.encode().unwrap(), encoded);
        prop_assert_eq!(again, workflow);
    }

    /// Breaks: bytes of a stranger could crash the program.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..600, flip in 1_u8..) {
        let mut get = |_: &Cid| Ok::<_, Infallible>(bytes.clone());
        let _ = Workflow::decode(&bytes, &mut get);
        let encoded = whole().encode().unwrap();
        // One bit wrong in the root; in the chunk, under its new name.
        let mut root = encoded.root.data().to_vec();
        let at_root = at % root.len();
        root[at_root] ^= flip;
        let mut get = |_: &Cid| Ok::<_, Infallible>(encoded.chunks[0].data().to_vec());
        let _ = Workflow::decode(&root, &mut get);
        let mut chunk = encoded.chunks[0].data().to_vec();
        let at_chunk = at % chunk.len();
        chunk[at_chunk] ^= flip;
        let Ipld::Map(mut root) = cbor::decode(encoded.root.data(), ipvm_ipld::Limits::default()).unwrap() else { panic!() };
        root.insert("tasks".into(), Ipld::List(vec![Ipld::Link(cid_of(codec::DAG_CBOR, &chunk))]));
        let mut get = |_: &Cid| Ok::<_, Infallible>(chunk.clone());
        if let Ok(workflow) = Workflow::decode(&cbor::encode(&Ipld::Map(root)).unwrap(), &mut get) {
            let again = workflow.encode().unwrap();
            prop_assert_eq!(again.chunks[0].data(), chunk.as_slice());
        }
    }
}
