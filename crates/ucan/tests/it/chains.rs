//! Verification of invocations with their chains: one fault at a time, at every link, at several depths.

use ipvm_ipld::Cid;
use ipvm_ipld::{Limits, json};
use ipvm_ucan::{
    Capability, Delegation, DelegationPayload, Invocation, InvocationPayload, Keypair, Kind,
    MAX_CHAIN, Policy, Refusal, verify,
};
use std::collections::HashMap;

const NOW: i64 = 1_800_000_000;
const SKEW: i64 = 60;

/// The n-th principal; 0 is the subject.
fn key(n: usize) -> Keypair {
    Keypair::from_seed(&[n as u8 + 1; 32])
}

/// A chain that can be spoiled before it is signed: `links[i]` is from principal i to i + 1, the last one invokes.
struct Chain {
    links: Vec<DelegationPayload>,
    invocation: InvocationPayload,
    /// Who signs, where it is not the issuer: the fault is a forged token.
    forged: Option<usize>,
    missing: Option<usize>,
}

impl Chain {
    fn of(depth: usize) -> Self {
        let subject = key(0).did().clone();
        let links = (0..depth).map(|i| DelegationPayload {
            iss: key(i).did().clone(),
            aud: key(i + 1).did().clone(),
            sub: Some(subject.clone()),
            cmd: "/crud".parse().unwrap(),
            pol: Policy::none(),
            nonce: vec![i as u8; 12],
            meta: None,
            nbf: Some(NOW - 1000),
            exp: Some(NOW + 1000),
        });
        let invocation = InvocationPayload {
            iss: key(depth).did().clone(),
            sub: subject.clone(),
            aud: None,
            cmd: "/crud/read".parse().unwrap(),
            args: Default::default(),
            prf: vec![],
            nonce: vec![],
            exp: Some(NOW + 500),
            iat: Some(NOW),
            cause: None,
            meta: None,
        };
        Self {
            links: links.collect(),
            invocation,
            forged: None,
            missing: None,
        }
    }

    fn verify(mut self, at: i64) -> Result<Capability, Refusal> {
        let depth = self.links.len();
        let owner = |did: &ipvm_ucan::Did| (0..=40).map(key).find(|key| key.did() == did).unwrap();
        let mut store: HashMap<Cid, Delegation> = HashMap::new();
        for (i, link) in self.links.into_iter().enumerate() {
            let delegation = Delegation::sign(&owner(&link.iss), link).unwrap();
            let delegation = if self.forged == Some(i) {
                forge(delegation.bytes())
            } else {
                delegation
            };
            self.invocation.prf.push(delegation.cid());
            if self.missing != Some(i) {
                store.insert(delegation.cid(), delegation);
            }
        }
        let invocation =
            Invocation::sign(&owner(&self.invocation.iss.clone()), self.invocation).unwrap();
        let mut bytes = invocation.bytes().to_vec();
        if self.forged == Some(depth) {
            bytes[10] ^= 1;
        }
        let invocation = Invocation::decode(&bytes).unwrap();
        verify(&invocation, &|cid| store.get(cid).cloned(), at, SKEW)
    }
}

/// The same delegation with 64 bytes that are not its signature.
fn forge(bytes: &[u8]) -> Delegation {
    let mut bytes = bytes.to_vec();
    bytes[10] ^= 1;
    Delegation::decode(&bytes).unwrap()
}

fn check(name: &str, chain: Chain, at: i64, expected: Result<(), (Kind, Option<usize>)>) {
    let found = chain.verify(at);
    let verdict = found
        .as_ref()
        .map(|_| ())
        .map_err(|refusal| (refusal.kind, refusal.link));
    assert_eq!(verdict, expected, "{name}: {found:?}");
}

/// A policy that the invocation does not meet.
fn forbids() -> Policy {
    r#".uri like "https://example.com/*""#.parse().unwrap()
}

/// A chain with one fault.
fn spoiled(depth: usize, spoil: impl FnOnce(&mut Chain)) -> Chain {
    let mut chain = Chain::of(depth);
    spoil(&mut chain);
    chain
}

