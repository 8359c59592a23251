//! What a token says of when and for whom it counts (RFC 7519, section 4.1).

use serde_json::{Map, Value};

use crate::refusal::{Refusal, malformed, shortened};

/// Whether a token counts at a time, in seconds since 1970: from `nbf` until just before `exp`.
/// There is no leeway; who wants some gives another time.
///
/// # Errors
/// A token before or after its time, and times that are no numbers.
pub fn check_time(claims: &Map<String, Value>, now: u64) -> Result<(), Refusal> {
    if let Some(expired) = seconds(claims, "exp")?
        && expired <= now
    {
        return Err(Refusal::Expired { expired, now });
    }
    match seconds(claims, "nbf")? {
        Some(starts) if starts > now => Err(Refusal::NotYetValid { starts, now }),
        _ => Ok(()),
    }
}

/// Whether a token is for this audience.
///
/// # Errors
/// A token that is for others, or says for nobody that it is for them.
pub fn check_audience(claims: &Map<String, Value>, audience: &str) -> Result<(), Refusal> {
    let audiences = match claims.get("aud") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) => many
            .iter()
            .map(|one| one.as_str().ok_or_else(|| malformed("`aud` is not text")))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(malformed("`aud` is not text")),
    };
    if audiences.contains(&audience) {
        return Ok(());
    }
    let told = audiences.into_iter().take(8).map(shortened).collect();
    Err(Refusal::WrongAudience(told))
}

/// A claim that is text.
pub(crate) fn text<'a>(
    claims: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(format!("`{name}` is not text"))),
    }
}

/// A time. Parts of a second are allowed, and rounded up.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    if let Some(whole) = value.as_u64() {
        return Ok(Some(whole));
    }
    // A conversion from floating point saturates, so negative times are 0 and huge ones never come.
    let rounded = value.as_f64().map(|seconds| seconds.ceil() as u64);
    rounded
        .map(Some)
        .ok_or_else(|| malformed(format!("`{name}` is not a number")))
}
