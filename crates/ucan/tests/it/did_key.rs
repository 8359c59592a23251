//! The did:key test vectors of the W3C CCG.

use crate::conformance;
use ipvm_ucan::{Did, DidError, Keypair, PublicKey};

fn vectors(file: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
    let path = conformance::folder("did-key")?.join(file);
    let vectors = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    Some(vectors)
}

/// Without it, our principals would not be those that others know under the same keys.
#[test]
fn ed25519() {
    let Some(vectors) = vectors("ed25519-x25519.json") else {
        return;
    };
    assert!(vectors.len() >= 5);
    for (did, vector) in vectors {
        let seed = data_encoding::HEXLOWER
            .decode(vector["seed"].as_str().unwrap().as_bytes())
            .unwrap();
        let key = Keypair::from_seed(&seed.try_into().unwrap());
        assert_eq!(key.did().as_str(), did);
        let parsed: Did = did.parse().unwrap();
        assert_eq!(&parsed, key.did());
        assert!(matches!(parsed.key(), Some(PublicKey::Ed25519(_))));
    }
}

/// Without it, principals with other keys could not even be named as an audience.
#[test]
fn other_curves() {
    let Some(nist) = vectors("nist-curves.json") else {
        return;
    };
    let mut kinds = std::collections::BTreeMap::new();
    for (did, vector) in nist.into_iter().chain(vectors("secp256k1.json").unwrap()) {
        let parsed: Did = did.parse().unwrap();
        assert_eq!(parsed.to_string(), did);
        let key = parsed.key().unwrap();
        assert_eq!(format!("did:key:{}", key.to_multikey()), did);
        *kinds.entry(key.type_name()).or_insert(0) += 1;
        // The secret of the vector gives the same principal.
        let Some(algorithm) = key.algorithm() else {
            continue;
        };
        let secret = match vector["seed"].as_str() {
            Some(seed) => data_encoding::HEXLOWER.decode(seed.as_bytes()).unwrap(),
            None => {
                let jwk = &vector["verificationMethod"]["privateKeyJwk"];
                let Some(d) = jwk["d"].as_str() else { continue };
                data_encoding::BASE64URL_NOPAD.decode(d.as_bytes()).unwrap()
            }
        };
        let Ok(secret) = <[u8; 32]>::try_from(secret) else {
            panic!("{did}: a secret of another length");
        };
        let pair = Keypair::from_secret(algorithm, &secret).unwrap();
        assert_eq!(pair.did().as_str(), did);
        *kinds.entry("with secret").or_insert(0) += 1;
    }
    for kind in ["P-256", "P-384", "P-521", "secp256k1", "with secret"] {
        assert!(
            kinds.get(kind).is_some_and(|n| *n >= 1),
            "{kind}: {kinds:?}"
        );
    }
}

/// Without it, two spellings of one principal would be two principals.
#[test]
fn wrong_dids() {
    let good = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";
    assert!(good.parse::<Did>().is_ok());
    for (text, expected) in [
        ("", "is not a did:key"),
        ("did:plc:abc", "is not a did:key"),
        (
            "DID:KEY:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX",
            "is not a did:key",
        ),
        ("did:key:", "base58"),
        ("did:key:z", "base58"),
        ("did:key:z0OIl", "base58"),
        ("did:key:mAAAA", "base58"),
        (
            "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX#key",
            "base58",
        ),
        (
            " did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX",
            "is not a did:key",
        ),
        (
            "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX ",
            "base58",
        ),
        (
            "did:key:z6LShs9GGnqk85isEBzzshkuVWrVKsRp24GnDuHk8QWkARMW",
            "X25519",
        ),
    ] {
        let error = text.parse::<Did>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let long = format!("did:key:z{}", "1".repeat(100_000));
    assert!(matches!(long.parse::<Did>(), Err(DidError::TooLong(_))));
    let short = format!(
        "did:key:{}",
        multibase::encode(multibase::Base::Base58Btc, [0xed, 0x01, 7])
    );
    assert!(matches!(
        short.parse::<Did>(),
        Err(DidError::KeyLength {
            found: 1,
            expected: 32,
            ..
        })
    ));
}
