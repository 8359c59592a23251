//! A token in its compact form (RFC 7515, section 3.1), taken apart and not yet believed.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use crate::json;
use crate::refusal::{Refusal, malformed, shortened};

/// Most bytes of a token.
pub const MAX_BYTES: usize = 16 * 1024;

/// A token whose parts could be read. Nothing about it is verified.
#[derive(Debug)]
pub struct Token<'a> {
    /// What the header says of the algorithm.
    pub algorithm: String,
    /// What the header says of the key.
    pub key_id: Option<String>,
    /// The claims, as they were signed.
    pub payload: String,
    /// The claims, read.
    pub claims: Map<String, Value>,
    /// What is signed: header and payload as they are written.
    pub signed: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Takes a token apart. White space at the end, as of a text file, is no part of it.
///
/// # Errors
/// More than [`MAX_BYTES`], anything that is not three parts with JSON objects in the first two, a
/// token that is not signed, and one whose header asks for what is not known.
pub fn parse(token: &[u8]) -> Result<Token<'_>, Refusal> {
    if token.len() > MAX_BYTES {
        let (given, most) = (token.len(), MAX_BYTES);
        return Err(malformed(format!(
            "{given} bytes are too many: at most {most} are allowed"
        )));
    }
    let text = str::from_utf8(token).map_err(|_| malformed("the token is not text"))?;
    let text = text.trim_ascii_end();
    let (signed, signature) = text
        .rsplit_once('.')
        .ok_or_else(|| malformed("there is no `.`"))?;
    let (header, payload) = signed
        .split_once('.')
        .filter(|(_, payload)| !payload.contains('.'))
        .ok_or_else(|| malformed("there are not three parts with a `.` between them"))?;
    let header = json::object(&decode("header", header)?)
        .map_err(|error| malformed(format!("the header: {error}")))?;
    let algorithm = string(&header, "alg")?.ok_or_else(|| malformed("the header has no `alg`"))?;
    if algorithm.eq_ignore_ascii_case("none") {
        return Err(Refusal::Unsecured);
    }
    if let Some(critical) = header.get("crit") {
        return Err(Refusal::CriticalHeader(shortened(&critical.to_string())));
    }
    let payload = String::from_utf8(decode("payload", payload)?)
        .map_err(|_| malformed("the payload is not UTF-8"))?;
    let claims = json::object(payload.as_bytes())
        .map_err(|error| malformed(format!("the payload: {error}")))?;
    Ok(Token {
        key_id: string(&header, "kid")?,
        algorithm,
        claims,
        payload,
        signed,
        signature: decode("signature", signature)?,
    })
}

fn decode(part: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|error| malformed(format!("the {part} is not base64url: {error}")))
}

fn string(header: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(malformed(format!("the header's `{name}` is not text"))),
    }
}
