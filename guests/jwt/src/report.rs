//! One document about many tokens.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::json::object;
use crate::refusal::{Refusal, malformed};

/// Most verdicts in a report.
pub const MAX_VERDICTS: usize = 100_000;

/// A JSON document with totals and, for each token by its number from 1, who it is about or why it
/// was refused.
///
/// # Errors
/// More than [`MAX_VERDICTS`], and claims that are not a JSON object.
pub fn report(verdicts: &[Result<String, Refusal>]) -> Result<Vec<u8>, Refusal> {
    if verdicts.len() > MAX_VERDICTS {
        return Err(malformed(format!("over {MAX_VERDICTS} verdicts")));
    }
    let mut refused = BTreeMap::<&str, usize>::new();
    let mut lines = Vec::new();
    for (verdict, number) in verdicts.iter().zip(1_usize..) {
        lines.push(match verdict {
            Ok(claims) => {
                let claims = object(claims.as_bytes())
                    .map_err(|error| malformed(format!("the claims of {number}: {error}")))?;
                let claim = |name: &str| claims.get(name).unwrap_or(&Value::Null);
                json!({ "number": number, "valid": true, "issuer": claim("iss"), "subject": claim("sub") })
            }
            Err(refusal) => {
                *refused.entry(refusal.name()).or_default() += 1;
                let (name, why) = (refusal.name(), refusal.to_string());
                json!({ "number": number, "valid": false, "refused": name, "why": why })
            }
        });
    }
    let valid = verdicts.iter().filter(|verdict| verdict.is_ok()).count();
    let document =
        json!({ "tokens": verdicts.len(), "valid": valid, "refused": refused, "verdicts": lines });
    let mut text = serde_json::to_vec_pretty(&document)
        .map_err(|error| malformed(format!("the report: {error}")))?;
    text.push(b'\n');
    Ok(text)
}