const DEPTHS: [usize; 5] = [1, 2, 3, 8, MAX_CHAIN];

/// Without it, the refusals below could all have one other cause.
#[test]
fn whole_chains_are_valid() {
    check("no proofs, own subject", Chain::of(0), NOW, Ok(()));
    for depth in DEPTHS {
        check(&format!("depth {depth}"), Chain::of(depth), NOW, Ok(()));
    }
    let capability = Chain::of(3).verify(NOW).unwrap();
    assert_eq!(capability.cmd.as_str(), "/crud/read");
    assert_eq!(
        (&capability.sub, &capability.iss),
        (key(0).did(), key(3).did())
    );
    assert_eq!(
        (&capability.aud, capability.exp),
        (key(0).did(), Some(NOW + 500))
    );
    let other_audience = spoiled(1, |c| c.invocation.aud = Some(key(30).did().clone()));
    assert_eq!(&other_audience.verify(NOW).unwrap().aud, key(30).did());
}

/// Without it, a fault could be found at one link and pass at another.
#[test]
fn each_fault_at_each_link() {
    for depth in DEPTHS {
        for i in [0, depth / 2, depth - 1] {
            let at_link = |name: &str, kind: Kind, spoil: &dyn Fn(&mut DelegationPayload)| {
                let chain = spoiled(depth, |c| spoil(&mut c.links[i]));
                check(
                    &format!("{name}, link {i} of {depth}"),
                    chain,
                    NOW,
                    Err((kind, Some(i))),
                );
            };
            at_link("expired", Kind::Expired, &|l| l.exp = Some(NOW - SKEW - 1));
            at_link("too early", Kind::TooEarly, &|l| {
                l.nbf = Some(NOW + SKEW + 1)
            });
            at_link("other audience", Kind::InvalidAudience, &|l| {
                l.aud = key(40).did().clone()
            });
            at_link("other subject", Kind::InvalidSubject, &|l| {
                l.sub = Some(key(40).did().clone())
            });
            at_link("narrower command", Kind::InvalidClaim, &|l| {
                l.cmd = "/crud/read/one".parse().unwrap()
            });
            at_link("sibling command", Kind::InvalidClaim, &|l| {
                l.cmd = "/crud/update".parse().unwrap()
            });
            at_link("command that is only a prefix", Kind::InvalidClaim, &|l| {
                l.cmd = "/cru".parse().unwrap()
            });
            at_link("policy", Kind::MatchError, &|l| l.pol = forbids());
            let forged = spoiled(depth, |c| c.forged = Some(i));
            check(
                &format!("forged, link {i} of {depth}"),
                forged,
                NOW,
                Err((Kind::InvalidSignature, Some(i))),
            );
            let missing = spoiled(depth, |c| c.missing = Some(i));
            check(
                &format!("missing, link {i} of {depth}"),
                missing,
                NOW,
                Err((Kind::UnavailableProof, Some(i))),
            );
            if i > 0 {
                let powerline = spoiled(depth, |c| c.links[i].sub = None);
                check(
                    &format!("powerline, link {i} of {depth}"),
                    powerline,
                    NOW,
                    Ok(()),
                );
                let gap = spoiled(depth, |c| c.links[i].iss = key(40).did().clone());
                let before = Some(i - 1);
                check(
                    &format!("gap before link {i} of {depth}"),
                    gap,
                    NOW,
                    Err((Kind::InvalidAudience, before)),
                );
            }
        }
    }
}

