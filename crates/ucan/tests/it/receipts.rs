//! Receipts: only what the executor signed is one, and it has room for so many proofs and requests.

use crate::attacks::key;
use crate::tokens::receipt_payload;
use ipvm_ipld::{Ipld, cbor};
use ipvm_ucan::{
    Context, Effects, EncodeError, Kind, MAX_CHAIN, MAX_EFFECTS, Receipt, ReceiptPayload, Request,
    SignatureError, Verifier,
};

/// Without it, anybody could say what came of a task, in the name of an executor.
#[test]
fn a_forged_receipt_is_none() {
    let receipt = Receipt::sign(&key(0), receipt_payload()).unwrap();
    receipt.verify_signature().unwrap();
    let (signature, rest) = receipt.bytes()[3..].split_at(64);
    for bit in [0, 255, 511] {
        let mut forged = signature.to_vec();
        forged[bit / 8] ^= 1 << (bit % 8);
        let forged = [&receipt.bytes()[..3], &forged, rest].concat();
        refused(&forged);
    }
    // Signed by another, about what this executor did.
    let Ipld::List(parts) = cbor::decode(receipt.bytes(), Default::default()).unwrap() else {
        panic!("not an envelope");
    };
    let by_another = key(1).sign(&cbor::encode(&parts[1]).unwrap());
    let parts = vec![Ipld::Bytes(by_another.into()), parts[1].clone()];
    refused(&cbor::encode(&Ipld::List(parts)).unwrap());
}

fn refused(forged: &[u8]) {
    let read = Receipt::decode(forged).unwrap();
    assert_eq!(read.verify_signature(), Err(SignatureError::Wrong));
    let refusal = Verifier::new().receipt(forged, &|_| None, &Context::at(0));
    assert_eq!(refusal.unwrap_err().kind, Kind::InvalidSignature);
}

/// Without it, a receipt could be signed that nobody reads.
#[test]
fn receipts_have_room_for_so_much() {
    let cid = receipt_payload().ran;
    let delegated = |proofs: usize| {
        let executor = key(0).did().clone();
        Receipt::sign_for(&key(1), executor, vec![cid; proofs], receipt_payload())
    };
    assert_eq!(delegated(MAX_CHAIN).unwrap().proofs().len(), MAX_CHAIN);
    let (found, limit) = (MAX_CHAIN + 1, MAX_CHAIN);
    assert_eq!(
        delegated(found).unwrap_err(),
        EncodeError::Chain { found, limit }
    );
    let requests = |n: usize| {
        let request = Request {
            role: "a".into(),
            cmd: "/b".parse().unwrap(),
            args: Default::default(),
        };
        let fork = vec![request; n];
        Effects { fork, join: None }
    };
    let asking = |n: usize| {
        let run = Some(requests(n));
        let signed = Receipt::sign(
            &key(0),
            ReceiptPayload {
                run,
                ..receipt_payload()
            },
        )?;
        let read = Receipt::decode(signed.bytes()).unwrap();
        let asked = read.payload().run.as_ref().map_or(0, |run| run.fork.len());
        Ok::<_, EncodeError>(asked)
    };
    assert_eq!(asking(MAX_EFFECTS), Ok(MAX_EFFECTS));
    for wrong in [0, MAX_EFFECTS + 1] {
        let error = asking(wrong).unwrap_err();
        assert!(matches!(error, EncodeError::Form(_)), "{wrong}: {error}");
        // Nor is such a one read, if somebody else signs it.
        Effects::from_ipld(requests(wrong).to_ipld()).unwrap_err();
    }
}
