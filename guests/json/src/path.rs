//! JSONPath (RFC 9535): what is in a document, and where.

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::document;
use crate::problem::{Problem, check, shortened};

/// Longest path, in bytes.
pub const MAX_PATH_BYTES: usize = 1024;

/// Most brackets of a path inside each other; its parser follows them by calling itself.
pub const MAX_BRACKETS: usize = 24;

/// The values at a path, as one JSON list.
///
/// # Errors
/// A document that is none, a path that is none, and a result over a limit.
pub fn query(document: &[u8], path: &str) -> Result<Vec<u8>, Problem> {
    let path = Path::parse(path)?;
    let value = document::read(document)?;
    let found = path.all(&value)?.into_iter().cloned().collect();
    document::write(&Value::Array(found))
}

/// Where those values are, as normalised paths.
///
/// # Errors
/// As for [`query`].
pub fn locate(document: &[u8], path: &str) -> Result<Vec<String>, Problem> {
    let path = Path::parse(path)?;
    let value = document::read(document)?;
    let found = path.path.query_located(&value);
    check("values", found.len(), document::MAX_VALUES)?;
    let mut bytes = 0;
    found
        .locations()
        .map(|location| {
            let location = location.to_string();
            bytes += location.len();
            check("bytes", bytes, document::MAX_BYTES).map(|()| location)
        })
        .collect()
}

/// A path that was understood.
#[derive(Debug)]
pub(crate) struct Path {
    path: JsonPath,
    /// Whether it can name one value at most ("singular query", section 2.3.5.1).
    pub(crate) is_singular: bool,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        check("bytes of a path", text.len(), MAX_PATH_BYTES)?;
        let shape = Shape::of(text);
        check("brackets inside each other", shape.brackets, MAX_BRACKETS)?;
        let path = JsonPath::parse(text).map_err(|error| Problem::Path {
            at: shortened(text),
            message: error.to_string(),
        })?;
        Ok(Self {
            path,
            is_singular: shape.is_singular,
        })
    }

    /// The values it names.
    pub(crate) fn all<'a>(&self, value: &'a Value) -> Result<Vec<&'a Value>, Problem> {
        let found = self.path.query(value).all();
        check("values", found.len(), document::MAX_VALUES)?;
        Ok(found)
    }
}

/// What can be seen of a path before it is parsed.
struct Shape {
    is_singular: bool,
    brackets: usize,
}

impl Shape {
    fn of(text: &str) -> Self {
        let mut shape = Self {
            is_singular: true,
            brackets: 0,
        };
        let (mut open, mut quote, mut before) = (0_usize, None, ' ');
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match (quote, letter) {
                (Some(_), '\\') => {
                    letters.next();
                }
                (Some(mark), _) if mark == letter => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(letter),
                (None, '[' | '(') => open += 1,
                (None, ']' | ')') => open = open.saturating_sub(1),
                // Negations nest like brackets.
                (None, '!') => shape.brackets += 1,
                (None, '*' | '?' | ':' | ',') => shape.is_singular = false,
                (None, '.') if before == '.' => shape.is_singular = false,
                (None, _) => {}
            }
            before = if quote.is_some() { ' ' } else { letter };
            shape.brackets = shape.brackets.max(open);
        }
        shape
    }
}
