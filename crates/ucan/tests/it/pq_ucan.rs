//! The same tokens through `pq-ucan` 0.1.2, an implementation of UCAN 1.0.0 by others: the same verdict, or a reason.
//!
//! Each difference that is known is in a table here with what the specification says; a difference that has gone fails
//! as one that is new does.

use crate::conformance;
use crate::fuzz;
use crate::naive::{ARGS, NOW, POLICIES, World, chains, ipld};
use crate::principals;
use crate::random::Random;
use ipvm_ipld::fields::{Fields, as_bytes, as_int, as_list, as_map};
use ipvm_ipld::{Cid, Ipld, Limits, cbor, json};
use ipvm_ucan::{
    Algorithm, Delegation, DelegationBuilder, Invocation, InvocationBuilder, Keypair, Kind, Policy,
    Refusal, verify,
};
use pq_ucan::did::KeyResolver;
use pq_ucan::time::Timestamp;
use pq_ucan::validate::{MemoryStore, ValidationError, Validator};
use std::collections::BTreeMap;

const SKEW: i64 = 60;

/// What they say: a proof that is no token cannot come into their store, and is missing then.
fn theirs(invocation: &[u8], proofs: &[Vec<u8>], at: i64) -> Result<(), Their> {
    let invocation = pq_ucan::invocation::Invocation::decode(invocation).map_err(Their::Decode)?;
    let mut store = MemoryStore::new();
    for proof in proofs {
        store.insert(pq_ucan::delegation::Delegation::decode(proof).map_err(Their::Decode)?);
    }
    Validator::new(&store, Timestamp::from_unix(at).unwrap())
        .skew(SKEW as u32)
        .validate(&invocation)
        .map(|_| ())
        .map_err(Their::Chain)
}

#[derive(Debug)]
#[expect(dead_code, reason = "what they say is in the messages of failures")]
enum Their {
    Decode(pq_ucan::Error),
    Chain(ValidationError),
}

fn ours(invocation: &[u8], proofs: &[Vec<u8>], at: i64) -> Result<(), Refusal> {
    let invocation = Invocation::decode(invocation)?;
    let each = proofs.iter().map(|bytes| Delegation::decode(bytes));
    let proofs = each.collect::<Result<Vec<_>, _>>()?;
    let find = |cid: &Cid| proofs.iter().find(|proof| proof.cid() == *cid).cloned();
    verify(&invocation, &find, at, SKEW).map(|_| ())
}

/// The step at which a refusal is found here, in the order of the steps here.
fn step(refusal: &Refusal) -> usize {
    match (refusal.kind, refusal.field) {
        (Kind::Malformed | Kind::TooLarge | Kind::Unsupported, _) => 0,
        (Kind::UnavailableProof, _) => 1,
        (Kind::InvalidSignature, _) => 2,
        (Kind::InvalidClaim, Some("cmd")) => 4,
        (Kind::InvalidClaim | Kind::InvalidSubject | Kind::InvalidAudience, _) => 3,
        (Kind::TooEarly | Kind::Expired, _) => 5,
        (Kind::MatchError, _) => 6,
        other => panic!("not compared here: {other:?}"),
    }
}

/// The same of a refusal of theirs, still in the order of the steps here.
fn their_step(refusal: &Their) -> usize {
    use ValidationError as E;
    match refusal {
        Their::Decode(_) => 0,
        Their::Chain(E::MissingProof(_)) => 1,
        Their::Chain(E::BadSignature { .. } | E::Unresolvable { .. }) => 2,
        Their::Chain(E::CommandNotCovered { .. }) => 4,
        Their::Chain(E::NotYetValid { .. } | E::Expired { .. }) => 5,
        Their::Chain(E::PolicyRejected { .. }) => 6,
        Their::Chain(_) => 3,
    }
}

/// Whether they refuse what is allowed, or the reverse, for a reason that is known.
fn known(chain: &[Delegation], ours: &Result<(), Refusal>, theirs: &Their) -> Option<&'static str> {
    let widens = chain
        .windows(2)
        .any(|pair| !pair[0].payload().cmd.covers(&pair[1].payload().cmd));
    let own = ours.as_ref().err().is_none_or(|refusal| step(refusal) > 3);
    match theirs {
        // Invocation 1.0.0, "Proofs": none are needed by whom the subject is.
        Their::Chain(ValidationError::EmptyChain) if own => Some("no proofs"),
        // Delegation 1.0.0, "Powerline": it passes on whatever comes, so one for `/` after a narrower right is usual, and
        // harmless: every link has to cover what is invoked.
        Their::Chain(ValidationError::CommandNotCovered { .. }) if widens => Some("wider link"),
        _ => None,
    }
}

