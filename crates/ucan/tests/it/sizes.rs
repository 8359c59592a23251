//! Sizes: what is at its limit is read and signed, what is beyond it is refused as too large.

use crate::containers::container;
use crate::tokens::{
    LINK, alice, delegation_fields, delegation_payload, invocation_fields, refused, token, with,
};
use ipvm_ipld::Ipld;
use ipvm_ucan::{
    Delegation, DelegationPayload, EncodeError, Invocation, Kind, MAX_DELEGATION_BYTES,
    MAX_INVOCATION_BYTES, Malformed, Token, Versions,
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
