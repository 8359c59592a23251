//! What a hostile delegate tries: each attempt is refused by name, at every depth.

use ipvm_ipld::{Cid, Ipld};
use ipvm_ucan::admission::{Scope, Work, admit, require_new};
use ipvm_ucan::{
    Container, Context, Delegation, DelegationPayload, EncodeError, Encoding, Invocation,
    InvocationBuilder, InvocationPayload, Keypair, Kind, MAX_CHAIN, Malformed, Outcome, Policy,
    Receipt, ReceiptMeta, ReceiptPayload, Refusal, Revocation, Revocations, Token, Verifier,
    Versions, verify_in,
};
use std::collections::BTreeMap;

const NOW: i64 = 1_800_000_000;
const DEPTHS: [usize; 5] = [1, 2, 3, 8, MAX_CHAIN];
const POLICY: &str = r#".uri like "https://example.com/*""#;

pub(crate) fn key(n: usize) -> Keypair {
    Keypair::from_seed(&[n as u8 + 1; 32])
}

/// The right to `/wasm` on principal 0, passed on from i to i + 1.
pub(crate) fn links(depth: usize) -> Vec<DelegationPayload> {
    let link = |i| DelegationPayload {
        iss: key(i).did().clone(),
        aud: key(i + 1).did().clone(),
        sub: Some(key(0).did().clone()),
        cmd: "/wasm".parse().unwrap(),
        pol: POLICY.parse().unwrap(),
        nonce: vec![i as u8; 12],
        meta: None,
        nbf: Some(NOW - 100),
        exp: Some(NOW + 100),
    };
    (0..depth).map(link).collect()
}

fn asks(depth: usize) -> InvocationPayload {
    InvocationPayload {
        iss: key(depth).did().clone(),
        sub: key(0).did().clone(),
        aud: Some(key(50).did().clone()),
        cmd: "/wasm/run".parse().unwrap(),
        args: BTreeMap::from([("uri".to_owned(), "https://example.com/x".into())]),
        prf: vec![],
        nonce: vec![1],
        exp: Some(NOW + 50),
        iat: None,
        cause: None,
        meta: None,
    }
}

pub(crate) fn sign(links: Vec<DelegationPayload>) -> Vec<Delegation> {
    let owner = |did: &ipvm_ucan::Did| (0..60).map(key).find(|key| key.did() == did).unwrap();
    let each = links.into_iter();
    each.map(|link| Delegation::sign(&owner(&link.iss.clone()), link).unwrap())
        .collect()
}

fn ask(mut payload: InvocationPayload, chain: &[Delegation]) -> Invocation {
    payload.prf = chain.iter().map(Delegation::cid).collect();
    let signer = (0..60)
        .map(key)
        .find(|key| *key.did() == payload.iss)
        .unwrap();
    Invocation::sign(&signer, payload).unwrap()
}

fn verdict(
    invocation: &Invocation,
    chain: &[Delegation],
    context: &Context<'_>,
) -> Result<(), Refusal> {
    let find = |cid: &Cid| chain.iter().find(|link| link.cid() == *cid).cloned();
    verify_in(invocation, &find, context).map(|_| ())
}

type Spoil = fn(&mut Vec<DelegationPayload>, &mut InvocationPayload);

