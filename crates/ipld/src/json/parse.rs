//! Reading DAG-JSON: without recursion, within limits, with the place of every mistake.

use crate::address::{CidError, any_cid};
use crate::cbor::INTEGERS;
use crate::limits::{Limits, MAX_ITEMS};
use data_encoding::BASE64_NOPAD;
use ipld_core::ipld::Ipld;
use std::collections::BTreeMap;

/// Longest number literal, in bytes: no float needs more than about 770 digits, none that people write over 40.
const MAX_NUMBER: usize = 1024;

/// Why a text is not DAG-JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct JsonError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: JsonProblem,
}

/// What is wrong with a DAG-JSON text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonProblem {
    /// Longer than the limit.
    #[error("the JSON text is {bytes} bytes long; at most {limit} are accepted here")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Nested deeper than the limit.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More items than [`crate::MAX_ITEMS`].
    #[error("more than {limit} items")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Something else was expected.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A string literal that is not JSON.
    #[error("wrong string: {0}")]
    String(String),
    /// A number that is no JSON, or that the data model does not have.
    #[error("{text} is not a number that can be kept: {reason}")]
    Number {
        /// The number as written (its beginning).
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The same key twice in one map.
    #[error("the key {0:?} is there twice")]
    DuplicateKey(String),
    /// The key `/` in a map that is neither a link nor bytes.
    #[error(
        "the key \"/\" is reserved: write a link as {{\"/\": \"CID\"}} and bytes as {{\"/\": {{\"bytes\": \"base64\"}}}}"
    )]
    Reserved,
    /// A link that is not a CID.
    #[error(transparent)]
    Link(#[from] CidError),
    /// Bytes that are not base64.
    #[error("the bytes are not base64 (standard alphabet, without padding): {0}")]
    Base64(String),
}

/// A list or map that is being read.
enum Frame {
    List(Vec<Ipld>),
    Map {
        entries: BTreeMap<String, Ipld>,
        key: String,
    },
}

/// What a value begins with.
enum Start {
    Whole(Ipld),
    Open(Frame),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    items: usize,
}

type Step<T> = Result<T, (usize, JsonProblem)>;

/// Reads one DAG-JSON value.
///
/// # Errors
/// [`JsonError`] names line, column and what is wrong: also duplicate keys, integers beyond 64 bits and misuse of the
/// reserved key `/`.
pub fn from_str(text: &str, limits: Limits) -> Result<Ipld, JsonError> {
    if text.len() > limits.bytes {
        let problem = JsonProblem::TooLarge {
            bytes: text.len(),
            limit: limits.bytes,
        };
        return Err(JsonError {
            line: 1,
            column: 1,
            problem,
        });
    }
    let mut parser = Parser {
        text,
        at: 0,
        items: 0,
    };
    parser.document(limits.levels()).map_err(|(at, problem)| {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let column = before.get(line_start..).unwrap_or("").chars().count() + 1;
        JsonError {
            line: before.matches('\n').count() + 1,
            column,
            problem,
        }
    })
}

impl<'a> Parser<'a> {
    fn document(&mut self, levels: usize) -> Step<Ipld> {
        let mut stack: Vec<Frame> = Vec::new();
        loop {
            self.space();
            if stack.len() >= levels {
                return Err((self.at, JsonProblem::TooDeep { limit: levels }));
            }
            let mut value = match self.start()? {
                Start::Whole(value) => value,
                Start::Open(frame) => {
                    stack.push(frame);
                    continue;
                }
            };
            // The value is whole: put it where it belongs, closing what ends with it.
            loop {
                let Some(frame) = stack.pop() else {
                    self.space();
                    return if self.at == self.text.len() {
                        Ok(value)
                    } else {
                        self.expected("the end")
                    };
                };
                match self.place(frame, value)? {
                    Start::Open(frame) => {
                        stack.push(frame);
                        break;
                    }
                    Start::Whole(closed) => value = closed,
                }
            }
        }
    }

