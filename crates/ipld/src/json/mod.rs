//! DAG-JSON, for people and for other programs' eyes; what is hashed and signed is DAG-CBOR.
//!
//! Links are `{"/": "bafy…"}`, bytes `{"/": {"bytes": "…"}}` (base64 without padding), keys are sorted bytewise and
//! floats always carry a point or an exponent, so that `1.0` is not read back as the integer 1.

mod parse;

use data_encoding::BASE64_NOPAD;
use ipld_core::ipld::Ipld;
use std::fmt::Write as _;

pub use parse::{JsonError, JsonProblem, from_str};

/// Writes a value as DAG-JSON in one line, without spaces: the canonical form.
///
/// NaN and infinities, which no decoder of this crate yields, have no JSON form and become `null`. A map that has
/// the key `/` as plain data is written as it is, but DAG-JSON reserves that key: [`from_str`] refuses it.
#[must_use]
pub fn to_string(value: &Ipld) -> String {
    let mut out = String::new();
    write(&mut out, value, None);
    out
}

/// Writes a value as DAG-JSON over several lines, two spaces a level; links and bytes stay in one line.
///
/// See [`to_string`] for what has no JSON form.
#[must_use]
pub fn to_string_pretty(value: &Ipld) -> String {
    let mut out = String::new();
    write(&mut out, value, Some(0));
    out
}

/// Appends a value. `indent` is the level of indentation, `None` for one line.
fn write(out: &mut String, value: &Ipld, indent: Option<usize>) {
    let colon = if indent.is_some() { ": " } else { ":" };
    match value {
        Ipld::Null => out.push_str("null"),
        Ipld::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Ipld::Integer(i) => append(out, format_args!("{i}")),
        // `{:?}` is the shortest text that reads back as the same float, and always looks like a float.
        Ipld::Float(f) if f.is_finite() => append(out, format_args!("{f:?}")),
        Ipld::Float(_) => out.push_str("null"),
        Ipld::String(s) => quote(out, s),
        Ipld::Bytes(bytes) => {
            append(out, format_args!(r#"{{"/"{colon}{{"bytes"{colon}""#));
            BASE64_NOPAD.encode_append(bytes, out);
            out.push_str("\"}}");
        }
        Ipld::Link(cid) => append(out, format_args!(r#"{{"/"{colon}"{cid}"}}"#)),
        Ipld::List(items) => {
            let each = items.iter().map(|item| (None, item));
            sequence(out, ('[', ']'), each, indent);
        }
        Ipld::Map(entries) => {
            let each = entries.iter().map(|(key, item)| (Some(key.as_str()), item));
            sequence(out, ('{', '}'), each, indent);
        }
    }
}

/// Appends the items of a list or map between their brackets.
fn sequence<'a>(
    out: &mut String,
    (open, close): (char, char),
    items: impl Iterator<Item = (Option<&'a str>, &'a Ipld)>,
    indent: Option<usize>,
) {
    let inner = indent.map(|level| level + 1);
    let mut first = true;
    out.push(open);
    for (key, item) in items {
        if !first {
            out.push(',');
        }
        first = false;
        new_line(out, inner);
        if let Some(key) = key {
            quote(out, key);
            out.push_str(if indent.is_some() { ": " } else { ":" });
        }
        write(out, item, inner);
    }
    if !first {
        new_line(out, indent);
    }
    out.push(close);
}

fn new_line(out: &mut String, indent: Option<usize>) {
    if let Some(level) = indent {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    }
}

/// Appends a JSON string literal.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => append(out, format_args!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}
