//! Reading a UnixFS file back: without recursion, and only if every size is what its parent says.

use super::node::{self, NodeError};
use super::{MAX_NODE_BYTES, MAX_TREE_DEPTH};
use crate::address::codec;
use cid::Cid;
use std::fmt::Display;

/// Why a file cannot be read from its blocks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError<E: Display> {
    /// A block could not be had.
    #[error("block {cid} of the file could not be read: {error}")]
    Get {
        /// The block.
        cid: Cid,
        /// What the source of blocks says.
        error: E,
    },
    /// The bytes could not be delivered.
    #[error("{0}")]
    Sink(E),
    /// Not a file in a form that is known here.
    #[error("{cid} is not a file: {what}")]
    NotAFile {
        /// The block.
        cid: Cid,
        /// What it is.
        what: String,
    },
    /// A block that breaks the rules of its format.
    #[error("block {cid} of the file is damaged: {what}")]
    Malformed {
        /// The block.
        cid: Cid,
        /// What is wrong.
        what: &'static str,
    },
    /// A part has another size than its parent says.
    #[error("block {cid} of the file holds {found} bytes, but its parent says {expected}")]
    Size {
        /// The block.
        cid: Cid,
        /// What the parent says.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// The tree is too deep.
    #[error("the file is nested deeper than {MAX_TREE_DEPTH} levels at block {cid}")]
    TooDeep {
        /// The block.
        cid: Cid,
    },
}

/// A block of a file, seen from above.
enum Content {
    Leaf(Vec<u8>),
    Inner(node::Node),
}

/// Where blocks come from. It must give the bytes that hash to the CID: they are not hashed again here.
type Get<'a, E> = &'a mut dyn FnMut(&Cid) -> Result<Vec<u8>, E>;

/// Reads a file (UnixFS or one raw block) and gives its bytes, in order, to the sink.
///
/// Holds one block and the pending links of one path through the tree. Returns the number of bytes.
///
/// # Errors
/// See [`ExportError`]. Bytes before the mistake have been given to the sink by then.
pub fn export<E: Display>(
    cid: &Cid,
    get: Get<'_, E>,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, ExportError<E>> {
    let mut total = 0;
    // What is still to be read, last first: block, expected size, level.
    let mut pending = vec![(*cid, None, 1)];
    while let Some((cid, expected, level)) = pending.pop() {
        if level > MAX_TREE_DEPTH {
            return Err(ExportError::TooDeep { cid });
        }
        let content = load(&cid, get)?;
        let found = content.bytes();
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(ExportError::Size {
                cid,
                expected,
                found,
            });
        }
        let here = match &content {
            Content::Leaf(bytes) => bytes,
            Content::Inner(node) => &node.inline,
        };
        if !here.is_empty() {
            sink(here).map_err(ExportError::Sink)?;
            total += here.len() as u64;
        }
        if let Content::Inner(node) = content {
            pending.extend(
                node.parts
                    .into_iter()
                    .rev()
                    .map(|(part, bytes)| (part, Some(bytes), level + 1)),
            );
        }
    }
    Ok(total)
}

/// The size of a file in bytes, as its root says (verified only by [`export`]).
///
/// # Errors
/// See [`ExportError`].
pub fn size<E: Display>(cid: &Cid, get: Get<'_, E>) -> Result<u64, ExportError<E>> {
    load(cid, get).map(|content| content.bytes())
}

impl Content {
    fn bytes(&self) -> u64 {
        match self {
            Self::Leaf(bytes) => bytes.len() as u64,
            Self::Inner(node) => node.bytes,
        }
    }
}

fn load<E: Display>(cid: &Cid, get: Get<'_, E>) -> Result<Content, ExportError<E>> {
    let not_a_file = |what: String| Err(ExportError::NotAFile { cid: *cid, what });
    if cid.codec() != codec::RAW && cid.codec() != codec::DAG_PB {
        return not_a_file(format!(
            "its codec is {:#x}, and files are raw (0x55) or DAG-PB (0x70)",
            cid.codec()
        ));
    }
    let block = get(cid).map_err(|error| ExportError::Get { cid: *cid, error })?;
    if cid.codec() == codec::RAW {
        return Ok(Content::Leaf(block));
    }
    if block.len() > MAX_NODE_BYTES {
        return Err(ExportError::Malformed {
            cid: *cid,
            what: "the node is over 2 MiB",
        });
    }
    match node::decode(&block) {
        Ok(node) => Ok(Content::Inner(node)),
        Err(NodeError::Malformed(what)) => Err(ExportError::Malformed { cid: *cid, what }),
        Err(NodeError::NotAFile(what)) => not_a_file(format!("it is {what}")),
    }
}