/// Without it, a delegate could widen what it was given: these are what it can sign by itself, as the last one of a chain.
#[test]
fn a_hostile_delegate() {
    let attempts: [(&str, Spoil, Kind); 14] = [
        (
            "a wider command",
            |l, i| {
                if l.len() > 1 {
                    l.last_mut().unwrap().cmd = "/".parse().unwrap();
                }
                i.cmd = "/msg".parse().unwrap()
            },
            Kind::InvalidClaim,
        ),
        (
            "/wasmx for /wasm",
            |_, i| i.cmd = "/wasmx".parse().unwrap(),
            Kind::InvalidClaim,
        ),
        (
            "all commands",
            |_, i| i.cmd = "/".parse().unwrap(),
            Kind::InvalidClaim,
        ),
        (
            "another subject",
            |_, i| i.sub = key(55).did().clone(),
            Kind::InvalidSubject,
        ),
        (
            "another subject in its own link",
            |l, i| {
                if l.len() > 1 {
                    l.last_mut().unwrap().sub = Some(key(55).did().clone());
                }
                i.sub = key(55).did().clone()
            },
            Kind::InvalidSubject,
        ),
        (
            "a powerline at the root",
            |l, _| l[0].sub = None,
            Kind::InvalidClaim,
        ),
        (
            "no policy of its own",
            |l, i| {
                if l.len() > 1 {
                    l.last_mut().unwrap().pol = Policy::none()
                }
                i.args.clear()
            },
            Kind::MatchError,
        ),
        (
            "args that break the policy",
            |_, i| {
                i.args
                    .insert("uri".into(), "https://example.com.evil.org/".into());
            },
            Kind::MatchError,
        ),
        (
            "args of another type",
            |_, i| {
                i.args.insert(
                    "uri".into(),
                    Ipld::List(vec!["https://example.com/".into()]),
                );
            },
            Kind::MatchError,
        ),
        (
            "a longer life",
            |l, i| {
                l[0].exp = Some(NOW - 61);
                if l.len() > 1 {
                    l.last_mut().unwrap().exp = None
                }
                i.exp = None
            },
            Kind::Expired,
        ),
        (
            "an earlier begin",
            |l, _| {
                l[0].nbf = Some(NOW + 61);
                if l.len() > 1 {
                    l.last_mut().unwrap().nbf = None
                }
            },
            Kind::TooEarly,
        ),
        (
            "a root of its own",
            |l, _| l[0].iss = key(55).did().clone(),
            Kind::InvalidClaim,
        ),
        ("no proofs", |l, _| l.clear(), Kind::InvalidClaim),
        (
            "somebody else's right",
            |_, i| i.iss = key(55).did().clone(),
            Kind::InvalidAudience,
        ),
    ];
    for depth in DEPTHS {
        let chain = sign(links(depth));
        verdict(&ask(asks(depth), &chain), &chain, &Context::at(NOW)).expect("without an attempt");
        for (name, spoil, kind) in attempts {
            let (mut links, mut payload) = (links(depth), asks(depth));
            spoil(&mut links, &mut payload);
            let chain = sign(links);
            let invocation = ask(payload, &chain);
            let refusal = verdict(&invocation, &chain, &Context::at(NOW)).unwrap_err();
            assert_eq!(refusal.kind, kind, "{name}, depth {depth}: {refusal}");
            let about = match refusal.link {
                Some(i) => chain[i].cid(),
                None => invocation.cid(),
            };
            assert_eq!(
                refusal.cid.as_deref(),
                Some(&about),
                "{name}, depth {depth}"
            );
            assert!(refusal.field.is_some(), "{name}, depth {depth}");
        }
    }
}

