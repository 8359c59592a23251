//! Links as values: the `cid` of the WIT package `ipvm:guest`. A link that was followed instead of passed, or bytes
//! that became a link without being one, would tie a workflow to content that nobody named.

use crate::fixture::{
    CID, Declared, call, component, done, echo, engine, load, load_bytes, through_echo,
};
use crate::refusals::fits;
use ipvm_ipld::{Cid, Ipld, Limits, cid_of, codec, json};
use ipvm_wasm::{CallError, Interface, Type};

fn cid() -> Cid {
    cid_of(codec::DAG_CBOR, b"elsewhere")
}

fn link() -> Ipld {
    Ipld::Link(cid())
}

/// No content is there to be read in these calls: a link that was followed would fail.
#[test]
fn links_are_passed_as_they_are() {
    let old: Cid = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG"
        .parse()
        .unwrap();
    let record = Type::record(vec![
        ("photo".to_owned(), Type::Cid),
        ("more".to_owned(), Type::option(Type::Cid)),
    ]);
    let fields =
        |more: Ipld| Ipld::Map([("photo".to_owned(), link()), ("more".to_owned(), more)].into());
    for (ty, value) in [
        (Type::Cid, link()),
        (Type::Cid, Ipld::Link(old)),
        (Type::list(Type::Cid), Ipld::List(vec![link(), link()])),
        (Type::option(Type::Cid), link()),
        (Type::option(Type::Cid), Ipld::Null),
        (record.clone(), fields(Ipld::Null)),
        (record, fields(link())),
        (
            Type::map(Type::Cid),
            Ipld::Map([("a".to_owned(), link())].into()),
        ),
    ] {
        assert_eq!(through_echo(&ty, &value).unwrap(), Ok(value), "{ty}");
    }
}

#[test]
fn what_is_no_link_is_refused() {
    for value in [
        Ipld::Bytes(cid().to_bytes()),
        Ipld::String(cid().to_string()),
        Ipld::Map([("bytes".to_owned(), Ipld::Bytes(cid().to_bytes()))].into()),
        Ipld::Null,
    ] {
        let error = through_echo(&Type::Cid, &value).unwrap_err();
        assert!(matches!(error, CallError::Argument(_)), "{error}");
        assert!(
            error.to_string().contains("expected a link for cid"),
            "{error}"
        );
    }
    // A promise may still become one.
    let promise = Ipld::Map([("await/ok".to_owned(), link())].into());
    assert!(fits(&Type::Cid, &promise).is_ok());
}

/// `f: func() -> list<cid>`, of one cid with these bytes.
fn returning(bytes: &[u8]) -> String {
    let data: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    component(
        CID,
        "(result (list $cid))",
        &format!(
            r#"(data (i32.const 256) "{data}")
               (func (export "f") (result i32)
                 (i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (i32.const 1))
                 (i32.store (i32.const 128) (i32.const 256)) (i32.store (i32.const 132) (i32.const {}))
                 (i32.const 64))"#,
            bytes.len()
        ),
    )
}

