//! The functions `match` and `search` of JSONPath (RFC 9535 sections 2.4.6 and 2.4.7), with regular
//! expressions that know all of I-Regexp (RFC 9485) but the categories of Unicode, `\p{…}`.

use regex_lite::RegexBuilder;
use serde_json::Value;
use serde_json_path::functions::{LogicalType, ValueType};

/// Most bytes that one expression may become; a counted repetition grows with its count.
const MAX_COMPILED_BYTES: usize = 256 * 1024;

#[serde_json_path::function(name = "match")]
fn whole(text: ValueType, pattern: ValueType) -> LogicalType {
    found(&text, &pattern, |pattern| format!("^(?:{pattern})$"))
}

#[serde_json_path::function(name = "search")]
fn part(text: ValueType, pattern: ValueType) -> LogicalType {
    found(&text, &pattern, str::to_owned)
}

/// Whether a text has a pattern; what is no text or no pattern has none.
fn found(text: &ValueType, pattern: &ValueType, whole: fn(&str) -> String) -> LogicalType {
    let (Some(Value::String(text)), Some(Value::String(pattern))) =
        (text.as_value(), pattern.as_value())
    else {
        return LogicalType::False;
    };
    // `R`: a dot is neither of the characters that end a line (RFC 9485 section 5.3).
    RegexBuilder::new(&whole(pattern))
        .crlf(true)
        .size_limit(MAX_COMPILED_BYTES)
        .build()
        .is_ok_and(|pattern| pattern.is_match(text))
        .into()
}
