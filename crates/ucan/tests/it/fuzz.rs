//! Random changes to valid inputs, at every decoder: nothing may panic, and what is accepted is written as it was read.
//!
//! An ordinary run takes a few seconds and always the same seed. `IPVM_FUZZ_SECONDS=60` runs each longer, with a seed of
//! its own that is printed; `IPVM_FUZZ_SEED` repeats one.

use crate::random::Random;
use ipvm_ipld::{Limits, cbor, json};
use ipvm_ucan::policy::Selector;
use ipvm_ucan::{
    Algorithm, Container, ContainerError, Context, Delegation, DelegationBuilder, Did, DidDocument,
    Encoding, Invocation, InvocationBuilder, Keypair, Outcome, Policy, Receipt, ReceiptMeta,
    ReceiptPayload, Revocation, Versions, varsig, verify_in,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time of one fuzz test in an ordinary run.
const ORDINARY: Duration = Duration::from_secs(2);
/// Turns after which an ordinary run ends early.
const ENOUGH: u64 = 20_000;

/// Repeats until the time is over, with a seed for each turn; gives how many inputs were accepted. A panic fails with the
/// seed to repeat it by.
fn repeat(mut turn: impl FnMut(&mut Random) -> bool) {
    let variable = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seconds: Option<u64> = variable("IPVM_FUZZ_SECONDS");
    let first = variable("IPVM_FUZZ_SEED").unwrap_or_else(|| match seconds {
        Some(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos()) + now.as_secs() * 1_000_000_007
        }
        None => 1,
    });
    println!("seed {first}");
    let end = Instant::now() + seconds.map_or(ORDINARY, Duration::from_secs);
    let (mut turns, mut accepted) = (0, 0);
    while Instant::now() < end && (seconds.is_some() || turns < ENOUGH) {
        let seed = first.wrapping_add(turns);
        match catch_unwind(AssertUnwindSafe(|| turn(&mut Random(seed)))) {
            Ok(taken) => accepted += u64::from(taken),
            Err(_) => panic!("panicked: IPVM_FUZZ_SEED={seed} repeats it"),
        }
        turns += 1;
    }
    println!("{turns} turns, {accepted} accepted");
    assert!(turns > 0 && accepted > 0, "{accepted} of {turns} accepted");
}

/// A few changes: bytes replaced, put in, taken out, doubled, or swapped with a part of another input.
pub(crate) fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.pick(seeds).clone();
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len() + 1);
        let to = (at + random.below(8)).min(bytes.len());
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] = random.next() as u8,
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 => bytes.insert(at, random.next() as u8),
            3 => drop(bytes.drain(at..to)),
            4 => {
                let part = bytes[at..to].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let other = random.pick(seeds).clone();
                let from = random.below(other.len() + 1);
                let end = (from + random.below(40)).min(other.len());
                bytes.splice(at..to, other[from..end].iter().copied());
            }
        }
    }
    bytes
}

/// Tokens of each kind by each algorithm.
pub(crate) fn tokens() -> Vec<Vec<u8>> {
    let mut all = vec![];
    for algorithm in Algorithm::ALL {
        let key = Keypair::from_secret(algorithm, &[1; 32]).unwrap();
        let policy = r#".a == 1; not all .b: . like "x*y"; .c? > 1.5 or and()"#;
        let delegation = DelegationBuilder::new(&key, key.did(), "/crud".parse().unwrap())
            .policy(policy.parse().unwrap())
            .not_before(1)
            .meta("a", 1.into())
            .expires(1_900_000_000)
            .sign([1; 12])
            .unwrap();
        let invocation = InvocationBuilder::new(&key, "/crud/read".parse().unwrap())
            .arg("a", 1)
            .issued_at(5)
            .cause(delegation.cid())
            .expires(1_900_000_000)
            .sign([2; 12])
            .unwrap();
        let meta = ReceiptMeta {
            inv: invocation.cid(),
            computation: Some(invocation.cid()),
            memo: None,
            log: None,
            engine: "e".into(),
            fuel: 1,
            started: 2,
            took: 3,
        };
        let payload = ReceiptPayload {
            ran: invocation.cid(),
            out: Outcome::Ok(1.into()),
            run: None,
            meta,
        };
        all.push(Receipt::sign(&key, payload).unwrap().bytes().to_vec());
        let revocation = Revocation::sign(&key, std::slice::from_ref(&delegation)).unwrap();
        all.extend(
            [delegation.bytes(), invocation.bytes(), revocation.bytes()].map(<[u8]>::to_vec),
        );
    }
    all
}

