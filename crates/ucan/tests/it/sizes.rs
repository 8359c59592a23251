//! Sizes: what is at its limit is read and signed, what is beyond it is refused as too large.

use crate::containers::container;
use crate::tokens::{
    LINK, alice, delegation_fields, delegation_payload, invocation_fields, refused, token, with,
};
use ipvm_ipld::{Ipld, cbor, cid_of, codec};
use ipvm_ucan::policy::MAX_POLICY_NODES;
use ipvm_ucan::promise::{Await, Branch, PromiseError, awaits};
use ipvm_ucan::{
    Container, ContainerError, Delegation, DelegationPayload, Did, DidDocument, DidError,
    DocumentError, EncodeError, Encoding, Invocation, Kind, MAX_CONTAINER_BYTES,
    MAX_CONTAINER_TOKENS, MAX_DELEGATION_BYTES, MAX_DEPTH, MAX_DID_BYTES, MAX_DOCUMENT_BYTES,
    MAX_DOCUMENT_KEYS, MAX_INVOCATION_BYTES, Malformed, Token, Versions,
};

/// Without it, tokens could grow until they fill memory or a store.
#[test]
fn sizes() {
    let filler = |n: usize| format!(r#"{{"x":{:?}}}"#, "x".repeat(n));
    let of = |n: usize| {
        token(
            "ucan/dlg@1.0.0",
            &with(&delegation_fields(), "meta", &filler(n)),
        )
    };
    let overhead = of(60_000).len() - 60_000;
    assert_eq!(
        of(MAX_DELEGATION_BYTES - overhead).len(),
        MAX_DELEGATION_BYTES
    );
    Delegation::decode(&of(MAX_DELEGATION_BYTES - overhead)).unwrap();
    let over = Delegation::decode(&of(MAX_DELEGATION_BYTES - overhead + 1));
    refused("delegation", over, Kind::TooLarge, "65537 bytes long");
    let sign = |fill: usize| {
        let meta = [("x".to_owned(), Ipld::from("x".repeat(fill)))].into();
        let payload = DelegationPayload {
            meta: Some(meta),
            ..delegation_payload()
        };
        Delegation::sign(&alice(), payload)
    };
    let full = sign(MAX_DELEGATION_BYTES - overhead).unwrap();
    assert_eq!(full.bytes().len(), MAX_DELEGATION_BYTES);
    let over = sign(MAX_DELEGATION_BYTES - overhead + 1).unwrap_err();
    assert!(matches!(over, EncodeError::TooLarge { bytes: 65_537, .. }));
    let gather = format!(
        "[{}]",
        vec![format!(r#"{{"await/ok":{LINK}}}"#); 10_000].join(",")
    );
    let args = format!(r#"{{"mod":{LINK},"fun":"f","args":{gather}}}"#);
    let bytes = token("ucan/inv@1.0.0", &with(&invocation_fields(), "args", &args));
    Invocation::decode(&bytes).expect("a task may gather 10,000 others");
    let bytes = token(
        "ucan/inv@1.0.0",
        &with(&invocation_fields(), "args", &filler(MAX_INVOCATION_BYTES)),
    );
    refused(
        "invocation",
        Invocation::decode(&bytes),
        Kind::TooLarge,
        "at most 1048576",
    );
}

/// Without it, a token would be taken for one of the other kind, or be refused for a limit that is not its own.
#[test]
fn tokens_of_both_kinds_and_all_sizes() {
    let read = |bytes: &[u8]| Token::decode(bytes, Versions::Stable);
    let filler = |bytes: usize| format!(r#"{{"x":{:?}}}"#, "x".repeat(bytes));
    let delegation = |bytes| {
        let fields = with(&delegation_fields(), "meta", &filler(bytes));
        token("ucan/dlg@1.0.0", &fields)
    };
    let invocation = |bytes| {
        let fields = with(&invocation_fields(), "args", &filler(bytes));
        token("ucan/inv@1.0.0", &fields)
    };
    for bytes in [10, 1000, MAX_DELEGATION_BYTES, MAX_INVOCATION_BYTES / 2] {
        let bytes = invocation(bytes);
        let token = read(&bytes).unwrap();
        assert!(matches!(token, Token::Invocation(_)));
        assert_eq!(token.cid(), Invocation::decode(&bytes).unwrap().cid());
        assert_eq!(token.bytes(), bytes);
    }
    for bytes in [10, 1000] {
        let bytes = delegation(bytes);
        let token = read(&bytes).unwrap();
        assert!(matches!(token, Token::Delegation(_)));
        assert_eq!(token.cid(), Delegation::decode(&bytes).unwrap().cid());
        assert_eq!(token.bytes(), bytes);
    }
    for (bytes, expected) in [
        (delegation(MAX_DELEGATION_BYTES), MAX_DELEGATION_BYTES),
        (delegation(MAX_INVOCATION_BYTES), MAX_INVOCATION_BYTES),
        (invocation(MAX_INVOCATION_BYTES), MAX_INVOCATION_BYTES),
    ] {
        let error = read(&bytes).unwrap_err();
        assert!(
            matches!(error, Malformed::TooLarge { limit, .. } if limit == expected),
            "{error}"
        );
    }
    let large = container(&[delegation(MAX_DELEGATION_BYTES)]);
    let error = large.tokens().unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge, "{error}");
    for other in ["ucan/dlg@2.0.0", "ucan/inv@1.0.0-rc.1", "x"] {
        let error = read(&token(other, &with(&delegation_fields(), "", ""))).unwrap_err();
        assert!(
            matches!(&error, Malformed::Tag { found, .. } if found == other),
            "{error}"
        );
    }
    let other = token("ucan/dlg@2.0.0", &filler(MAX_DELEGATION_BYTES));
    let error = read(&other).unwrap_err();
    assert!(matches!(error, Malformed::Tag { .. }), "{error}");
}

/// Without it, something could be signed that nobody reads, since it is nested too deep.
#[test]
fn depth_of_what_is_signed() {
    let list = |inner: Ipld| Ipld::List(vec![inner]);
    let map = |inner: Ipld| Ipld::Map([("x".to_owned(), inner)].into());
    // Around a value in meta are meta, the payload, what is signed, and the token.
    let most = MAX_DEPTH - 4;
    for wrap in [&list as &dyn Fn(Ipld) -> Ipld, &map] {
        let sign = |levels: usize| {
            let value = (1..levels).fold(Ipld::Null, |inner, _| wrap(inner));
            let payload = DelegationPayload {
                meta: Some([("x".to_owned(), value)].into()),
                ..delegation_payload()
            };
            Delegation::sign(&alice(), payload)
        };
        Delegation::decode(sign(most).unwrap().bytes()).unwrap();
        let error = sign(most + 1).unwrap_err();
        let expected = EncodeError::Encoding(cbor::EncodeError::TooDeep);
        assert_eq!(error, expected);
    }
}

/// Without it, a container that was written could not be read, or one of endless tokens would be.
#[test]
fn containers() {
    let many = |n: usize| {
        let mut container = Container::new();
        (0..n).for_each(|i| assert!(container.insert((i as u32).to_be_bytes().into())));
        container
    };
    let full = many(MAX_CONTAINER_TOKENS);
    let written = full.encode(Encoding::Raw).unwrap();
    assert_eq!(Container::decode(&written), Ok(full));
    let over = many(MAX_CONTAINER_TOKENS + 1);
    let too_many = ContainerError::TooMany(MAX_CONTAINER_TOKENS + 1);
    assert_eq!(over.encode(Encoding::Raw), Err(too_many.clone()));
    let list = over.iter().map(|token| Ipld::Bytes(token.into())).collect();
    let map = Ipld::Map([("ctn-v1".to_owned(), Ipld::List(list))].into());
    let body = cbor::encode(&map).unwrap();
    let by_hand = [&[Encoding::Raw.header()][..], &body].concat();
    assert_eq!(Container::decode(&by_hand), Err(too_many));

    // What does not get smaller by packing gets a little larger, and is read all the same.
    let mut noise = 1_u64;
    let mut draw = || {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (noise >> 56) as u8
    };
    let mut full = Container::new();
    full.insert((0..MAX_CONTAINER_BYTES - 14).map(|_| draw()).collect());
    for encoding in Encoding::ALL {
        let written = full.encode(encoding).unwrap();
        assert!(written.len() > MAX_CONTAINER_BYTES);
        assert_eq!(Container::decode(&written).as_ref(), Ok(&full));
    }
}

/// Without it, whoever is refused for the size of a policy would look for a fault in its form.
#[test]
fn policies_in_tokens() {
    let of = |statements: usize| {
        let pol = format!("[{}]", vec![r#"["==",".a",1]"#; statements].join(","));
        Delegation::decode(&token(
            "ucan/dlg@1.0.0",
            &with(&delegation_fields(), "pol", &pol),
        ))
    };
    of(MAX_POLICY_NODES).unwrap();
    refused(
        "statements",
        of(MAX_POLICY_NODES + 1),
        Kind::TooLarge,
        "1024 statements",
    );
}

/// Without it, the name of a principal could be of any length.
#[test]
fn names_of_principals() {
    let named = |bytes: usize| {
        let begin = "did:web:example.com:";
        format!("{begin}{}", "a".repeat(bytes - begin.len())).parse::<Did>()
    };
    assert_eq!(named(MAX_DID_BYTES).unwrap().as_str().len(), MAX_DID_BYTES);
    let over = MAX_DID_BYTES + 1;
    assert_eq!(named(over), Err(DidError::TooLong(over)));
}

/// Without it, reading the document of a principal could cost more than anybody foresaw.
#[test]
fn documents() {
    let did: Did = "did:web:example.com".parse().unwrap();
    let parse = |text: &str| DidDocument::parse(&did, text.as_bytes());
    let padded = |bytes: usize| {
        let text = r#"{"id":"did:web:example.com"}"#;
        parse(&format!("{text}{}", " ".repeat(bytes - text.len())))
    };
    padded(MAX_DOCUMENT_BYTES).unwrap();
    let over = MAX_DOCUMENT_BYTES + 1;
    assert_eq!(padded(over).unwrap_err(), DocumentError::TooLarge(over));
    let method = |i: usize| format!(r##"{{"id":"#{i}","type":"x","controller":"{did}"}}"##);
    let keys = |name: &str, n: usize| {
        let all: Vec<_> = (0..n).map(method).collect();
        parse(&format!(r#"{{"id":"{did}","{name}":[{}]}}"#, all.join(",")))
    };
    for name in [
        "verificationMethod",
        "authentication",
        "capabilityInvocation",
    ] {
        keys(name, MAX_DOCUMENT_KEYS).unwrap();
        let over = MAX_DOCUMENT_KEYS + 1;
        let error = keys(name, over).unwrap_err();
        assert_eq!(error, DocumentError::TooMany(over), "{name}");
    }
}

/// Without it, args that decoders let through would be refused when their promises are looked for, or deeper ones walked.
#[test]
fn promises() {
    let promise = Await {
        branch: Branch::Ok,
        task: cid_of(codec::DAG_CBOR, b"x"),
    };
    let list = |inner: Ipld| Ipld::List(vec![inner]);
    let map = |inner: Ipld| Ipld::Map([("x".to_owned(), inner)].into());
    for wrap in [&list as &dyn Fn(Ipld) -> Ipld, &map] {
        let nested = |levels: usize| {
            let args = (1..levels).fold(promise.to_ipld(), |inner, _| wrap(inner));
            awaits(&args).map(|found| found.len())
        };
        assert_eq!(nested(MAX_DEPTH), Ok(1));
        assert_eq!(nested(MAX_DEPTH + 1), Err(PromiseError::TooDeep));
    }
}
