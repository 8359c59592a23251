//! A set of keys as JSON (RFC 7517), and the one that a token means.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use crate::json;
use crate::key::{Algorithm, Key};
use crate::refusal::{Refusal, shortened};
use crate::token::Token;

/// Most bytes of a set of keys.
pub const MAX_BYTES: usize = 256 * 1024;

/// The key that a token means: the one with its `kid`, or, without that, the only one for its
/// algorithm. Keys that are not meant are not looked at, so a broken one does no harm.
///
/// # Errors
/// A set that is none, a key that is not there or cannot be told from others, and one that is not
/// for signatures.
pub fn find(set: &[u8], token: &Token<'_>) -> Result<Key, Refusal> {
    let bad = |what: String| Refusal::BadKey(format!("the set of keys: {what}"));
    if set.len() > MAX_BYTES {
        return Err(bad(format!("over {MAX_BYTES} bytes")));
    }
    let set = json::object(set).map_err(bad)?;
    let Some(Value::Array(keys)) = set.get("keys") else {
        return Err(bad("it has no list `keys`".to_owned()));
    };
    let keys = keys.iter().filter_map(Value::as_object);
    match &token.key_id {
        Some(id) => {
            let named = keys.filter(|key| text(key, "kid") == Some(id));
            read(only(named, &format!("the kid {:?}", shortened(id)))?)
        }
        None => {
            let Some(wanted) = Algorithm::named(&token.algorithm) else {
                let named = shortened(&token.algorithm);
                return Err(Refusal::UnsupportedAlgorithm(named));
            };
            let fit = keys.filter(|key| algorithm(key).is_ok_and(|own| own == wanted));
            read(only(fit, "no kid, and its algorithm")?)
        }
    }
}

fn only<'a>(
    mut keys: impl Iterator<Item = &'a Map<String, Value>>,
    what: &str,
) -> Result<&'a Map<String, Value>, Refusal> {
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(Refusal::UnknownKey(format!(
            "the token has {what}, which no key has"
        ))),
        (Some(_), Some(_)) => Err(Refusal::UnknownKey(format!(
            "the token has {what}, which several keys have"
        ))),
    }
}

/// What a key is for, from its type, its curve and its own `alg`, `use` and `key_ops`.
fn algorithm(key: &Map<String, Value>) -> Result<Algorithm, Refusal> {
    let own = match (text(key, "kty"), text(key, "crv")) {
        (Some("OKP"), Some("Ed25519")) => Algorithm::EdDsa,
        (Some("EC"), Some("P-256")) => Algorithm::Es256,
        (Some("EC"), Some("secp256k1")) => Algorithm::Es256k,
        (Some("RSA"), _) => Algorithm::Rs256,
        (kind, curve) => {
            return Err(Refusal::BadKey(format!(
                "keys of type {} are not offered",
                shortened(curve.or(kind).unwrap_or("unknown"))
            )));
        }
    };
    let refused = |what: &str| Err(Refusal::BadKey(format!("by its own `{what}`")));
    if let Some(named) = key.get("alg")
        && named.as_str().and_then(Algorithm::named) != Some(own)
    {
        return refused("alg");
    }
    if key.get("use").is_some_and(|purpose| purpose != "sig") {
        return refused("use");
    }
    match key.get("key_ops") {
        None => {}
        Some(Value::Array(uses)) if uses.iter().any(|one| one == "verify") => {}
        Some(_) => return refused("key_ops"),
    }
    Ok(own)
}

fn read(key: &Map<String, Value>) -> Result<Key, Refusal> {
    match algorithm(key)? {
        Algorithm::EdDsa => Key::ed25519(&bytes(key, "x")?),
        Algorithm::Es256 => Key::p256(&point(key)?),
        Algorithm::Es256k => Key::secp256k1(&point(key)?),
        Algorithm::Rs256 => Key::rsa(&bytes(key, "n")?, &bytes(key, "e")?),
    }
}

/// A point of a curve with coordinates of 32 bytes, uncompressed as SEC 1 has it.
fn point(key: &Map<String, Value>) -> Result<Vec<u8>, Refusal> {
    let (x, y) = (bytes(key, "x")?, bytes(key, "y")?);
    if x.len() != 32 || y.len() != 32 {
        return Err(Refusal::BadKey("`x` and `y` have 32 bytes".to_owned()));
    }
    Ok([&[4][..], &x, &y].concat())
}

fn bytes(key: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Refusal> {
    text(key, name)
        .and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok())
        .ok_or_else(|| Refusal::BadKey(format!("its `{name}` is not base64url")))
}

fn text<'a>(key: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    key.get(name).and_then(Value::as_str)
}
