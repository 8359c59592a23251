//! Selectors: paths into the args of an invocation, in the manner of jq (UCAN Delegation 1.0.0, "Selectors").

use super::number::MAX_INDEX;
use crate::promise::Await;
use ipvm_ipld::Ipld;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest selector, in bytes.
pub const MAX_SELECTOR_BYTES: usize = 1024;
/// Most segments of a selector.
pub const MAX_SELECTOR_SEGMENTS: usize = 64;

/// A path into args. It keeps its text: two selectors are equal if they are written alike.
///
/// | written | selects |
/// |---|---|
/// | `.` | all of it |
/// | `.name`, `["any key"]` | the value of a key |
/// | `[2]`, `[-1]` | an item of a list, or a byte; from the end if negative |
/// | `[1:3]`, `[2:]`, `[:-1]` | a part of a list or of bytes, as far as there is one |
/// | `[]` | the values of a map as a list; a list as it is |
/// | `?` after one of these | null, where it would fail |
///
/// ```
/// use ipvm_ipld::{Limits, json};
/// use ipvm_ucan::policy::{Found, Selector};
///
/// let args = json::from_str(r#"{"to": ["bob@example.com", "carol@example.com"]}"#, Limits::default())?;
/// let last: Selector = ".to[-1]".parse()?;
/// assert_eq!(last.select(&args).value(), Some(&"carol@example.com".to_owned().into()));
/// let none: Selector = ".to[7]".parse()?;
/// assert!(matches!(none.select(&args), Found::Nothing));
///
/// let error = ".to[".parse::<Selector>().unwrap_err();
/// assert_eq!(error.to_string(), r#"".to[" is not a selector: a bracket is not closed, at byte 3"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector {
    text: Arc<str>,
    segments: Arc<[Segment]>,
}

/// One step of a selector.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Segment {
    pub(crate) step: Step,
    /// Whether a failure of this step gives null.
    pub(crate) optional: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Step {
    Identity,
    Key(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>),
    Values,
}

/// Why a text is not a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a selector: {what}, at byte {at}")]
pub struct SelectorError {
    /// The text, or its beginning.
    pub text: String,
    /// Where, in bytes from the beginning.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// What a selector finds.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'a> {
    /// A value; may be made up (null, a slice, the values of a map).
    Value(Cow<'a, Ipld>),
    /// There is nothing at that path.
    Nothing,
    /// The path leads to or through a promise: what is there is not known yet.
    Promise,
}

impl Found<'_> {
    /// The value, if there is one.
    #[must_use]
    pub fn value(&self) -> Option<&Ipld> {
        match self {
            Self::Value(value) => Some(value),
            Self::Nothing | Self::Promise => None,
        }
    }
}

impl Selector {
    /// The selector `.`: everything.
    #[must_use]
    pub fn identity() -> Self {
        let identity = Segment {
            step: Step::Identity,
            optional: false,
        };
        Self {
            text: ".".into(),
            segments: [identity].into(),
        }
    }

    /// The selector of one key of the args, written shortly if it can be.
    ///
    /// # Errors
    /// If the key is too long for a selector.
    pub fn key(key: &str) -> Result<Self, SelectorError> {
        if is_name(key) {
            format!(".{key}").parse()
        } else {
            format!(".[{}]", super::text::quote(key)).parse()
        }
    }