    /// Reads a scalar, link, bytes or empty list or map whole; of others the opening (for a map with its first key).
    fn start(&mut self) -> Step<Start> {
        self.count()?;
        let whole = |value| Ok(Start::Whole(value));
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                self.space();
                if self.eat(b'}') {
                    return whole(Ipld::Map(BTreeMap::new()));
                }
                let at = self.at;
                let key = self.key()?;
                if key == "/" {
                    return self.reserved(at).map(Start::Whole);
                }
                Ok(Start::Open(Frame::Map {
                    entries: BTreeMap::new(),
                    key,
                }))
            }
            Some(b'[') => {
                self.at += 1;
                self.space();
                if self.eat(b']') {
                    whole(Ipld::List(Vec::new()))
                } else {
                    Ok(Start::Open(Frame::List(Vec::new())))
                }
            }
            Some(b'"') => whole(Ipld::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => whole(self.number()?),
            _ => {
                for (word, value) in [
                    ("null", Ipld::Null),
                    ("true", Ipld::Bool(true)),
                    ("false", Ipld::Bool(false)),
                ] {
                    if self.rest().starts_with(word) {
                        self.at += word.len();
                        return whole(value);
                    }
                }
                self.expected("a value")
            }
        }
    }

    /// Puts a value into its list or map, then reads on to the next value, or to the end of that list or map.
    fn place(&mut self, frame: Frame, value: Ipld) -> Step<Start> {
        self.space();
        match frame {
            Frame::List(mut items) => {
                items.push(value);
                if self.eat(b',') {
                    return Ok(Start::Open(Frame::List(items)));
                }
                if self.eat(b']') {
                    Ok(Start::Whole(Ipld::List(items)))
                } else {
                    self.expected("`,` or `]`")
                }
            }
            Frame::Map { mut entries, key } => {
                entries.insert(key, value);
                if self.eat(b'}') {
                    return Ok(Start::Whole(Ipld::Map(entries)));
                }
                if !self.eat(b',') {
                    return self.expected("`,` or `}`");
                }
                self.space();
                let at = self.at;
                let key = self.key()?;
                if key == "/" {
                    return Err((at, JsonProblem::Reserved));
                }
                if entries.contains_key(&key) {
                    return Err((at, JsonProblem::DuplicateKey(key)));
                }
                Ok(Start::Open(Frame::Map { entries, key }))
            }
        }
    }

    /// The rest of `{"/": …`, a link or bytes.
    fn reserved(&mut self, start: usize) -> Step<Ipld> {
        let reserved = |_| (start, JsonProblem::Reserved);
        self.space();
        let value = if self.eat(b'{') {
            self.space();
            if self.key().map_err(reserved)? != "bytes" {
                return Err((start, JsonProblem::Reserved));
            }
            self.space();
            let at = self.at;
            let text = self.string().map_err(reserved)?;
            let bytes = BASE64_NOPAD
                .decode(text.as_bytes())
                .map_err(|e| (at, JsonProblem::Base64(e.to_string())))?;
            self.close().map_err(reserved)?;
            Ipld::Bytes(bytes)
        } else {
            let at = self.at;
            let text = self.string().map_err(reserved)?;
            Ipld::Link(any_cid(&text).map_err(|e| (at, JsonProblem::Link(e)))?)
        };
        self.close().map_err(reserved)?;
        Ok(value)
    }

    fn close(&mut self) -> Step<()> {
        self.space();
        if self.eat(b'}') {
            Ok(())
        } else {
            self.expected("`}`")
        }
    }

    /// A map key and the colon after it.
    fn key(&mut self) -> Step<String> {
        if self.peek() != Some(b'"') {
            return self.expected("a key in double quotes");
        }
        self.count()?;
        let key = self.string()?;
        self.space();
        if self.eat(b':') {
            Ok(key)
        } else {
            self.expected("`:`")
        }
    }

    /// A string literal. Its end is found here, its content is read by `serde_json`.
    fn string(&mut self) -> Step<String> {
        let start = self.at;
        if !self.eat(b'"') {
            return self.expected("a string in double quotes");
        }
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err((start, JsonProblem::String("it has no end".into()))),
            }
        }
        self.at += 1;
        let literal = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(literal).map_err(|e| {
            let message = e.to_string();
            // Its own place counts from the literal's start and would only mislead.
            let reason = message.split(" at line ").next().unwrap_or_default();
            (start, JsonProblem::String(reason.to_owned()))
        })
    }

    fn number(&mut self) -> Step<Ipld> {
        let start = self.at;
        let length = self
            .rest()
            .bytes()
            .take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        self.at += length.take(MAX_NUMBER + 1).count();
        let text = self.text.get(start..self.at).unwrap_or_default();
        let wrong = |reason| {
            (
                start,
                JsonProblem::Number {
                    text: text.chars().take(40).collect(),
                    reason,
                },
            )
        };
        if text.len() > MAX_NUMBER {
            return Err(wrong("too long"));
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let leading_zero = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
        if leading_zero && !digits.starts_with("0e") && !digits.starts_with("0E") {
            return Err(wrong("it begins with a zero"));
        }
        if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() {
            return match text.parse::<i128>() {
                Ok(i) if INTEGERS.contains(&i) => Ok(Ipld::Integer(i)),
                _ => Err(wrong("integers must be within −2^64 … 2^64 − 1")),
            };
        }
        // What JSON calls a number and what Rust does differ in `1.`, `.5` and `+1`.
        let shaped = digits
            .split_once(['e', 'E'])
            .map_or(digits, |(mantissa, _)| mantissa);
        let point_ok = shaped
            .split_once('.')
            .is_none_or(|(whole, part)| !whole.is_empty() && !part.is_empty());
        match text.parse::<f64>() {
            Ok(f) if point_ok && f.is_finite() => Ok(Ipld::Float(f)),
            Ok(f) if !f.is_finite() => Err(wrong("too large for a float")),
            _ => Err(wrong("not a JSON number")),
        }
    }

    fn count(&mut self) -> Step<()> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            Err((self.at, JsonProblem::TooMany { limit: MAX_ITEMS }))
        } else {
            Ok(())
        }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expected<T>(&self, expected: &'static str) -> Step<T> {
        let found = match self.rest().chars().next() {
            Some(c) => format!("{c:?}"),
            None => "the end of the text".to_owned(),
        };
        Err((self.at, JsonProblem::Expected { expected, found }))
    }
}
