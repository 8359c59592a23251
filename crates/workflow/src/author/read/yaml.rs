//! YAML 1.2, from the events of `saphyr-parser`.
//!
//! The parser keeps its nesting in vectors, so it cannot overflow the stack; it allows 255 levels of `[` and
//! `{`. Inside an outermost `[…]` or `{…}` it collects all tokens before it yields the first event, because
//! the whole might turn out to be a key. [`MAX_STRUCTURE`] bounds that memory before the parser starts.

use super::{Stop, position, scalar};
use crate::author::document::{Builder, Node, Position, Value};
use crate::author::problem::Problem;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

/// Most characters in a YAML text that can end or begin a value in the flow style. The parser spends some 200
/// bytes of memory on one of them at worst. (JSON is read otherwise and does not count.)
pub(crate) const MAX_STRUCTURE: usize = 4_000_000;

/// Whether the places of values mean anything to the user.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Positions {
    Kept,
    Dropped,
}

pub(crate) fn read(text: &str, nodes: &mut Vec<Node>, positions: Positions) -> Result<(), Stop> {
    if structure(text) > MAX_STRUCTURE {
        return Err(Stop::at_top(Problem::TooMuchStructure));
    }
    let mut reader = Reader {
        builder: Builder::new(nodes),
        positions,
        documents: 0,
        done: false,
    };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => reader.event(event, span)?,
            Err(e) => {
                let mark = e.marker();
                let at = reader.kept(position(mark.line(), mark.col() + 1));
                return Err(reader.stop(
                    at,
                    Problem::Syntax {
                        message: e.info().to_owned(),
                    },
                ));
            }
        }
    }
    if reader.done {
        Ok(())
    } else {
        Err(Stop::at_top(Problem::Empty))
    }
}

/// Upper bound of the tokens that the parser may have to hold, in characters that make some: indicators
/// (YAML 1.2.2, section 5.3), and lines that begin like a document marker or a directive.
fn structure(text: &str) -> usize {
    let mut count = 0;
    let mut line_start = true;
    for byte in text.bytes() {
        count += usize::from(match byte {
            b'[' | b']' | b'{' | b'}' | b',' | b':' | b'?' | b'&' | b'*' | b'!' => true,
            b'-' | b'.' | b'%' => line_start,
            _ => false,
        });
        line_start = matches!(byte, b'\n' | b'\r');
    }
    count
}

struct Reader<'d> {
    builder: Builder<'d>,
    positions: Positions,
    documents: usize,
    /// A whole value was read.
    done: bool,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let at = self.kept(position(span.start.line(), span.start.col() + 1));
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {
                return Ok(());
            }
            Event::DocumentStart(_) => {
                self.documents += 1;
                let many = self.documents > 1;
                return if many {
                    Err(self.stop(at, Problem::ManyDocuments))
                } else {
                    Ok(())
                };
            }
            Event::Alias(_) => return Err(self.stop(at, Problem::Alias)),
            Event::Scalar(text, style, anchor, tag) => {
                self.no_anchor(anchor, at)?;
                self.scalar(&text, style, tag.as_deref(), at)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(anchor, tag.as_deref(), "seq", at)?;
                self.builder
                    .begin_list(at)
                    .map_err(|r| self.refused(r, at))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.open(anchor, tag.as_deref(), "map", at)?;
                self.builder
                    .begin_map(at)
                    .map_err(|r| self.refused(r, at))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.builder.end().map_err(|r| self.refused(r, at))?
            }
        }
        self.done = self.builder.is_closed();
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: Option<Position>,
    ) -> Result<(), Stop> {
        let value = match (tag_name(tag), style) {
            (Some("!" | "str"), _) => Ok(Value::Text(text.into())),
            (None, ScalarStyle::Plain) => scalar::plain(text),
            (None, _) => Ok(Value::Text(text.into())),
            (Some(name), _) => tagged(name, text, tag),
        };
        let value = value.map_err(|problem| self.stop(at, problem))?;
        if !self.builder.expects_key() {
            return self
                .builder
                .scalar(value, at)
                .map_err(|r| self.refused(r, at));
        }
        match value {
            Value::Text(key) => {
                self.builder.key(&key, at);
                Ok(())
            }
            other => {
                let problem = Problem::KeyNotText {
                    found: other.kind(),
                    text: Some(text.to_owned()),
                };
                Err(self.stop(at, problem))
            }
        }
    }

    /// What every list and map has to pass.
    fn open(
        &self,
        anchor: usize,
        tag: Option<&Tag>,
        core: &str,
        at: Option<Position>,
    ) -> Result<(), Stop> {
        self.no_anchor(anchor, at)?;
        if let Some(tag) = tag.filter(|_| tag_name(tag) != Some(core)) {
            return Err(self.stop(at, Problem::Tag { tag: show(tag) }));
        }
        if self.builder.expects_key() {
            let found = if core == "map" { "a map" } else { "a list" };
            return Err(self.stop(at, Problem::KeyNotText { found, text: None }));
        }
        Ok(())
    }

    fn no_anchor(&self, anchor: usize, at: Option<Position>) -> Result<(), Stop> {
        // The parser numbers anchors from 1.
        if anchor == 0 {
            Ok(())
        } else {
            Err(self.stop(at, Problem::Anchor))
        }
    }

    fn stop(&self, at: Option<Position>, problem: Problem) -> Stop {
        Stop {
            path: self.builder.path(),
            at,
            problem,
        }
    }

    fn refused(&self, refused: crate::author::document::Refused, at: Option<Position>) -> Stop {
        Stop::from_refused(refused, self.builder.path(), at)
    }

    fn kept(&self, at: Option<Position>) -> Option<Position> {
        at.filter(|_| self.positions == Positions::Kept)
    }
}

/// The name of a tag of the core schema, or `!`.
fn tag_name(tag: Option<&Tag>) -> Option<&str> {
    let tag = tag?;
    let suffix = tag.suffix.as_str();
    if tag.is_yaml_core_schema() {
        return Some(suffix);
    }
    // A verbatim tag has no handle; the lone `!` has neither.
    match suffix.strip_prefix("tag:yaml.org,2002:") {
        Some(name) if tag.handle.is_empty() => Some(name),
        _ if tag.handle.is_empty() && suffix == "!" => Some("!"),
        _ => Some(""),
    }
}

/// A scalar with a tag of the core schema: the tag may say what the text is anyway, no more.
fn tagged(name: &str, text: &str, tag: Option<&Tag>) -> Result<Value, Problem> {
    let value = scalar::plain(text)?;
    let agrees = matches!(
        (name, &value),
        ("null", Value::Null)
            | ("bool", Value::Bool(_))
            | ("int", Value::Int(_))
            | ("float", Value::Float(_))
    );
    if agrees {
        return Ok(value);
    }
    Err(Problem::Tag {
        tag: tag.map(show).unwrap_or_default(),
    })
}

/// A tag as the user wrote it.
fn show(tag: &Tag) -> String {
    match (tag.is_yaml_core_schema(), tag.handle.as_str()) {
        (true, _) => format!("!!{}", tag.suffix),
        (_, "") => format!("!<{}>", tag.suffix),
        (_, handle) => format!("{handle}{}", tag.suffix),
    }
}