/// Without it, a token from anywhere could stop a verifier, or be kept in other bytes than came in.
#[test]
fn tokens_of_all_kinds() {
    let seeds = tokens();
    repeat(|random| {
        let bytes = mutate(random, &seeds);
        let mut taken = false;
        if let Ok(read) = Delegation::decode_versions(&bytes, Versions::StableAndRc1) {
            assert_eq!(read.bytes(), bytes);
            let verified = read.verify_signature().is_ok();
            assert_eq!(
                verified,
                seeds.contains(&bytes),
                "signed is what was signed, alone"
            );
            assert_eq!(
                Policy::from_ipld(read.payload().pol.to_ipld()).unwrap(),
                read.payload().pol
            );
            taken = true;
        }
        if let Ok(read) = Invocation::decode_versions(&bytes, Versions::StableAndRc1) {
            assert_eq!(read.bytes(), bytes);
            let context = Context::at(1_800_000_000);
            let allowed = verify_in(&read, &|_| None, &context).is_ok();
            assert!(!allowed || seeds.contains(&bytes));
            read.payload().task().unwrap();
            taken = true;
        }
        if let Ok(read) = Receipt::decode(&bytes) {
            assert_eq!(read.bytes(), bytes);
        }
        if let Ok(read) = Revocation::decode(&bytes) {
            assert_eq!(read.payload().path.last(), Some(&read.payload().revoke));
        }
        taken
    });
}

/// Without it, a container from anywhere could stop a verifier, or be several things.
#[test]
fn containers_in_all_encodings() {
    let mut container = Container::new();
    tokens()
        .into_iter()
        .for_each(|token| assert!(container.insert(token)));
    let mut small = Container::new();
    small.insert(b"x".to_vec());
    let seeds: Vec<_> = Encoding::ALL
        .into_iter()
        .flat_map(|e| [container.encode(e).unwrap(), small.encode(e).unwrap()])
        .collect();
    repeat(|random| {
        let bytes = mutate(random, &seeds);
        let Ok(read) = Container::decode(&bytes) else {
            return false;
        };
        let encoding = Encoding::ALL
            .into_iter()
            .find(|e| e.header() == bytes[0])
            .unwrap();
        let again = read.encode(encoding).unwrap();
        // Gzip may be packed in many ways; its content may not.
        if matches!(
            encoding,
            Encoding::Raw | Encoding::Base64 | Encoding::Base64Url
        ) {
            assert_eq!(again, bytes);
        }
        assert_eq!(Container::decode(&again).unwrap(), read);
        if let Err(error) = read.tokens() {
            assert!(matches!(error, ContainerError::Token { .. }));
        }
        true
    });
}