/// Statements that they let pass: Delegation 1.0.0, "Selectors": one that does not resolve makes its statement false. Theirs
/// give null for a key that is not there, and make `!=` true then.
fn passes_by_mistake(chain: &[Delegation]) -> bool {
    let mut policies = chain.iter().map(|link| link.payload().pol.to_string());
    policies.any(|policy| policy.contains(".missing != 1"))
}

/// Without it, a rule could be wrong in the same way here and in the naive validator, which have one author.
#[test]
fn random_chains() {
    let mut world = World::new(17);
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for turn in 0..chains() / 4 {
        let mut case = world.case();
        let (invocation, proofs) = case.tokens(&world);
        let proofs: Vec<_> = proofs.into_iter().flatten().collect();
        let ours = ours(&invocation, &proofs, NOW);
        let theirs = theirs(&invocation, &proofs, NOW);
        let name = match (&ours, &theirs) {
            (Ok(()), Ok(())) => "both allow",
            (Err(refusal), Ok(())) => {
                let mistake = refusal.kind == Kind::MatchError && passes_by_mistake(&case.chain);
                assert!(mistake, "chain {turn}: {refusal}, but they allow it");
                "missing != 1"
            }
            (Ok(()), Err(refusal)) => known(&case.chain, &ours, refusal)
                .unwrap_or_else(|| panic!("chain {turn}: they refuse it: {refusal:?}")),
            // Both orders are fixed, but not the same. What they found is a fault at or after the first one here.
            (Err(refusal), Err(other)) => match known(&case.chain, &ours, other) {
                Some(name) => name,
                None => {
                    let (here, there) = (step(refusal), their_step(other));
                    assert!(
                        here <= there,
                        "chain {turn}: {refusal}, but they: {other:?}"
                    );
                    if here == there {
                        "both refuse, same step"
                    } else {
                        "both refuse, later step"
                    }
                }
            },
        };
        *seen.entry(name).or_default() += 1;
    }
    for name in [
        "both allow",
        "both refuse, same step",
        "both refuse, later step",
        "no proofs",
        "wider link",
        "missing != 1",
    ] {
        assert!(seen.get(name).is_some_and(|n| *n >= 10), "{name}: {seen:?}");
    }
}

/// Without it, theirs could be a wrong measure: these are the fixtures of the specification.
#[test]
fn official_vectors() {
    let Some(folder) = conformance::folder("ucan") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("invocation.json")).unwrap();
    let mut fixtures = as_map(ipld(&text), "fixtures").unwrap();
    let mut wrong = vec![];
    for group in ["valid", "invalid"] {
        for fixture in as_list(fixtures.remove(group).unwrap(), group).unwrap() {
            let mut fixture = Fields::new(fixture, "fixture").unwrap();
            let name = fixture.get("name", ipvm_ipld::fields::as_string).unwrap();
            let invocation = fixture.get("invocation", as_bytes).unwrap();
            let proofs = fixture.get("proofs", as_list).unwrap();
            let proofs: Vec<_> = proofs
                .into_iter()
                .map(|proof| as_bytes(proof, "proof").unwrap())
                .collect();
            let time = fixture.get("time", as_int).unwrap();
            if theirs(&invocation, &proofs, time).is_ok() != (group == "valid") {
                wrong.push(name);
            }
        }
    }
    assert_eq!(wrong, WRONG_FIXTURES, "what they have wrong");
}

/// Fixtures that they have wrong: see [`known`].
const WRONG_FIXTURES: [&str; 1] = ["self signed"];

