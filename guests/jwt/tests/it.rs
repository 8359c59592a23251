//! What users rely on when they let this component say whether a token counts. Without these, an
//! update of a library could refuse real tokens, or let forged ones through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::Signer as _;
use ipvm_guest_jwt::check::{validate, verify_did};
use ipvm_guest_jwt::did;
use ipvm_guest_jwt::refusal::Refusal;
use ipvm_guest_jwt::report::report;
use ipvm_guest_jwt::token::{MAX_BYTES, parse};
use serde_json::{Value, json};

const NOW: u64 = 1_767_225_600;

/// The example of RFC 7515, A.2 and A.3.
const RFC_CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

fn ed25519() -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[7; 32])
}

/// A set with the one key that [`signed`] signs with, changed.
fn keys(changes: Value) -> Vec<u8> {
    let x = b64(ed25519().verifying_key().as_bytes());
    let mut key = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "a" });
    let changes = changes.as_object().unwrap().clone();
    key.as_object_mut().unwrap().extend(changes);
    json!({ "keys": [key, { "kty": "RSA", "n": "!", "kid": "broken" }] })
        .to_string()
        .into_bytes()
}

/// A token of this header and these claims, signed with Ed25519.
fn signed(header: &str, claims: &str) -> String {
    let text = format!("{}.{}", b64(header), b64(claims));
    let signature = ed25519().sign(text.as_bytes());
    format!("{text}.{}", b64(signature.to_bytes()))
}

fn name(verdict: &Result<String, Refusal>) -> &str {
    verdict.as_ref().map_or_else(Refusal::name, |_| "valid")
}

/// The names of the example's files say what each token is: made with PyJWT, read here.
#[test]
fn the_examples_tokens_are_what_their_names_say() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/jwt-did");
    let keys = fs::read(example.join("test-keys.json")).unwrap();
    let mut seen = BTreeMap::<String, usize>::new();
    for folder in ["tokens", "did-tokens", "more"] {
        for file in fs::read_dir(example.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let token = fs::read(&path).unwrap();
            let verdict = match folder {
                "did-tokens" => verify_did(&token, Some(NOW), Some("https://photos.example")),
                _ => validate(&token, &keys, NOW, "https://photos.example"),
            };
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let (_, expect) = stem.split_once('-').unwrap();
            assert_eq!(name(&verdict), expect, "{}: {verdict:?}", path.display());
            *seen.entry(expect.to_owned()).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), 10, "{seen:?}");
    assert_eq!(seen.values().sum::<usize>(), 105);
}

