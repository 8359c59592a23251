//! Revocations and sets of them, one condition at a time. Without these, something that is no revocation could take a
//! right back, or somebody could fill a set so that a real one has no room, or see one forgotten that still counts.

use std::collections::BTreeMap;

use ipvm_ipld::{Cid, Ipld};
use ipvm_ucan::{
    Context, Delegation, DelegationBuilder, DocumentCache, EncodeError, Invocation,
    InvocationPayload, Kind, MAX_CHAIN, MemoryStore, NoChain, Revocation, Revocations,
    VerifiedRevocation, Verifier, Wanted, find_chain,
};

use crate::attacks::{claimed, key, links, sign};
use crate::principals::document;

const NOW: i64 = 1_800_000_000;

/// An invocation that would be a revocation of the last of a path.
fn payload(revoker: usize, path: &[Cid]) -> InvocationPayload {
    let all = path.iter().copied().map(Ipld::Link).collect();
    let revoke = path
        .last()
        .copied()
        .unwrap_or_else(|| sign(links(1))[0].cid());
    InvocationPayload {
        iss: key(revoker).did().clone(),
        sub: key(revoker).did().clone(),
        aud: None,
        cmd: "/ucan/revoke".parse().unwrap(),
        args: BTreeMap::from([
            ("revoke".to_owned(), Ipld::Link(revoke)),
            ("path".to_owned(), Ipld::List(all)),
        ]),
        prf: vec![],
        nonce: vec![],
        exp: None,
        iat: None,
        cause: None,
        meta: None,
    }
}

#[test]
fn what_is_no_revocation_is_refused() {
    let path: Vec<Cid> = sign(links(2)).iter().map(Delegation::cid).collect();
    let read = |spoil: &dyn Fn(&mut InvocationPayload)| {
        let mut payload = payload(0, &path);
        spoil(&mut payload);
        let invocation = Invocation::sign(&key(0), payload).unwrap();
        Revocation::from_invocation(invocation).map_err(|error| error.to_string())
    };
    let right = read(&|_| ()).unwrap();
    assert_eq!(right.payload().path, path);
    assert_eq!(
        (right.payload().revoke, &right.payload().revoker),
        (path[1], key(0).did())
    );
    assert_eq!(right.bytes(), right.invocation().bytes());
    assert_eq!(right.cid(), right.invocation().cid());
    let refused = |what: &str, spoil: &dyn Fn(&mut InvocationPayload)| {
        let error = read(spoil).unwrap_err();
        assert!(error.contains(what), "{what}: {error}");
    };
    refused("command", &|p| p.cmd = "/ucan/revoke/all".parse().unwrap());
    refused("expires", &|p| p.exp = Some(NOW));
    refused("nonce", &|p| p.nonce = vec![1]);
    refused("does not end with", &|p| {
        p.args.insert("revoke".to_owned(), Ipld::Link(path[0]));
    });
    refused("does not end with", &|p| {
        p.args.insert("path".to_owned(), Ipld::List(vec![]));
    });
    refused("more", &|p| {
        p.args.insert("more".to_owned(), Ipld::Null);
    });
    let long = |n: usize| vec![Ipld::Link(path[1]); n];
    read(&|p| {
        p.args
            .insert("path".to_owned(), Ipld::List(long(MAX_CHAIN)));
    })
    .unwrap();
    refused("33", &|p| {
        p.args
            .insert("path".to_owned(), Ipld::List(long(MAX_CHAIN + 1)));
    });
}

#[test]
fn only_a_path_from_the_root_by_its_issuer_is_signed() {
    let chain = sign(links(3));
    let refused = |path: &[Delegation], revoker: usize, what: &str| match Revocation::sign(
        &key(revoker),
        path,
    ) {
        Err(EncodeError::Form(why)) => assert!(why.contains(what), "{what}: {why}"),
        other => panic!("{what}: {other:?}"),
    };
    for issuer in 0..3 {
        Revocation::sign(&key(issuer), &chain).unwrap();
    }
    refused(&chain, 3, "issued none");
    refused(&[], 0, "1 to 32");
    refused(&chain[1..], 1, "begins with a root");
    refused(&[chain[0].clone(), chain[2].clone()], 0, "do not follow");
    let mut powerline = links(2);
    powerline[0].sub = None;
    refused(&sign(powerline), 0, "begins with a root");
    let mut about_two = links(2);
    about_two[1].sub = Some(key(9).did().clone());
    refused(&sign(about_two), 0, "same subject");
    Revocation::sign(&key(0), &sign(links(MAX_CHAIN))).unwrap();
    refused(&sign(links(MAX_CHAIN + 1)), 0, "1 to 32");
    // A delegate has proofs; the revoker itself has none.
    let prf = vec![chain[0].cid()];
    for (signer, prf) in [(20, vec![]), (0, prf)] {
        let revoker = key(0).did().clone();
        let signed = Revocation::sign_for(&key(signer), revoker, prf, &chain);
        assert!(matches!(signed, Err(EncodeError::Form(why)) if why.contains("proofs")));
    }
}

