//! This project's own worked example, made by an independent generator: equal bytes and CIDs.

use crate::conformance;
use ipvm_ipld::{Cid, Ipld};
use ipvm_ucan::{
    Delegation, DelegationPayload, Invocation, InvocationPayload, Keypair, Outcome, Policy,
    Receipt, ReceiptMeta, ReceiptPayload, promise, verify,
};
use std::collections::BTreeMap;

struct Example(serde_json::Value);

impl Example {
    fn load() -> Option<Self> {
        let path = conformance::folder("ipvm")?.join("worked-example.json");
        Some(Self(
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap(),
        ))
    }

    fn key(&self, name: &str) -> Keypair {
        let key = &self.0["keys"][name];
        let seed = data_encoding::HEXLOWER
            .decode(key["seed"].as_str().unwrap().as_bytes())
            .unwrap();
        let pair = Keypair::from_seed(&seed.try_into().unwrap());
        assert_eq!(pair.did().as_str(), key["did"].as_str().unwrap(), "{name}");
        pair
    }

    fn block(&self, name: &str) -> (Cid, Vec<u8>) {
        let block = self.0["blocks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|b| b["name"] == name)
            .unwrap();
        let bytes = data_encoding::HEXLOWER
            .decode(block["bytes"].as_str().unwrap().as_bytes())
            .unwrap();
        (block["cid"].as_str().unwrap().parse().unwrap(), bytes)
    }

    fn value(&self, name: &str) -> BTreeMap<String, Ipld> {
        let Ipld::Map(map) =
            ipvm_ipld::cbor::decode(&self.block(name).1, Default::default()).unwrap()
        else {
            panic!("{name} is no map")
        };
        map
    }
}

/// Without it, our formats could drift from the specification while all our own parts still agree with each other.
#[test]
fn tokens_are_equal_byte_for_byte() {
    let Some(example) = Example::load() else {
        return;
    };
    let (owner, agent) = (example.key("owner"), example.key("agent"));
    let _ = example.key("other");

    let delegation = DelegationPayload {
        iss: owner.did().clone(),
        aud: agent.did().clone(),
        sub: Some(owner.did().clone()),
        cmd: "/".parse().unwrap(),
        pol: Policy::none(),
        nonce: vec![0; 12],
        meta: None,
        nbf: None,
        exp: None,
    };
    let signed = Delegation::sign(&owner, delegation.clone()).unwrap();
    let (cid, bytes) = example.block("delegation owner -> agent");
    assert_eq!((signed.cid(), signed.bytes()), (cid, &bytes[..]));
    let proof = Delegation::decode(&bytes).unwrap();
    assert_eq!(proof.payload(), &delegation);
    assert_eq!((proof.cid(), proof.bytes()), (cid, &bytes[..]));

    let Some(Ipld::Map(args)) = example.value("task sum").remove("args") else {
        panic!("no args")
    };
    let invocation = InvocationPayload {
        iss: agent.did().clone(),
        sub: owner.did().clone(),
        aud: Some(agent.did().clone()),
        cmd: "/wasm/run".parse().unwrap(),
        args,
        prf: vec![proof.cid()],
        nonce: vec![],
        exp: Some(1_900_000_000),
        iat: None,
        cause: None,
        meta: None,
    };
    let signed = Invocation::sign(&agent, invocation.clone()).unwrap();
    let (cid, bytes) = example.block("invocation of task sum");
    assert_eq!((signed.cid(), signed.bytes()), (cid, &bytes[..]));
    let read = Invocation::decode(&bytes).unwrap();
    assert_eq!(read.payload(), &invocation);
    let capability = verify(&read, &|_| Some(proof.clone()), 1_800_000_000, 60).unwrap();
    assert_eq!(
        (&capability.sub, capability.exp),
        (owner.did(), Some(1_900_000_000))
    );

    let receipt = ReceiptPayload {
        ran: example.block("task sum").0,
        out: Outcome::Ok(Ipld::Integer(5)),
        run: None,
        meta: ReceiptMeta {
            inv: read.cid(),
            computation: Some(example.block("computation sum").0),
            memo: None,
            log: None,
            engine: "test".into(),
            fuel: 7,
            started: 1_800_000_000,
            took: 11,
        },
    };
    let signed = Receipt::sign(&agent, receipt.clone()).unwrap();
    let (cid, bytes) = example.block("receipt of task sum");
    assert_eq!((signed.cid(), signed.bytes()), (cid, &bytes[..]));
    let read = Receipt::decode(&bytes).unwrap();
    assert_eq!((read.payload(), read.executor()), (&receipt, agent.did()));
    read.verify_signature().unwrap();
}

/// Without it, the promises of the worked example could be read as something else.
#[test]
fn promises_of_the_example() {
    let Some(example) = Example::load() else {
        return;
    };
    let sum = promise::Await {
        branch: promise::Branch::Ok,
        task: example.block("task sum").0,
    };
    let more = example.value("task more").remove("args").unwrap();
    assert_eq!(promise::awaits(&more).unwrap(), [sum]);
    let resolved = promise::resolve(&more, &mut |_| Ok::<_, String>(Ipld::Integer(5))).unwrap();
    assert_eq!(
        &resolved,
        example.value("computation more").get("args").unwrap()
    );
}
