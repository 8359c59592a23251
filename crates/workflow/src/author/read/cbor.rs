//! DAG-CBOR with the structure of a workflow file: no positions, native bytes and links.

use super::Stop;
use crate::author::document::{Builder, MAX_DEPTH, MAX_FILE_BYTES, Node, Refused, Value};
use crate::author::problem::Problem;
use crate::author::read::scalar;
use ipvm_ipld::{Ipld, Limits, cbor};

/// Whether bytes begin like a CBOR map (major type 5). Such a byte cannot begin a UTF-8 text.
pub(crate) fn is_map(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0xa0..=0xbf))
}

pub(crate) fn read(bytes: &[u8], nodes: &mut Vec<Node>) -> Result<(), Stop> {
    let limits = Limits {
        bytes: usize::try_from(MAX_FILE_BYTES).unwrap_or(usize::MAX),
        depth: MAX_DEPTH + 1,
    };
    let value = cbor::decode(bytes, limits).map_err(|e| {
        Stop::at_top(Problem::Cbor {
            message: e.to_string(),
        })
    })?;
    let mut builder = Builder::new(nodes);
    add(&mut builder, value)
}

/// Adds a value; the recursion is as deep as the decoder's limit allows.
fn add(builder: &mut Builder<'_>, value: Ipld) -> Result<(), Stop> {
    let refused =
        |refused: Refused, builder: &Builder<'_>| Stop::from_refused(refused, builder.path(), None);
    let scalar = match value {
        Ipld::List(items) => {
            builder.begin_list(None).map_err(|r| refused(r, builder))?;
            for item in items {
                add(builder, item)?;
            }
            return builder.end().map_err(|r| refused(r, builder));
        }
        Ipld::Map(entries) => {
            builder.begin_map(None).map_err(|r| refused(r, builder))?;
            for (key, value) in entries {
                builder.key(&key, None);
                add(builder, value)?;
            }
            return builder.end().map_err(|r| refused(r, builder));
        }
        Ipld::Null => Value::Null,
        Ipld::Bool(value) => Value::Bool(value),
        Ipld::Integer(number) => scalar::integer(i64::try_from(number).ok(), &number.to_string())
            .map_err(|problem| Stop {
            path: builder.path(),
            at: None,
            problem,
        })?,
        Ipld::Float(number) => Value::Float(number),
        Ipld::String(text) => Value::Text(text.into()),
        Ipld::Bytes(bytes) => Value::Bytes(bytes.into()),
        Ipld::Link(cid) => Value::Link(Box::new(cid)),
    };
    builder
        .scalar(scalar, None)
        .map_err(|r| refused(r, builder))
}
