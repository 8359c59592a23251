//! Keys of all algorithms, and principals whose keys stand in documents.

use ipvm_ipld::Cid;
use ipvm_ucan::{
    Algorithm, Context, Delegation, DelegationBuilder, Did, DidDocument, DidError, DocumentCache,
    Invocation, InvocationBuilder, InvocationPayload, KeyResolver, Keypair, Kind,
    MAX_CACHED_DOCUMENTS, Purpose, SignatureError, verify, verify_in,
};

const NOW: i64 = 1_800_000_000;

fn key(algorithm: Algorithm, n: u8) -> Keypair {
    Keypair::from_secret(algorithm, &[n; 32]).unwrap()
}

/// The orders of the groups, big-endian.
pub(crate) const ORDER_P256: &str =
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const ORDER_SECP256K1: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

/// Without it, only one of the algorithms that UCAN requires would work, or only alone.
#[test]
fn chains_of_all_algorithms() {
    for first in Algorithm::ALL {
        for second in Algorithm::ALL {
            let (owner, agent) = (key(first, 1), key(second, 2));
            let link = DelegationBuilder::new(&owner, agent.did(), "/crud".parse().unwrap())
                .expires(NOW + 10)
                .sign([1; 12])
                .unwrap();
            let invocation = InvocationBuilder::new(&agent, "/crud/read".parse().unwrap())
                .with_proofs(std::slice::from_ref(&link))
                .expires(NOW + 10)
                .sign(vec![])
                .unwrap();
            let link = Delegation::decode(link.bytes()).unwrap();
            let invocation = Invocation::decode(invocation.bytes()).unwrap();
            assert_eq!((link.algorithm(), invocation.algorithm()), (first, second));
            let proofs = |_: &Cid| Some(link.clone());
            verify(&invocation, &proofs, NOW, 0).unwrap();
            let again = DelegationBuilder::new(&owner, agent.did(), "/crud".parse().unwrap());
            let again = again.expires(NOW + 10).sign([1; 12]).unwrap();
            assert_eq!(again.bytes(), link.bytes(), "signing is deterministic");
        }
    }
}

/// Subtracts s from the group's order.
pub(crate) fn high_s(signature: &[u8], order: &str) -> Vec<u8> {
    let order = data_encoding::HEXLOWER.decode(order.as_bytes()).unwrap();
    let mut out = signature.to_vec();
    let mut borrow = 0_i16;
    for i in (0..32).rev() {
        let n = i16::from(order[i]) - i16::from(signature[32 + i]) - borrow;
        borrow = i16::from(n < 0);
        out[32 + i] = (n + 256 * borrow) as u8;
    }
    out
}

/// Without it, anybody could make a second signature, and so a second CID, of a token that ECDSA signed.
#[test]
fn ecdsa_signatures_have_one_form() {
    for (algorithm, order) in [
        (Algorithm::P256, ORDER_P256),
        (Algorithm::Secp256k1, ORDER_SECP256K1),
    ] {
        let owner = key(algorithm, 1);
        for n in 0..20 {
            let builder = DelegationBuilder::new(&owner, owner.did(), "/".parse().unwrap());
            let good = builder.never_expires().sign([n; 12]).unwrap();
            let changed = |edit: &dyn Fn(&[u8]) -> Vec<u8>| {
                let mut bytes = good.bytes().to_vec();
                let signature = edit(&bytes[3..67]);
                bytes[3..67].copy_from_slice(&signature);
                Delegation::decode(&bytes).unwrap().verify_signature()
            };
            assert_eq!(changed(&<[u8]>::to_vec), Ok(()));
            assert_eq!(changed(&|s| high_s(s, order)), Err(SignatureError::HighS));
            let flip = |s: &[u8]| [&[s[0] ^ 1], &s[1..]].concat();
            assert_eq!(changed(&flip), Err(SignatureError::Wrong));
            assert_eq!(changed(&|_| vec![0; 64]), Err(SignatureError::Wrong));
            assert_eq!(changed(&|_| vec![0xff; 64]), Err(SignatureError::Wrong));
        }
    }
    // A point in the compact form of SEC1 would be a second name of the same key.
    let Some(ipvm_ucan::PublicKey::P256(mut point)) = key(Algorithm::P256, 1).did().key().copied()
    else {
        panic!()
    };
    point[0] = 5;
    let compact = Did::from_key(ipvm_ucan::PublicKey::P256(point));
    let error = signed_as(&key(Algorithm::P256, 1), &compact).verify_signature();
    assert_eq!(error, Err(SignatureError::NotAKey("P-256")));
    assert!(Keypair::from_secret(Algorithm::P256, &[0; 32]).is_err());
    assert!(Keypair::from_secret(Algorithm::Secp256k1, &[0xff; 32]).is_err());
    assert!(Keypair::from_secret(Algorithm::Ed25519, &[0; 32]).is_ok());
    for algorithm in Algorithm::ALL {
        let pair = key(algorithm, 9);
        assert_eq!(*pair.seed(), [9; 32]);
        assert_eq!(pair.algorithm(), algorithm);
        assert!(!format!("{pair:?}").contains("9, 9"));
    }
}

