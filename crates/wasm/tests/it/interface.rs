//! Finding functions and checking arguments without running anything. A workflow's author sees these messages.

use crate::fixture::load;
use crate::generate::types;
use ipvm_ipld::{Ipld, Limits, cbor, cid_of, codec, json};
use ipvm_wasm::{FindError, Function, Interface, Type};
use proptest::prelude::*;

fn image() -> Interface {
    let text = r#"(component
      (core module $m (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
        (func (export "thumbnail") (param i32 i32 i32 i32) (result i32) (i32.const 0))
        (func (export "blur") (param i32 i32 f32) (result i32) (i32.const 0))
        (func (export "version") (result i32) (i32.const 1)))
      (core instance $i (instantiate $m))
      (func $thumbnail (param "photo" (list u8)) (param "max-width" u32) (param "max-height" u32)
        (result (result (list u8) (error string)))
        (canon lift (core func $i "thumbnail") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
      (func $blur (param "photo" (list u8)) (param "sigma" f32) (result (list u8))
        (canon lift (core func $i "blur") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
      (func $version (result u32) (canon lift (core func $i "version")))
      (instance $image (export "thumbnail" (func $thumbnail)) (export "blur" (func $blur)))
      (export "ipvm:image/image@0.1.0" (instance $image))
      (instance $other (export "blur" (func $blur)))
      (export "ipvm:image/other@0.1.0" (instance $other))
      (export "version" (func $version)))"#;
    load(text).interface().clone()
}

#[test]
fn functions_as_wit() {
    let interface = image();
    let texts: Vec<_> = interface
        .functions
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        texts,
        [
            "thumbnail: func(photo: list<u8>, max-width: u32, max-height: u32) -> result<list<u8>, string>",
            "blur: func(photo: list<u8>, sigma: f32) -> list<u8>",
            "blur: func(photo: list<u8>, sigma: f32) -> list<u8>",
            "version: func() -> u32",
        ]
    );
    assert_eq!(
        interface.functions[0].name,
        "ipvm:image/image@0.1.0#thumbnail"
    );
    assert_eq!(interface.functions[3].name, "version");
}

#[test]
fn types_as_wit() {
    let named = |name: &str, ty: Type| (name.to_owned(), ty);
    let names = || vec!["a".to_owned(), "b".to_owned()];
    for (ty, expect) in [
        (
            Type::record(vec![named("x", Type::U8), named("y", Type::S64)]),
            "record { x: u8, y: s64 }",
        ),
        (
            Type::variant(vec![
                ("a".to_owned(), None),
                ("b".to_owned(), Some(Type::Char)),
            ]),
            "variant { a, b(char) }",
        ),
        (Type::enumeration(names()), "enum { a, b }"),
        (Type::flags(names()), "flags { a, b }"),
        (Type::map(Type::F64), "map<string, f64>"),
        (
            Type::tuple(vec![Type::Bool, Type::String]),
            "tuple<bool, string>",
        ),
        (Type::option(Type::list(Type::U16)), "option<list<u16>>"),
        (Type::result(None, None), "result"),
        (Type::result(Some(Type::F32), None), "result<f32>"),
        (Type::result(None, Some(Type::S8)), "result<_, s8>"),
        (
            Type::result(Some(Type::U64), Some(Type::S16)),
            "result<u64, s16>",
        ),
    ] {
        assert_eq!(ty.to_string(), expect);
    }
}

#[test]
fn finding() {
    let interface = image();
    assert_eq!(
        interface.find("thumbnail").unwrap().name,
        "ipvm:image/image@0.1.0#thumbnail"
    );
    assert_eq!(
        interface.find("ipvm:image/other@0.1.0#blur").unwrap().name,
        "ipvm:image/other@0.1.0#blur"
    );
    assert_eq!(interface.find("version").unwrap().name, "version");
    let error = interface.find("blur").unwrap_err();
    assert!(matches!(&error, FindError::Ambiguous { candidates, .. } if candidates.len() == 2));
    assert_eq!(
        error.to_string(),
        "the name \"blur\" is not unique; write one of ipvm:image/image@0.1.0#blur, ipvm:image/other@0.1.0#blur"
    );
    let error = interface.find("thumbnial").unwrap_err().to_string();
    assert!(
        error.starts_with("there is no function \"thumbnial\" (did you mean \"thumbnail\"?)"),
        "{error}"
    );
    let error = interface.find("encrypt").unwrap_err().to_string();
    assert!(!error.contains("did you mean"), "{error}");
    assert!(
        error.contains("this module has thumbnail, ipvm:image/image@0.1.0#blur, "),
        "{error}"
    );
    assert!(
        Interface::default()
            .find("f")
            .unwrap_err()
            .to_string()
            .ends_with("this module has no functions")
    );
}

#[track_caller]
fn check(function: &Function, args: &str, expect: Option<&str>) {
    let Ipld::List(args) = json::from_str(args, Limits::default()).unwrap() else {
        panic!()
    };
    assert_eq!(
        function
            .check(&args)
            .map_err(|error| error.to_string())
            .err()
            .as_deref(),
        expect
    );
}

#[test]
fn arguments_as_written() {
    let interface = image();
    let thumbnail = interface.find("thumbnail").unwrap();
    let link = cid_of(codec::DAG_CBOR, b"");
    let link = format!(r#"{{"/": "{link}"}}"#);
    let bytes = r#"{"/": {"bytes": "AQ"}}"#;
    check(thumbnail, &format!("[{bytes}, 1, 2]"), None);
    check(thumbnail, &format!("[{link}, 1, {link}]"), None);
    for key in ["await/ok", "await/error", "await/*"] {
        check(
            thumbnail,
            &format!(r#"[{{"{key}": {link}}}, 1, {{"{key}": {link}}}]"#),
            None,
        );
    }
    check(
        thumbnail,
        "[]",
        Some("argument 1 (photo): expected 3 arguments (photo, max-width, max-height), got 0"),
    );
    check(
        thumbnail,
        "[1, 2, 3, 4]",
        Some("argument 4: expected 3 arguments (photo, max-width, max-height), got 4"),
    );
    check(
        thumbnail,
        &format!("[{bytes}, -1, 2]"),
        Some("argument 2 (max-width): -1 is out of range for u32"),
    );
    check(
        thumbnail,
        r#"["./photo.jpg", 1, 2]"#,
        Some("argument 1 (photo): expected bytes or a link to content for list<u8>, got a string"),
    );
    // A map that only resembles an await is what it is.
    check(
        thumbnail,
        &format!(r#"[{bytes}, 1, {{"await/ok": 1}}]"#),
        Some("argument 3 (max-height): expected an int for u32, got a map"),
    );
    check(
        thumbnail,
        &format!(r#"[{bytes}, 1, {{"await/ok": {link}, "x": 1}}]"#),
        Some("argument 3 (max-height): expected an int for u32, got a map"),
    );
    let nested = Function {
        name: "f".to_owned(),
        params: vec![(
            "v".to_owned(),
            Type::list(Type::record(vec![("size".to_owned(), Type::U8)])),
        )],
        result: None,
    };
    check(
        &nested,
        &format!(
            r#"[[{{"size": {{"await/ok": {link}}}}}, {{"await/ok": {link}}}, {link}, {{"size": 1}}]]"#
        ),
        None,
    );
    check(
        &nested,
        r#"[[{"size": 1}, {"size": 256}]]"#,
        Some("argument 1 (v)[1].size: 256 is out of range for u8"),
    );
}

#[test]
fn interfaces_are_kept_as_ipld() {
    let interface = image();
    let bytes = cbor::encode(&interface.to_ipld()).unwrap();
    let back = Interface::from_ipld(cbor::decode(&bytes, Limits::default()).unwrap()).unwrap();
    assert_eq!(back, interface);
    for wrong in [
        "{}",
        "[]",
        r#"{"functions": [{"name": "f", "params": [["a", "u128"]]}]}"#,
        r#"{"functions": [{"name": "f", "params": [["a"]]}]}"#,
        r#"{"functions": [{"name": "f", "params": [], "result": {}}]}"#,
        r#"{"functions": [{"name": "f", "params": [], "result": {"set": "u8"}}]}"#,
        r#"{"functions": [], "more": 1}"#,
    ] {
        let value = json::from_str(wrong, Limits::default()).unwrap();
        let error = Interface::from_ipld(value).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("this is not a module's interface: "),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn types_are_kept_as_ipld(ty in types()) {
        let function = Function { name: "f".to_owned(), params: vec![("p".to_owned(), ty.clone())], result: Some(ty) };
        let interface = Interface { functions: vec![function] };
        prop_assert_eq!(Interface::from_ipld(interface.to_ipld()).unwrap(), interface);
    }
}