#[test]
fn results_are_exactly_one_cid() {
    let good = cid().to_bytes();
    assert_eq!(
        call(&load(&returning(&good)), "f", &[]).unwrap(),
        Ok(Ipld::List(vec![link()]))
    );
    let longer = [&good[..], b"x"].concat();
    let with_prefix = [b"\0", &good[..]].concat();
    // The version with a byte more than it needs.
    let loose = [b"\x81\0", &good[1..]].concat();
    let as_text = cid().to_string().into_bytes();
    for wrong in [
        &b""[..],
        &good[..good.len() - 1],
        &longer,
        &with_prefix,
        &loose,
        &as_text,
        &[0; 36],
        &[0xff; 64],
    ] {
        let error = call(&load(&returning(wrong)), "f", &[]).unwrap_err();
        assert!(matches!(error, CallError::NotACid { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            "the result[0] is not a link: its bytes are not exactly one CID in binary form"
        );
    }
}

/// The type of `f`'s parameter, whose component has these types and this signature.
fn param(types: &str, ty: &str) -> Type {
    let text = component(
        types,
        &format!("(param \"v\" {ty})"),
        "(func (export \"f\") (param i32 i32))",
    );
    let module = load(&text);
    module.interface().functions[0].params[0].1.clone()
}

/// A record that only looks like a link has to stay the record that it is.
#[test]
fn only_the_packages_cid_is_one() {
    let own = r#"(type $r (record (field "bytes" (list u8)))) (export $cid "cid" (type $r))"#;
    let record = Type::record(vec![("bytes".to_owned(), Type::list(Type::U8))]);
    assert_eq!(param(own, "$cid"), record);
    let others = CID.replace("ipvm:guest/types@0.1.0", "ipvm:guests/types@0.1.0");
    assert_eq!(param(&others, "$cid"), record);

    assert_eq!(param(CID, "$cid"), Type::Cid);
    assert_eq!(param(&CID.replace("@0.1.0", "@0.1.12"), "$cid"), Type::Cid);
    let exported = r#"(type $r (record (field "bytes" (list u8))))
        (component $c (import "cid" (type $i (eq $r0))) (export "cid" (type $i)))"#
        .replace(
            "$c (import",
            r#"$c (type $r0 (record (field "bytes" (list u8)))) (import"#,
        )
        + r#"(instance $types (instantiate $c (with "cid" (type $r))))
           (export $guest "ipvm:guest/types@0.1.0" (instance $types))
           (alias export $guest "cid" (type $cid))"#;
    assert_eq!(param(&exported, "$cid"), Type::Cid);
    assert_eq!(Type::Cid.to_string(), "cid");
}

#[track_caller]
fn refused(types: &str) -> String {
    let text = component(types, "", "(func (export \"f\"))");
    let bytes = wat::parse_str(text).unwrap();
    load_bytes(engine(), &bytes).unwrap_err().to_string()
}

/// A type of a later version may mean something else: taken for a record, it would be passed wrongly in silence.
#[test]
fn types_that_are_not_known_are_refused() {
    for (from, to) in [
        ("@0.1.0", "@0.2.0"),
        ("@0.1.0", "@0.1.0-draft"),
        ("@0.1.0", ""),
        ("guest/types", "guest/other"),
        ("\"cid\" (type (eq", "\"kid\" (type (eq"),
        ("\"bytes\" (list u8)", "\"bytes\" string"),
        ("\"bytes\" (list u8)", "\"text\" (list u8)"),
    ] {
        let types = CID
            .replace(from, to)
            .replace("(alias export $guest \"cid\" (type $cid))", "");
        let error = refused(&types);
        assert!(error.contains("does not know"), "{to}: {error}");
    }
}

/// What a function asks for must not be taken for its value, nor get lost; anywhere else these types are refused by name.
#[test]
fn effects_are_parted_from_the_value() {
    let types = r#"
      (import "ipvm:guest/effects@0.1.0" (instance $guest
        (type $r (record (field "role" string) (field "cmd" string) (field "args" (list u8))))
        (export "request" (type $q (eq $r)))
        (type $e (record (field "fork" (list $q)) (field "join" (option $q))))
        (export "effects" (type (eq $e)))))
      (alias export $guest "effects" (type $effects))
      (alias export $guest "request" (type $request))"#;
    // A role, a command and one byte of arguments at 64; the request's words at 32; the effects' at 8.
    let body = r#"
      (data (i32.const 64) "mail/msg/send\a0")
      (data (i32.const 32) "\40\00\00\00\04\00\00\00\44\00\00\00\09\00\00\00\4d\00\00\00\01\00\00\00")
      (data (i32.const 4) "\07\00\00\00\20\00\00\00\01\00\00\00\00\00\00\00")
      (func (export "f") (result i32) (i32.const AT))"#;
    let request = Ipld::Map(
        [
            ("role".to_owned(), Ipld::from("mail")),
            ("cmd".to_owned(), Ipld::from("/msg/send")),
            ("args".to_owned(), Ipld::Bytes(vec![0xa0])),
        ]
        .into(),
    );
    let asked = Ipld::Map(
        [
            ("fork".to_owned(), Ipld::List(vec![request])),
            ("join".to_owned(), Ipld::Null),
        ]
        .into(),
    );
    for (result, at, value) in [
        ("(result $effects)", "8", Ipld::Null),
        ("(result (tuple u32 $effects))", "4", Ipld::Integer(7)),
    ] {
        let module = load(&component(types, result, &body.replace("AT", at)));
        let done = done(&module, "f", &[]).unwrap();
        assert_eq!(done.out, Ok(value), "{result}");
        assert_eq!(done.effects, Some(asked.clone()), "{result}");
        assert!(module.interface().functions[0].asks());
    }
    for (result, name) in [
        ("(result (list $effects))", "effects of ipvm:guest"),
        (
            "(result (result (error $effects)))",
            "effects of ipvm:guest",
        ),
        ("(result $request)", "request of ipvm:guest"),
    ] {
        let text = component(
            types,
            result,
            "(func (export \"f\") (result i32) (i32.const 0))",
        );
        let error = call(&load(&text), "f", &[]).unwrap_err();
        assert!(matches!(error, CallError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    // The same records without the package are records.
    let own = types.replace("ipvm:guest/", "some:other/");
    let text = component(
        &own,
        "(result $effects)",
        "(func (export \"f\") (result i32) (i32.const 0))",
    );
    let module = load(&text);
    assert_eq!(module.interface().functions[0].unsupported(), None);
}

/// An interface kept from an earlier run must give the same answers.
#[test]
fn kept_interfaces_know_cids() {
    let interface = load(&echo(&Type::list(Type::Cid))).interface().clone();
    let back = Interface::from_ipld(interface.to_ipld()).unwrap();
    assert_eq!(back, interface);
    assert_eq!(back.functions[0].result, Some(Type::list(Type::Cid)));
}

/// The package's text and what is recognised must not drift apart.
#[test]
fn the_package_says_so() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/guest");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let without_comments = |text: String| -> String {
        let lines = text.lines().filter(|line| !line.trim().starts_with("///"));
        lines.flat_map(|line| [line.trim(), " "]).collect()
    };
    let squeezed = |name: &str| {
        without_comments(read(name))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        squeezed("types.wit"),
        "package ipvm:guest@0.1.0; interface types { record cid { bytes: list<u8>, } }"
    );
    assert_eq!(
        squeezed("effects.wit"),
        "package ipvm:guest@0.1.0; interface effects { record request { role: string, cmd: string, args: list<u8>, } \
         record effects { fork: list<request>, join: option<request>, } }"
    );
}

/// DAG-JSON as a user types it.
#[test]
fn a_link_in_text() {
    let typed = json::from_str(&format!(r#"{{"/": "{}"}}"#, cid()), Limits::default()).unwrap();
    assert_eq!(through_echo(&Type::Cid, &typed).unwrap(), Ok(link()));
    let mut declared = Declared::default();
    assert_eq!(declared.write(&Type::Cid), "$cid");
}
