//! Attacks on the compiler: small or legal modules that take it far more time or memory than they look like.

use super::{End, Hostile, bare, component};
use std::fmt::Write;

pub(super) fn kinds() -> Vec<Hostile> {
    [structures(), functions(), types()].concat()
}

/// `text` as often as said.
fn many(count: usize, mut text: impl FnMut(&mut String, usize)) -> String {
    let mut out = String::new();
    (0..count).for_each(|index| text(&mut out, index));
    out
}

const ANSWER: &str = r#"(func (export "f") (result i32) (i32.const 7))"#;

/// What is said at the limit of time and at that of memory: which comes first is a matter of the machine.
const SPLIT: &str = "Split what is large in it";

fn refused(name: &'static str, words: &'static str, module: Vec<u8>) -> Hostile {
    Hostile::new(name, module, End::Refused(words))
}

fn structures() -> Vec<Hostile> {
    let imports = many(100_000, |out, index| {
        let _ = write!(out, r#"(import "a" "f{index}" (func))"#);
    });
    let core = wat::parse_str(format!("(module {imports})")).expect("a module");
    let named = many(100_000, |out, index| {
        let _ = write!(out, r#"(import "acme:a/f{index}" (func))"#);
    });
    let exports = many(100_000, |out, index| {
        let _ = write!(out, r#"(func (export "f{index}"))"#);
    });
    let tables = many(200, |out, _| out.push_str("(table 10000000 funcref)"));
    let instances = many(5_000, |out, index| {
        let _ = write!(out, "(core instance $i{index} (instantiate $m))");
    });
    let copies = format!("(component (core module $m (memory 1) {ANSWER}) {instances})");
    let name = "n".repeat(200_000);
    vec![
        refused("has 100,000 core imports", "imports; at most", core),
        refused(
            "has 100,000 imports",
            "at most",
            component(&format!("(component {named})")),
        ),
        refused(
            "has 100,000 exports",
            "exports; at most",
            bare(&format!("{exports} {ANSWER}")),
        ),
        refused(
            "has giant tables",
            "elements in one table",
            bare(&format!("{tables} {ANSWER}")),
        ),
        refused("is nested 900 deep", "levels of components", nested(900)),
        refused(
            "has 5,000 instances",
            "instances count exceeds",
            component(&copies),
        ),
        refused(
            "has a name of 200 KB",
            "string size",
            bare(&format!(r#"(func (export "{name}")) {ANSWER}"#)),
        ),
    ]
}

/// Components inside each other; by hand, since text has a limit on its own nesting.
fn nested(depth: usize) -> Vec<u8> {
    const PREAMBLE: [u8; 8] = *b"\0asm\x0d\0\x01\0";
    const COMPONENT_SECTION: u8 = 4;
    let mut bytes = PREAMBLE.to_vec();
    for _ in 0..depth {
        let mut outer = PREAMBLE.to_vec();
        outer.push(COMPONENT_SECTION);
        let mut length = bytes.len();
        while length >= 0x80 {
            outer.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.append(&mut bytes);
        bytes = outer;
    }
    bytes
}

fn functions() -> Vec<Hostile> {
    let deep = format!(
        r#"(func (export "f") (result i32) {} i32.const 7 {})"#,
        "block (result i32) ".repeat(50_000),
        "end ".repeat(50_000)
    );
    let huge = many(1_500_000, |out, _| out.push_str("(drop (i32.const 1))"));
    let huge = format!(r#"(func (export "f") (result i32) {huge} (i32.const 7))"#);
    let targets = "0 ".repeat(500_000);
    let branches = format!(
        r#"(func (export "f") (result i32) (block (br_table {targets} (i32.const 0))) (i32.const 7))"#
    );
    let locals = "(local i64 i64 i64 i64 i64 i64 i64 i64)".repeat(5_000);
    let locals = many(10, |out, _| {
        let _ = write!(out, "(func {locals})");
    });
    let functions = many(1_000_000, |out, _| out.push_str("(func)"));
    vec![
        refused("has blocks 50,000 deep", SPLIT, bare(&deep)),
        refused(
            "has one huge function",
            "bytes in one function",
            bare(&huge),
        ),
        refused("branches to 500,000 places", "br_table", bare(&branches)),
        Hostile::new(
            "has 400,000 locals",
            bare(&format!("{locals} {ANSWER}")),
            End::Ok,
        ),
        refused(
            "has a million functions",
            "functions; at most",
            bare(&format!("{functions} {ANSWER}")),
        ),
        refused(
            "takes minutes to compile",
            "takes longer than",
            bare(&tangle(35_000)),
        ),
    ]
}

/// A valid function that keeps a compiler busy: every block may come from many, and all values live across all of
/// them.
fn tangle(blocks: usize) -> String {
    const VALUES: usize = 500;
    let locals = "(local i64)".repeat(VALUES);
    let steps = many(blocks, |out, index| {
        let (a, b, c) = (index * 7 % VALUES, index * 13 % VALUES, index * 31 % VALUES);
        let _ = write!(
            out,
            "(if (i64.eqz (local.get {a})) (then (local.set {b} (i64.add (local.get {c}) (local.get {a}))))
               (else (local.set {c} (i64.mul (local.get {b}) (i64.const {index})))))"
        );
    });
    format!(
        r#"(func (export "f") (result i32) {locals} (loop $again {steps} (br_if $again (i64.eqz (local.get 3)))) (i32.const 7))"#
    )
}

fn types() -> Vec<Hostile> {
    // Each type is twice the one before: 2^40 parts in all.
    let doubled = many(40, |out, index| {
        let _ = write!(out, "(type $t{} (tuple $t{index} $t{index}))", index + 1);
    });
    let doubled = format!(
        r#"(component (type $t0 (tuple u8 u8)) {doubled}
          (core module $m (memory (export "memory") 1) (func (export "f") (param i32) (result i32) (i32.const 7)))
          (core instance $i (instantiate $m))
          (func (export "f") (param "a" $t40) (result u32) (canon lift (core func $i "f") (memory (core memory $i "memory")))))"#
    );
    let deep = many(2_000, |out, index| {
        let _ = write!(out, "(type $t{} (list $t{index}))", index + 1);
    });
    let deep = format!("(component (type $t0 (list u8)) {deep} (export \"t\" (type $t2000)))");
    vec![
        refused(
            "has a type of 2^40 parts",
            "effective type size",
            component(&doubled),
        ),
        refused(
            "has a type nested 2,000 deep",
            "nesting is too deep",
            component(&deep),
        ),
    ]
}
