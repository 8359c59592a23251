//! Reading a map whose keys are known: every key is asked for once, and what is left over is refused.
//!
//! ```
//! use ipvm_ipld::fields::{Fields, as_int, as_string};
//! use ipvm_ipld::{Ipld, Limits, json};
//!
//! let value = json::from_str(r#"{"fun": "add", "fuel": 7}"#, Limits::default())?;
//! let mut fields = Fields::new(value, "step")?;
//! assert_eq!(fields.get("fun", as_string)?, "add");
//! assert_eq!(fields.get_optional("fuel", as_int)?, Some(7));
//! fields.finish()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::kind_name;
use cid::Cid;
use ipld_core::ipld::Ipld;
use std::collections::BTreeMap;

/// Why a map does not have the fields it must have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A required key is not there.
    #[error("{what} lacks the key {key:?}")]
    Missing {
        /// What was being read.
        what: String,
        /// The key.
        key: String,
    },
    /// A key that does not belong there.
    #[error("{what} has the unknown key {key:?}; remove it or check its spelling")]
    Unknown {
        /// What was being read.
        what: String,
        /// The key.
        key: String,
    },
    /// A value of the wrong kind.
    #[error("{field} must be {expected}, but is {found}")]
    Kind {
        /// The field, as a path from what was being read.
        field: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// An integer that is too small or too large.
    #[error("{field} is {value}, outside the range {min} … {max}")]
    Range {
        /// The field, as a path from what was being read.
        field: String,
        /// The value.
        value: i128,
        /// Smallest accepted value.
        min: i128,
        /// Largest accepted value.
        max: i128,
    },
}

impl FieldError {
    /// The same error, with its field named as a part of `what`.
    #[must_use]
    pub fn within(mut self, what: &str) -> Self {
        if let Self::Kind { field, .. } | Self::Range { field, .. } = &mut self {
            *field = format!("{what}.{field}");
        }
        self
    }
}

/// The fields of a map that have not been asked for yet.
#[derive(Debug)]
pub struct Fields {
    map: BTreeMap<String, Ipld>,
    what: &'static str,
}

impl Fields {
    /// Takes a map; `what` names it in messages.
    ///
    /// # Errors
    /// If the value is not a map.
    pub fn new(value: Ipld, what: &'static str) -> Result<Self, FieldError> {
        as_map(value, what).map(|map| Self { map, what })
    }

