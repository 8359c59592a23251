//! Single tokens: what is refused when they are read or signed, and with which kind.

use ipvm_ipld::{Ipld, Limits, cbor, cid_of, codec, json};
use ipvm_ucan::policy::{Comparison, Policy, Selector, Statement};
use ipvm_ucan::{
    Algorithm, Delegation, DelegationPayload, EncodeError, Invocation, InvocationPayload, Keypair,
    Kind, MAX_CHAIN, MAX_DELEGATION_BYTES, MAX_SAFE_INT, Malformed, Outcome, Receipt, ReceiptMeta,
    ReceiptPayload, SignatureError,
};
use std::collections::BTreeMap;

const ALICE: &str = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";
const BOB: &str = "did:key:z6Mko9hTggMwjSTEaJaPUfE6tqcy2xvU6BnNq3e3o8qVBiyH";
const P256: &str = "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv";
const ED25519_HEADER: &str = "NAHtAe0BE3E";
pub(crate) const LINK: &str =
    r#"{"/":"bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq"}"#;

pub(crate) fn alice() -> Keypair {
    Keypair::from_seed(&[1; 32])
}

fn ipld(text: &str) -> Ipld {
    json::from_str(text, Limits::default()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// An envelope made by hand around any signed part, signed by Alice.
fn envelope(signed: &Ipld) -> Vec<u8> {
    let signature = alice().sign(&cbor::encode(signed).unwrap());
    cbor::encode(&Ipld::List(vec![
        Ipld::Bytes(signature.to_vec()),
        signed.clone(),
    ]))
    .unwrap()
}

pub(crate) fn token(tag: &str, payload: &str) -> Vec<u8> {
    envelope(&ipld(&format!(
        r#"{{"h":{{"/":{{"bytes":"{ED25519_HEADER}"}}}},"{tag}":{payload}}}"#
    )))
}

/// A payload with one field replaced; an empty text leaves the field out.
pub(crate) fn with(fields: &[(&str, &str)], key: &str, value: &str) -> String {
    let mut fields: BTreeMap<_, _> = fields.iter().copied().collect();
    if value.is_empty() {
        fields.remove(key);
    } else {
        fields.insert(key, value);
    }
    let fields: Vec<_> = fields
        .iter()
        .map(|(key, value)| format!("{key:?}:{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

pub(crate) fn delegation_fields() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "iss",
            r#""did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX""#,
        ),
        (
            "aud",
            r#""did:key:z6Mko9hTggMwjSTEaJaPUfE6tqcy2xvU6BnNq3e3o8qVBiyH""#,
        ),
        ("sub", "null"),
        ("cmd", r#""/""#),
        ("pol", "[]"),
        ("nonce", r#"{"/":{"bytes":"AQ"}}"#),
        ("exp", "null"),
    ]
}

pub(crate) fn invocation_fields() -> Vec<(&'static str, &'static str)> {
    vec![
        (
            "iss",
            r#""did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX""#,
        ),
        (
            "sub",
            r#""did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX""#,
        ),
        ("cmd", r#""/ucan/assert/receipt""#),
        (
            "args",
            r#"{"ran":{"/":"bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq"},"out":{"ok":1}}"#,
        ),
        ("prf", "[]"),
        ("nonce", r#"{"/":{"bytes":""}}"#),
        ("exp", "null"),
        (
            "meta",
            r#"{"ipvm":{"inv":{"/":"bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq"},"engine":"e","fuel":1,"started":2,"took":3}}"#,
        ),
    ]
}

pub(crate) fn refused(
    name: &str,
    result: Result<impl Sized, Malformed>,
    kind: Kind,
    expected: &str,
) {
    let Err(error) = result else {
        panic!("{name} was accepted")
    };
    assert_eq!(error.kind(), kind, "{name}: {error}");
    assert!(error.to_string().contains(expected), "{name}: {error}");
}

/// Without it, a delegation with a missing, unknown or wrong field could mean different things to different readers.
#[test]
fn fields_of_delegations() {
    let decode = |key: &str, value: &str| {
        Delegation::decode(&token(
            "ucan/dlg@1.0.0",
            &with(&delegation_fields(), key, value),
        ))
    };
    decode("exp", "null").unwrap().verify_signature().unwrap();
    for (key, value) in [
        ("nbf", "0"),
        ("exp", "9007199254740991"),
        ("exp", "-9007199254740991"),
        ("meta", "{}"),
        ("sub", &format!("{BOB:?}")),
        ("aud", &format!("{P256:?}")),
        ("pol", r#"[["==",".x",1]]"#),
    ] {
        decode(key, value).unwrap_or_else(|e| panic!("{key} = {value}: {e}"));
    }
    for (key, value, kind, expected) in [
        ("iss", "", Kind::Malformed, "lacks the key \"iss\""),
        ("aud", "", Kind::Malformed, "lacks the key \"aud\""),
        ("sub", "", Kind::Malformed, "lacks the key \"sub\""),
        ("cmd", "", Kind::Malformed, "lacks the key \"cmd\""),
        ("pol", "", Kind::Malformed, "lacks the key \"pol\""),
        ("nonce", "", Kind::Malformed, "lacks the key \"nonce\""),
        ("exp", "", Kind::Malformed, "lacks the key \"exp\""),
        ("args", "{}", Kind::Malformed, "unknown key \"args\""),
        (
            "iss",
            "null",
            Kind::Malformed,
            "delegation.iss must be a string, but is null",
        ),
        (
            "iss",
            r#""did:plc:abc""#,
            Kind::Unsupported,
            "iss: \"did:plc:abc\"",
        ),
        ("iss", r#""did:key:z0""#, Kind::Malformed, "iss: "),
        ("sub", "1", Kind::Malformed, "delegation.sub"),
        ("cmd", r#""crud""#, Kind::Malformed, "begin with a slash"),
        ("pol", "null", Kind::Malformed, "pol: a list of statements"),
        (
            "pol",
            r#"[["==",".x"]]"#,
            Kind::Malformed,
            "pol[0][2]: == lacks a value",
        ),
        ("nonce", r#""text""#, Kind::Malformed, "delegation.nonce"),
        (
            "nbf",
            "null",
            Kind::Malformed,
            "delegation.nbf must be an int, but is null",
        ),
        ("meta", "null", Kind::Malformed, "delegation.meta"),
        (
            "exp",
            "1.0",
            Kind::Malformed,
            "delegation.exp must be an int, but is a float",
        ),
        (
            "exp",
            "9007199254740992",
            Kind::Malformed,
            "outside the range",
        ),
        (
            "exp",
            "18446744073709551615",
            Kind::Malformed,
            "outside the range",
        ),
        (
            "nbf",
            "-9007199254740992",
            Kind::Malformed,
            "outside the range -9007199254740991",
        ),
    ] {
        refused(
            &format!("{key} = {value}"),
            decode(key, value),
            kind,
            expected,
        );
    }
}

/// Without it, an invocation with a missing, unknown or wrong field could mean different things to different readers.
#[test]
fn fields_of_invocations() {
    let decode = |key: &str, value: &str| {
        Invocation::decode(&token(
            "ucan/inv@1.0.0",
            &with(&invocation_fields(), key, value),
        ))
    };
    decode("iat", "5").unwrap().verify_signature().unwrap();
    decode("cause", LINK).unwrap();
    decode("args", r#"{"n":18446744073709551615}"#).expect("args are data");
    let same =
        decode("aud", &format!("{ALICE:?}")).expect("an audience equal to the subject is accepted");
    assert_eq!(same.payload().aud.as_ref(), Some(&same.payload().sub));
    let chain = |n| format!("[{}]", vec![LINK; n].join(","));
    decode("prf", &chain(MAX_CHAIN)).unwrap();
    refused(
        "prf",
        decode("prf", &chain(MAX_CHAIN + 1)),
        Kind::TooLarge,
        "names 33 proofs",
    );
    for (key, value, kind, expected) in [
        ("sub", "", Kind::Malformed, "lacks the key \"sub\""),
        ("sub", "null", Kind::Malformed, "invocation.sub"),
        ("args", "", Kind::Malformed, "lacks the key \"args\""),
        ("args", "[]", Kind::Malformed, "invocation.args"),
        ("prf", "", Kind::Malformed, "lacks the key \"prf\""),
        (
            "prf",
            "[1]",
            Kind::Malformed,
            "invocation.prf[0] must be a link",
        ),
        ("nonce", "", Kind::Malformed, "lacks the key \"nonce\""),
        ("exp", "", Kind::Malformed, "lacks the key \"exp\""),
        ("pol", "[]", Kind::Malformed, "unknown key \"pol\""),
        ("aud", "null", Kind::Malformed, "invocation.aud"),
        (
            "cause",
            r#""x""#,
            Kind::Malformed,
            "invocation.cause must be a link",
        ),
        (
            "iat",
            "9007199254740992",
            Kind::Malformed,
            "outside the range",
        ),
        ("cmd", r#""/Crud""#, Kind::Malformed, "lower case"),
    ] {
        refused(
            &format!("{key} = {value}"),
            decode(key, value),
            kind,
            expected,
        );
    }
}

/// Without it, an invocation that is no receipt, or a strange one, could be taken for a result.
#[test]
fn fields_of_receipts() {
    let decode = |key: &str, value: &str| {
        Receipt::decode(&token(
            "ucan/inv@1.0.0",
            &with(&invocation_fields(), key, value),
        ))
    };
    let receipt = decode("exp", "null").unwrap();
    receipt.verify_signature().unwrap();
    assert_eq!(receipt.executor().as_str(), ALICE);
    let args = |rest: &str| format!(r#"{{"ran":{LINK}{rest}}}"#);
    decode("args", &args(r#","out":{"ok":{"await/ok":"just data"}}"#)).expect("results are data");
    decode(
        "args",
        &args(r#","out":{"error":18446744073709551615},"run":{"fork":[{"role":"a","cmd":"/b","args":{}}]}"#),
    )
    .unwrap();
    let meta = |fuel: &str, rest: &str| {
        format!(
            r#"{{"ipvm":{{"inv":{LINK},"engine":"e","fuel":{fuel},"started":2,"took":3{rest}}}}}"#
        )
    };
    decode(
        "meta",
        &meta(
            "9007199254740991",
            &format!(r#","memo":{LINK},"computation":{LINK}"#),
        ),
    )
    .unwrap();
    for (key, value, expected) in [
        (
            "cmd",
            r#""/ucan/revoke""#.to_owned(),
            "not /ucan/assert/receipt",
        ),
        ("sub", format!("{BOB:?}"), "delegate"),
        (
            "args",
            args(r#","out":{"ok":1},"run":{"fork":[]}"#),
            "empty list",
        ),
        ("args", args(r#","out":{"ok":1},"run":{}"#), "empty"),
        (
            "args",
            args(r#","out":{"ok":1},"run":{"join":{"role":"a","cmd":"/b"}}"#),
            "lacks the key \"args\"",
        ),
        ("prf", format!("[{LINK}]"), "delegate"),
        ("aud", format!("{BOB:?}"), "audience"),
        ("exp", "5".to_owned(), "expires"),
        ("nonce", r#"{"/":{"bytes":"AQ"}}"#.to_owned(), "nonce"),
        ("iat", "5".to_owned(), "iat"),
        ("meta", String::new(), "\"ipvm\""),
        ("meta", "{}".to_owned(), "\"ipvm\""),
        ("meta", meta("-1", ""), "receipt meta.fuel"),
        ("meta", meta("9007199254740992", ""), "receipt meta.fuel"),
        ("meta", meta("1", r#","extra":1"#), "unknown key \"extra\""),
        ("args", args(""), "lacks the key \"out\""),
        ("args", args(r#","out":1"#), "outcome must be a map"),
        ("args", args(r#","out":{"ok":1,"error":2}"#), "outcome"),
        (
            "args",
            args(r#","out":{"ok":1},"extra":1"#),
            "unknown key \"extra\"",
        ),
        (
            "args",
            r#"{"out":{"ok":1}}"#.to_owned(),
            "lacks the key \"ran\"",
        ),
    ] {
        refused(
            &format!("{key} = {value}"),
            decode(key, &value),
            Kind::Malformed,
            expected,
        );
    }
}

/// Without it, a token of another kind, version or algorithm could be read as one of ours.
#[test]
fn envelopes() {
    let payload = with(&invocation_fields(), "exp", "null");
    let header = |header: &str, tag: &str| {
        envelope(&ipld(&format!(
            r#"{{"h":{{"/":{{"bytes":"{header}"}}}},"{tag}":{payload}}}"#
        )))
    };
    let inv = "ucan/inv@1.0.0";
    Invocation::decode(&header(ED25519_HEADER, inv)).unwrap();
    for (other, algorithm) in [
        ("NAHsAYAkEnE", Algorithm::P256),
        ("NAHsAecBEnE", Algorithm::Secp256k1),
    ] {
        let invocation = Invocation::decode(&header(other, inv)).unwrap();
        assert_eq!(
            invocation.verify_signature(),
            Err(SignatureError::OtherKeyType {
                header: algorithm,
                key: Algorithm::Ed25519
            })
        );
    }
    for (name, bytes, kind, expected) in [
        (
            "RSA",
            header("NAGFJBKAAnE", inv),
            Kind::Unsupported,
            "RSA (varsig code 0x1205)",
        ),
        (
            "Ed448",
            header("NAHtAYMkE3E", inv),
            Kind::Unsupported,
            "EdDSA over the curve 0x1203",
        ),
        (
            "DAG-JSON",
            header("NAHtAe0BE6kC", inv),
            Kind::Unsupported,
            "encoding 0x129",
        ),
        (
            "P-256 with Keccak-256",
            header("NAHsAYAkG3E", inv),
            Kind::Unsupported,
            "hash 0x1b",
        ),
        (
            "old varsig",
            header("NO0BE3E", inv),
            Kind::Unsupported,
            "varsig version 237",
        ),
        (
            "no varsig",
            header("", inv),
            Kind::Malformed,
            "is not a varsig header",
        ),
        (
            "delegation",
            header(ED25519_HEADER, "ucan/dlg@1.0.0"),
            Kind::InvalidClaim,
            "carries \"ucan/dlg@1.0.0\"",
        ),
        (
            "release candidate",
            header(ED25519_HEADER, "ucan/inv@1.0.0-rc.1"),
            Kind::Unsupported,
            "rc.1",
        ),
        (
            "other tag",
            header(ED25519_HEADER, "x"),
            Kind::Malformed,
            "carries \"x\"",
        ),
        (
            "no header",
            envelope(&ipld(&format!(r#"{{"{inv}":{payload}}}"#))),
            Kind::Malformed,
            "\"h\" is missing",
        ),
        (
            "no payload",
            envelope(&ipld(r#"{"h":{"/":{"bytes":"NAHtAe0BE3E"}}}"#)),
            Kind::Malformed,
            "one payload",
        ),
        (
            "two payloads",
            envelope(&ipld(&format!(
                r#"{{"h":{{"/":{{"bytes":"{ED25519_HEADER}"}}}},"{inv}":{payload},"ucan/dlg@1.0.0":1}}"#
            ))),
            Kind::Malformed,
            "one payload",
        ),
        (
            "payload is no map",
            envelope(&ipld(
                r#"{"h":{"/":{"bytes":"NAHtAe0BE3E"}},"ucan/inv@1.0.0":1}"#,
            )),
            Kind::Malformed,
            "must be a map",
        ),
        (
            "header is text",
            envelope(&ipld(&format!(r#"{{"h":"x","{inv}":{payload}}}"#))),
            Kind::Malformed,
            "h must be bytes",
        ),
        (
            "no list",
            cbor::encode(&ipld("{}")).unwrap(),
            Kind::Malformed,
            "token must be a list",
        ),
        (
            "one element",
            cbor::encode(&ipld("[1]")).unwrap(),
            Kind::Malformed,
            "list of two",
        ),
        (
            "three elements",
            cbor::encode(&ipld("[1,2,3]")).unwrap(),
            Kind::Malformed,
            "list of two",
        ),
        (
            "signature is text",
            cbor::encode(&ipld(r#"["x",{}]"#)).unwrap(),
            Kind::Malformed,
            "signature must be bytes",
        ),
        ("nothing", vec![], Kind::Malformed, "ends too early"),
        (
            "trailing",
            [header(ED25519_HEADER, inv), vec![0]].concat(),
            Kind::Malformed,
            "more bytes follow",
        ),
        ("deep", vec![0x81; 200_000], Kind::TooLarge, "nested deeper"),
    ] {
        refused(name, Invocation::decode(&bytes), kind, expected);
    }
    let other_kind = Delegation::decode(&header(ED25519_HEADER, inv));
    refused(
        "invocation",
        other_kind,
        Kind::InvalidClaim,
        "carries \"ucan/inv@1.0.0\"",
    );
}

/// Without it, a token could have a second form with another CID and still be signed.
#[test]
fn not_canonical() {
    let good = token("ucan/dlg@1.0.0", &with(&delegation_fields(), "exp", "null"));
    Delegation::decode(&good).unwrap();
    let long_head = [&[0x98, 0x02], &good[1..]].concat();
    refused(
        "list head",
        Delegation::decode(&long_head),
        Kind::Malformed,
        "more bytes than it needs",
    );
    let long_length = [&[0x82, 0x59, 0x00, 0x40], &good[3..]].concat();
    refused(
        "signature head",
        Delegation::decode(&long_length),
        Kind::Malformed,
        "more bytes than it needs",
    );
    let indefinite = [&[0x9f], &good[1..], &[0xff]].concat();
    refused(
        "indefinite",
        Delegation::decode(&indefinite),
        Kind::Malformed,
        "indefinite",
    );
}

pub(crate) fn delegation_payload() -> DelegationPayload {
    Delegation::decode(&token(
        "ucan/dlg@1.0.0",
        &with(&delegation_fields(), "exp", "null"),
    ))
    .unwrap()
    .payload()
    .clone()
}

fn invocation_payload() -> InvocationPayload {
    let bytes = token("ucan/inv@1.0.0", &with(&invocation_fields(), "exp", "null"));
    Invocation::decode(&bytes).unwrap().payload().clone()
}

pub(crate) fn receipt_payload() -> ReceiptPayload {
    let cid = cid_of(codec::DAG_CBOR, b"x");
    let meta = ReceiptMeta {
        inv: cid,
        computation: None,
        memo: None,
        log: None,
        engine: "e".into(),
        fuel: 0,
        started: 0,
        took: 0,
    };
    ReceiptPayload {
        ran: cid,
        out: Outcome::Ok(Ipld::Null),
        run: None,
        meta,
    }
}

/// Without it, we could sign what no reader accepts.
#[test]
fn what_cannot_be_signed() {
    let alice = alice();
    let bob = Keypair::from_seed(&[2; 32]);
    assert!(matches!(
        Delegation::sign(&bob, delegation_payload()),
        Err(EncodeError::Issuer { .. })
    ));
    assert!(matches!(
        Invocation::sign(&bob, invocation_payload()),
        Err(EncodeError::Issuer { .. })
    ));
    let sign = |edit: &dyn Fn(&mut DelegationPayload)| {
        let mut payload = delegation_payload();
        edit(&mut payload);
        Delegation::sign(&alice, payload).map(|signed| Delegation::decode(signed.bytes()).unwrap())
    };
    sign(&|p| p.exp = Some(MAX_SAFE_INT)).unwrap();
    let range = sign(&|p| p.exp = Some(MAX_SAFE_INT + 1)).unwrap_err();
    assert_eq!(
        range,
        EncodeError::Range {
            field: "exp",
            value: MAX_SAFE_INT + 1
        }
    );
    assert!(matches!(
        sign(&|p| p.nbf = Some(i64::MIN)),
        Err(EncodeError::Range { field: "nbf", .. })
    ));
    assert!(matches!(
        sign(&|p| p.nonce = vec![0; MAX_DELEGATION_BYTES]),
        Err(EncodeError::TooLarge { .. })
    ));
    assert!(matches!(
        sign(&|p| {
            let nan = Statement::Compare(Comparison::Equal, Selector::identity(), f64::NAN.into());
            p.pol = Policy::new(vec![nan]).unwrap();
        }),
        Err(EncodeError::Encoding(_))
    ));

    let mut payload = invocation_payload();
    payload.prf = vec![cid_of(codec::DAG_CBOR, b"x"); MAX_CHAIN + 1];
    assert!(matches!(
        Invocation::sign(&alice, payload),
        Err(EncodeError::Chain {
            found: 33,
            limit: 32
        })
    ));

    let mut payload = receipt_payload();
    payload.meta.fuel = u64::MAX;
    assert!(matches!(
        Receipt::sign(&alice, payload),
        Err(EncodeError::Range { field: "fuel", .. })
    ));
    let mut payload = receipt_payload();
    payload.out = Outcome::Ok(Ipld::Integer(u64::MAX.into()));
    let receipt = Receipt::sign(&alice, payload.clone()).expect("results are data");
    assert_eq!(
        Receipt::decode(receipt.bytes()).unwrap().payload(),
        &payload
    );
}

/// Without it, equal requests could have two forms.
#[test]
fn an_audience_equal_to_the_subject_is_left_out() {
    let mut payload = invocation_payload();
    payload.aud = Some(payload.sub.clone());
    let signed = Invocation::sign(&alice(), payload).unwrap();
    assert_eq!(signed.payload().aud, None);
    assert_eq!(
        Invocation::decode(signed.bytes()).unwrap().payload(),
        signed.payload()
    );
}

/// Without it, a token that somebody changed or signed for another would count as the issuer's.
#[test]
fn signatures() {
    let good = Delegation::sign(&alice(), delegation_payload()).unwrap();
    let check = |name: &str, bytes: &[u8], expected: Result<(), SignatureError>| {
        let delegation = Delegation::decode(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(delegation.verify_signature(), expected, "{name}");
        assert_eq!(
            delegation.verify_signature(),
            expected,
            "{name}, asked again"
        );
    };
    check("good", good.bytes(), Ok(()));
    for at in [3, 34, 35, 66] {
        let mut bytes = good.bytes().to_vec();
        bytes[at] ^= 1;
        check(
            "a bit of the signature changed",
            &bytes,
            Err(SignatureError::Wrong),
        );
    }
    let mut bytes = good.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    check(
        "a bit of the payload changed",
        &bytes,
        Err(SignatureError::Wrong),
    );

    let parts = |signature: &[u8], payload: &str| {
        let signed = ipld(&format!(
            r#"{{"h":{{"/":{{"bytes":"{ED25519_HEADER}"}}}},"ucan/dlg@1.0.0":{payload}}}"#
        ));
        cbor::encode(&Ipld::List(vec![Ipld::Bytes(signature.to_vec()), signed])).unwrap()
    };
    let payload = with(&delegation_fields(), "exp", "null");
    for bytes in [0, 1, 23, 24, 63, 65, 255, 256] {
        let signature = vec![7; bytes];
        check(
            "wrong length",
            &parts(&signature, &payload),
            Err(SignatureError::Length { bytes }),
        );
    }
    let of_bob = with(&delegation_fields(), "iss", &format!("{BOB:?}"));
    check(
        "signed by another",
        &token("ucan/dlg@1.0.0", &of_bob),
        Err(SignatureError::Wrong),
    );
    let of_p256 = with(&delegation_fields(), "iss", &format!("{P256:?}"));
    check(
        "issuer with another key",
        &token("ucan/dlg@1.0.0", &of_p256),
        Err(SignatureError::OtherKeyType {
            header: Algorithm::Ed25519,
            key: Algorithm::P256,
        }),
    );
    let no_point = ipvm_ucan::Did::from_ed25519([2; 32]);
    let of_nobody = with(&delegation_fields(), "iss", &format!("\"{no_point}\""));
    check(
        "issuer is no point",
        &token("ucan/dlg@1.0.0", &of_nobody),
        Err(SignatureError::NotAKey("Ed25519")),
    );
    // The neutral element as key and as R, and s = 0: it "signs" everything where verification is not strict.
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = with(
        &delegation_fields(),
        "iss",
        &format!("\"{}\"", ipvm_ucan::Did::from_ed25519(identity)),
    );
    let forged = [&identity[..], &[0; 32]].concat();
    check(
        "weak key",
        &parts(&forged, &weak),
        Err(SignatureError::Wrong),
    );
}

/// Without it, a second signature of the same bytes could be made without the key, and with it a second CID.
#[test]
fn signatures_are_not_malleable() {
    // The order of the group, little-endian: s + order is the same scalar.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = Delegation::sign(&alice(), delegation_payload())
        .unwrap()
        .bytes()
        .to_vec();
    let mut carry = 0_u16;
    for (byte, add) in bytes[35..67].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert_eq!(
        Delegation::decode(&bytes).unwrap().verify_signature(),
        Err(SignatureError::Wrong)
    );
}
