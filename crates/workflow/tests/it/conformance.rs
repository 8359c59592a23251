//! The worked example of the formats, byte for byte.

use ipvm_ipld::{Block, Cid, Ipld, Limits, cbor, cid_of, codec};
use ipvm_ucan::Did;
use ipvm_workflow::author::{ArgError, Base, FunctionError, SourceError, Sources, compile, parse};
use ipvm_workflow::{Computation, Graph, Task, Workflow, step_nonce};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;

#[allow(clippy::print_stdout, reason = "a skipped test has to say so")]
fn blocks() -> Option<BTreeMap<String, Block>> {
    let folder = std::env::var_os("IPVM_CONFORMANCE").map_or_else(
        || {
            PathBuf::from(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../shared/conformance"
            ))
        },
        PathBuf::from,
    );
    let path = folder.join("ipvm/worked-example.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "{} is missing",
            path.display()
        );
        println!("skipped: {} is not there", path.display());
        return None;
    };
    let example: serde_json::Value = serde_json::from_str(&text).unwrap();
    let block = |block: &serde_json::Value| {
        let bytes = data_encoding::HEXLOWER
            .decode(block["bytes"].as_str().unwrap().as_bytes())
            .unwrap();
        let cid: Cid = block["cid"].as_str().unwrap().parse().unwrap();
        (
            block["name"].as_str().unwrap().to_owned(),
            Block::verify(cid, bytes).unwrap(),
        )
    };
    Some(
        example["blocks"]
            .as_array()
            .unwrap()
            .iter()
            .map(block)
            .collect(),
    )
}

/// Breaks: tasks, memo keys and workflows would have other CIDs than those of other implementations.
#[test]
fn worked_example() {
    let Some(blocks) = blocks() else { return };
    let value = |name: &str| cbor::decode(blocks[name].data(), Limits::default()).unwrap();
    for name in ["task sum", "task more", "task told"] {
        let task = Task::from_ipld(value(name)).unwrap();
        assert_eq!(task.block().unwrap(), blocks[name], "{name}");
    }
    for name in ["computation sum", "computation more"] {
        let computation = Computation::from_ipld(value(name)).unwrap();
        assert_eq!(computation.cid().unwrap(), *blocks[name].cid(), "{name}");
    }
    let mut asked = Vec::new();
    let mut get = |cid: &Cid| {
        asked.push(*cid);
        Ok::<_, Infallible>(blocks["chunk"].data().to_vec())
    };
    let workflow = Workflow::decode(blocks["workflow"].data(), &mut get).unwrap();
    assert_eq!(asked, [*blocks["chunk"].cid()]);
    let encoded = workflow.encode().unwrap();
    assert_eq!(encoded.root, blocks["workflow"]);
    assert_eq!(encoded.chunks, [blocks["chunk"].clone()]);

    let labels: Vec<&str> = workflow.steps.keys().map(String::as_str).collect();
    assert_eq!(labels, ["more", "sum", "told"]);
    assert_eq!(
        workflow.steps["more"].config.as_ref().unwrap().fuel,
        Some(1_000_000)
    );
    assert_eq!(
        workflow.steps["told"].task.nonce,
        step_nonce(&workflow.nonce, "told")
    );
    let graph = Graph::of(&workflow).unwrap();
    assert_eq!(
        (graph.deps(0), graph.deps(1), graph.deps(2)),
        (&[1][..], &[][..], &[0][..])
    );
    assert_eq!(graph.task(1).as_ref(), Some(blocks["task sum"].cid()));
}

/// Breaks: the same file would be another workflow for another implementation.
#[test]
fn worked_example_from_a_file() {
    let Some(blocks) = blocks() else { return };
    let told =
        Task::from_ipld(cbor::decode(blocks["task told"].data(), Limits::default()).unwrap())
            .unwrap();
    let file = format!(
        r#"
ipvm: "0.2"
tasks:
  told: {{ cmd: /msg/send, subject: "{}", args: {{ to: [bob@example.com], body: {{await: more}} }} }}
  sum: {{ mod: {module}, fun: "ipvm:fixture/fns@0.1.0#add", args: [2, 3] }}
  more:
    mod: {module}
    fun: ipvm:fixture/fns@0.1.0#add
    args: [{{await/ok: sum}}, 1]
    config: {{ fuel: 1_000_000 }}
"#,
        told.sub,
        module = cid_of(
            codec::RAW,
            &[0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00]
        ),
    );
    struct Adds;
    impl Sources for Adds {
        fn add_file(&mut self, path: &str, _: Base) -> Result<Cid, SourceError> {
            panic!("{path}")
        }
        fn read_text(&mut self, path: &str, _: Base) -> Result<String, SourceError> {
            panic!("{path}")
        }
        fn glob(&mut self, pattern: &str, _: Base) -> Result<Vec<String>, SourceError> {
            panic!("{pattern}")
        }
        fn module(&mut self, path: &str) -> Result<Cid, SourceError> {
            panic!("{path}")
        }
        fn function(&mut self, _: &Cid, name: &str) -> Result<String, FunctionError> {
            Ok(name.to_owned())
        }
        fn check_args(&mut self, _: &Cid, _: &str, _: &[Ipld]) -> Result<(), ArgError> {
            Ok(())
        }
        fn subject(&mut self, name: &str) -> Result<Did, SourceError> {
            Ok(name.parse().unwrap())
        }
    }
    let document = parse(file.as_bytes()).unwrap();
    let compiled = compile(document, &crate::fake::settings(&[]), &mut Adds).unwrap();
    let encoded = compiled.plan.workflow().encode().unwrap();
    assert_eq!(encoded.root, blocks["workflow"]);
    assert_eq!(encoded.chunks, [blocks["chunk"].clone()]);
}
