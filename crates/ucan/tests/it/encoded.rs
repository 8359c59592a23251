//! Invocations of args that are encoded already.

use ipvm_ipld::{Ipld, cbor};
use ipvm_ucan::{Invocation, InvocationPayload, Keypair, MAX_INVOCATION_BYTES};
use std::collections::BTreeMap;

/// Breaks: an invocation that is made of encoded args would be another than the same one made of values.
#[test]
fn encoded_args_make_the_same_invocation() {
    let key = Keypair::from_seed(&[7; 32]);
    let args = BTreeMap::from([
        ("b".to_owned(), Ipld::Integer(1)),
        ("aa".to_owned(), Ipld::List(vec![Ipld::Null])),
    ]);
    let payload = InvocationPayload {
        iss: key.did().clone(),
        sub: key.did().clone(),
        aud: Some(key.did().clone()),
        cmd: "/wasm/run".parse().unwrap(),
        args: args.clone(),
        prf: Vec::new(),
        nonce: vec![1, 2],
        exp: Some(5),
        iat: None,
        cause: None,
        meta: None,
    };
    let encoded = cbor::encode(&Ipld::Map(args)).unwrap();
    let block = Invocation::sign_encoded(&key, payload.clone(), &encoded).unwrap();
    let whole = Invocation::sign(&key, payload).unwrap();
    assert_eq!((block.data(), *block.cid()), (whole.bytes(), whole.cid()));
    let large = cbor::encode(&Ipld::Bytes(vec![0; MAX_INVOCATION_BYTES])).unwrap();
    let refused = Invocation::sign_encoded(&key, whole.payload().clone(), &large);
    assert!(refused.unwrap_err().to_string().contains("1048576"));
}
