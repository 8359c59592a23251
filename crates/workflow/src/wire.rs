//! What all wire types here share: the error of reading one, and readers for the types of `ucan`.

use ipvm_ipld::Ipld;
use ipvm_ipld::fields::{FieldError, as_string};
use ipvm_ucan::{Command, Did};
use std::collections::BTreeMap;

/// Largest whole number of the formats: 2^53 − 1 (wire-formats, "Validation" 1).
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Why a value is not the wire type that it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A key is missing or unknown, or its value of the wrong kind.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A value is of the right kind but not allowed.
    #[error("{field}: {reason}")]
    Value {
        /// The field, as a path from what was being read.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl WireError {
    pub(crate) fn value(field: &str, reason: impl std::fmt::Display) -> Self {
        Self::Value {
            field: field.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// The same error, with its field named as a part of `what`.
    pub(crate) fn within(self, what: &str) -> Self {
        match self {
            Self::Field(e) => Self::Field(e.within(what)),
            Self::Value { field, reason } => Self::Value {
                field: format!("{what}.{field}"),
                reason,
            },
        }
    }
}

pub(crate) fn did(value: Ipld, field: &str) -> Result<Did, WireError> {
    as_string(value, field)?
        .parse()
        .map_err(|e| WireError::value(field, e))
}

pub(crate) fn command(value: Ipld, field: &str) -> Result<Command, WireError> {
    as_string(value, field)?
        .parse()
        .map_err(|e| WireError::value(field, e))
}

/// A whole number from 0 to 2^53 − 1.
pub(crate) fn number(value: Ipld, field: &str) -> Result<u64, WireError> {
    let number = ipvm_ipld::fields::as_unsigned(value, field)?;
    if number > MAX_NUMBER {
        return Err(WireError::value(
            field,
            format!("{number} is over {MAX_NUMBER}"),
        ));
    }
    Ok(number)
}

pub(crate) fn integer(number: u64) -> Ipld {
    Ipld::Integer(number.into())
}

/// A map of some keys with their values, absent ones left out.
pub(crate) fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Option<Ipld>)>) -> Ipld {
    let present = entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Ipld::Map(present.collect::<BTreeMap<_, _>>())
}