    /// Takes out the value of a key that must be there.
    ///
    /// # Errors
    /// If it is not there.
    pub fn required(&mut self, key: &str) -> Result<Ipld, FieldError> {
        self.optional(key).ok_or_else(|| FieldError::Missing {
            what: self.what.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Takes out the value of a key that may be there.
    pub fn optional(&mut self, key: &str) -> Option<Ipld> {
        self.map.remove(key)
    }

    /// Takes out and converts the value of a key that must be there.
    ///
    /// # Errors
    /// If it is not there or of the wrong kind.
    pub fn get<T>(
        &mut self,
        key: &str,
        convert: fn(Ipld, &str) -> Result<T, FieldError>,
    ) -> Result<T, FieldError> {
        convert(self.required(key)?, key).map_err(|e| e.within(self.what))
    }

    /// Takes out and converts the value of a key that may be there. An optional field is absent, never null.
    ///
    /// # Errors
    /// If it is of the wrong kind.
    pub fn get_optional<T>(
        &mut self,
        key: &str,
        convert: fn(Ipld, &str) -> Result<T, FieldError>,
    ) -> Result<Option<T>, FieldError> {
        self.optional(key)
            .map(|value| convert(value, key))
            .transpose()
            .map_err(|e| e.within(self.what))
    }

    /// Requires that nothing is left.
    ///
    /// # Errors
    /// Names the first key that nobody asked for.
    pub fn finish(self) -> Result<(), FieldError> {
        match self.map.into_keys().next() {
            None => Ok(()),
            Some(key) => Err(FieldError::Unknown {
                what: self.what.to_owned(),
                key,
            }),
        }
    }
}

fn wrong<T>(value: &Ipld, field: &str, expected: &'static str) -> Result<T, FieldError> {
    Err(FieldError::Kind {
        field: field.to_owned(),
        expected,
        found: kind_name(value),
    })
}

/// Converts to a bool.
///
/// # Errors
/// If it is something else; the message names `field`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "all converters have one shape, for Fields::get"
)]
pub fn as_bool(value: Ipld, field: &str) -> Result<bool, FieldError> {
    if let Ipld::Bool(b) = value {
        Ok(b)
    } else {
        wrong(&value, field, "a bool")
    }
}

/// Converts to a string.
///
/// # Errors
/// If it is something else; the message names `field`.
pub fn as_string(value: Ipld, field: &str) -> Result<String, FieldError> {
    if let Ipld::String(s) = value {
        Ok(s)
    } else {
        wrong(&value, field, "a string")
    }
}

/// Converts to bytes.
///
/// # Errors
/// If it is something else; the message names `field`.
pub fn as_bytes(value: Ipld, field: &str) -> Result<Vec<u8>, FieldError> {
    if let Ipld::Bytes(b) = value {
        Ok(b)
    } else {
        wrong(&value, field, "bytes")
    }
}

/// Converts to a signed 64-bit integer.
///
/// # Errors
/// If it is something else or out of range; the message names `field`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "all converters have one shape, for Fields::get"
)]
pub fn as_int(value: Ipld, field: &str) -> Result<i64, FieldError> {
    let Ipld::Integer(i) = value else {
        return wrong(&value, field, "an int");
    };
    let (min, max) = (i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(i).map_err(|_| FieldError::Range {
        field: field.to_owned(),
        value: i,
        min,
        max,
    })
}

/// Converts to an unsigned 64-bit integer.
///
/// # Errors
/// If it is something else or out of range; the message names `field`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "all converters have one shape, for Fields::get"
)]
pub fn as_unsigned(value: Ipld, field: &str) -> Result<u64, FieldError> {
    let Ipld::Integer(i) = value else {
        return wrong(&value, field, "an int");
    };
    u64::try_from(i).map_err(|_| FieldError::Range {
        field: field.to_owned(),
        value: i,
        min: 0,
        max: u64::MAX.into(),
    })
}

/// Converts to a link.
///
/// # Errors
/// If it is something else; the message names `field`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "all converters have one shape, for Fields::get"
)]
pub fn as_link(value: Ipld, field: &str) -> Result<Cid, FieldError> {
    if let Ipld::Link(cid) = value {
        Ok(cid)
    } else {
        wrong(&value, field, "a link")
    }
}

/// Converts to a list.
///
/// # Errors
/// If it is something else; the message names `field`.
pub fn as_list(value: Ipld, field: &str) -> Result<Vec<Ipld>, FieldError> {
    if let Ipld::List(items) = value {
        Ok(items)
    } else {
        wrong(&value, field, "a list")
    }
}

/// Converts to a map.
///
/// # Errors
/// If it is something else; the message names `field`.
pub fn as_map(value: Ipld, field: &str) -> Result<BTreeMap<String, Ipld>, FieldError> {
    if let Ipld::Map(map) = value {
        Ok(map)
    } else {
        wrong(&value, field, "a map")
    }
}

/// Converts a list whose items are all of one kind; an item in error is named by its position.
///
/// # Errors
/// If it is no list, or an item is of another kind.
pub fn as_list_of<T>(
    value: Ipld,
    field: &str,
    convert: fn(Ipld, &str) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    let items = as_list(value, field)?;
    let place = |i: usize, error: FieldError| match error {
        FieldError::Kind {
            expected, found, ..
        } => FieldError::Kind {
            field: format!("{field}[{i}]"),
            expected,
            found,
        },
        FieldError::Range {
            value, min, max, ..
        } => FieldError::Range {
            field: format!("{field}[{i}]"),
            value,
            min,
            max,
        },
        other => other,
    };
    items
        .into_iter()
        .enumerate()
        .map(|(i, item)| convert(item, field).map_err(|e| place(i, e)))
        .collect()
}

/// Converts to a list of links.
///
/// # Errors
/// If it is something else; the message names `field` and the position.
pub fn as_links(value: Ipld, field: &str) -> Result<Vec<Cid>, FieldError> {
    as_list_of(value, field, as_link)
}