/// Without it, authority could come from nowhere.
#[test]
fn roots_and_invokers() {
    let claim = |link| Err((Kind::InvalidClaim, link));
    let no_proofs = spoiled(1, |c| c.links.clear());
    check(
        "no proofs for another's subject",
        no_proofs,
        NOW,
        claim(None),
    );
    let powerline_root = spoiled(2, |c| c.links[0].sub = None);
    check(
        "null subject at the root",
        powerline_root,
        NOW,
        claim(Some(0)),
    );
    let all_powerlines = spoiled(2, |c| c.links.iter_mut().for_each(|l| l.sub = None));
    check(
        "null subject everywhere",
        all_powerlines,
        NOW,
        claim(Some(0)),
    );
    let foreign_root = spoiled(1, |c| c.links[0].iss = key(40).did().clone());
    check(
        "root issued by somebody else",
        foreign_root,
        NOW,
        claim(Some(0)),
    );
    let own_with_proofs = spoiled(1, |c| {
        c.links[0].aud = key(0).did().clone();
        c.invocation.iss = key(0).did().clone();
    });
    check("own subject with proofs", own_with_proofs, NOW, claim(None));
    let other_invoker = spoiled(2, |c| c.invocation.iss = key(40).did().clone());
    check(
        "invoked by somebody else",
        other_invoker,
        NOW,
        Err((Kind::InvalidAudience, Some(1))),
    );
    let reordered = spoiled(3, |c| c.links.swap(1, 2));
    check(
        "reordered",
        reordered,
        NOW,
        Err((Kind::InvalidAudience, Some(0))),
    );
    let leaf_first = spoiled(2, |c| c.links.swap(0, 1));
    check("leaf first", leaf_first, NOW, claim(Some(0)));
    let skipped = spoiled(3, |c| drop(c.links.remove(1)));
    check(
        "a link left out",
        skipped,
        NOW,
        Err((Kind::InvalidAudience, Some(0))),
    );
    let other_subject = spoiled(1, |c| c.invocation.sub = key(40).did().clone());
    check(
        "invoked on another subject",
        other_subject,
        NOW,
        Err((Kind::InvalidSubject, Some(0))),
    );
    let forged = spoiled(1, |c| c.forged = Some(1));
    check(
        "invocation forged",
        forged,
        NOW,
        Err((Kind::InvalidSignature, None)),
    );
    let own_forged = spoiled(0, |c| c.forged = Some(0));
    check(
        "invocation forged, no proofs",
        own_forged,
        NOW,
        Err((Kind::InvalidSignature, None)),
    );
}

/// Without it, a right would end, or begin, a second too late or too early.
#[test]
fn times_to_the_second() {
    let delegation = |nbf, exp| spoiled(1, |c| (c.links[0].nbf, c.links[0].exp) = (nbf, exp));
    let expired = Err((Kind::Expired, Some(0)));
    let early = Err((Kind::TooEarly, Some(0)));
    for (nbf, exp, at, expected) in [
        (None, Some(NOW), NOW, Ok(())),
        (None, Some(NOW), NOW + SKEW, Ok(())),
        (None, Some(NOW), NOW + SKEW + 1, expired),
        (Some(NOW), None, NOW, Ok(())),
        (Some(NOW), None, NOW - SKEW, Ok(())),
        (Some(NOW), None, NOW - SKEW - 1, early),
        (Some(NOW + 500), Some(NOW - 500), NOW, early),
        (None, None, NOW, Ok(())),
        (None, Some(0), NOW, expired),
        (None, Some(-1), NOW, expired),
    ] {
        let mut chain = delegation(nbf, exp);
        chain.invocation.exp = None;
        check(&format!("{nbf:?} … {exp:?} at {at}"), chain, at, expected);
    }
    let invocation = |exp| spoiled(1, |c| c.invocation.exp = Some(exp));
    check("invocation ends now", invocation(NOW - SKEW), NOW, Ok(()));
    check(
        "invocation ended",
        invocation(NOW - SKEW - 1),
        NOW,
        Err((Kind::Expired, None)),
    );
    let endless = |at| {
        spoiled(1, |c| {
            (c.links[0].nbf, c.links[0].exp, c.invocation.exp) = (None, None, None)
        })
        .verify(at)
    };
    assert_eq!(endless(i64::MAX).unwrap().exp, None);
    assert_eq!(endless(i64::MIN).unwrap().exp, None);
}