/// Without it, a principal with a key that we cannot check could be refused with no reason, or not at all.
#[test]
fn keys_without_signatures_here() {
    let p384: Did =
        "did:key:z82Lm1MpAkeJcix9K8TMiLd5NMAhnwkjjCBeWHXyu3U4oT2MVJJKXkcVBgjGhnLBn2Kaau9"
            .parse()
            .unwrap();
    let owner = key(Algorithm::P256, 1);
    let builder = DelegationBuilder::new(&owner, &p384, "/".parse().unwrap());
    builder
        .never_expires()
        .sign([1; 12])
        .expect("it can be an audience");
    // Its issuer is of P-384: take a token apart and put the other issuer in.
    let error = foreign(&p384).verify_signature().unwrap_err();
    assert_eq!(error, SignatureError::Unsupported("P-384"));
    let refusal = verify(&foreign(&p384), &|_| None, NOW, 0).unwrap_err();
    assert_eq!(refusal.kind, Kind::Unsupported);
    assert!(refusal.message.contains("P-384"), "{refusal}");
}

/// An invocation that says to be issued by another than the one who signed.
fn foreign(issuer: &Did) -> Invocation {
    signed_as(&key(Algorithm::Ed25519, 1), issuer)
}

fn signed_as(key: &Keypair, issuer: &Did) -> Invocation {
    let payload = InvocationPayload {
        iss: key.did().clone(),
        sub: key.did().clone(),
        aud: None,
        cmd: "/x".parse().unwrap(),
        args: Default::default(),
        prf: vec![],
        nonce: vec![],
        exp: None,
        iat: None,
        cause: None,
        meta: None,
    };
    let token = Invocation::sign(key, payload).unwrap();
    let value = ipvm_ipld::cbor::decode(token.bytes(), Default::default()).unwrap();
    let text = ipvm_ipld::json::to_string(&value).replace(key.did().as_str(), issuer.as_str());
    let mut value = ipvm_ipld::json::from_str(&text, Default::default()).unwrap();
    let ipvm_ipld::Ipld::List(parts) = &mut value else {
        panic!()
    };
    let signature = key.sign(&ipvm_ipld::cbor::encode(&parts[1]).unwrap());
    parts[0] = ipvm_ipld::Ipld::Bytes(signature.to_vec());
    Invocation::decode(&ipvm_ipld::cbor::encode(&value).unwrap()).unwrap()
}

pub(crate) fn document(did: &str, key: &Keypair, relationship: &str) -> String {
    let multikey = key.did().as_str().strip_prefix("did:key:").unwrap();
    format!(
        r##"{{"@context":["https://www.w3.org/ns/did/v1"],"id":"{did}","verificationMethod":[{{"id":"{did}#one",
        "type":"Multikey","controller":"{did}","publicKeyMultibase":"{multikey}"}}],"{relationship}":["#one"]}}"##
    )
}

/// Without it, a principal on the web could not act, or act with keys that it no longer has.
#[test]
fn principals_on_the_web() {
    let did: Did = "did:web:example.com%3A8080:users:alice".parse().unwrap();
    assert_eq!(
        did.document_url().unwrap(),
        "https://example.com:8080/users/alice/did.json"
    );
    for algorithm in Algorithm::ALL {
        let pair = key(algorithm, 3);
        let invocation = signed_as(&pair, &did);
        let refusal = verify(&invocation, &|_| None, NOW, 0).unwrap_err();
        assert_eq!(refusal.kind, Kind::UnavailableKey, "{refusal}");
        let mut cache = DocumentCache::new(100);
        let check = |cache: &DocumentCache, at| {
            let context = Context::at(at).resolver(cache);
            verify_in(&invocation, &|_| None, &context).map_err(|e| (e.kind, e.message))
        };
        let missing = check(&cache, NOW).unwrap_err();
        assert_eq!(missing.0, Kind::UnavailableKey);
        assert!(
            missing.1.contains("fetch https://example.com:8080"),
            "{missing:?}"
        );
        let text = document(did.as_str(), &pair, "capabilityInvocation");
        cache.insert(&did, text.as_bytes(), NOW).unwrap();
        check(&cache, NOW + 100).unwrap();
        let stale = check(&cache, NOW + 101).unwrap_err();
        assert!(
            stale.0 == Kind::UnavailableKey && stale.1.contains("again"),
            "{stale:?}"
        );
        // The keys were changed: what was right before is not now.
        let other = document(did.as_str(), &key(algorithm, 4), "capabilityInvocation");
        cache.insert(&did, other.as_bytes(), NOW + 50).unwrap();
        assert_eq!(
            check(&cache, NOW + 60).unwrap_err().0,
            Kind::InvalidSignature
        );
        // To delegate is not to invoke; to authenticate stands in for both.
        let delegate = document(did.as_str(), &pair, "capabilityDelegation");
        cache.insert(&did, delegate.as_bytes(), NOW).unwrap();
        let none = check(&cache, NOW).unwrap_err();
        assert!(
            none.1.contains("no") && none.1.contains("capabilityInvocation"),
            "{none:?}"
        );
        let authentication = document(did.as_str(), &pair, "authentication");
        cache.insert(&did, authentication.as_bytes(), NOW).unwrap();
        check(&cache, NOW).unwrap();
        cache.remove(&did);
        assert!(cache.is_empty());
    }
}

