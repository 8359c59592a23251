//! Reads a workflow file into a [`Document`]: YAML 1.2 (core schema), JSON, or DAG-CBOR.
//!
//! DAG-CBOR is told by its first byte (a map), which cannot begin a text. A text that begins like a JSON
//! object is read as JSON; if it is not JSON, it is YAML, of which JSON's form is only a part.

mod cbor;
mod json;
mod scalar;
mod yaml;

use super::document::{Builder, Document, MAX_FILE_BYTES, Node, NodeId, Position, Refused, Value};
use super::problem::{Diagnostic, Diagnostics, Origin, Problem};

pub(crate) use scalar::MAX_INT;
pub(crate) use yaml::MAX_STRUCTURE;

/// Reads a workflow file: YAML 1.2, JSON or DAG-CBOR with the same structure.
///
/// ```
/// let e = ipvm_workflow::author::parse(b"tasks: {a: 1, a: 2}").unwrap_err();
/// let expect = "1:15: the key \"a\" occurs twice in this map; the first is at 1:9; rename or remove one of them";
/// assert_eq!(e.to_string(), expect);
/// ```
///
/// # Errors
/// Names the place of what is not such a file: wrong syntax, duplicate keys, aliases, tags, too deep, too
/// large. A text is not read beyond its first such error.
pub fn parse(bytes: &[u8]) -> Result<Document, Diagnostics> {
    let mut nodes = Vec::new();
    match read(bytes, &mut nodes) {
        Ok(()) => Ok(Document {
            nodes,
            sets: Vec::new(),
        }),
        Err(stop) => Err(Diagnostics::one(stop.diagnose(Origin::File))),
    }
}

fn read(bytes: &[u8], nodes: &mut Vec<Node>) -> Result<(), Stop> {
    let length = bytes.len() as u64;
    if length > MAX_FILE_BYTES {
        return Err(Stop::at_top(Problem::FileTooLarge { bytes: length }));
    }
    if cbor::is_map(bytes) {
        return cbor::read(bytes, nodes);
    }
    let text = std::str::from_utf8(bytes).map_err(|e| not_text(bytes, e.valid_up_to()))?;
    if text
        .trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
        .starts_with('{')
    {
        match json::read(text, nodes) {
            Ok(()) => return Ok(()),
            Err(json::NotJson::Refused(stop)) => return Err(stop),
            Err(json::NotJson::Syntax) => nodes.clear(),
        }
    }
    yaml::read(text, nodes, yaml::Positions::Kept)
}

fn not_text(bytes: &[u8], valid: usize) -> Stop {
    let before = String::from_utf8_lossy(bytes.get(..valid).unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Stop {
        path: String::new(),
        at: position(line, column),
        problem: Problem::NotUtf8,
    }
}

/// Reads the value of a `--set KEY=VALUE` into the document: `@path` is a file, a text in the flow style of
/// YAML or in JSON is what it says (text if it is neither), and all else is a plain scalar.
pub(crate) fn read_set(
    document: &mut Document,
    key: &str,
    value: &str,
) -> Result<(), Box<Diagnostic>> {
    let start = document.nodes.len();
    let id = NodeId::next(&document.nodes);
    match set_value(&mut document.nodes, value) {
        Ok(()) => {
            document.sets.push((id, key.to_owned()));
            Ok(())
        }
        Err(stop) => {
            document.nodes.truncate(start);
            Err(Box::new(stop.diagnose(Origin::Set(key.to_owned()))))
        }
    }
}

fn set_value(nodes: &mut Vec<Node>, value: &str) -> Result<(), Stop> {
    let start = nodes.len();
    if let Some(path) = value.strip_prefix('@') {
        return Ok(file_value(nodes, path)?);
    }
    if value.starts_with(['[', '{', '"', '\'']) {
        match yaml::read(value, nodes, yaml::Positions::Dropped) {
            Err(Stop {
                problem: Problem::Syntax { .. },
                ..
            }) => nodes.truncate(start),
            read => return read,
        }
        return Ok(Builder::new(nodes).scalar(Value::Text(value.into()), None)?);
    }
    let scalar = scalar::plain(value).map_err(Stop::at_top)?;
    Ok(Builder::new(nodes).scalar(scalar, None)?)
}

fn file_value(nodes: &mut Vec<Node>, path: &str) -> Result<(), Refused> {
    let mut builder = Builder::new(nodes);
    builder.begin_map(None)?;
    builder.key("file", None);
    builder.scalar(Value::Text(path.into()), None)?;
    builder.end()
}

/// Why reading ended, and where.
#[derive(Debug)]
pub(crate) struct Stop {
    path: String,
    at: Option<Position>,
    problem: Problem,
}

impl Stop {
    fn at_top(problem: Problem) -> Self {
        Self {
            path: String::new(),
            at: None,
            problem,
        }
    }

    fn from_refused(refused: Refused, path: String, at: Option<Position>) -> Self {
        match refused {
            Refused::TooDeep => Self {
                path,
                at,
                problem: Problem::TooDeep,
            },
            Refused::TooMany => Self {
                path,
                at,
                problem: Problem::TooManyValues,
            },
            Refused::Duplicate { key, at, first } => Self {
                path,
                at,
                problem: Problem::DuplicateKey { key, first },
            },
        }
    }

    fn diagnose(self, origin: Origin) -> Diagnostic {
        Diagnostic {
            origin,
            path: self.path,
            position: self.at,
            problem: self.problem,
        }
    }
}

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self::from_refused(refused, String::new(), None)
    }
}

/// A position from 1-based numbers; beyond 2^32 there is none.
fn position(line: usize, column: usize) -> Option<Position> {
    Some(Position {
        line: u32::try_from(line).ok()?,
        column: u32::try_from(column).ok()?,
    })
}