    /// The selector as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What is at this path in args, in which maps of the form of a promise stand for what is not known yet.
    #[must_use]
    pub fn select<'a>(&self, args: &'a Ipld) -> Found<'a> {
        self.walk(args, true)
    }

    /// As [`Self::select`], in args whose promises were all replaced: every map is data.
    #[must_use]
    pub fn select_resolved<'a>(&self, args: &'a Ipld) -> Found<'a> {
        self.walk(args, false)
    }

    pub(crate) fn walk<'a>(&self, args: &'a Ipld, promises: bool) -> Found<'a> {
        let mut at = Cow::Borrowed(args);
        for segment in self.segments.iter() {
            if promises && is_promise(&at) {
                return Found::Promise;
            }
            at = match step(&segment.step, at) {
                Some(value) => value,
                None if segment.optional => Cow::Owned(Ipld::Null),
                None => return Found::Nothing,
            };
        }
        if promises && is_promise(&at) {
            return Found::Promise;
        }
        Found::Value(at)
    }

    /// Reads a selector at the beginning of a text: as much as belongs to it. Gives its length in bytes.
    pub(crate) fn parse_prefix(text: &str) -> Result<(Self, usize), SelectorError> {
        let mut parser = Parser { text, at: 0 };
        let segments = parser.selector()?;
        let read = text.get(..parser.at).unwrap_or_default();
        let selector = Self {
            text: read.into(),
            segments: segments.into(),
        };
        Ok((selector, parser.at))
    }
}

/// Whether a value is a promise. What misuses a reserved key is data: it is refused elsewhere.
pub(crate) fn is_promise(value: &Ipld) -> bool {
    matches!(value, Ipld::Map(map) if map.len() == 1 && matches!(Await::from_map(map), Ok(Some(_))))
}

fn step<'a>(step: &Step, at: Cow<'a, Ipld>) -> Option<Cow<'a, Ipld>> {
    match at {
        Cow::Borrowed(value) => match (step, value) {
            (Step::Identity, value) => Some(Cow::Borrowed(value)),
            (Step::Key(key), Ipld::Map(map)) => map.get(key).map(Cow::Borrowed),
            (Step::Index(index), Ipld::List(items)) => {
                items.get(position(*index, items.len())?).map(Cow::Borrowed)
            }
            (Step::Values, Ipld::List(_)) => Some(Cow::Borrowed(value)),
            (step, value) => made(step, value).map(Cow::Owned),
        },
        // Only what was made up on the way is owned, and no longer than the args.
        Cow::Owned(value) => match (step, &value) {
            (Step::Identity, _) | (Step::Values, Ipld::List(_)) => Some(Cow::Owned(value)),
            (Step::Key(key), Ipld::Map(map)) => map.get(key).cloned().map(Cow::Owned),
            (Step::Index(index), Ipld::List(items)) => items
                .get(position(*index, items.len())?)
                .cloned()
                .map(Cow::Owned),
            (step, value) => made(step, value).map(Cow::Owned),
        },
    }
}

/// The steps that make a new value.
fn made(step: &Step, value: &Ipld) -> Option<Ipld> {
    match (step, value) {
        (Step::Index(index), Ipld::Bytes(bytes)) => {
            let byte = bytes.get(position(*index, bytes.len())?)?;
            Some(Ipld::Integer((*byte).into()))
        }
        (Step::Slice(from, to), Ipld::List(items)) => {
            Some(Ipld::List(slice(items, *from, *to).to_vec()))
        }
        (Step::Slice(from, to), Ipld::Bytes(bytes)) => {
            Some(Ipld::Bytes(slice(bytes, *from, *to).to_vec()))
        }
        (Step::Values, Ipld::Map(map)) => Some(Ipld::List(map.values().cloned().collect())),
        _ => None,
    }
}

/// The position of an index, which may be from the end.
fn position(index: i64, length: usize) -> Option<usize> {
    if index < 0 {
        length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
    } else {
        usize::try_from(index).ok()
    }
}

/// The items from one index to before another, as far as there are such.
fn slice<T>(items: &[T], from: Option<i64>, to: Option<i64>) -> &[T] {
    let clamp = |index: i64| match position(index, items.len()) {
        Some(position) => position.min(items.len()),
        None => 0,
    };
    let from = from.map_or(0, clamp);
    let to = to.map_or(items.len(), clamp);
    items.get(from..to).unwrap_or_default()
}

/// Whether a key can be written as `.key`.
pub(crate) fn is_name(key: &str) -> bool {
    key.chars().next().is_some_and(begins_name) && key.chars().all(is_in_name)
}

fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '-')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn error<T>(&self, at: usize, what: &'static str) -> Result<T, SelectorError> {
        const SHOWN: usize = 80;
        Err(SelectorError {
            text: self.text.chars().take(SHOWN).collect(),
            at,
            what,
        })
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn selector(&mut self) -> Result<Vec<Segment>, SelectorError> {
        if !self.take('.') {
            return self.error(0, "it must begin with a dot, as in .uri");
        }
        let mut segments = Vec::new();
        // After the first dot.
        let mut dotted = true;
        loop {
            let from = self.at;
            let step = match self.peek() {
                Some('[') => self.bracket()?,
                Some(c) if dotted && begins_name(c) => self.name(),
                Some('.') if dotted => return self.error(from, "two dots in a row"),
                Some(c) if dotted && !segments.is_empty() && !c.is_whitespace() => {
                    return self.error(from, "after a dot comes a key, as in .uri, or a bracket");
                }
                _ if dotted && segments.is_empty() => Step::Identity,
                _ if dotted => return self.error(from - 1, "a dot at the end"),
                Some('.') => {
                    self.at += 1;
                    dotted = true;
                    continue;
                }
                _ => break,
            };
            let identity = step == Step::Identity;
            let mut optional = false;
            while self.take('?') {
                optional = true;
            }
            segments.push(Segment { step, optional });
            if segments.len() > MAX_SELECTOR_SEGMENTS {
                return self.error(from, "more than 64 segments");
            }
            if self.at > MAX_SELECTOR_BYTES {
                return self.error(MAX_SELECTOR_BYTES, "longer than 1024 bytes");
            }
            dotted = false;
            if identity {
                break;
            }
        }
        Ok(segments)
    }

    fn name(&mut self) -> Step {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find(|c| !is_in_name(c)).unwrap_or(rest.len());
        self.at += end;
        Step::Key(rest.get(..end).unwrap_or_default().to_owned())
    }

    fn bracket(&mut self) -> Result<Step, SelectorError> {
        let from = self.at;
        self.take('[');
        let step = match self.peek() {
            Some(']') => Step::Values,
            Some('"') => Step::Key(self.quoted()?),
            _ => self.indices()?,
        };
        if !self.take(']') {
            return self.error(from, "a bracket is not closed");
        }
        Ok(step)
    }

    fn quoted(&mut self) -> Result<String, SelectorError> {
        let from = self.at;
        let rest = self.text.get(from..).unwrap_or_default();
        match super::text::unquote(rest) {
            Some((key, length)) => {
                self.at += length;
                Ok(key)
            }
            None => self.error(
                from,
                "the key is not a string in double quotes as JSON has them",
            ),
        }
    }

    fn indices(&mut self) -> Result<Step, SelectorError> {
        let at = self.at;
        let from = self.integer()?;
        if !self.take(':') {
            return match from {
                Some(index) => Ok(Step::Index(index)),
                None if self.peek().is_none() => self.error(at - 1, "a bracket is not closed"),
                None => self.error(at, "in a bracket is a key in quotes, an index or a range"),
            };
        }
        let to = self.integer()?;
        if from.is_none() && to.is_none() {
            return self.error(at, "a range has a beginning or an end");
        }
        Ok(Step::Slice(from, to))
    }

    fn integer(&mut self) -> Result<Option<i64>, SelectorError> {
        let at = self.at;
        let rest = self.text.get(at..).unwrap_or_default();
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '-')
            .unwrap_or(rest.len());
        let text = rest.get(..end).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse::<i64>().ok();
        match number.filter(|number| number.to_string() == text && number.abs() <= MAX_INDEX) {
            Some(number) => {
                self.at += end;
                Ok(Some(number))
            }
            None => self.error(
                at,
                "not an index: a whole number within ±(2^53 − 1), without zeros before it",
            ),
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let (selector, read) = Self::parse_prefix(text)?;
        if read < text.len() {
            let parser = Parser { text, at: read };
            return parser.error(read, "what follows is no part of a selector");
        }
        Ok(selector)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selector({})", self.text)
    }
}
