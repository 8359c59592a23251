//! Tables: CSV as RFC 4180 has it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::document::{self, MAX_BYTES, MAX_VALUES};
use crate::problem::{Problem, check, shortened};

/// Most columns of a table.
pub const MAX_COLUMNS: usize = 1_000;

/// A list of objects as a table, in these columns, or without any in all there are.
///
/// # Errors
/// A document that is none or no list of objects, and a table over a limit.
pub fn to_csv(document: &[u8], columns: &[String]) -> Result<Vec<u8>, Problem> {
    let value = document::read(document)?;
    let rows = rows(&value)?;
    let all: BTreeSet<&str>;
    let columns: Vec<&str> = if columns.is_empty() {
        all = rows
            .iter()
            .flat_map(|row| row.keys().map(String::as_str))
            .collect();
        all.into_iter().collect()
    } else {
        columns.iter().map(String::as_str).collect()
    };
    check("columns", columns.len(), MAX_COLUMNS)?;
    check(
        "cells",
        columns.len().saturating_mul(rows.len()),
        MAX_VALUES,
    )?;
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let failed = |error: csv::Error| refusal("row 0", &error.to_string());
    writer.write_record(&columns).map_err(failed)?;
    for row in rows {
        writer
            .write_record(columns.iter().map(|column| cell(row.get(*column))))
            .map_err(failed)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| refusal("row 0", &error.to_string()))?;
    check("bytes", bytes.len(), MAX_BYTES)?;
    Ok(bytes)
}

fn rows(value: &Value) -> Result<Vec<&Map<String, Value>>, Problem> {
    let items = value
        .as_array()
        .ok_or_else(|| refusal("document", "it is no list: pass a list of objects"))?;
    items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            item.as_object().ok_or_else(|| {
                refusal(
                    &format!("row {}", index + 1),
                    "it is no object, so it has no columns",
                )
            })
        })
        .collect()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A table with a row of headings as a list of objects; `typed` makes numbers and truth values.
///
/// # Errors
/// Bytes that are no table, headings that are empty or come twice, and a table over a limit.
pub fn from_csv(table: &[u8], typed: bool) -> Result<Vec<u8>, Problem> {
    check("bytes", table.len(), MAX_BYTES)?;
    let mut reader = csv::Reader::from_reader(table.strip_prefix(b"\xef\xbb\xbf").unwrap_or(table));
    let failed = |error: csv::Error| {
        let row = error.position().map_or(0, csv::Position::record);
        refusal(&format!("row {row}"), &error.to_string())
    };
    let headings = reader.headers().map_err(failed)?.clone();
    check("columns", headings.len(), MAX_COLUMNS)?;
    let mut seen = BTreeSet::new();
    for heading in &headings {
        if !seen.insert(heading) {
            let message = format!("the heading {:?} is there twice", shortened(heading));
            return Err(refusal("row 0", &message));
        }
    }
    let width: usize = headings.iter().map(str::len).sum();
    let (mut list, mut bytes, mut cells) = (Vec::new(), 0, 0);
    for record in reader.records() {
        let record = record.map_err(failed)?;
        // The headings are repeated in every object, so a small table can become a huge document.
        bytes += width + record.as_slice().len();
        cells += record.len() + 1;
        check("bytes", bytes, MAX_BYTES)?;
        check("cells", cells, MAX_VALUES)?;
        let members = headings
            .iter()
            .zip(&record)
            .map(|(heading, text)| (heading.to_owned(), value(text, typed)));
        list.push(Value::Object(members.collect()));
    }
    document::write(&Value::Array(list))
}

fn value(text: &str, typed: bool) -> Value {
    let plain = || Value::from(text);
    match text {
        _ if !typed => plain(),
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        // Only what JSON writes so: 007 and +49 are texts, and must keep their signs and zeros.
        _ if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            serde_json::from_str(text).map_or_else(|_| plain(), Value::Number)
        }
        _ => plain(),
    }
}

fn refusal(at: &str, message: &str) -> Problem {
    Problem::Table {
        at: at.to_owned(),
        message: message.to_owned(),
    }
}
