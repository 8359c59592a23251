//! Attacks by results: places that do not exist, values that cannot be, and results that are far larger than the
//! memory they come from.

use super::{End, Hostile, function, with_types};

pub(super) fn kinds() -> Vec<Hostile> {
    [places(), values(), sizes()].concat()
}

/// A guest that returns the two words at 16: a pointer and a length.
fn pair(ty: &str, place: &str, length: &str) -> Vec<u8> {
    function(
        &format!("(result {ty})"),
        &format!(
            r#"(func (export "f") (result i32)
              (i32.store (i32.const 16) (i32.const {place})) (i32.store (i32.const 20) (i32.const {length}))
              (i32.const 16))"#
        ),
    )
}

fn places() -> Vec<Hostile> {
    let bad = |name, module| Hostile::new(name, module, End::Error("trap", ""));
    let pointer = |place: &str| {
        function(
            "(result string)",
            &format!(r#"(func (export "f") (result i32) (i32.const {place}))"#),
        )
    };
    vec![
        bad("returns a result outside", pointer("0x7ffffff0")),
        bad("returns a result at an odd place", pointer("17")),
        bad("returns bytes outside", pair("(list u8)", "65000", "70000")),
        bad(
            "returns a length past the end",
            pair("(list u64)", "0", "-1"),
        ),
        bad("returns text outside", pair("string", "-16", "32")),
        bad(
            "returns a list at an odd place",
            pair("(list u64)", "9", "2"),
        ),
    ]
}

fn values() -> Vec<Hostile> {
    let flat = |ty: &str, core: &str, body: &str| {
        function(
            &format!("(result {ty})"),
            &format!(r#"(func (export "f") (result {core}) {body})"#),
        )
    };
    let text = r#"(data (i32.const 64) "\ff\fe\fd") (func (export "f") (result i32)
        (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 3)) (i32.const 16))"#;
    let keys = r#"(data (i32.const 0) "\08\00\00\00\02\00\00\00"
          "\40\00\00\00\01\00\00\00\01\00\00\00" "\40\00\00\00\01\00\00\00\02\00\00\00")
        (data (i32.const 64) "k") (func (export "f") (result i32) (i32.const 0))"#;
    let cases = r#"(type $v (variant (case "a" u8) (case "b")))
        (export $v2 "v" (type $v))"#;
    vec![
        Hostile::new(
            "returns a character that is none",
            flat("char", "i32", "(i32.const 0xd800)"),
            End::Error("trap", ""),
        ),
        Hostile::new(
            "returns text that is none",
            function("(result string)", text),
            End::Error("trap", ""),
        ),
        Hostile::new(
            "returns a case that is none",
            with_types(
                cases,
                "(result $v2)",
                r#"(func (export "f") (result i32)
              (i32.store8 (i32.const 16) (i32.const 9)) (i32.const 16))"#,
            ),
            End::Error("trap", ""),
        ),
        Hostile::new(
            "returns no number",
            flat("f64", "f64", "(f64.const nan)"),
            End::Error("bad result", "finite"),
        ),
        Hostile::new(
            "returns an infinity",
            flat("f32", "f32", "(f32.const -inf)"),
            End::Error("bad result", "finite"),
        ),
        Hostile::new(
            "returns a key twice",
            function("(result (list (tuple string u8)))", keys),
            End::Error("bad result", "twice"),
        ),
    ]
}

/// Small memories that stand for huge results: the same bytes counted over and over.
fn sizes() -> Vec<Hostile> {
    let grown = r#"(func (export "f") (result i32) (drop (memory.grow (i32.const 1100)))
        (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 70000000)) (i32.const 16))"#;
    let numbers = r#"(func (export "f") (result i32) (drop (memory.grow (i32.const 200)))
        (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 10000000)) (i32.const 16))"#;
    vec![
        Hostile::new(
            "returns too many bytes",
            function("(result (list u8))", grown),
            End::Limit("output"),
        )
        .with("fuel: 50_000_000, memory: 128MiB, time: 2s"),
        Hostile::new(
            "returns the same text over and over",
            function("(result (list string))", &texts(8_000, 60_000)),
            End::Limit("output"),
        ),
        Hostile::new(
            "returns ten million flags",
            function("(result (list bool))", numbers),
            End::Limit("output"),
        ),
        Hostile::new(
            "returns too much structure",
            function("(result (list string))", &texts(20_000, 100)),
            End::Error("too large", ""),
        ),
    ]
}

/// A function `f` that returns so many texts of so many bytes each, all of them the same bytes.
fn texts(count: usize, bytes: usize) -> String {
    const LIST: usize = 1 << 16;
    let end = LIST + 8 * count;
    format!(
        r#"(func (export "f") (result i32) (local $at i32) (drop (memory.grow (i32.const 4)))
          (local.set $at (i32.const {LIST}))
          (loop $again
            (i32.store (local.get $at) (i32.const 0)) (i32.store offset=4 (local.get $at) (i32.const {bytes}))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $again (i32.lt_u (local.get $at) (i32.const {end}))))
          (i32.store (i32.const 61000) (i32.const {LIST})) (i32.store (i32.const 61004) (i32.const {count}))
          (i32.const 61000))"#
    )
}
