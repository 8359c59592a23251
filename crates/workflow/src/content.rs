//! Large results become content, by a fixed rule: receipts of different executors have to be equal
//! (wire-formats, "Values that are content").

use ipvm_ipld::{Block, Ipld, MAX_DEPTH, cbor, unixfs};
use ipvm_ucan::Outcome;
use std::convert::Infallible;

/// Bytes values over this become files, and an encoded `out` over this becomes a block; in bytes.
pub const SPILL_BYTES: usize = 32 << 10;
/// Largest structured result, in bytes of DAG-CBOR.
pub const MAX_VALUE_BYTES: usize = 1 << 20;

/// Deepest nesting of a result, in levels: a receipt puts others around it, and has to be readable.
pub const RESULT_DEPTH: usize = MAX_DEPTH - 8;

/// Why a result cannot be put into a receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpillError {
    /// Too much structured data.
    #[error(
        "the result has {bytes} bytes of structured data, more than {MAX_VALUE_BYTES}; return bytes"
    )]
    TooLarge {
        /// Its size, in bytes of DAG-CBOR.
        bytes: usize,
    },
    /// Nested too deep.
    #[error("the result is nested more than {RESULT_DEPTH} levels deep")]
    TooDeep,
    /// No encoding.
    #[error(transparent)]
    Encode(#[from] cbor::EncodeError),
}

/// Puts large parts of a result into blocks and links in their place.
///
/// 1. Every Bytes over 32 KiB becomes a UnixFS file, innermost first.
/// 2. If `out` (the map with `ok` or `error`) is still over 32 KiB encoded, the value in it becomes one
///    DAG-CBOR block.
///
/// `sink` is given the blocks, those of a file with its root last; they have to be kept before the outcome is
/// used.
///
/// # Errors
/// If that one block would be over 1 MiB, or the value has no encoding. Blocks given to `sink` until then
/// are of no use.
pub fn spill(outcome: Outcome, sink: &mut dyn FnMut(Block)) -> Result<Outcome, SpillError> {
    let (value, wrap): (Ipld, fn(Ipld) -> Outcome) = match outcome {
        Outcome::Ok(value) => (value, Outcome::Ok),
        Outcome::Error(value) => (value, Outcome::Error),
    };
    let outcome = wrap(files(value, 1, sink)?);
    if cbor::encode(&outcome.to_ipld())?.len() <= SPILL_BYTES {
        return Ok(outcome);
    }
    let (Outcome::Ok(value) | Outcome::Error(value)) = outcome;
    let block = cbor::encode_block(&value)?;
    if block.data().len() > MAX_VALUE_BYTES {
        return Err(SpillError::TooLarge {
            bytes: block.data().len(),
        });
    }
    let link = Ipld::Link(*block.cid());
    sink(block);
    Ok(wrap(link))
}

/// Large bytes into files. The recursion ends at [`RESULT_DEPTH`].
fn files(value: Ipld, level: usize, sink: &mut dyn FnMut(Block)) -> Result<Ipld, SpillError> {
    if level > RESULT_DEPTH {
        return Err(SpillError::TooDeep);
    }
    Ok(match value {
        Ipld::Bytes(bytes) if bytes.len() > SPILL_BYTES => {
            let mut keep = |block| -> Result<(), Infallible> {
                sink(block);
                Ok(())
            };
            let mut builder = unixfs::Builder::new();
            let Ok(()) = builder.push(&bytes, &mut keep);
            let Ok(root) = builder.finish(&mut keep);
            Ipld::Link(root.cid)
        }
        Ipld::List(items) => Ipld::List(
            items
                .into_iter()
                .map(|item| files(item, level + 1, sink))
                .collect::<Result<_, _>>()?,
        ),
        Ipld::Map(entries) => Ipld::Map(
            entries
                .into_iter()
                .map(|(key, value)| Ok((key, files(value, level + 1, sink)?)))
                .collect::<Result<_, SpillError>>()?,
        ),
        other => other,
    })
}