/// Without it, a statement could have another meaning here than for others.
#[test]
fn statements() {
    // Statement and args, what it is here, and why it is something else there.
    let differ = [
        (
            r#"["!=",".missing",1]"#,
            "{}",
            false,
            "a key that is not there is not null",
        ),
        (
            r#"["==",".missing",null]"#,
            "{}",
            false,
            "a key that is not there is not null",
        ),
        (
            r#"["not",["==",".missing",null]]"#,
            "{}",
            true,
            "a key that is not there is not null",
        ),
        (
            r#"["==",".missing.b?",null]"#,
            "{}",
            false,
            "the first part is not optional",
        ),
        (
            r#"["!=",".s[0]",1]"#,
            r#"{"s":"x"}"#,
            false,
            "no index into text, so nothing is found",
        ),
        (
            r#"["==",".s[0]?.b",null]"#,
            r#"{"s":"x"}"#,
            false,
            "the last part is not optional",
        ),
    ];
    for (statement, args, expected, why) in differ {
        let (ours, theirs) = both(statement, args);
        assert_eq!(ours, expected, "{statement}");
        assert_eq!(
            theirs,
            Some(!expected),
            "{statement}: they have it right now; here since {why}"
        );
    }
    // Selectors of the specification's grammar that they do not read.
    for selector in [".ü", ".a-b", ".$x", "."] {
        let (_, theirs) = both(&format!(r#"["==","{selector}?",null]"#), "{}");
        assert_eq!(theirs, None, "{selector}");
    }
    let args = r#"{"a":{"b":1,"c d":[10,20,30]},"n":null,"s":"te*xt\nline","list":[1,2.0,[3]],"x":{"k":7},
        "bytes":{"/":{"bytes":"AQIDBA"}},"empty":[],"none":{},"big":9007199254740993}"#;
    let selectors = [
        ".",
        ".s",
        ".a.b",
        r#".a["b"]"#,
        r#".["a"]["c d"][1]"#,
        r#".a["c d"][-1]"#,
        r#".a["c d"][-4]"#,
        r#".a["c d"][1:]"#,
        r#".a["c d"][:-1]"#,
        r#".a["c d"][2:1]"#,
        r#".a["c d"][-99:99]"#,
        ".bytes[2]",
        ".bytes[-1]",
        ".bytes[4]",
        ".bytes[1:3]",
        ".x[]",
        ".x[][0]",
        ".list[]",
        ".list[][2][0]",
        ".empty[]",
        ".s[]?",
        ".n",
        ".list.b?",
        ".a[0]?",
        ".none",
        ".big",
    ];
    let tails = [
        r#"["==",S,1]"#,
        r#"["==",S,1.0]"#,
        r#"["==",S,null]"#,
        r#"["==",S,[20,30]]"#,
        r#"["==",S,{"k":7.0}]"#,
        r#"["==",S,{"/":{"bytes":"AgM"}}]"#,
        r#"["<",S,3]"#,
        r#"["<=",S,3.0]"#,
        r#"[">",S,-1.5]"#,
        r#"[">=",S,9007199254740992.0]"#,
        r#"["==",S,9007199254740992.0]"#,
        r#"["like",S,"te*"]"#,
        r#"["like",S,"te\\*xt*"]"#,
        r#"["like",S,"*x*\nl*"]"#,
        r#"["all",S,["==",".",7]]"#,
        r#"["any",S,[">",".",2]]"#,
        r#"["any",S,["==",".",0]]"#,
        r#"["all",S,["any",".",["==",".",3]]]"#,
        r#"["not",["any",S,["==",".",30]]]"#,
        r#"["or",[["==",S,20],["==",S,3]]]"#,
        r#"["and",[[">",S,0],["<",S,2]]]"#,
    ];
    let mut count = [0, 0];
    for selector in selectors {
        for tail in tails {
            let statement = tail.replace('S', &json::to_string(&Ipld::from(selector)));
            let (ours, theirs) = both(&statement, args);
            assert_eq!(theirs, Some(ours), "{statement}");
            count[usize::from(ours)] += 1;
        }
    }
    for policy in POLICIES {
        for args in ARGS {
            let Ipld::List(statements) = ipld(policy) else {
                unreachable!()
            };
            for statement in statements.iter().map(json::to_string) {
                if !differ.iter().any(|(other, ..)| *other == statement) {
                    let (ours, theirs) = both(&statement, args);
                    assert_eq!(theirs, Some(ours), "{statement} on {args}");
                    count[usize::from(ours)] += 1;
                }
            }
        }
    }
    assert!(
        count[0] >= 100 && count[1] >= 100,
        "{count:?} false and true"
    );
}

/// Whether a statement is true of args here, and there; `None`: they do not read it.
fn both(statement: &str, args: &str) -> (bool, Option<bool>) {
    let (wire, args) = (Ipld::List(vec![ipld(statement)]), ipld(args));
    let ours = Policy::from_ipld(wire.clone()).unwrap_or_else(|e| panic!("{statement}: {e}"));
    let theirs = pq_ucan::policy::Policy::from_ipld(&wire).ok();
    let theirs = theirs.map(|policy| policy.check(&args).is_ok());
    (ours.check_resolved(&args).is_ok(), theirs)
}

/// Without it, a pattern could match here and not there.
#[test]
fn patterns() {
    let mut random = Random(5);
    let mut matches = 0;
    for _ in 0..20_000 {
        let mut text = |longest| -> String {
            let length = random.below(longest);
            (0..length)
                .map(|_| *random.pick(&['a', 'b', '*', '\\', 'ü']))
                .collect()
        };
        let (pattern, text) = (text(8), text(10));
        let ours = ipvm_ucan::policy::Pattern::new(pattern.clone())
            .unwrap()
            .matches(&text);
        let theirs = pq_ucan::policy::Pattern::parse(&pattern).matches(&text);
        assert_eq!(ours, theirs, "{pattern:?} on {text:?}");
        matches += usize::from(ours);
    }
    assert!(matches > 500, "{matches}");
}

/// Without it, a decoder here could read what others refuse, or sign what others cannot read.
#[test]
fn damaged_tokens() {
    let seeds = fuzz::tokens();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..6_000 {
        let bytes = fuzz::mutate(&mut Random(seed), &seeds);
        let ours = Delegation::decode(&bytes).map(|token| token.verify_signature().is_ok());
        let theirs = pq_ucan::delegation::Delegation::decode(&bytes)
            .map(|token| token.verify(&KeyResolver).is_ok());
        let name = compare("delegation", seed, &ours, &theirs);
        *counts.entry(name).or_default() += 1;
        let ours = Invocation::decode(&bytes).map(|token| token.verify_signature().is_ok());
        let theirs = pq_ucan::invocation::Invocation::decode(&bytes)
            .map(|token| token.verify(&KeyResolver).is_ok());
        let name = compare("invocation", seed, &ours, &theirs);
        *counts.entry(name).or_default() += 1;
    }
    println!("{counts:?}");
    for name in [
        "delegation, signed",
        "invocation, signed",
        "delegation, forged",
        "invocation, forged",
    ] {
        assert!(
            counts.get(name).is_some_and(|n| *n > 20),
            "{name}: {counts:?}"
        );
    }
}

fn compare<A: std::fmt::Debug, B: std::fmt::Debug>(
    what: &str,
    seed: u64,
    ours: &Result<bool, A>,
    theirs: &Result<bool, B>,
) -> String {
    let name = match (ours, theirs) {
        (Ok(true), Ok(true)) => "signed",
        (Ok(false), Ok(false)) => "forged",
        (Err(_), Err(_)) => "no token",
        // They read principals only when a signature is checked; here they are read with the token.
        (Err(_), Ok(false)) => "read by them, not verified",
        (Ok(false), Err(_)) => "read here, not verified",
        _ => panic!("seed {seed}, {what}: here {ours:?}, there {theirs:?}"),
    };
    format!("{what}, {name}")
}

fn key(algorithm: Algorithm, n: u8) -> Keypair {
    Keypair::from_secret(algorithm, &[n; 32]).unwrap()
}

/// Without it, a token of one of the three algorithms could be refused by others, or a second form of a signature taken.
#[test]
fn algorithms() {
    for algorithm in Algorithm::ALL {
        let (owner, agent) = (key(algorithm, 1), key(algorithm, 2));
        let proof = DelegationBuilder::new(&owner, agent.did(), "/crud".parse().unwrap())
            .expires(NOW + 10)
            .sign([1; 12])
            .unwrap();
        let invocation = InvocationBuilder::new(&agent, "/crud/read".parse().unwrap())
            .with_proofs(std::slice::from_ref(&proof))
            .expires(NOW + 10)
            .sign([2; 12])
            .unwrap();
        let proofs = [proof.bytes().to_vec()];
        theirs(invocation.bytes(), &proofs, NOW).unwrap();
        ours(invocation.bytes(), &proofs, NOW).unwrap();

        let mut forged = invocation.bytes().to_vec();
        forged[20] ^= 1;
        assert!(theirs(&forged, &proofs, NOW).is_err());
        assert_eq!(
            ours(&forged, &proofs, NOW).unwrap_err().kind,
            Kind::InvalidSignature
        );
    }
    // The other s of a P-256 signature. They take it, so that one token has two CIDs there, and one that was revoked or
    // done already comes again under the second.
    let agent = key(Algorithm::P256, 1);
    let invocation = InvocationBuilder::new(&agent, "/crud/read".parse().unwrap())
        .expires(NOW + 10)
        .sign([2; 12])
        .unwrap();
    let mut second = invocation.bytes().to_vec();
    let other = principals::high_s(&second[3..67], principals::ORDER_P256);
    second[3..67].copy_from_slice(&other);
    let token = pq_ucan::invocation::Invocation::decode(&second).unwrap();
    token
        .verify(&KeyResolver)
        .expect("they refuse a high s now");
    assert_eq!(
        ours(&second, &[], NOW).unwrap_err().kind,
        Kind::InvalidSignature
    );

    // A key of small order: a signature of R = the neutral point and s = 0 is one of every message there (RFC 8032 leaves
    // it open; what anybody can sign is nobody's right).
    let neutral: [u8; 32] = std::array::from_fn(|i| u8::from(i == 0));
    let did = ipvm_ucan::Did::from_key(ipvm_ucan::PublicKey::Ed25519(neutral));
    let mut anybody = cbor::decode(
        InvocationBuilder::new(&key(Algorithm::Ed25519, 1), "/crud".parse().unwrap())
            .expires(NOW + 10)
            .sign([2; 12])
            .unwrap()
            .bytes(),
        Limits::default(),
    )
    .unwrap();
    let Ipld::List(parts) = &mut anybody else {
        unreachable!()
    };
    parts[0] = Ipld::Bytes([&neutral[..], &[0; 32]].concat());
    let Ipld::Map(signed) = &mut parts[1] else {
        unreachable!()
    };
    let Some(Ipld::Map(payload)) = signed.get_mut("ucan/inv@1.0.0") else {
        unreachable!()
    };
    for field in ["iss", "sub"] {
        payload.insert(field.to_owned(), did.as_str().into());
    }
    let anybody = cbor::encode(&anybody).unwrap();
    let token = pq_ucan::invocation::Invocation::decode(&anybody).unwrap();
    token
        .verify(&KeyResolver)
        .expect("they refuse keys of small order now");
    let refusal = ours(&anybody, &[], NOW).unwrap_err();
    assert!(
        matches!(refusal.kind, Kind::InvalidSignature | Kind::Malformed),
        "{refusal}"
    );
}

/// Without it, it would not be known what else others refuse, or allow.
#[test]
fn forms() {
    let agent = key(Algorithm::Ed25519, 1);
    let token = |change: &dyn Fn(&mut BTreeMap<String, Ipld>)| {
        let invocation = InvocationBuilder::new(&agent, "/crud".parse().unwrap())
            .expires(NOW + 10)
            .sign([2; 12])
            .unwrap();
        let Ipld::List(parts) = cbor::decode(invocation.bytes(), Limits::default()).unwrap() else {
            unreachable!()
        };
        let Ipld::Map(mut signed) = parts[1].clone() else {
            unreachable!()
        };
        let Some(Ipld::Map(payload)) = signed.get_mut("ucan/inv@1.0.0") else {
            unreachable!()
        };
        change(payload);
        let signature = agent.sign(&cbor::encode(&Ipld::Map(signed.clone())).unwrap());
        let parts = vec![Ipld::Bytes(signature.to_vec()), Ipld::Map(signed)];
        cbor::encode(&Ipld::List(parts)).unwrap()
    };
    let own = agent.did().as_str();
    type Change<'a> = Box<dyn Fn(&mut BTreeMap<String, Ipld>) + 'a>;
    let set = |key: &'static str, value: Ipld| -> Change<'_> {
        Box::new(move |payload| drop(payload.insert(key.to_owned(), value.clone())))
    };
    let verdict = |change: &Change<'_>| {
        let bytes = token(change);
        (
            Invocation::decode(&bytes).is_ok(),
            pq_ucan::invocation::Invocation::decode(&bytes).is_ok(),
        )
    };
    for (change, expected, why) in [
        (set("iat", 5.into()), (true, true), ""),
        (
            set("iat", Ipld::Null),
            (false, false),
            "an absent field is absent",
        ),
        (
            set("nbf", 5.into()),
            (false, false),
            "invocations begin at once",
        ),
        (set("exp", 5.5.into()), (false, false), "whole seconds"),
        (
            set("exp", Ipld::Integer(1 << 53)),
            (false, false),
            "beyond what JavaScript counts",
        ),
        (set("cmd", "/Crud".into()), (false, false), "capitals"),
        (set("cmd", "crud".into()), (false, false), "no slash"),
        (set("prf", Ipld::Null), (false, false), "a list"),
        (set("nonce", "x".into()), (false, false), "bytes"),
        (set("extra", 1.into()), (false, false), "unknown fields"),
        (set("sub", Ipld::Null), (false, false), "somebody's"),
        // "MUST be omitted" binds who writes. Others, iso-ucan for one, name it always.
        (
            set("aud", own.into()),
            (true, false),
            "an audience that is the subject",
        ),
        (
            set("meta", Ipld::Map(BTreeMap::new())),
            (true, false),
            "an empty map of facts",
        ),
    ] {
        assert_eq!(verdict(&change), expected, "{why}");
    }
}
