//! The IPLD-WIT table, row by row. A row that broke would silently give functions other values than their
//! callers meant, or make two executors' results differ.

use crate::fixture::{
    Blocks, LIMITS, call, component, component_encoded, echo, echo_all, load, padded, through_echo,
};
use crate::generate::{arguments, types};
use crate::refusals::fits;
use ipvm_ipld::{Cid, Ipld, Limits, cid_of, codec, json};
use ipvm_wasm::{Call, CallError, Cancel, Type};
use proptest::prelude::*;

fn ipld(text: &str) -> Ipld {
    json::from_str(text, Limits::default()).unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn point() -> Type {
    Type::record(vec![
        ("x".to_owned(), Type::S32),
        ("label".to_owned(), Type::option(Type::String)),
    ])
}

fn shape() -> Type {
    Type::variant(vec![
        ("dot".to_owned(), None),
        ("circle".to_owned(), Some(Type::F64)),
        ("named".to_owned(), Some(Type::String)),
        ("count".to_owned(), Some(Type::U64)),
    ])
}

/// A value that comes back as it went in.
#[track_caller]
fn same(ty: &Type, value: &str) {
    becomes(ty, value, value);
}

/// A value that comes back in its one form.
#[track_caller]
fn becomes(ty: &Type, value: &str, expect: &str) {
    // A result as the whole result of the echo is the outcome's own branch.
    let expect = match (ty, ipld(expect)) {
        (Type::Result(_), Ipld::Map(mut map)) => {
            let ok = map.remove("ok");
            ok.map_or_else(|| Err(map.remove("error").unwrap()), Ok)
        }
        (_, expect) => Ok(expect),
    };
    assert_eq!(through_echo(ty, &ipld(value)).unwrap(), expect, "{ty}");
}

/// A value that is refused, with a message that has this text.
#[track_caller]
fn refused(ty: &Type, value: &Ipld, text: &str) {
    let error = through_echo(ty, value).unwrap_err();
    assert!(matches!(error, CallError::Argument(_)), "{error}");
    assert!(error.to_string().contains(text), "{error}");
    // The check without an engine says the same.
    let function = ipvm_wasm::Function {
        name: "f".to_owned(),
        params: vec![("v".to_owned(), ty.clone())],
        result: None,
    };
    assert_eq!(
        function
            .check(std::slice::from_ref(value))
            .unwrap_err()
            .to_string(),
        error.to_string()
    );
}

#[track_caller]
fn refused_text(ty: &Type, value: &str, text: &str) {
    refused(ty, &ipld(value), text);
}

#[test]
fn scalars() {
    same(&Type::Bool, "true");
    same(&Type::Bool, "false");
    same(&Type::Char, r#""ß""#);
    same(&Type::String, r#""snow ☃""#);
    same(&Type::String, r#""""#);
    for (ty, least, most) in [
        (Type::U8, 0, u8::MAX.into()),
        (Type::S8, i8::MIN.into(), i8::MAX.into()),
        (Type::U16, 0, u16::MAX.into()),
        (Type::S16, i16::MIN.into(), i16::MAX.into()),
        (Type::U32, 0, u32::MAX.into()),
        (Type::S32, i32::MIN.into(), i32::MAX.into()),
        (Type::U64, 0, i128::from(u64::MAX)),
        (Type::S64, i64::MIN.into(), i64::MAX.into()),
    ] {
        for value in [least, most, 0, 1] {
            assert_eq!(
                through_echo(&ty, &Ipld::Integer(value)).unwrap(),
                Ok(Ipld::Integer(value)),
                "{ty}"
            );
        }
        for value in [least - 1, most + 1] {
            refused(
                &ty,
                &Ipld::Integer(value),
                &format!("{value} is out of range for {ty}"),
            );
        }
        refused(&ty, &Ipld::Float(1.0), "expected an int");
    }
    for value in [
        0.0,
        -0.0,
        1.5,
        f64::from(f32::MAX),
        f64::from(f32::MIN_POSITIVE),
    ] {
        for ty in [Type::F32, Type::F64] {
            let Ok(Ipld::Float(back)) = through_echo(&ty, &Ipld::Float(value)).unwrap() else {
                panic!()
            };
            assert_eq!(back.to_bits(), value.to_bits(), "{ty}");
        }
    }
    refused_text(&Type::Bool, "1", "expected a bool");
    refused_text(&Type::Char, r#""ab""#, "one character");
    refused_text(&Type::Char, r#""""#, "one character");
    refused_text(&Type::String, "null", "expected a string");
    refused_text(&Type::F64, "1", "write 1.0");
    refused(&Type::F32, &Ipld::Float(1e300), "out of range for f32");
    refused(&Type::F64, &Ipld::Float(f64::NAN), "not a finite number");
    refused(
        &Type::F64,
        &Ipld::Float(f64::INFINITY),
        "not a finite number",
    );
}

#[test]
fn lists_and_maps() {
    let bytes = Type::list(Type::U8);
    same(&bytes, r#"{"/": {"bytes": "AAEC/w"}}"#);
    same(&bytes, r#"{"/": {"bytes": ""}}"#);
    refused_text(&bytes, "[1, 2]", "expected bytes or a link to content");
    refused_text(&bytes, r#""text""#, "expected bytes");

    same(&Type::list(Type::U16), "[1, 2, 65535]");
    same(
        &Type::list(Type::list(Type::String)),
        r#"[["a"], [], ["b", "c"]]"#,
    );
    refused_text(
        &Type::list(Type::U16),
        "[1, -2]",
        "argument 1 (v)[1]: -2 is out of range",
    );
    refused_text(&Type::list(Type::U16), "{}", "expected a list");

    same(
        &Type::tuple(vec![Type::U8, Type::String, Type::U64]),
        r#"[1, "two", 3]"#,
    );
    refused_text(
        &Type::tuple(vec![Type::U8, Type::U8]),
        "[1]",
        "expected 2 items",
    );

    for map in [
        Type::map(Type::U32),
        Type::list(Type::tuple(vec![Type::String, Type::U32])),
    ] {
        same(&map, r#"{"a": 1, "bb": 2, "": 3}"#);
        same(&map, "{}");
        refused_text(&map, r#"[["a", 1]]"#, "expected a map");
        refused_text(&map, r#"{"a": "b"}"#, "argument 1 (v).a: expected an int");
    }
    // Three items, or a first that is no string: not a map.
    same(
        &Type::list(Type::tuple(vec![Type::U8, Type::String])),
        r#"[[1, "a"]]"#,
    );
    same(
        &Type::list(Type::tuple(vec![Type::String, Type::U8, Type::U8])),
        r#"[["a", 1, 2]]"#,
    );
}

/// Executors that hand entries over in different orders would not agree on what a function returns.
#[test]
fn map_entries_come_in_the_order_of_dag_cbor() {
    let ty = Type::map(Type::U8);
    let text = component(
        "",
        "(param \"m\" (map string u8)) (result (list (tuple u32 string u8)))",
        // The entries as they lie in memory: (key pointer, key length, value). Each is given a number in front.
        r#"(func (export "f") (param $at i32) (param $n i32) (result i32) (local $to i32) (local $i i32)
            (local.set $to (i32.const 512))
            (i32.store (i32.const 256) (i32.const 512)) (i32.store (i32.const 260) (local.get $n))
            (loop $next (if (i32.lt_u (local.get $i) (local.get $n)) (then
              (i32.store (local.get $to) (local.get $i))
              (i64.store offset=4 (local.get $to) (i64.load (local.get $at)))
              (i32.store8 offset=12 (local.get $to) (i32.load8_u offset=8 (local.get $at)))
              (local.set $to (i32.add (local.get $to) (i32.const 16)))
              (local.set $at (i32.add (local.get $at) (i32.const 12)))
              (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next))))
            (i32.const 256))"#,
    );
    let module = load(&text);
    assert_eq!(module.interface().functions[0].params[0].1, ty);
    let out = call(
        &module,
        "f",
        &[ipld(r#"{"aaa": 1, "b": 2, "a": 3, "zz": 4}"#)],
    )
    .unwrap()
    .unwrap();
    assert_eq!(
        out,
        ipld(r#"[[0, "a", 3], [1, "b", 2], [2, "zz", 4], [3, "aaa", 1]]"#)
    );
}

#[test]
fn records() {
    same(&point(), r#"{"x": -5, "label": "here"}"#);
    same(&point(), r#"{"x": -5, "label": null}"#);
    becomes(&point(), r#"{"x": -5}"#, r#"{"x": -5, "label": null}"#);
    refused_text(&point(), r#"{"label": "here"}"#, "the key \"x\" is missing");
    refused_text(
        &point(),
        r#"{"x": 1, "y": 2}"#,
        "unknown key \"y\"; the keys are x, label",
    );
    refused_text(&point(), r#"[1, "here"]"#, "expected a map");
    let nested = Type::record(vec![
        ("n".to_owned(), Type::option(Type::option(Type::U8))),
        ("x".to_owned(), Type::U8),
    ]);
    becomes(&nested, r#"{"x": 1}"#, r#"{"x": 1, "n": []}"#);
}

#[test]
fn variants_enums_and_flags() {
    same(&shape(), r#"{"dot": null}"#);
    same(&shape(), r#"{"circle": 1.5}"#);
    same(&shape(), r#"{"named": "n"}"#);
    same(&shape(), r#"{"count": 18446744073709551615}"#);
    refused_text(
        &shape(),
        r#"{"square": 1}"#,
        "unknown case \"square\"; the cases are dot, circle, named, count",
    );
    refused_text(
        &shape(),
        r#"{"dot": null, "circle": 1.5}"#,
        "a map of one key",
    );
    refused_text(&shape(), "{}", "a map of one key");
    refused_text(&shape(), r#"{"dot": 1}"#, "has no payload");
    refused_text(
        &shape(),
        r#"{"circle": "x"}"#,
        "argument 1 (v).circle: expected a float",
    );
    refused_text(&shape(), r#""dot""#, "a map of one key");

    let colour = Type::enumeration(names(&["red", "green"]));
    same(&colour, r#""green""#);
    refused_text(
        &colour,
        r#""blue""#,
        "unknown case \"blue\"; the cases are red, green",
    );
    refused_text(&colour, r#"{"red": null}"#, "expected a string");

    let rights = Type::flags(names(&["read", "write", "run"]));
    same(&rights, r#"["read", "run"]"#);
    same(&rights, "[]");
    refused_text(
        &rights,
        r#"["delete"]"#,
        "unknown flag \"delete\"; the flags are read, write, run",
    );
    refused_text(
        &rights,
        r#"["run", "read"]"#,
        "repeated or out of order; the order is read, write, run",
    );
    refused_text(&rights, r#"["read", "read"]"#, "repeated or out of order");
    refused_text(&rights, r#""read""#, "expected a list of strings");
    for count in [8, 9, 16, 17, 32] {
        let all: Vec<_> = (0..count).map(|n| format!("f{n}")).collect();
        let ty = Type::flags(all.clone());
        let some = [&all[0], &all[count - 1]].map(|name| Ipld::String(name.clone()));
        assert_eq!(
            through_echo(&ty, &Ipld::List(some.to_vec())).unwrap(),
            Ok(Ipld::List(some.to_vec()))
        );
    }
}

#[test]
fn options_and_results() {
    let once = Type::option(Type::U8);
    same(&once, "null");
    same(&once, "7");
    refused_text(&once, "[7]", "expected an int");
    let twice = Type::option(once);
    same(&twice, "[]");
    same(&twice, "[null]");
    same(&twice, "[7]");
    refused_text(&twice, "null", "a list of at most one item");
    refused_text(&twice, "7", "a list of at most one item");
    refused_text(&twice, "[7, 7]", "at most one item");
    refused_text(&twice, "[true]", "argument 1 (v)[0]: expected an int");
    let thrice = Type::option(twice);
    same(&thrice, "[]");
    same(&thrice, "[[]]");
    same(&thrice, "[[null]]");
    same(&thrice, "[[7]]");

    let result = Type::result(Some(Type::U8), Some(Type::String));
    same(&result, r#"{"ok": 1}"#);
    same(&result, r#"{"error": "no"}"#);
    same(&Type::result(None, None), r#"{"ok": null}"#);
    same(&Type::result(None, None), r#"{"error": null}"#);
    refused_text(
        &result,
        r#"{"Ok": 1}"#,
        "expected the key \"ok\" or \"error\"",
    );
    refused_text(&result, r#"{"ok": 1, "error": "no"}"#, "a map of one key");
    // Inside another value it is data, and no branch.
    same(
        &Type::list(result.clone()),
        r#"[{"ok": 1}, {"error": "no"}]"#,
    );
    same(
        &Type::tuple(vec![Type::result(None, None)]),
        r#"[{"error": null}]"#,
    );
    same(&Type::option(result), r#"{"error": "no"}"#);
}

/// Values that are one core value come back directly, not through memory.
#[test]
fn single_core_values() {
    same(
        &Type::record(vec![("only".to_owned(), Type::S8)]),
        r#"{"only": -1}"#,
    );
    same(&Type::tuple(vec![Type::tuple(vec![Type::F32])]), "[[0.5]]");
    same(
        &Type::tuple(vec![Type::enumeration(names(&["a", "b"]))]),
        r#"["b"]"#,
    );
    same(
        &Type::variant(vec![("a".to_owned(), None), ("b".to_owned(), None)]),
        r#"{"b": null}"#,
    );
    let many: Vec<_> = (0..300).map(|n| format!("n{n}")).collect();
    same(&Type::enumeration(many), r#""n299""#);
}

/// Plain data that looks like a promise must stay data, or a guest could wait for what it likes.
#[test]
fn awaits_in_resolved_arguments_are_data() {
    same(
        &Type::list(Type::tuple(vec![Type::String, Type::String])),
        r#"{"await/ok": "x"}"#,
    );
    same(
        &Type::map(Type::String),
        r#"{"await/ok": "x", "await/error": "y"}"#,
    );
    let link = cid_of(codec::DAG_CBOR, b"");
    let args = [Ipld::Map(
        [("await/ok".to_owned(), Ipld::Link(link))].into(),
    )];
    let error = call(
        &load(&component(
            "",
            "(param \"v\" u8)",
            "(func (export \"f\") (param i32))",
        )),
        "f",
        &args,
    );
    assert!(matches!(error, Err(CallError::Argument(_))), "{error:?}");
}

/// A function that returns what looks like a promise returns data.
#[test]
fn awaits_in_results_are_data() {
    let module = load(&component(
        "",
        "(result (list (tuple string string)))",
        r#"(data (i32.const 0) "await/ok")
           (func (export "f") (result i32)
             (i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (i32.const 1))
             (i32.store (i32.const 128) (i32.const 0)) (i32.store (i32.const 132) (i32.const 8))
             (i32.store (i32.const 136) (i32.const 6)) (i32.store (i32.const 140) (i32.const 2))
             (i32.const 64))"#,
    ));
    assert_eq!(
        call(&module, "f", &[]).unwrap().unwrap(),
        ipld(r#"{"await/ok": "ok"}"#)
    );
}

#[test]
fn strings_in_every_encoding() {
    for encoding in ["utf8", "utf16", "latin1+utf16"] {
        let padding: String = (0..16).map(|n| format!("(param \"p{n}\" u32) ")).collect();
        let module = load(&component_encoded(
            "",
            &format!("(param \"v\" (list string)) {padding} (result (list string))"),
            "(func (export \"f\") (param i32) (result i32) (local.get 0))",
            encoding,
        ));
        let strings = Ipld::List(
            ["", "plain", "Grüße", "☃ and 😀", "ÿ"]
                .map(|s| Ipld::String(s.to_owned()))
                .to_vec(),
        );
        let mut args = vec![strings.clone()];
        args.extend((0..16).map(Ipld::Integer));
        assert_eq!(
            call(&module, "f", &args).unwrap().unwrap(),
            strings,
            "{encoding}"
        );
    }
}

fn through_links(ty: &Type, value: &Ipld, blocks: &Blocks) -> Result<Ipld, CallError> {
    let module = load(&echo(ty));
    let args = padded(std::slice::from_ref(value));
    let call = Call {
        function: "f",
        args: &args,
        limits: LIMITS,
        content: blocks,
        cancel: &Cancel::new(),
        seed: [0; 32],
    };
    module
        .call(&call)
        .map(|done| done.out.unwrap())
        .map_err(|failed| failed.error)
}

/// A link stands for what it points to: bytes for `list<u8>`, a block for anything else.
#[test]
fn links_stand_for_content() {
    let mut blocks = Blocks::default();
    let link = |name: &str| cid_of(codec::RAW, name.as_bytes());
    let to = |name: &str| Ipld::Link(link(name));
    blocks.bytes.insert(link("photo"), vec![1, 2, 3]);
    blocks.values.insert(link("text"), ipld(r#""hello""#));
    blocks.values.insert(
        link("point"),
        Ipld::Map(
            [
                ("x".to_owned(), Ipld::Integer(1)),
                ("label".to_owned(), to("text")),
            ]
            .into(),
        ),
    );
    blocks.values.insert(link("hop"), to("text"));
    blocks.values.insert(link("loop"), to("loop"));
    blocks
        .values
        .insert(link("awaits"), ipld(r#"{"await/ok": "data"}"#));

    let bytes = Type::list(Type::U8);
    let check = |ty: &Type, value: Ipld, expect: Ipld| {
        assert_eq!(through_links(ty, &value, &blocks).unwrap(), expect)
    };
    check(&bytes, to("photo"), Ipld::Bytes(vec![1, 2, 3]));
    check(
        &Type::list(bytes.clone()),
        Ipld::List(vec![to("photo"), Ipld::Bytes(vec![4])]),
        ipld(r#"[{"/": {"bytes": "AQID"}}, {"/": {"bytes": "BA"}}]"#),
    );
    check(
        &Type::option(bytes.clone()),
        to("photo"),
        Ipld::Bytes(vec![1, 2, 3]),
    );
    check(&Type::String, to("text"), ipld(r#""hello""#));
    check(&Type::String, to("hop"), ipld(r#""hello""#));
    check(&point(), to("point"), ipld(r#"{"x": 1, "label": "hello"}"#));
    check(
        &Type::map(Type::String),
        to("awaits"),
        ipld(r#"{"await/ok": "data"}"#),
    );
    check(
        &Type::tuple(vec![Type::U8, Type::String]),
        Ipld::List(vec![Ipld::Integer(1), to("text")]),
        ipld(r#"[1, "hello"]"#),
    );

    let refuse = |ty: &Type, value: Ipld, text: &str| {
        let error = through_links(ty, &value, &blocks).unwrap_err();
        assert!(
            matches!(error, CallError::Content { .. } | CallError::Argument(_)),
            "{error}"
        );
        assert!(error.to_string().contains(text), "{error}");
    };
    refuse(&bytes, to("absent"), "is not here");
    refuse(
        &Type::list(bytes),
        Ipld::List(vec![to("photo"), to("absent")]),
        "argument 1[1]",
    );
    refuse(&Type::U8, to("text"), "expected an int");
    refuse(&Type::String, to("loop"), "links one after the other");
}

/// The same through parameters that are passed directly.
#[test]
fn links_in_direct_parameters() {
    let mut blocks = Blocks::default();
    let cid = |name: &[u8]| -> Cid { cid_of(codec::RAW, name) };
    blocks.bytes.insert(cid(b"a"), b"abc".to_vec());
    blocks.values.insert(cid(b"n"), Ipld::Integer(4));
    let body = "(func (export \"f\") (param i32 i32 i32) (result i32) (i32.add (local.get 1) (local.get 2)))";
    let module = load(&component(
        "",
        "(param \"b\" (list u8)) (param \"n\" u32) (result u32)",
        body,
    ));
    let args = [Ipld::Link(cid(b"a")), Ipld::Link(cid(b"n"))];
    let call = Call {
        function: "f",
        args: &args,
        limits: LIMITS,
        content: &blocks,
        cancel: &Cancel::new(),
        seed: [0; 32],
    };
    assert_eq!(module.call(&call).unwrap().out, Ok(Ipld::Integer(7)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any values of any types come back as they went in.
    #[test]
    fn random_values_come_back(arguments in arguments()) {
        let (types, values): (Vec<_>, Vec<_>) = arguments.into_iter().unzip();
        let out = call(&load(&echo_all(&types)), "f", &padded(&values)).unwrap();
        prop_assert_eq!(out, Ok(Ipld::List(values)));
    }

    /// What a message shows as an example is accepted.
    #[test]
    fn examples_fit(ty in types()) {
        prop_assert!(fits(&ty, &ty.example()).is_ok(), "{}: {:?}", ty, ty.example());
    }
}
