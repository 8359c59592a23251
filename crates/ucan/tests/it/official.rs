//! The fixtures of the UCAN 1.0.0 specifications.

use crate::conformance;
use ipvm_ipld::fields::{Fields, as_bytes, as_int, as_list, as_map, as_string};
use ipvm_ipld::{Cid, Ipld, Limits, cbor, json};
use ipvm_ucan::{Delegation, Invocation, Refusal, verify};
use std::collections::BTreeMap;

fn load(file: &str) -> Option<BTreeMap<String, Ipld>> {
    let path = conformance::folder("ucan")?.join(file);
    let text = std::fs::read_to_string(path).unwrap();
    Some(as_map(json::from_str(&text, Limits::default()).unwrap(), file).unwrap())
}

/// Without it, others could not read our delegations, nor we theirs.
#[test]
fn delegation_is_equal_byte_for_byte() {
    let Some(mut fixtures) = load("delegation.json") else {
        return;
    };
    for fixture in as_list(fixtures.remove("valid").unwrap(), "valid").unwrap() {
        let mut fixture = as_map(fixture, "fixture").unwrap();
        let mut text = |key: &str| as_string(fixture.remove(key).unwrap(), key).unwrap();
        let bytes = data_encoding::BASE64
            .decode(text("token").as_bytes())
            .unwrap();
        let cid: Cid = text("cid").parse().unwrap();
        let delegation = Delegation::decode(&bytes).unwrap();
        delegation.verify_signature().unwrap();
        assert_eq!((delegation.cid(), delegation.bytes()), (cid, &bytes[..]));
        let value = cbor::decode(&bytes, Limits::default()).unwrap();
        assert_eq!(cbor::encode(&value).unwrap(), bytes);

        let principals = as_map(fixtures.get("principals").unwrap().clone(), "principals").unwrap();
        let bob = as_string(principals.get("bob").unwrap().clone(), "bob").unwrap();
        let seed = data_encoding::BASE64.decode(bob.as_bytes()).unwrap();
        let bob = ipvm_ucan::Keypair::from_seed(seed[2..].try_into().unwrap());
        let again = Delegation::sign(&bob, delegation.payload().clone()).unwrap();
        assert_eq!(again.bytes(), bytes, "signed again with the same key");
    }
}

fn verdict(invocation: &[u8], proofs: &[Vec<u8>], time: i64) -> Result<(), Refusal> {
    let invocation = Invocation::decode(invocation)?;
    let proofs = proofs
        .iter()
        .map(|bytes| Ok(Delegation::decode(bytes)?))
        .collect::<Result<Vec<_>, Refusal>>()?;
    let find = |cid: &Cid| proofs.iter().find(|proof| proof.cid() == *cid).cloned();
    verify(&invocation, &find, time, 0).map(|_| ())
}

/// Without it, we would accept what the specification refuses, or the reverse.
#[test]
fn invocations_have_the_official_verdict() {
    let Some(mut fixtures) = load("invocation.json") else {
        return;
    };
    let mut count = 0;
    for group in ["valid", "invalid"] {
        for fixture in as_list(fixtures.remove(group).unwrap(), group).unwrap() {
            let mut fixture = Fields::new(fixture, "fixture").unwrap();
            let name = fixture.get("name", as_string).unwrap();
            let invocation = fixture.get("invocation", as_bytes).unwrap();
            let proofs = fixture.get("proofs", as_list).unwrap();
            let proofs: Vec<_> = proofs
                .into_iter()
                .map(|proof| as_bytes(proof, "proof").unwrap())
                .collect();
            let time = fixture.get("time", as_int).unwrap();
            let error = fixture.get_optional("error", as_map).unwrap();
            let error = error.map(|mut e| as_string(e.remove("name").unwrap(), "name").unwrap());
            let found = verdict(&invocation, &proofs, time).map_err(|refusal| refusal.kind);
            count += 1;
            assert_eq!(
                found.map_err(|kind| kind.to_string()),
                error.map_or(Ok(()), Err),
                "{name}"
            );
        }
    }
    assert_eq!(count, 20);
}