/// Without it, a general powerline (everything, on any subject) could widen a narrow right, or make it useless.
#[test]
fn the_narrowest_link_decides() {
    let wide_after_narrow = |cmd: &str| {
        spoiled(2, |c| {
            c.links[0].cmd = "/crud/read".parse().unwrap();
            c.links[1].cmd = "/".parse().unwrap();
            c.links[1].sub = None;
            c.invocation.cmd = cmd.parse().unwrap();
        })
    };
    check(
        "within the narrow right",
        wide_after_narrow("/crud/read"),
        NOW,
        Ok(()),
    );
    check(
        "below the narrow right",
        wide_after_narrow("/crud/read/x"),
        NOW,
        Ok(()),
    );
    check(
        "beyond it",
        wide_after_narrow("/crud/update"),
        NOW,
        Err((Kind::InvalidClaim, Some(0))),
    );
    check(
        "all of it",
        wide_after_narrow("/"),
        NOW,
        Err((Kind::InvalidClaim, Some(0))),
    );
    let wasm = spoiled(1, |c| {
        c.links[0].cmd = "/wasm".parse().unwrap();
        c.invocation.cmd = "/wasmx".parse().unwrap();
    });
    check(
        "/wasm for /wasmx",
        wasm,
        NOW,
        Err((Kind::InvalidClaim, Some(0))),
    );
}

/// Without it, several faults could be reported in an order that depends on chance; the order of the steps is fixed.
#[test]
fn the_first_step_that_fails_is_reported() {
    let spoil = |steps: usize| {
        spoiled(2, |c| {
            if steps >= 1 {
                c.links[1].pol = forbids();
            }
            if steps >= 2 {
                c.links[1].exp = Some(0);
            }
            if steps >= 3 {
                c.invocation.cmd = "/other".parse().unwrap();
            }
            if steps >= 4 {
                c.links[1].sub = Some(key(40).did().clone());
            }
            if steps >= 5 {
                c.forged = Some(2);
            }
            if steps >= 6 {
                c.missing = Some(1);
            }
        })
    };
    for (steps, kind, link) in [
        (1, Kind::MatchError, Some(1)),
        (2, Kind::Expired, Some(1)),
        (3, Kind::InvalidClaim, Some(0)),
        (4, Kind::InvalidSubject, Some(1)),
        (5, Kind::InvalidSignature, None),
        (6, Kind::UnavailableProof, Some(1)),
    ] {
        check(
            &format!("{steps} faults"),
            spoil(steps),
            NOW,
            Err((kind, link)),
        );
    }
}

/// Without it, a store that answers with the wrong delegation would decide what is allowed.
#[test]
fn a_store_that_lies() {
    let owner = key(0);
    let agent = key(1);
    let mut chain = Chain::of(1);
    let wide = Delegation::sign(
        &owner,
        DelegationPayload {
            cmd: "/".parse().unwrap(),
            ..chain.links.remove(0)
        },
    )
    .unwrap();
    let named: Cid = "bafyreigxvfradwkmhpfsqcfyqk5kfjpy6lonxbvx5222sbnrifypuckxyq"
        .parse()
        .unwrap();
    let invocation = Invocation::sign(
        &agent,
        InvocationPayload {
            prf: vec![named],
            ..chain.invocation
        },
    )
    .unwrap();
    let refusal = verify(&invocation, &|_| Some(wide.clone()), NOW, SKEW).unwrap_err();
    assert_eq!(
        (refusal.kind, refusal.link),
        (Kind::UnavailableProof, Some(0))
    );
}

/// Without it, messages could name kinds that scripts do not know.
#[test]
fn refusals_say_what_and_where() {
    let refusal = spoiled(2, |c| c.links[1].exp = Some(NOW - 100))
        .verify(NOW)
        .unwrap_err();
    let text = refusal.to_string();
    assert_eq!(
        text,
        "Expired: delegation 1 of the chain expired at 2027-01-15T07:58:20Z (it is 2027-01-15T08:00:00Z, give or take 60 s)"
    );
    let args = json::from_str("{}", Limits::default()).unwrap();
    let refusal =
        Refusal::from(Invocation::decode(&ipvm_ipld::cbor::encode(&args).unwrap()).unwrap_err());
    assert_eq!((refusal.kind, refusal.link), (Kind::Malformed, None));
}
