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
        assert!(matches!(parsed.key(), PublicKey::Ed25519(_)));
    }
}

/// Without it, principals with other keys could not even be named as an audience.
#[test]
fn other_curves() {
    let Some(nist) = vectors("nist-curves.json") else {
        return;
    };
    let (mut known, mut named) = (0, 0);
    for did in nist.keys().chain(vectors("secp256k1.json").unwrap().keys()) {
        match did.parse::<Did>() {
            Ok(parsed) => {
                assert_eq!(parsed.to_string(), *did);
                assert!(matches!(
                    parsed.key(),
                    PublicKey::P256(_) | PublicKey::Secp256k1(_)
                ));
                known += 1;
            }
            Err(DidError::KeyType { code, .. }) => {
                assert!(code == "P-384" || code == "P-521", "{did}: {code}");
                named += 1;
            }
            Err(other) => panic!("{did}: {other}"),
        }
    }
    assert!(known >= 5 && named >= 2, "{known} known, {named} named");
}

/// Without it, two spellings of one principal would be two principals.
#[test]
fn wrong_dids() {
    let good = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";
    assert!(good.parse::<Did>().is_ok());
    for (text, expected) in [
        ("", "is not a did:key"),
        ("did:web:example.com", "is not a did:key"),
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
