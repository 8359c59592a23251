//! JSON in and out, with its limits.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::problem::{Problem, check, shortened};

/// Most bytes of a document, read or written.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Most values of a document: each takes up to a hundred bytes in memory, however short it is written.
pub const MAX_VALUES: usize = 1_000_000;

/// Most levels of lists and objects, one less than `serde_json` follows.
pub const MAX_LEVELS: usize = 127;

/// Reads a document.
///
/// # Errors
/// Text that is not JSON or names something twice, and a document over a limit.
pub fn read(document: &[u8]) -> Result<Value, Problem> {
    check("bytes", document.len(), MAX_BYTES)?;
    let strict = Strict {
        values: &Cell::new(0),
        problem: &RefCell::new(None),
    };
    let mut reader = serde_json::Deserializer::from_slice(document);
    let value = strict
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        let told = error.to_string();
        if let Some(problem) = strict.problem.take() {
            return problem;
        }
        if told.starts_with("recursion limit exceeded") {
            return Problem::TooMuch {
                what: "levels",
                given: MAX_LEVELS as u64 + 1,
                most: MAX_LEVELS as u64,
            };
        }
        let (line, column) = (error.line(), error.column());
        let place = format!(" at line {line} column {column}");
        Problem::Syntax {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            message: told.strip_suffix(&place).unwrap_or(&told).to_owned(),
        }
    })
}

/// Writes a value as a document, compact.
///
/// # Errors
/// A document over a limit, so that whatever is written can be read again.
pub fn write(value: &Value) -> Result<Vec<u8>, Problem> {
    check_extent(value, 0)?;
    let bytes = serde_json::to_vec(value).map_err(|error| Problem::Number(error.to_string()))?;
    check("bytes", bytes.len(), MAX_BYTES)?;
    Ok(bytes)
}

/// How many values there are in a value, itself included.
///
/// # Errors
/// More than [`MAX_VALUES`], or more than [`MAX_LEVELS`] together with the `levels` around it.
pub(crate) fn check_extent(value: &Value, levels: usize) -> Result<usize, Problem> {
    let mut count = 0;
    let mut rest = vec![(value, levels)];
    while let Some((value, levels)) = rest.pop() {
        count += 1;
        check("values", count, MAX_VALUES)?;
        let levels = levels + usize::from(value.is_array() || value.is_object());
        check("levels", levels, MAX_LEVELS)?;
        match value {
            Value::Array(items) => rest.extend(items.iter().map(|item| (item, levels))),
            Value::Object(members) => rest.extend(members.values().map(|item| (item, levels))),
            _ => {}
        }
    }
    Ok(count)
}

/// Reads a [`Value`] as its own type does, but refuses names that come twice, and counts.
#[derive(Clone, Copy)]
struct Strict<'a> {
    values: &'a Cell<usize>,
    /// What serde's error cannot carry.
    problem: &'a RefCell<Option<Problem>>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(self, problem: Problem) -> E {
        let error = E::custom(&problem);
        self.problem.replace(Some(problem));
        error
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let count = self.values.get() + 1;
        self.values.set(count);
        check("values", count, MAX_VALUES).map_err(|problem| self.refuse(problem))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                let name = shortened(&name);
                return Err(A::Error::custom(format_args!(
                    "the name {name:?} is twice in one object"
                )));
            }
            let value = members.next_value_seed(self)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}
