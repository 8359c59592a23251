//! From one document to another: JSON Patch, JSON Merge Patch, and the difference of two.

use json_patch::PatchOperation;
use serde_json::Value;

use crate::document::{self, MAX_VALUES, check_extent};
use crate::problem::{Problem, check};

/// Most operations of a patch.
pub const MAX_OPERATIONS: usize = 10_000;

/// The document after the operations of a JSON Patch, all of them or none.
///
/// # Errors
/// Documents that are none, a patch that is none or does not fit, and a result over a limit.
pub fn patch(document: &[u8], patch: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut value = document::read(document)?;
    let operations = match document::read(patch)? {
        Value::Array(operations) => operations,
        _ => return Err(refusal("patch", "a JSON Patch is a list of operations")),
    };
    check("operations", operations.len(), MAX_OPERATIONS)?;
    let mut added = 0;
    for (index, operation) in operations.into_iter().enumerate() {
        let at = index.to_string();
        let operation: PatchOperation =
            serde_json::from_value(operation).map_err(|error| refusal(&at, &error.to_string()))?;
        // A few copies of a document into itself would fill any memory.
        added += growth(&value, &operation)?;
        check("values", added, MAX_VALUES)?;
        json_patch::patch(&mut value, &[operation])
            .map_err(|error| refusal(&at, &error.kind.to_string()))?;
    }
    document::write(&value)
}

/// How many values an operation adds; refused if they would lie too deep.
fn growth(value: &Value, operation: &PatchOperation) -> Result<usize, Problem> {
    let at = |pointer: &json_patch::jsonptr::Pointer| value.pointer(pointer.as_str());
    let (added, path) = match operation {
        PatchOperation::Add(add) => (Some(&add.value), &add.path),
        PatchOperation::Replace(replace) => (Some(&replace.value), &replace.path),
        PatchOperation::Copy(copy) => (at(&copy.from), &copy.path),
        PatchOperation::Move(moved) => (at(&moved.from), &moved.path),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return Ok(0),
    };
    match added {
        Some(added) => check_extent(added, path.count()),
        None => Ok(0),
    }
}

/// The document after a JSON Merge Patch.
///
/// # Errors
/// Documents that are none, and a result over a limit.
pub fn merge(document: &[u8], patch: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut value = document::read(document)?;
    json_patch::merge(&mut value, &document::read(patch)?);
    document::write(&value)
}

/// A JSON Patch that makes one document of another.
///
/// # Errors
/// Documents that are none, and a patch that would be over a limit.
pub fn diff(before: &[u8], to: &[u8]) -> Result<Vec<u8>, Problem> {
    let patch = json_patch::diff(&document::read(before)?, &document::read(to)?);
    check("operations", patch.0.len(), MAX_OPERATIONS)?;
    let value =
        serde_json::to_value(patch).map_err(|error| refusal("patch", &error.to_string()))?;
    document::write(&value)
}

fn refusal(at: &str, message: &str) -> Problem {
    Problem::Operation {
        at: at.to_owned(),
        message: message.to_owned(),
    }
}