/// Without it, a token could be read as one of another kind or version, or written in two ways.
#[test]
fn forged_bytes() {
    for depth in DEPTHS {
        let chain = sign(links(depth));
        let invocation = ask(asks(depth), &chain);
        let swap = |bytes: &[u8], from: &[u8], to: &[u8]| {
            let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
            [&bytes[..at], to, &bytes[at + from.len()..]].concat()
        };
        let link = chain.last().unwrap().bytes();
        let kind = |result: Result<Delegation, Malformed>| result.unwrap_err().kind();
        let as_delegation = swap(invocation.bytes(), b"ucan/inv@1.0.0", b"ucan/dlg@1.0.0");
        assert_eq!(kind(Delegation::decode(&as_delegation)), Kind::Malformed);
        assert_eq!(
            kind(Delegation::decode(invocation.bytes())),
            Kind::InvalidClaim
        );
        let next = swap(link, b"ucan/dlg@1.0.0", b"ucan/dlg@1.0.1");
        assert_eq!(kind(Delegation::decode(&next)), Kind::Unsupported);
        let longer = [link, &[0]].concat();
        assert_eq!(kind(Delegation::decode(&longer)), Kind::Malformed);
        // The head of the signature, in a longer form than needed.
        let padded = swap(link, &[0x58, 64], &[0x59, 0, 64]);
        assert_eq!(kind(Delegation::decode(&padded)), Kind::Malformed);
        // 64 bytes that are another's signature of the same.
        let wrong = Keypair::from_seed(&[99; 32]).sign(&link[67..]);
        let forged = [&link[..3], &wrong, &link[67..]].concat();
        assert!(
            Delegation::decode(&forged)
                .unwrap()
                .verify_signature()
                .is_err()
        );
        // The release candidate is read only if asked for, and it is another signature then.
        let rc1 = swap(link, b"nucan/dlg@1.0.0", b"sucan/dlg@1.0.0-rc.1");
        assert_eq!(kind(Delegation::decode(&rc1)), Kind::Unsupported);
        let read = Delegation::decode_versions(&rc1, Versions::StableAndRc1).unwrap();
        assert!(read.verify_signature().is_err());
    }
}

/// Without it, a right that was taken back would go on, or anybody could take back any right.
#[test]
fn revoked_at_each_link() {
    let verifier = Verifier::new();
    for depth in DEPTHS {
        let chain = sign(links(depth));
        let invocation = ask(asks(depth), &chain);
        for i in [0, depth / 2, depth - 1] {
            for (revoker, counts) in [(0, true), (i, true), (i + 1, false), (55, false)] {
                let path = &chain[..=i];
                let signed = Revocation::sign(&key(revoker), path);
                if !counts {
                    assert!(matches!(signed, Err(EncodeError::Form(_))), "not above");
                }
                let revocation = signed.unwrap_or_else(|_| claimed(revoker, path));
                // It may come before the delegation: nothing of the path is known.
                let context = Context::at(NOW);
                let early = verifier
                    .revocation(&revocation, &|_| None, &context)
                    .unwrap();
                let known = |cid: &Cid| chain.iter().find(|link| link.cid() == *cid).cloned();
                assert_eq!(
                    verifier.revocation(&revocation, &known, &context).is_ok(),
                    counts
                );
                let mut set = Revocations::new();
                assert!(set.insert(&early).unwrap());
                assert!(!set.insert(&early).unwrap(), "it is there");
                let context = context.revocations(&set);
                let found = verdict(&invocation, &chain, &context);
                let expected = if counts {
                    Err((Kind::Revoked, Some(i)))
                } else {
                    Ok(())
                };
                assert_eq!(
                    found.map_err(|e| (e.kind, e.link)),
                    expected,
                    "{revoker} revokes {i} of {depth}"
                );
                // It goes only when the delegation has ended by itself.
                assert_eq!(set.evict(i64::MAX, 0), 0, "not known yet");
                set.note(&chain[i]);
                assert_eq!(set.evict(NOW + 160, 60), 0);
                assert_eq!(set.evict(NOW + 161, 60), 1);
                assert!(set.is_empty());
            }
        }
    }
}

/// A revocation by somebody who is not above, which cannot be made in the ordinary way.
pub(crate) fn claimed(revoker: usize, path: &[Delegation]) -> Revocation {
    let path: Vec<_> = path.iter().map(|link| Ipld::Link(link.cid())).collect();
    let payload = InvocationPayload {
        iss: key(revoker).did().clone(),
        sub: key(revoker).did().clone(),
        aud: None,
        cmd: "/ucan/revoke".parse().unwrap(),
        args: BTreeMap::from([
            ("revoke".to_owned(), path.last().unwrap().clone()),
            ("path".to_owned(), Ipld::List(path)),
        ]),
        prf: vec![],
        nonce: vec![],
        exp: None,
        iat: None,
        cause: None,
        meta: None,
    };
    Revocation::from_invocation(Invocation::sign(&key(revoker), payload).unwrap()).unwrap()
}

