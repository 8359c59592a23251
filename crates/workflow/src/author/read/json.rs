//! JSON (RFC 8259), with positions.
//!
//! YAML's parser could read most JSON, but refuses the escaped surrogate pairs that JSON writers produce, and
//! needs far more memory for it.

use super::{Stop, position, scalar};
use crate::author::document::{Builder, Node, Position, Refused, Value};
use crate::author::problem::Problem;

/// Why a text was not read as JSON.
pub(crate) enum NotJson {
    /// It is not JSON at all; it may be YAML.
    Syntax,
    /// It is JSON that is refused.
    Refused(Stop),
}

pub(crate) fn read(text: &str, nodes: &mut Vec<Node>) -> Result<(), NotJson> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        cursor: Cursor::new(text),
        builder: Builder::new(nodes),
    };
    reader.cursor.space();
    reader.value()?;
    while let Some(in_map) = reader.builder.in_map() {
        reader.cursor.space();
        reader.next(in_map)?;
    }
    reader.cursor.space();
    if reader.cursor.rest.is_empty() {
        Ok(())
    } else {
        Err(NotJson::Syntax)
    }
}

struct Reader<'t, 'd> {
    cursor: Cursor<'t>,
    builder: Builder<'d>,
}

impl Reader<'_, '_> {
    /// After a value or an opening bracket inside a list or map: its end, or the next item.
    fn next(&mut self, in_map: bool) -> Result<(), NotJson> {
        let (close, fresh) = (if in_map { b'}' } else { b']' }, self.cursor.fresh);
        if self.cursor.take(close) {
            self.cursor.fresh = false;
            return self.built(self.cursor.here(), |builder| builder.end());
        }
        if !fresh {
            self.cursor.expect(b',')?;
            self.cursor.space();
        }
        if in_map {
            let at = self.cursor.here();
            self.cursor.expect(b'"')?;
            let key = self.cursor.string()?;
            self.builder.key(&key, at);
            self.cursor.space();
            self.cursor.expect(b':')?;
            self.cursor.space();
        }
        self.value()
    }

    /// A scalar, or the opening bracket of a list or map.
    fn value(&mut self) -> Result<(), NotJson> {
        let at = self.cursor.here();
        self.cursor.fresh = false;
        match self.cursor.peek() {
            Some(b'{') => {
                self.cursor.bump(1);
                self.cursor.fresh = true;
                self.built(at, |builder| builder.begin_map(at))
            }
            Some(b'[') => {
                self.cursor.bump(1);
                self.cursor.fresh = true;
                self.built(at, |builder| builder.begin_list(at))
            }
            _ => {
                let value = self
                    .cursor
                    .scalar()?
                    .map_err(|problem| self.stop(problem, at))?;
                self.built(at, |builder| builder.scalar(value, at))
            }
        }
    }

    fn built(
        &mut self,
        at: Option<Position>,
        step: impl FnOnce(&mut Builder<'_>) -> Result<(), Refused>,
    ) -> Result<(), NotJson> {
        step(&mut self.builder).map_err(|refused| {
            NotJson::Refused(Stop::from_refused(refused, self.builder.path(), at))
        })
    }

    fn stop(&self, problem: Problem, at: Option<Position>) -> NotJson {
        NotJson::Refused(Stop {
            path: self.builder.path(),
            at,
            problem,
        })
    }
}

/// The text that is left, and where it begins.
struct Cursor<'t> {
    rest: &'t str,
    line: usize,
    column: usize,
    /// The last thing read was an opening bracket.
    fresh: bool,
}

impl Cursor<'_> {
    fn new(text: &str) -> Cursor<'_> {
        Cursor {
            rest: text,
            line: 1,
            column: 1,
            fresh: false,
        }
    }

    fn here(&self) -> Option<Position> {
        position(self.line, self.column)
    }

    fn peek(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }

    /// Goes over so many bytes that are ASCII and on one line.
    fn bump(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
        self.column += bytes;
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.bump(1);
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(NotJson::Syntax)
        }
    }

    fn space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' => self.bump(1),
                b'\n' => {
                    self.bump(1);
                    self.line += 1;
                    self.column = 1;
                }
                _ => break,
            }
        }
    }

    /// A string, number or word. The inner result is about a number that is refused.
    fn scalar(&mut self) -> Result<Result<Value, Problem>, NotJson> {
        if self.take(b'"') {
            return Ok(Ok(Value::Text(self.string()?.into())));
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
        let word = self
            .rest
            .get(..end.unwrap_or(self.rest.len()))
            .unwrap_or_default();
        let value = match word {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => number(word).ok_or(NotJson::Syntax)?,
        };
        self.bump(word.len());
        Ok(value)
    }

    /// The rest of a string whose opening quote is read.
    fn string(&mut self) -> Result<String, NotJson> {
        let mut text = String::new();
        loop {
            let end = self
                .rest
                .find(|c: char| c == '"' || c == '\\' || c < ' ')
                .ok_or(NotJson::Syntax)?;
            let (plain, rest) = self.rest.split_at(end);
            text.push_str(plain);
            self.column += plain.chars().count();
            self.rest = rest;
            if self.take(b'"') {
                return Ok(text);
            }
            self.expect(b'\\')?;
            text.push(self.escape()?);
        }
    }

    /// The character that an escape stands for; its backslash is read.
    fn escape(&mut self) -> Result<char, NotJson> {
        let letter = self.peek().ok_or(NotJson::Syntax)?;
        let character = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(NotJson::Syntax),
        };
        self.bump(1);
        Ok(character)
    }

    /// `uXXXX`, or two of them that are a surrogate pair. A lone surrogate is no character.
    fn unicode(&mut self) -> Result<char, NotJson> {
        let first = self.unit()?;
        let units = if (0xd800..0xdc00).contains(&first) {
            self.expect(b'\\')?;
            vec![first, self.unit()?]
        } else {
            vec![first]
        };
        char::decode_utf16(units)
            .next()
            .and_then(Result::ok)
            .ok_or(NotJson::Syntax)
    }

    fn unit(&mut self) -> Result<u16, NotJson> {
        self.expect(b'u')?;
        let digits = self
            .rest
            .get(..4)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit =
            u16::from_str_radix(digits.ok_or(NotJson::Syntax)?, 16).map_err(|_| NotJson::Syntax)?;
        self.bump(4);
        Ok(unit)
    }
}

/// `-? ( 0 | [1-9][0-9]* ) ( \. [0-9]+ )? ( [eE] [-+]? [0-9]+ )?`; `None` if the word is no number.
fn number(word: &str) -> Option<Result<Value, Problem>> {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let whole = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if whole == 0 || (whole > 1 && unsigned.starts_with('0')) {
        return None;
    }
    let tail = unsigned.get(whole..).unwrap_or_default();
    if tail.is_empty() {
        return Some(scalar::integer(word.parse().ok(), word));
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (fraction, exponent) = match tail.find(['e', 'E']) {
        Some(at) => (tail.get(..at)?, tail.get(at + 1..)),
        None => (tail, None),
    };
    let fits = fraction
        .strip_prefix('.')
        .map_or(fraction.is_empty(), digits)
        && exponent
            .is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)));
    fits.then(|| scalar::float(word))
}
