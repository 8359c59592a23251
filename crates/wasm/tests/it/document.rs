//! The examples of `docs/ipld-wit.md`, run: a specification whose examples are wrong is worse than none.

use crate::fixture::{CID, call, component, load, through_echo};
use crate::refusals::fits;
use crate::wit::parse;
use ipvm_ipld::{Ipld, Limits, cbor, json};
use ipvm_wasm::Type;
use std::collections::BTreeSet;

const TEXT: &str = include_str!("../../../../docs/ipld-wit.md");

/// The cells of the table under a heading: what stands between backquotes in each, or all of it.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = TEXT.split_once(&format!("## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    let table: Vec<Vec<_>> = rows.map(cells).collect();
    assert!(!table.is_empty(), "{heading}");
    table
}

fn cells(row: &str) -> Vec<&str> {
    let row = row.trim_matches('|');
    row.split('|')
        .map(|cell| {
            let cell = cell.trim();
            cell.strip_prefix('`')
                .and_then(|cell| cell.strip_suffix('`'))
                .unwrap_or(cell)
        })
        .collect()
}

fn read(text: &str) -> Ipld {
    json::from_str(text, Limits::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The row of the mapping that a type belongs to.
fn row(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::F32 | Type::F64 => "float",
        Type::Char => "char",
        Type::String => "string",
        Type::List(item) if **item == Type::U8 => "bytes",
        Type::List(item) => match &**item {
            Type::Tuple(tuple) if tuple.types()[0] == Type::String && tuple.types().len() == 2 => {
                "map"
            }
            Type::Result(_) => "result",
            _ => "list",
        },
        Type::Map(_) => "map",
        Type::Record(_) => "record",
        Type::Tuple(_) => "tuple",
        Type::Variant(_) => "variant",
        Type::Enum(_) => "enum",
        Type::Flags(_) => "flags",
        Type::Option(inner) if matches!(**inner, Type::Option(_)) => "nested option",
        Type::Option(_) => "option",
        Type::Result(_) => "result",
        Type::Cid => "cid",
        Type::Unsupported(_) => "none",
        _ => "int",
    }
}

const ROWS: [&str; 17] = [
    "bool",
    "int",
    "float",
    "char",
    "string",
    "bytes",
    "list",
    "tuple",
    "map",
    "record",
    "variant",
    "enum",
    "flags",
    "option",
    "nested option",
    "result",
    "cid",
];

#[track_caller]
fn covers(seen: &BTreeSet<&str>) {
    let missing: Vec<_> = ROWS.iter().filter(|row| !seen.contains(*row)).collect();
    assert!(missing.is_empty(), "no example for {missing:?}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn accepted_examples() {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for cells in table("Values") {
        let [ty, value, encoded, back] = cells[..] else {
            panic!("{cells:?}")
        };
        let (ty, value) = (parse(ty), read(value));
        seen.insert(row(&ty));
        let bytes = hex(&cbor::encode(&value).unwrap());
        if bytes != encoded {
            wrong.push(format!("{} of {ty} is {bytes}", json::to_string(&value)));
        }
        let expect = if back == "same" {
            value.clone()
        } else {
            read(back)
        };
        // In a tuple, so that a result is a value.
        let out = through_echo(&Type::tuple(vec![ty]), &Ipld::List(vec![value]));
        assert_eq!(out.unwrap(), Ok(Ipld::List(vec![expect])));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    covers(&seen);
}

#[test]
fn refused_examples() {
    let mut seen = BTreeSet::from(["option"]);
    for cells in table("Refused") {
        let [ty, value, words] = cells[..] else {
            panic!("{cells:?}")
        };
        let (ty, value) = (parse(ty), read(value));
        seen.insert(row(&ty));
        let error = fits(&ty, &value).unwrap_err();
        let said = format!("{}{}", error.path, error.message);
        let said = if error.path.is_empty() {
            error.message.clone()
        } else {
            said.replacen(&error.message, &format!(": {}", error.message), 1)
        };
        assert_eq!(said, words, "{ty}");
        let called = through_echo(&ty, &value).unwrap_err().to_string();
        assert_eq!(called, error.to_string());
    }
    covers(&seen);
}

/// What a guest returns that has no form.
fn returning(what: &str) -> String {
    match what {
        "NaN" => component(
            "",
            "(result f64)",
            "(func (export \"f\") (result f64) (f64.const nan))",
        ),
        "an infinity" => component(
            "",
            "(result f32)",
            "(func (export \"f\") (result f32) (f32.const inf))",
        ),
        "the key `a` twice" => component(
            "",
            "(result (map string u32))",
            r#"(data (i32.const 64) "\80\00\00\00\02\00\00\00")
               (data (i32.const 128) "\00\01\00\00\01\00\00\00\07\00\00\00\00\01\00\00\01\00\00\00\08\00\00\00")
               (data (i32.const 256) "a")
               (func (export "f") (result i32) (i32.const 64))"#,
        ),
        "the bytes `00 01 02`" => component(
            CID,
            "(result $cid)",
            r#"(data (i32.const 64) "\80\00\00\00\03\00\00\00")
               (data (i32.const 128) "\00\01\02")
               (func (export "f") (result i32) (i32.const 64))"#,
        ),
        other => panic!("no guest returns {other}"),
    }
}

#[test]
fn refused_results() {
    for cells in table("Refused results") {
        let [ty, what, words] = cells[..] else {
            panic!("{cells:?}")
        };
        let module = load(&returning(what));
        let function = &module.interface().functions[0];
        assert_eq!(function.result, Some(parse(ty)));
        let error = call(&module, "f", &[]).unwrap_err();
        assert_eq!(error.to_string(), words);
    }
}