/// Without it, a helper could revoke what its principal cannot, or not what it can; and two sets would not become one.
#[test]
fn revocations_by_delegates() {
    let chain = sign(links(3));
    // Principal 1 lets principal 20 revoke for it.
    let mut helper = links(2).remove(1);
    helper.aud = key(20).did().clone();
    helper.sub = Some(key(1).did().clone());
    helper.cmd = "/ucan/revoke".parse().unwrap();
    helper.pol = Policy::none();
    let helper = sign(vec![helper]);
    let prf = vec![helper[0].cid()];
    let revocation = Revocation::sign_for(&key(20), key(1).did().clone(), prf, &chain).unwrap();
    let verifier = Verifier::new();
    let refused = verifier
        .revocation(&revocation, &|_| None, &Context::at(NOW))
        .unwrap_err();
    assert_eq!(refused.kind, Kind::UnavailableProof);
    let known = |cid: &Cid| {
        chain
            .iter()
            .chain(&helper)
            .find(|link| link.cid() == *cid)
            .cloned()
    };
    let verified = verifier
        .revocation(&revocation, &known, &Context::at(NOW))
        .unwrap();
    let (mut one, mut two) = (Revocations::new(), Revocations::new());
    two.insert(&verified).unwrap();
    one.merge(&two).unwrap();
    one.merge(&two).unwrap();
    assert_eq!(one.len(), 1);
    assert_eq!(
        one.of(&chain[2].cid()).unwrap().get(key(1).did()),
        Some(&revocation.cid())
    );
    let context = Context::at(NOW).revocations(&one);
    let refusal = verdict(&ask(asks(3), &chain), &chain, &context).unwrap_err();
    assert_eq!((refusal.kind, refusal.link), (Kind::Revoked, Some(2)));
    // Another chain to the same delegation, in which the revoker is not: it goes on.
    let mut other = links(3);
    other[0].aud = key(2).did().clone();
    other.remove(1);
    let mut other = sign(other);
    other[1] = chain[2].clone();
    verdict(&ask(asks(3), &other), &other, &context).unwrap();
}