#[test]
fn a_path_with_a_wrong_signature_is_no_ground() {
    let mut chain = sign(links(2));
    let mut bytes = chain[1].bytes().to_vec();
    bytes[10] ^= 1;
    chain[1] = Delegation::decode(&bytes).unwrap();
    let revocation = Revocation::sign(&key(0), &chain).unwrap();
    let known = |cid: &Cid| chain.iter().find(|link| link.cid() == *cid).cloned();
    let verifier = Verifier::new();
    let refusal = verifier
        .revocation(&revocation, &known, &Context::at(NOW))
        .unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.field),
        (Kind::InvalidClaim, Some("path"))
    );
    assert_eq!(refusal.cid.as_deref(), Some(&revocation.cid()));
    assert!(
        refusal.message.contains("delegation 1 of the path"),
        "{refusal}"
    );
}

fn by(revoker: usize, path: &[Delegation]) -> VerifiedRevocation {
    VerifiedRevocation::assume(claimed(revoker, path))
}

#[test]
fn sets_become_one_whoever_revokes_what() {
    let chain = sign(links(2));
    let mut many = Revocations::new();
    assert!(many.is_empty());
    // Without this, a crowd of keys that nobody gave a say would keep the true revocation out.
    for stranger in 2..102 {
        assert!(many.insert(&by(stranger, &chain)).unwrap());
    }
    assert_eq!((many.len(), many.find(&chain)), (100, None));
    let true_one = by(0, &chain);
    assert!(many.insert(&true_one).unwrap());
    assert!(!many.insert(&true_one).unwrap(), "it is there");
    assert_eq!(many.find(&chain), Some((1, true_one.revocation().cid())));
    assert_eq!(many.of(&chain[1].cid()).unwrap().len(), 101);
    assert!(many.of(&chain[0].cid()).is_none());
    // What both have is one; what one has, the other gets, with the end of the delegation.
    let (mut left, mut right) = (Revocations::new(), Revocations::new());
    left.insert(&by(0, &chain)).unwrap();
    right.insert(&by(0, &chain)).unwrap();
    right.insert(&by(1, &chain)).unwrap();
    right.insert(&by(0, &chain[..1])).unwrap();
    right.note(&chain[1]);
    assert_eq!(left.evict(i64::MAX, 0), 0, "nobody said when it ends");
    left.merge(&right).unwrap();
    assert_eq!(left.len(), 3);
    assert_eq!(left.evict(NOW + 100, 0), 0, "it is good until then");
    assert_eq!(left.evict(NOW + 101, 0), 2);
    assert_eq!(left.len(), 1);
    assert_eq!(left.of(&chain[0].cid()).unwrap().len(), 1);
}

#[test]
fn a_chain_is_found_with_keys_that_are_known_at_the_time() {
    let site: ipvm_ucan::Did = "did:web:example.com".parse().unwrap();
    let pair = key(7);
    let signed = DelegationBuilder::new(&pair, key(1).did(), "/mail".parse().unwrap());
    let signed = signed.never_expires().sign([1; 12]).unwrap();
    let value = ipvm_ipld::cbor::decode(signed.bytes(), Default::default()).unwrap();
    let text = ipvm_ipld::json::to_string(&value).replace(pair.did().as_str(), site.as_str());
    let mut value = ipvm_ipld::json::from_str(&text, Default::default()).unwrap();
    let Ipld::List(parts) = &mut value else {
        panic!()
    };
    let signature = pair.sign(&ipvm_ipld::cbor::encode(&parts[1]).unwrap());
    parts[0] = Ipld::Bytes(signature.to_vec());
    let right = Delegation::decode(&ipvm_ipld::cbor::encode(&value).unwrap()).unwrap();
    let mut store = MemoryStore::default();
    store.insert(right);
    let mut cache = DocumentCache::new(100);
    let text = document(site.as_str(), &pair, "capabilityDelegation");
    cache.insert(&site, text.as_bytes(), NOW).unwrap();
    let cmd = "/mail/send".parse().unwrap();
    let (asker, args) = (key(1), BTreeMap::new());
    let find = |at| {
        let wanted = Wanted {
            invoker: asker.did(),
            subject: &site,
            cmd: &cmd,
            args: &args,
        };
        find_chain(&store, &wanted, &Context::at(at).resolver(&cache))
    };
    assert_eq!(find(NOW + 100).unwrap().len(), 1);
    match find(NOW + 101) {
        Err(NoChain::None { reasons, .. }) => {
            assert!(reasons[0].contains("again"), "{reasons:?}");
        }
        other => panic!("{other:?}"),
    }
}