/// Without it, one principal could have two names, or a name could lead to another place.
#[test]
fn names_on_the_web() {
    for good in [
        "did:web:example.com",
        "did:web:localhost%3A3000",
        "did:web:a-b.example.com:x:Y_z.1",
        "did:web:example.com:a%20b",
        "did:web:example.com:%7Eme",
        "did:web:example.com:%C3%A9",
    ] {
        assert_eq!(good.parse::<Did>().unwrap().as_str(), good);
    }
    for bad in [
        "did:web:",
        "did:web:Example.com",
        "did:web:example.com/",
        "did:web:example.com#key",
        "did:web:example.com:",
        "did:web:example.com::a",
        "did:web:example.com:..",
        "did:web:example.com:a%2Fb",
        "did:web:example.com:%61",
        "did:web:example.com:a%2",
        "did:web:example.com:a%c3",
        "did:web:example..com",
        "did:web:-example.com",
        "did:web:127.0.0.1",
        "did:web:example.com%3A0",
        "did:web:example.com%3A08",
        "did:web:example.com%3A70000",
        "did:web:example.com%3a80",
        "did:web:user@example.com",
        "did:web:exämple.com",
        "did:web:example.com:a b",
        "did:web:example.com?a",
    ] {
        let error = bad.parse::<Did>().unwrap_err();
        assert!(matches!(error, DidError::Web { .. }), "{bad}: {error}");
    }
    // A label in DNS has at most 63 bytes (RFC 1035).
    for (label, good) in [(0, false), (63, true), (64, false)] {
        let did = format!("did:web:{}%3A80", "a".repeat(label));
        assert_eq!(did.parse::<Did>().is_ok(), good, "{did}");
    }
}

