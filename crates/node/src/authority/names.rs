//! Petnames: what people here call principals.

use ipvm_store::{Batch, Name};
use ipvm_ucan::Did;

use crate::{Node, NodeError};

/// Names that mean something already.
pub const RESERVED_NAMES: [&str; 3] = ["owner", "agent", "powerline"];
/// Longest name, in bytes.
const MAX_NAME: usize = 64;
/// Most names.
const MAX_NAMES: usize = 10_000;

/// A name that somebody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The principal.
    pub did: Did,
    /// Since when, in seconds since the epoch.
    pub since: i64,
}

impl Node {
    /// All names, in their order.
    ///
    /// # Errors
    /// The store fails or a name in it is damaged.
    pub fn names(&self) -> Result<Vec<Named>, NodeError> {
        let each = self.store().names()?.into_iter();
        each.map(|name| {
            Ok(Named {
                did: name.did.parse().map_err(|error| {
                    NodeError::Name(format!("the name {:?} in this home: {error}", name.name))
                })?,
                name: name.name,
                since: name.since,
            })
        })
        .collect()
    }

    /// Gives a principal a name.
    ///
    /// # Errors
    /// The name is not one, or stands for somebody else already.
    pub fn add_name(&self, name: &str, did: &Did) -> Result<(), NodeError> {
        check_name(name)?;
        let known = self.names()?;
        if let Some(other) = known
            .iter()
            .find(|known| known.name == name && known.did != *did)
        {
            return Err(NodeError::Name(format!(
                "{name} is {}; take that name away first with `ipvm name remove {name}`",
                other.did
            )));
        }
        if known.len() >= MAX_NAMES {
            return Err(NodeError::Name(format!(
                "there are {MAX_NAMES} names already"
            )));
        }
        let mut batch = Batch::new();
        batch.name(Name {
            name: name.to_owned(),
            did: did.to_string(),
            since: self.now(),
        });
        Ok(self.store().commit(batch)?)
    }

    /// Takes a name away.
    ///
    /// # Errors
    /// There is no such name.
    pub fn remove_name(&self, name: &str) -> Result<(), NodeError> {
        if !self.names()?.iter().any(|known| known.name == name) {
            return Err(NodeError::Name(format!(
                "nobody is called {name:?} here; `ipvm name list` shows the names"
            )));
        }
        let mut batch = Batch::new();
        batch.unname(name.to_owned());
        Ok(self.store().commit(batch)?)
    }

    /// The principal that a user means: a DID, a name, or `owner` or `agent` of this home.
    ///
    /// # Errors
    /// It is nobody's name and no DID.
    pub fn principal(&self, text: &str) -> Result<Did, NodeError> {
        match text {
            "owner" => return Ok(self.owner().clone()),
            "agent" => return Ok(self.agent().clone()),
            _ => {}
        }
        if text.starts_with("did:") {
            let parsed: Result<Did, _> = text.parse();
            return parsed.map_err(|error| NodeError::Name(error.to_string()));
        }
        let names = self.names()?;
        let found = names.iter().find(|known| known.name == text);
        found.map(|known| known.did.clone()).ok_or_else(|| {
            NodeError::Name(format!(
                "nobody is called {text:?} here; write a DID, or give it a name with `ipvm name add {text} DID`"
            ))
        })
    }
}

fn check_name(name: &str) -> Result<(), NodeError> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let wrong = if name.is_empty() || name.len() > MAX_NAME {
        Some(format!("a name has 1 to {MAX_NAME} bytes"))
    } else if !name.chars().all(is_word) || !name.starts_with(char::is_alphanumeric) {
        Some(
            "a name has letters, digits, `-`, `_` and `.`, and begins with a letter or digit"
                .into(),
        )
    } else if RESERVED_NAMES
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(name))
    {
        Some("this word means something already".into())
    } else if format!("did:key:{name}").parse::<Did>().is_ok() {
        Some("it is a key".into())
    } else if ipvm_ipld::parse_cid(name).is_ok() {
        Some("it is a CID".into())
    } else {
        None
    };
    match wrong {
        Some(wrong) => Err(NodeError::Name(format!(
            "{name:?} cannot be a name: {wrong}"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    //! Without this a name could stand for something else than a principal.
    use super::*;

    #[test]
    fn a_name_is_a_word_that_means_nothing_else() {
        for good in ["bob", "alice-mail", "Zoë", "a.b_c-1"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "owner",
            "agent",
            "powerline",
            "a b",
            "did:key:z",
            "-x",
            "a/b",
            "\u{1b}[0m",
            // Beside the real ones nobody could tell who is meant.
            "Owner",
            "z6MkghLt1e8m1fmANsdJJco3aCLV8Xnigr5UWwC3u5iZFPd3",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name(&"x".repeat(65)).is_err());
    }
}