/// Without it, an executor would do what it was not asked, twice, or with rights that came for something else.
#[test]
fn admission() {
    let agent = key(50);
    let chain = sign(links(2));
    let context = Context::at(NOW);
    let pack = |payload: InvocationPayload| {
        let invocation = ask(payload, &chain);
        let mut container = Container::new();
        chain
            .iter()
            .for_each(|link| assert!(container.insert(link.bytes().to_vec())));
        container.insert(invocation.bytes().to_vec());
        let wire = container.encode(Encoding::Gzip).unwrap();
        let tokens = Verifier::new()
            .tokens(&Container::decode(&wire).unwrap())
            .unwrap();
        Scope::of(tokens)
    };
    let admitted = |payload, work| {
        let (scope, invocations) = pack(payload);
        admit(&invocations[0], &scope, &context, agent.did(), work)
    };
    let task = admitted(asks(2), Work::Mutation).unwrap().task;
    let mut again = asks(2);
    again.exp = Some(NOW + 40);
    assert_eq!(
        admitted(again, Work::Mutation).unwrap().task,
        task,
        "the same task"
    );
    require_new(&task, Work::Mutation, None).unwrap();
    let replayed = require_new(&task, Work::Mutation, Some(&task)).unwrap_err();
    assert_eq!(replayed.kind, Kind::Replayed);
    require_new(&task, Work::Repeatable, Some(&task)).unwrap();
    let mut other = asks(2);
    other.nonce = vec![2];
    assert_ne!(admitted(other, Work::Mutation).unwrap().task, task);

    let refused = |edit: &dyn Fn(&mut InvocationPayload), work| {
        let mut payload = asks(2);
        edit(&mut payload);
        let about = ask(payload.clone(), &chain).cid();
        let refusal = admitted(payload, work).unwrap_err();
        assert_eq!(refusal.cid.as_deref(), Some(&about), "{refusal}");
        (refusal.kind, refusal.field.unwrap())
    };
    // Whoever forgot the executor of a mutation is told so.
    let mut unnamed = asks(2);
    unnamed.aud = None;
    let told = |payload, work| admitted(payload, work).unwrap_err().message;
    assert!(told(unnamed.clone(), Work::Mutation).contains("must name its executor"));
    assert!(told(unnamed, Work::Repeatable).starts_with("the invocation is for"));
    let audience = (Kind::InvalidAudience, "aud");
    assert_eq!(refused(&|p| p.aud = None, Work::Mutation), audience);
    assert_eq!(
        refused(&|p| p.aud = Some(key(51).did().clone()), Work::Repeatable),
        audience
    );
    assert_eq!(
        refused(&|p| p.exp = None, Work::Mutation),
        (Kind::InvalidClaim, "exp")
    );
    let mut endless = asks(2);
    endless.exp = None;
    admitted(endless, Work::Repeatable).unwrap();
    let misuse = |p: &mut InvocationPayload| {
        p.args.insert(
            "x".into(),
            Ipld::Map([("await/ok".into(), 1.into())].into()),
        );
    };
    assert_eq!(
        refused(&misuse, Work::Repeatable),
        (Kind::Malformed, "args")
    );

    // Proofs that came with something else do not count.
    let (_, invocations) = pack(asks(2));
    let (elsewhere, _) = Scope::of(vec![Token::Delegation(chain[0].clone())]);
    let refusal = admit(
        &invocations[0],
        &elsewhere,
        &context,
        agent.did(),
        Work::Mutation,
    )
    .unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.link),
        (Kind::UnavailableProof, Some(1))
    );

    // A promise cannot bring in what a policy forbids.
    let mut promising = asks(2);
    let promise = ipvm_ucan::promise::Await {
        branch: ipvm_ucan::promise::Branch::Ok,
        task,
    };
    promising.args.insert("uri".into(), promise.to_ipld());
    let capability = admitted(promising, Work::Mutation).unwrap().capability;
    assert!(capability.pending);
    let resolved = |uri: &str| Ipld::Map([("uri".to_owned(), uri.into())].into());
    capability
        .recheck(&resolved("https://example.com/"))
        .unwrap();
    let refusal = capability
        .recheck(&resolved("https://evil.org/"))
        .unwrap_err();
    assert_eq!((refusal.kind, refusal.link), (Kind::MatchError, Some(0)));
    // Nor can a value that looks like a promise once all are resolved.
    let looks = Ipld::Map([("uri".to_owned(), promise.to_ipld())].into());
    assert!(capability.recheck(&looks).is_err());
}

/// Without it, people would be told something else than what was verified.
#[test]
fn capabilities_in_words() {
    let chain = sign(links(3));
    let find = |cid: &Cid| chain.iter().find(|link| link.cid() == *cid).cloned();
    let capability = verify_in(&ask(asks(3), &chain), &find, &Context::at(NOW)).unwrap();
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| key(n).did().to_string());
    let once = r#"uri begins with "https://example.com/""#;
    assert_eq!(
        capability.in_words(),
        format!(
            "{d} may do /wasm/run on behalf of {a}, by asking {}, until 2027-01-15T08:00:50Z, passed on by {b}, {c}, \
             provided that {once}; and that {once}; and that {once}",
            key(50).did()
        )
    );
    assert_eq!(
        (capability.nbf, capability.exp),
        (Some(NOW - 100), Some(NOW + 50))
    );
}

