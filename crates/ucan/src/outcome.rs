//! The outcome of a task: `{"ok": value}` or `{"error": value}` (the `Result` of receipts).

use ipvm_ipld::fields::{FieldError, Fields};
use ipvm_ipld::{Ipld, kind_name};
use std::collections::BTreeMap;

/// What a task ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded, with this value.
    Ok(Ipld),
    /// It failed, with this value.
    Error(Ipld),
}

impl Outcome {
    /// Whether the task succeeded.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok(_))
    }

    /// The value, whichever way the task ended.
    #[must_use]
    pub fn value(&self) -> &Ipld {
        match self {
            Self::Ok(value) | Self::Error(value) => value,
        }
    }

    /// The outcome as a map with the one key `ok` or `error`.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        self.clone().into_ipld()
    }

    /// As [`Outcome::to_ipld`], without a copy.
    #[must_use]
    pub fn into_ipld(self) -> Ipld {
        let (key, value) = match self {
            Self::Ok(value) => ("ok", value),
            Self::Error(value) => ("error", value),
        };
        Ipld::Map(BTreeMap::from([(key.to_owned(), value)]))
    }

    /// Reads an outcome: a map with exactly one of the keys `ok` and `error`.
    ///
    /// # Errors
    /// If the value is anything else.
    pub fn from_ipld(value: Ipld) -> Result<Self, FieldError> {
        let found = kind_name(&value);
        let mut fields = Fields::new(value, "outcome")?;
        let outcome = match (fields.optional("ok"), fields.optional("error")) {
            (Some(value), None) => Self::Ok(value),
            (None, Some(value)) => Self::Error(value),
            _ => {
                let expected = "a map with one of the keys \"ok\" and \"error\"";
                return Err(FieldError::Kind {
                    field: "outcome".into(),
                    expected,
                    found,
                });
            }
        };
        fields.finish()?;
        Ok(outcome)
    }
}