/// Without it, a policy could stop a verifier, or mean something else when it is written again.
#[test]
fn policies_in_all_forms() {
    let texts = [
        r#".a == 1; .["b c"][0]? like "x*\\*"; any .to[1:]: (. > 2 or not .x <= -3.5) and .y != {"/":{"bytes":"AQ"}}"#,
        r#"all .newsletters: any .recipients: .email == "fraud@example.com""#,
        "and(or()) or not not .a[-1] == [1, {\"b\": null}]",
    ];
    let short: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let wire: Vec<_> = texts
        .iter()
        .map(|text| cbor::encode(&text.parse::<Policy>().unwrap().to_ipld()).unwrap())
        .collect();
    let args = json::from_str(r#"{"a":[1],"to":[1,2,3],"b c":["x*"]}"#, Limits::default()).unwrap();
    repeat(|random| {
        let text = mutate(random, &short);
        let mut all = vec![];
        if let Ok(Ok(policy)) = std::str::from_utf8(&text).map(str::parse::<Policy>) {
            assert_eq!(policy.to_string().parse::<Policy>().unwrap(), policy);
            all.push(policy);
        }
        let bytes = mutate(random, &wire);
        if let Ok(value) = cbor::decode(&bytes, Limits::default())
            && let Ok(policy) = Policy::from_ipld(value)
        {
            assert_eq!(cbor::encode(&policy.to_ipld()).unwrap(), bytes);
            all.push(policy);
        }
        for policy in &all {
            drop((policy.check(&args), policy.warnings(), policy.in_words()));
        }
        !all.is_empty()
    });
}

/// Without it, a selector, header, principal or document could stop a verifier.
#[test]
fn the_small_parts() {
    let bytes =
        |all: &[&str]| -> Vec<Vec<u8>> { all.iter().map(|s| s.as_bytes().to_vec()).collect() };
    let selectors = bytes(&[
        ".",
        ".a.b",
        r#".["x y"][-1]?[1:][]"#,
        ".ü$-_[9007199254740991]",
    ]);
    let headers: Vec<_> = Algorithm::ALL.map(|a| varsig::header(a).to_vec()).to_vec();
    let dids = bytes(&[
        "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX",
        "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv",
        "did:web:example.com%3A80:a:b%20c",
    ]);
    let documents = bytes(&[
        r##"{"id":"did:web:example.com","verificationMethod":[{"id":"#one","type":"Multikey","controller":"did:web:example.com","publicKeyMultibase":"z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX"}],"capabilityInvocation":["#one"]}"##,
        r##"{"id":"did:web:example.com","authentication":[{"id":"#a","type":"JsonWebKey","controller":"did:web:example.com","publicKeyJwk":{"kty":"EC","crv":"P-256","x":"igrFmi0whuihKnj9R3Om1SoMph72wUGeFaBbzG2vzns","y":"efsX5b10x8yjyrj4ny3pGfLcY7Xby1KzgqOdqnsrJIM"}}]}"##,
    ]);
    let owner: Did = "did:web:example.com".parse().unwrap();
    repeat(|random| {
        let mut taken = false;
        if let Ok(text) = String::from_utf8(mutate(random, &selectors))
            && let Ok(selector) = text.parse::<Selector>()
        {
            assert_eq!(selector.to_string(), text);
            taken = true;
        }
        let header = mutate(random, &headers);
        if let Ok(algorithm) = varsig::read(&header) {
            assert_eq!(varsig::header(algorithm)[..], header);
            taken = true;
        }
        if let Ok(text) = String::from_utf8(mutate(random, &dids))
            && let Ok(did) = text.parse::<Did>()
        {
            assert_eq!(did.as_str(), text);
            if let Some(key) = did.key() {
                assert_eq!(Did::from_key(*key), did);
            }
            taken |= did
                .document_url()
                .is_none_or(|url| url.starts_with("https://"));
        }
        taken | DidDocument::parse(&owner, &mutate(random, &documents)).is_ok()
    });
}

/// Without it, `sign` could make what `decode` refuses.
#[test]
fn what_is_signed_is_read() {
    let seeds = tokens();
    let key = Keypair::from_seed(&[1; 32]);
    repeat(|random| {
        let bytes = mutate(random, &seeds);
        let mut taken = false;
        // Payloads as strange as decoders let through, and stranger.
        if let Ok(read) = Delegation::decode(&bytes) {
            let mut payload = read.payload().clone();
            payload.iss = key.did().clone();
            payload.nbf = random
                .once_in(2)
                .then(|| random.next() as i64 >> random.below(60));
            payload.nonce = vec![0; random.below(70_000) * usize::from(random.once_in(9))];
            if let Ok(signed) = Delegation::sign(&key, payload) {
                let again = Delegation::decode(signed.bytes()).unwrap();
                assert_eq!(again.payload(), signed.payload());
                again.verify_signature().unwrap();
                taken = true;
            }
        }
        if let Ok(read) = Invocation::decode(&bytes) {
            let mut payload = read.payload().clone();
            payload.iss = key.did().clone();
            payload.iat = random
                .once_in(2)
                .then(|| random.next() as i64 >> random.below(60));
            let mut deep = ipvm_ipld::Ipld::Null;
            for _ in 0..random.below(140) {
                deep = ipvm_ipld::Ipld::List(vec![deep]);
            }
            payload.args.insert("deep".into(), deep);
            if let Ok(signed) = Invocation::sign(&key, payload) {
                let again = Invocation::decode(signed.bytes()).unwrap();
                assert_eq!(again.payload(), signed.payload());
                taken = true;
            }
        }
        taken
    });
}