/// Without it, a receipt by a delegate could not be had, or anybody could sign in an executor's name.
#[test]
fn receipts_by_delegates() {
    let chain = {
        let mut links = links(1);
        links[0].cmd = "/ucan/assert".parse().unwrap();
        links[0].pol = Policy::none();
        sign(links)
    };
    let cid = chain[0].cid();
    let meta = ReceiptMeta {
        inv: cid,
        computation: None,
        memo: None,
        log: None,
        engine: "test".into(),
        fuel: 0,
        started: NOW,
        took: 1,
    };
    let payload = ReceiptPayload {
        ran: cid,
        out: Outcome::Ok(1.into()),
        run: None,
        meta,
    };
    let executor = key(0).did().clone();
    let receipt = Receipt::sign_for(&key(1), executor.clone(), vec![cid], payload.clone()).unwrap();
    assert!(
        Receipt::decode(receipt.bytes()).is_err(),
        "not without its proofs"
    );
    let verifier = Verifier::new();
    let find = |cid: &Cid| chain.iter().find(|link| link.cid() == *cid).cloned();
    let read = verifier
        .receipt(receipt.bytes(), &find, &Context::at(NOW))
        .unwrap();
    assert_eq!((read.executor(), read.issuer()), (&executor, key(1).did()));
    assert_eq!(read.proofs(), [cid]);
    let forged = Receipt::sign_for(&key(2), executor.clone(), vec![cid], payload.clone()).unwrap();
    let refusal = verifier
        .receipt(forged.bytes(), &find, &Context::at(NOW))
        .unwrap_err();
    assert_eq!(refusal.kind, Kind::InvalidAudience);
    let late = verifier
        .receipt(receipt.bytes(), &find, &Context::at(NOW + 1000))
        .unwrap_err();
    assert_eq!(late.kind, Kind::Expired);
    let own = Receipt::sign(&key(0), payload.clone()).unwrap();
    verifier
        .receipt(own.bytes(), &|_| None, &Context::at(NOW))
        .unwrap();
    assert!(Receipt::sign_for(&key(0), executor, vec![cid], payload).is_err());
}

/// Without it, a builder would sign what nobody accepts.
#[test]
fn builders() {
    let chain = sign(links(2));
    let build = |key: &Keypair, cmd: &str, uri: &str, proofs: &[Delegation]| {
        let builder = InvocationBuilder::new(key, cmd.parse().unwrap()).with_proofs(proofs);
        builder.arg("uri", uri).expires(NOW).sign(vec![9])
    };
    let good = "https://example.com/";
    let built = build(&key(2), "/wasm/run", good, &chain).unwrap();
    let payload = built.payload();
    assert_eq!((payload.exp, &payload.nonce), (Some(NOW), &vec![9]));
    assert_eq!(payload.args.get("uri"), Some(&Ipld::from(good)));
    for (name, result) in [
        ("another's", build(&key(3), "/wasm/run", good, &chain)),
        ("its own", build(&key(0), "/wasm/run", good, &chain)),
        ("command", build(&key(2), "/wasmx", good, &chain)),
        (
            "policy",
            build(&key(2), "/wasm/run", "https://evil.org/", &chain),
        ),
        ("half", build(&key(2), "/wasm/run", good, &chain[1..])),
        (
            "order",
            build(
                &key(2),
                "/wasm/run",
                good,
                &[chain[1].clone(), chain[0].clone()],
            ),
        ),
    ] {
        assert!(result.is_err(), "{name}");
    }
    let until = |end| {
        ipvm_ucan::DelegationBuilder::new(&key(0), key(1).did(), "/".parse().unwrap())
            .not_before(NOW)
            .expires(end)
            .sign([0; 12])
    };
    assert!(until(NOW - 1).is_err(), "it ends before it begins");
    assert_eq!(until(NOW).unwrap().payload().exp, Some(NOW));
}
