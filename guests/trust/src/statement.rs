//! What one person says of another, read from the claims of a token whose signature was checked
//! before.

use std::collections::BTreeMap;

use serde_json::Value;

/// Most bytes of the DID of a person.
pub const MAX_DID_BYTES: usize = 512;

/// A statement that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its place among all, from 1.
    pub number: usize,
    /// Who says it.
    pub speaker: String,
    /// Of whom.
    pub about: String,
    /// How far `about` is trusted, of 100; below 0: distrusted.
    pub percent: i64,
    /// When, in seconds since 1970.
    pub issued: u64,
}

/// A statement that does not count, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Its place among all, from 1.
    pub number: usize,
    /// Why.
    pub why: String,
}

/// What everybody says at a time, each of each only once: the latest counts, and of equally late
/// ones the most careful. A `verdict` is the claims of a statement, or what it was refused for.
#[must_use]
pub fn read(verdicts: &[Result<String, String>], at: u64) -> (Vec<Statement>, Vec<Ignored>) {
    let mut latest = BTreeMap::<(String, String), Statement>::new();
    let mut ignored = Vec::new();
    for (verdict, number) in verdicts.iter().zip(1_usize..) {
        let read = match verdict {
            Ok(claims) => one(claims, number, at),
            Err(refusal) => Err(refusal.clone()),
        };
        match read {
            Err(why) => ignored.push(Ignored { number, why }),
            Ok(new) => {
                let pair = (new.speaker.clone(), new.about.clone());
                let Some(old) = latest.remove(&pair) else {
                    latest.insert(pair, new);
                    continue;
                };
                let later = (new.issued, -new.percent) > (old.issued, -old.percent);
                let (kept, dropped) = if later { (new, old) } else { (old, new) };
                let why = format!("replaced by statement {}", kept.number);
                ignored.push(Ignored {
                    number: dropped.number,
                    why,
                });
                latest.insert(pair, kept);
            }
        }
    }
    ignored.sort_by_key(|one| one.number);
    (latest.into_values().collect(), ignored)
}

fn one(claims: &str, number: usize, at: u64) -> Result<Statement, String> {
    let claims: Value =
        serde_json::from_str(claims).map_err(|error| format!("not JSON: {error}"))?;
    let person = |name: &str| match claims.get(name).and_then(Value::as_str) {
        Some(did) if did.len() <= MAX_DID_BYTES => Ok(did.to_owned()),
        _ => Err(format!("`{name}` is not a DID")),
    };
    let (speaker, about) = (person("iss")?, person("sub")?);
    if speaker == about {
        return Err("nobody vouches for themselves".to_owned());
    }
    let percent = claims
        .get("trust")
        .and_then(Value::as_i64)
        .filter(|percent| (-100..=100).contains(percent))
        .ok_or("`trust` is not a whole number from -100 to 100")?;
    let issued = claims
        .get("iat")
        .and_then(Value::as_u64)
        .ok_or("`iat` is not a time")?;
    if issued > at {
        return Err(format!("said only at {issued}"));
    }
    if let Some(expires) = claims.get("exp") {
        let expires = expires.as_u64().ok_or("`exp` is not a time")?;
        if expires <= at {
            return Err(format!("said until {expires}"));
        }
    }
    Ok(Statement {
        number,
        speaker,
        about,
        percent,
        issued,
    })
}