#[test]
fn the_tokens_of_the_rfcs_are_valid() {
    let es256 = json!({ "keys": [{ "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }] });
    let rs256 = json!({ "keys": [{ "kty": "RSA", "e": "AQAB", "n":
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" }] });
    let cases = [
        (
            es256,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            rs256,
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
    ];
    for (keys, header, signature) in cases {
        let token = format!("{header}.{RFC_CLAIMS}.{signature}");
        // It was for nobody in particular, and has expired in 2011: its signature is good.
        let keys = keys.to_string();
        let check = |now| validate(token.as_bytes(), keys.as_bytes(), now, "x");
        assert_eq!(check(1_300_819_379), Err(Refusal::WrongAudience(vec![])));
        assert_eq!(name(&check(1_300_819_380)), "expired");
    }
}

#[test]
fn each_refusal_has_its_name() {
    let good = r#"{"alg":"EdDSA","kid":"a"}"#;
    let me = r#"{"aud":["x","me"],"exp":100,"nbf":50}"#;
    let cases: [(&str, &str, u64, Value, &str); 24] = [
        (good, me, 50, json!({}), "valid"),
        (good, me, 99, json!({}), "valid"),
        (good, me, 100, json!({}), "expired"),
        (good, me, 49, json!({}), "not-yet-valid"),
        (good, r#"{"aud":"me","exp":99.5}"#, 99, json!({}), "valid"),
        (good, r#"{"aud":"me","exp":-5}"#, 0, json!({}), "expired"),
        (good, r#"{"aud":"me","exp":"9"}"#, 0, json!({}), "malformed"),
        (good, r#"{"aud":"ME"}"#, 0, json!({}), "wrong-audience"),
        (good, r#"{"aud":[1]}"#, 0, json!({}), "malformed"),
        (
            good,
            r#"{"aud":"me","aud":"me"}"#,
            0,
            json!({}),
            "malformed",
        ),
        (good, "[]", 0, json!({}), "malformed"),
        (r#"{"alg":"Ed25519"}"#, me, 50, json!({}), "valid"),
        (
            r#"{"alg":"EdDSA","alg":"none"}"#,
            me,
            50,
            json!({}),
            "malformed",
        ),
        (r#"{"alg":1}"#, me, 50, json!({}), "malformed"),
        (r#"{"alg":"NONE"}"#, me, 50, json!({}), "unsecured"),
        (
            r#"{"alg":"PS512"}"#,
            me,
            50,
            json!({}),
            "unsupported-algorithm",
        ),
        (
            r#"{"alg":"HS256","kid":"a"}"#,
            me,
            50,
            json!({}),
            "algorithm-mismatch",
        ),
        (
            r#"{"alg":"EdDSA","kid":"b"}"#,
            me,
            50,
            json!({}),
            "unknown-key",
        ),
        (
            r#"{"alg":"EdDSA","kid":"broken"}"#,
            me,
            50,
            json!({}),
            "bad-key",
        ),
        (
            r#"{"alg":"EdDSA","crit":[]}"#,
            me,
            50,
            json!({}),
            "critical-header",
        ),
        (good, me, 50, json!({ "use": "enc" }), "bad-key"),
        (good, me, 50, json!({ "key_ops": ["sign"] }), "bad-key"),
        (good, me, 50, json!({ "alg": "ES256" }), "bad-key"),
        (good, me, 50, json!({ "x": "AAAA" }), "bad-key"),
    ];
    for (header, claims, now, changes, expect) in cases {
        let token = signed(header, claims);
        let verdict = validate(token.as_bytes(), &keys(changes), now, "me");
        assert_eq!(
            name(&verdict),
            expect,
            "{header} {claims} at {now}: {verdict:?}"
        );
        if let Ok(told) = verdict {
            assert_eq!(told, claims);
        }
    }
}

/// Without this, half of the tokens that other libraries sign with secp256k1 would be refused.
#[test]
fn both_values_of_s_are_valid_for_secp256k1() {
    use k256::ecdsa::signature::Signer;
    let key = k256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = (b64(point.x().unwrap()), b64(point.y().unwrap()));
    let keys = json!({ "keys": [{ "kty": "EC", "crv": "secp256k1", "x": x, "y": y }] }).to_string();
    let text = format!("{}.{}", b64(r#"{"alg":"ES256K"}"#), b64(r#"{"aud":"me"}"#));
    let low: k256::ecdsa::Signature = key.sign(text.as_bytes());
    let (r, s) = low.split_scalars();
    let high = k256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    assert_ne!(low, high);
    for signature in [low, high] {
        let token = format!("{text}.{}", b64(signature.to_bytes()));
        let verdict = validate(token.as_bytes(), keys.as_bytes(), 0, "me");
        assert_eq!(name(&verdict), "valid", "{verdict:?}");
    }
}

#[test]
fn without_a_kid_the_key_must_be_the_only_one() {
    let one = keys(json!({}));
    let mut two: Value = serde_json::from_slice(&one).unwrap();
    let list = two["keys"].as_array_mut().unwrap();
    list.push(list[0].clone());
    let two = two.to_string().into_bytes();
    let token = signed(r#"{"alg":"EdDSA"}"#, r#"{"aud":"me"}"#);
    let check = |keys: &[u8]| name(&validate(token.as_bytes(), keys, 0, "me")).to_owned();
    assert_eq!(check(&one), "valid");
    assert_eq!(check(&two), "unknown-key");
    assert_eq!(check(b"{\"keys\":[]}"), "unknown-key");
    assert_eq!(check(b"{}"), "bad-key");
}

#[test]
fn the_key_of_a_did_is_the_did() {
    let cases = [
        (
            "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
            "EdDSA",
        ),
        (
            "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
            "ES256",
        ),
        (
            "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
            "ES256K",
        ),
        ("did:web:example.com", "unknown-key"),
        ("did:key:", "unknown-key"),
        ("did:key:z", "unknown-key"),
        ("did:key:z0OIl", "unknown-key"),
        // X25519: a key, but not for signatures.
        (
            "did:key:z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F",
            "unknown-key",
        ),
    ];
    for (did, expect) in cases {
        let told = did::key(did).map(|key| key.algorithm().name());
        assert_eq!(
            told.unwrap_or_else(|refusal| refusal.name()),
            expect,
            "{did}"
        );
    }
    let long = format!("did:key:z{}", "1".repeat(1_000_000));
    assert_eq!(did::key(&long).unwrap_err().name(), "unknown-key");
}

#[test]
fn a_did_signs_for_itself_only() {
    let own = [&[0xed, 0x01][..], ed25519().verifying_key().as_bytes()].concat();
    let multibase = format!("z{}", bs58::encode(own).into_string());
    let me = format!("did:key:{multibase}");
    let other = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK";
    let cases = [
        (me.as_str(), None, "valid"),
        (&me, Some(format!("{me}#{multibase}")), "valid"),
        (&me, Some(format!("#{multibase}")), "valid"),
        (&me, Some(me.clone()), "valid"),
        (&me, Some(format!("{me}#other")), "unknown-key"),
        (&me, Some(other.to_owned()), "unknown-key"),
        (other, None, "bad-signature"),
    ];
    for (issuer, id, expect) in cases {
        let header = match &id {
            Some(id) => json!({ "alg": "EdDSA", "kid": id }),
            None => json!({ "alg": "EdDSA" }),
        };
        let claims = json!({ "iss": issuer, "exp": 10, "aud": "me" }).to_string();
        let token = signed(&header.to_string(), &claims);
        let check = |now, audience| name(&verify_did(token.as_bytes(), now, audience)).to_owned();
        assert_eq!(check(None, None), expect, "{issuer} {id:?}");
        if expect == "valid" {
            assert_eq!(check(Some(10), Some("me")), "expired");
            assert_eq!(check(Some(9), Some("you")), "wrong-audience");
        }
    }
    let nobody = signed(r#"{"alg":"EdDSA"}"#, "{}");
    assert_eq!(
        name(&verify_did(nobody.as_bytes(), None, None)),
        "malformed"
    );
}

/// Every single changed character is noticed, and nothing that is cut short is read.
#[test]
fn a_token_is_whole_or_refused() {
    let token = signed(r#"{"alg":"EdDSA","kid":"a"}"#, r#"{"aud":"me"}"#);
    let keys = keys(json!({}));
    for end in 0..token.len() {
        assert!(
            validate(&token.as_bytes()[..end], &keys, 0, "me").is_err(),
            "cut at {end}"
        );
    }
    for place in 0..token.len() {
        for other in [b'A', b'.', b'=', b'_', 0xff] {
            let mut changed = token.clone().into_bytes();
            if std::mem::replace(&mut changed[place], other) != other {
                let verdict = validate(&changed, &keys, 0, "me");
                assert!(verdict.is_err(), "{other} at {place}: {verdict:?}");
            }
        }
    }
    let large = vec![b'a'; MAX_BYTES + 1];
    assert_eq!(parse(&large).unwrap_err().name(), "malformed");
    let deep = signed(r#"{"alg":"EdDSA","kid":"a"}"#, &"[".repeat(10_000));
    assert_eq!(parse(deep.as_bytes()).unwrap_err().name(), "malformed");
}

#[test]
fn a_report_counts_and_tells() {
    let verdicts = [
        Ok(r#"{"iss":"i","sub":"s"}"#.to_owned()),
        Err(Refusal::Unsecured),
        Err(Refusal::Expired { expired: 1, now: 2 }),
        Err(Refusal::Unsecured),
    ];
    let told: Value = serde_json::from_slice(&report(&verdicts).unwrap()).unwrap();
    assert_eq!(told["tokens"], 4);
    assert_eq!(told["valid"], 1);
    assert_eq!(told["refused"], json!({ "unsecured": 2, "expired": 1 }));
    assert_eq!(told["verdicts"][0]["subject"], "s");
    assert_eq!(
        told["verdicts"][2]["why"],
        "the token expired at 1, and now is 2"
    );
    assert!(report(&[Ok("[]".to_owned())]).is_err());
}