/// Without it, a strange document could give a principal keys that it does not have.
#[test]
fn documents() {
    let did: Did = "did:web:example.com".parse().unwrap();
    let pair = key(Algorithm::Ed25519, 1);
    let parse = |text: &str| DidDocument::parse(&did, text.as_bytes());
    let good = document(did.as_str(), &pair, "capabilityInvocation");
    assert_eq!(parse(&good).unwrap().keys(Purpose::Invoke).len(), 1);
    let jwk = |jwk: &str| {
        parse(&format!(
            r##"{{"id":"did:web:example.com","authentication":[{{"id":"#a","type":"JsonWebKey2020","controller":"did:web:example.com","publicKeyJwk":{jwk}}}]}}"##
        ))
    };
    let p256 = jwk(
        r#"{"kty":"EC","crv":"P-256","x":"igrFmi0whuihKnj9R3Om1SoMph72wUGeFaBbzG2vzns","y":"efsX5b10x8yjyrj4ny3pGfLcY7Xby1KzgqOdqnsrJIM"}"#,
    );
    let expected: Did = "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv"
        .parse()
        .unwrap();
    assert_eq!(
        p256.unwrap().keys(Purpose::Delegate),
        [*expected.key().unwrap()]
    );
    let rsa = jwk(r#"{"kty":"RSA","n":"AQ","e":"AQAB"}"#).unwrap();
    assert!(rsa.keys(Purpose::Invoke).is_empty(), "passed over");
    let encryption = jwk(r#"{"kty":"OKP","crv":"X25519","x":"AQ"}"#).unwrap();
    assert!(encryption.keys(Purpose::Invoke).is_empty());
    for (text, what) in [
        ("".to_owned(), "not JSON"),
        ("[]".into(), "not an object"),
        ("{}".into(), "id is missing"),
        (
            good.replace(
                "\"did:web:example.com\",\"ver",
                "\"did:web:example.org\",\"ver",
            ),
            "that of did:web:example.org",
        ),
        (
            good.replace("#one\"]", "#two\"]"),
            "no verificationMethod has the id",
        ),
        (
            good.replace("did:web:example.com#one", "did:web:example.org#one"),
            "is not one of",
        ),
        (good.replace("z6M", "z0M"), "/verificationMethod/0"),
        (
            good.replace("{\"@context", "{\"id\":\"did:web:example.com\",\"@context"),
            "twice",
        ),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(what), "{text}: {error}");
    }
    let other = good.replace(
        "\"controller\":\"did:web:example.com\"",
        "\"controller\":\"did:web:example.org\"",
    );
    assert!(
        parse(&other).unwrap().keys(Purpose::Invoke).is_empty(),
        "another's key"
    );
    for (wrong, what) in [
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"AQ"}"#,
            "has not the length",
        ),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"A="}"#, "not base64url"),
        (
            r#"{"kty":"EC","crv":"P-256","x":"igrFmi0whuihKnj9R3Om1SoMph72wUGeFaBbzG2vzns","y":"igrFmi0whuihKnj9R3Om1SoMph72wUGeFaBbzG2vzns"}"#,
            "no point",
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"igrFmi0whuihKnj9R3Om1SoMph72wUGeFaBbzG2vzns","y":"AQ"}"#,
            "has not the length",
        ),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"AQ","d":"AQ"}"#,
            "private key",
        ),
    ] {
        let error = jwk(wrong).unwrap_err().to_string();
        assert!(error.contains(what), "{wrong}: {error}");
    }
    let key_of = |key: &str| {
        parse(&format!(
            r##"{{"id":"{did}","authentication":[{{"id":"#a","type":"Multikey","controller":"{did}"{key}}}]}}"##
        ))
    };
    let multikey = r#","publicKeyMultibase":"z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX""#;
    assert_eq!(key_of(multikey).unwrap().keys(Purpose::Invoke).len(), 1);
    assert!(key_of("").unwrap().keys(Purpose::Invoke).is_empty());
    for (wrong, what) in [
        (format!(r#"{multikey},"publicKeyJwk":{{}}"#), "two keys"),
        (r#","publicKeyMultibase":1"#.into(), "the wrong kind"),
    ] {
        let error = key_of(&wrong).unwrap_err().to_string();
        assert!(error.contains(what), "{wrong}: {error}");
    }
    // A type that says which key it is about.
    let ed25519 = good.replace("Multikey\"", "Ed25519VerificationKey2020\"");
    assert_eq!(parse(&ed25519).unwrap().keys(Purpose::Invoke).len(), 1);
    let p256 = document(did.as_str(), &key(Algorithm::P256, 1), "authentication");
    let p256 = p256.replace("Multikey\"", "Ed25519VerificationKey2020\"");
    let error = parse(&p256).unwrap_err().to_string();
    assert!(error.contains("not of the type Ed25519"), "{error}");
    let listed = good.replace(r##"["#one"]"##, r##"["#one","#one"]"##);
    assert_eq!(parse(&listed).unwrap().keys(Purpose::Invoke).len(), 1);
    let p384 = r#","publicKeyMultibase":"z82Lm1MpAkeJcix9K8TMiLd5NMAhnwkjjCBeWHXyu3U4oT2MVJJKXkcVBgjGhnLBn2Kaau9""#;
    let unsigned = key_of(p384).unwrap();
    assert!(
        unsigned.keys(Purpose::Invoke).is_empty(),
        "cannot sign here"
    );
    let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(4_000));
    assert!(parse(&deep).is_err());
}

/// Without it, somebody with many names could fill the memory.
#[test]
fn the_oldest_document_goes() {
    let pair = key(Algorithm::Ed25519, 1);
    let mut cache = DocumentCache::new(1_000_000);
    assert!(cache.is_empty());
    let did = |n: usize| -> Did { format!("did:web:n{n}.example.com").parse().unwrap() };
    for n in 0..=MAX_CACHED_DOCUMENTS {
        let did = did(n);
        let text = document(did.as_str(), &pair, "authentication");
        cache.insert(&did, text.as_bytes(), NOW + n as i64).unwrap();
    }
    assert_eq!(cache.len(), MAX_CACHED_DOCUMENTS);
    assert!(!cache.is_empty());
    assert!(cache.keys(&did(0), Purpose::Invoke, NOW).is_err());
    assert!(cache.keys(&did(1), Purpose::Invoke, NOW).is_ok());
}
