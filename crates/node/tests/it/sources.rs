//! Files that a workflow reads: confined, counted by content, changed by one byte.

use std::fs;

use ipvm_node::{FileRequest, PrepareError, Why};
use ipvm_testkit::Folder;

use crate::helpers::{open, prepare, run, workflow};

const FILES: &str = "  a: { mod: calc.wasm, fun: echo-pairs, args: [{ k: {text: a.txt} }] }
  b: { mod: calc.wasm, fun: echo-pairs, args: [{ k: {text: b.txt} }] }
";

#[test]
fn explain_names_the_file_that_changed() {
    let folder = Folder::with_workflow(&workflow(
        "  a: { mod: calc.wasm, fun: add, args: [{link: bafkqaaa}, 1] }\n",
    ));
    folder.write("a.bin", vec![1u8; 3_000_000]);
    folder.write("b.bin", "other");
    let text = "  a: { mod: bytes.wasm, fun: same, args: [{file: a.bin}] }
  b: { mod: bytes.wasm, fun: same, args: [{file: ./b.bin}] }
  c: { mod: bytes.wasm, fun: same, args: [{await: a}] }
";
    folder.write("bytes.wasm", ipvm_testkit::component(SAME));
    folder.write("workflow.yaml", workflow(text));
    let node = open(&folder.home());
    // What `a` returns is the content of a.bin, so `c` is the same computation as `a`.
    let first = run(&node, &folder);
    assert_eq!((first.executed, first.reused), (2, 1));
    let mut bytes = vec![1u8; 3_000_000];
    bytes[1_500_000] = 2;
    folder.write("a.bin", bytes);
    let why = node.explain(&prepare(&node, &folder)).unwrap();
    let Why::Miss { reasons } = &why[0].why else {
        panic!("{:?}", why[0])
    };
    assert!(
        reasons[0]
            .to_string()
            .starts_with("input a.bin changed: was baf"),
        "{}",
        reasons[0]
    );
    assert!(matches!(why[1].why, Why::Hit { .. }));
    let report = run(&node, &folder);
    assert_eq!((report.executed, report.reused), (1, 2));
}

/// `same(bytes: list<u8>) -> list<u8>`.
const SAME: &str = r#"
(component
  (core module $m
    (memory (export "memory") 80)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "same") (param i32 i32) (result i32)
      (i32.store (i32.const 8) (local.get 0))
      (i32.store (i32.const 12) (local.get 1))
      (i32.const 8)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "same") (param "bytes" (list u8)) (result (list u8))
    (canon lift (core func $i "same") (memory $memory) (realloc (core func $realloc)))))
"#;

#[test]
fn paths_stay_in_the_folder_unless_allowed() {
    let outside = Folder::new();
    outside.write("secret.txt", "secret");
    let folder = Folder::with_workflow(&workflow(FILES));
    folder.write("a.txt", "a");
    let node = open(&folder.home());
    let request = FileRequest {
        file: folder.path("workflow.yaml"),
        ..FileRequest::default()
    };
    let refused = |request: &FileRequest, part: &str| match node.prepare(request) {
        Err(PrepareError::Invalid { diagnostics, .. }) => {
            let text = diagnostics.to_string();
            assert!(text.contains(part), "{text}");
        }
        other => panic!("{other:?}"),
    };
    refused(&request, "b.txt");
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path("secret.txt"), folder.path("b.txt")).unwrap();
    refused(&request, "leads out of the workflow's folder");
    let allowed = FileRequest {
        allow: vec![outside.root().to_path_buf()],
        ..request.clone()
    };
    node.prepare(&allowed).unwrap();
    fs::remove_file(folder.path("b.txt")).unwrap();
    folder.write("b.txt", "b");
    node.prepare(&request).unwrap();

    folder.write(
        "deep/workflow.yaml",
        workflow(FILES).replace("a.txt", "../a.txt"),
    );
    folder.write(
        "deep/calc.wasm",
        ipvm_testkit::component(ipvm_testkit::CALC),
    );
    folder.write("deep/b.txt", "b");
    let deep = FileRequest {
        file: folder.path("deep/workflow.yaml"),
        ..FileRequest::default()
    };
    refused(&deep, "leads out of the workflow's folder");
}

#[test]
fn parameters_can_be_set() {
    let folder = Folder::with_workflow(
        "ipvm: \"0.2\"\nparams: { n: 1 }\ntasks:\n  t: { mod: calc.wasm, fun: add, args: [{param: n}, 1] }\n",
    );
    let node = open(&folder.home());
    let request = |n: &str| FileRequest {
        file: folder.path("workflow.yaml"),
        set: vec![("n".into(), n.into())],
        allow: vec![],
        again: false,
    };
    assert_ne!(
        node.prepare(&request("2")).unwrap().plan.cid(),
        node.prepare(&request("3")).unwrap().plan.cid()
    );
    let error = node.prepare(&request("text")).unwrap_err();
    assert!(matches!(error, PrepareError::Invalid { .. }), "{error}");
    assert_eq!(
        node.prepare(&request("2")).unwrap().name,
        "workflow",
        "the file's stem"
    );
}
