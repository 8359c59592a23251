//! The two checks: with keys that somebody publishes, and with keys that are names.
//!
//! Both first check the signature and then what is signed, so that a refusal about time or audience
//! says something about a real token.

use crate::claims::{check_audience, check_time, text};
use crate::refusal::{Refusal, malformed, shortened};
use crate::token::parse;
use crate::{did, keyset};

/// Checks a token with a set of keys (JWKS), at a time and for an audience; returns its claims as
/// they were signed.
///
/// # Errors
/// Whatever the token is refused for first.
pub fn validate(token: &[u8], keys: &[u8], now: u64, audience: &str) -> Result<String, Refusal> {
    let token = parse(token)?;
    let key = keyset::find(keys, &token)?;
    key.verify(&token.algorithm, token.signed.as_bytes(), &token.signature)?;
    check_time(&token.claims, now)?;
    check_audience(&token.claims, audience)?;
    Ok(token.payload)
}

/// Checks a token whose issuer is a `did:key`, which is the key itself; returns its claims as they
/// were signed. Without a time and an audience only the signature is checked.
///
/// # Errors
/// Whatever the token is refused for first.
pub fn verify_did(
    token: &[u8],
    now: Option<u64>,
    audience: Option<&str>,
) -> Result<String, Refusal> {
    let token = parse(token)?;
    let issuer = text(&token.claims, "iss")?.ok_or_else(|| malformed("there is no `iss`"))?;
    if let Some(id) = &token.key_id
        && !did::is_key_of(id, issuer)
    {
        let id = shortened(id);
        return Err(Refusal::UnknownKey(format!(
            "the kid {id:?} is not the issuer's key"
        )));
    }
    let key = did::key(issuer)?;
    key.verify(&token.algorithm, token.signed.as_bytes(), &token.signature)?;
    if let Some(now) = now {
        check_time(&token.claims, now)?;
    }
    if let Some(audience) = audience {
        check_audience(&token.claims, audience)?;
    }
    Ok(token.payload)
}
