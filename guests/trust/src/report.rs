//! The result as one document, with the reason for every line.

use serde_json::{Map, Value, json};

use crate::statement::{Statement, read};
use crate::web::{MAX_HOPS, Rules, WHOLE, follow};

/// Most statements.
pub const MAX_STATEMENTS: usize = 100_000;

/// Most bytes of the names.
pub const MAX_NAMES_BYTES: usize = 1024 * 1024;

/// Why there is no answer; the cases are those of `problem` in `wit/trust.wit`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Over a limit.
    #[error("{given} {what} are too many: at most {most} are allowed")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        given: u64,
        /// How much is allowed.
        most: u64,
    },
    /// The names are not a JSON object of texts.
    #[error("the names are not a JSON object of texts: {0}")]
    Names(String),
}

/// Whom `me` trusts at a time, through whom, and which statements did not count, as JSON. `names`
/// is a JSON object from DIDs to names, for people who read it.
///
/// # Errors
/// Anything over a limit, and names that are none.
pub fn report(
    verdicts: &[Result<String, String>],
    me: &str,
    at: u64,
    rules: Rules,
    names: &[u8],
) -> Result<Vec<u8>, Problem> {
    check("statements", verdicts.len(), MAX_STATEMENTS)?;
    check("bytes of names", names.len(), MAX_NAMES_BYTES)?;
    check("hops", rules.hops as usize, MAX_HOPS as usize)?;
    check("percent of decay", rules.decay as usize, 100)?;
    let names: Map<String, Value> =
        serde_json::from_slice(names).map_err(|error| Problem::Names(error.to_string()))?;
    let name = |did: &str| {
        names
            .get(did)
            .and_then(Value::as_str)
            .unwrap_or(did)
            .to_owned()
    };
    let step = |statement: &Statement| {
        json!({
            "from": name(&statement.speaker),
            "says": statement.percent,
            "statement": statement.number,
        })
    };
    let (statements, ignored) = read(verdicts, at);
    let people: Vec<Value> = follow(&statements, me, rules)
        .iter()
        .map(|person| {
            json!({
                "name": name(person.did),
                "did": person.did,
                "trust": percent(person.trust),
                "path": person.path.iter().map(|one| step(one)).collect::<Vec<_>>(),
                "against": person.against.iter().map(|one| step(one)).collect::<Vec<_>>(),
                "because": because(&person.path, &person.against, &name),
            })
        })
        .collect();
    let ignored: Vec<Value> = ignored
        .iter()
        .map(|one| json!({ "statement": one.number, "why": one.why }))
        .collect();
    let document = json!({
        "me": name(me),
        "at": at,
        "statements": verdicts.len(),
        "counted": statements.len(),
        "people": people,
        "ignored": ignored,
    });
    Ok(format!("{document:#}\n").into_bytes())
}

/// The path in one line, and who spoke against it.
fn because(path: &[&Statement], against: &[&Statement], name: &dyn Fn(&str) -> String) -> String {
    let start = path
        .first()
        .map(|one| name(&one.speaker))
        .unwrap_or_default();
    let steps = path
        .iter()
        .map(|one| format!(" -{}-> {}", one.percent, name(&one.about)));
    let against = against
        .iter()
        .map(|one| format!("; against it {} ({})", name(&one.speaker), one.percent));
    std::iter::once(start).chain(steps).chain(against).collect()
}

/// Millionths as percent, with two digits.
fn percent(trust: u64) -> f64 {
    let hundredths = trust * 10_000 / WHOLE;
    hundredths as f64 / 100.0
}

fn check(what: &'static str, given: usize, most: usize) -> Result<(), Problem> {
    if given > most {
        return Err(Problem::TooMuch {
            what,
            given: given as u64,
            most: most as u64,
        });
    }
    Ok(())
}
