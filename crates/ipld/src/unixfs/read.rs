//! Reading UnixFS back: without recursion, and only if every size is what its parent says.

use super::node::{self, NameError, Node, NodeError};
use super::{MAX_NODE_BYTES, MAX_TREE_DEPTH};
use crate::address::codec;
use cid::Cid;
use std::fmt::Display;
use std::ops::Range;

/// Why a file or a folder cannot be read from its blocks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E: Display> {
    /// A block could not be had.
    #[error("block {cid} could not be read: {error}")]
    Get {
        /// The block.
        cid: Cid,
        /// What the source of blocks says.
        error: E,
    },
    /// What was read could not be delivered.
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
    /// Not a folder.
    #[error("{cid} is not a folder: it is {what}")]
    NotAFolder {
        /// The block.
        cid: Cid,
        /// What it is.
        what: String,
    },
    /// A block that breaks the rules of its format.
    #[error("block {cid} is damaged: {what}")]
    Malformed {
        /// The block.
        cid: Cid,
        /// What is wrong.
        what: &'static str,
    },
    /// A folder with a name in it that no file can have.
    #[error("folder {cid} is refused: {error}")]
    Name {
        /// The block.
        cid: Cid,
        /// What is wrong with the name.
        error: Box<NameError>,
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

/// What a CID stands for, as its root says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stat {
    /// A file.
    File {
        /// Its length in bytes (verified only by [`export`]).
        size: u64,
    },
    /// A folder.
    Directory {
        /// Whether it is spread over several nodes.
        sharded: bool,
        /// Size of all blocks below it together in bytes, itself included, as whoever made it says.
        tree_bytes: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
}

/// A block, by what it is for UnixFS.
pub(super) enum Content {
    Leaf(Vec<u8>),
    Node(Node),
}

/// Where blocks come from. It must give the bytes that hash to the CID: they are not hashed again here.
pub(super) type Get<'a, E> = &'a mut dyn FnMut(&Cid) -> Result<Vec<u8>, E>;

/// Reads a file (UnixFS or one raw block) and gives its bytes, in order, to the sink.
///
/// Holds one block and the pending links of one path through the tree. Returns the number of bytes.
///
/// # Errors
/// See [`ReadError`]. Bytes before the mistake have been given to the sink by then.
pub fn export<E: Display>(
    cid: &Cid,
    get: Get<'_, E>,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, ReadError<E>> {
    export_range(cid, 0..u64::MAX, get, sink)
}

/// As [`export`], for a range of the file's bytes; what the file has not is left out. Blocks outside the range are not
/// asked for, and so not checked.
///
/// # Errors
/// As [`export`].
pub fn export_range<E: Display>(
    cid: &Cid,
    range: Range<u64>,
    get: Get<'_, E>,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, ReadError<E>> {
    let mut given = 0;
    // Where in the file the next block begins.
    let mut position = 0_u64;
    // What is still to be read, last first: block, expected size, level.
    let mut pending = vec![(*cid, None, 1)];
    while let Some((cid, expected, level)) = pending.pop() {
        if position >= range.end {
            break;
        }
        if let Some(after) = expected.and_then(|bytes| position.checked_add(bytes))
            && after <= range.start
        {
            position = after;
            continue;
        }
        if level > MAX_TREE_DEPTH {
            return Err(ReadError::TooDeep { cid });
        }
        let (here, parts) = load_part(&cid, expected, get)?;
        let wanted = overlap(&here, position, &range);
        if !wanted.is_empty() {
            sink(wanted).map_err(ReadError::Sink)?;
            given += wanted.len() as u64;
        }
        position = position.saturating_add(here.len() as u64);
        let below = parts.into_iter().rev();
        pending.extend(below.map(|(part, bytes)| (part, Some(bytes), level + 1)));
    }
    Ok(given)
}

/// The bytes of `here`, which begins at `position`, that are in the range.
fn overlap<'a>(here: &'a [u8], position: u64, range: &Range<u64>) -> &'a [u8] {
    let length = here.len() as u64;
    let at = |place: u64| place.saturating_sub(position).min(length) as usize;
    here.get(at(range.start)..at(range.end)).unwrap_or_default()
}

/// The parts of a file below a node: block and bytes.
type Parts = Vec<(Cid, u64)>;

/// A block of a file: the bytes in it, and its parts.
fn load_part<E: Display>(
    cid: &Cid,
    expected: Option<u64>,
    get: Get<'_, E>,
) -> Result<(Vec<u8>, Parts), ReadError<E>> {
    let (found, here, parts) = match load(cid, get)? {
        Content::Leaf(bytes) => (bytes.len() as u64, bytes, Vec::new()),
        Content::Node(Node::File(file)) => (file.bytes, file.inline, file.parts),
        Content::Node(other) => return Err(not_a_file(cid, &other)),
    };
    match expected.filter(|expected| *expected != found) {
        Some(expected) => Err(ReadError::Size {
            cid: *cid,
            expected,
            found,
        }),
        None => Ok((here, parts)),
    }
}

/// The size of a file in bytes, as its root says (verified only by [`export`]).
///
/// # Errors
/// See [`ReadError`].
pub fn size<E: Display>(cid: &Cid, get: Get<'_, E>) -> Result<u64, ReadError<E>> {
    match load(cid, get)? {
        Content::Leaf(bytes) => Ok(bytes.len() as u64),
        Content::Node(Node::File(file)) => Ok(file.bytes),
        Content::Node(other) => Err(not_a_file(cid, &other)),
    }
}

/// What a CID stands for. Reads one block.
///
/// # Errors
/// The block cannot be had or is neither file, folder nor symbolic link.
pub fn stat<E: Display>(cid: &Cid, get: Get<'_, E>) -> Result<Stat, ReadError<E>> {
    let mut length = 0;
    let mut get = |cid: &Cid| {
        let block = get(cid)?;
        length = block.len() as u64;
        Ok(block)
    };
    Ok(match load(cid, &mut get)? {
        Content::Leaf(bytes) => Stat::File {
            size: bytes.len() as u64,
        },
        Content::Node(Node::File(file)) => Stat::File { size: file.bytes },
        Content::Node(Node::Directory(entries)) => Stat::Directory {
            sharded: false,
            tree_bytes: entries
                .iter()
                .fold(length, |sum, entry| sum.saturating_add(entry.tree_bytes)),
        },
        Content::Node(Node::Shard(shard)) => Stat::Directory {
            sharded: true,
            tree_bytes: shard
                .places
                .iter()
                .fold(length, |sum, place| sum.saturating_add(place.tree_bytes)),
        },
        Content::Node(Node::Symlink(target)) => Stat::Symlink { target },
    })
}

fn not_a_file<E: Display>(cid: &Cid, node: &Node) -> ReadError<E> {
    let what = match node {
        Node::File(_) | Node::Directory(_) => "it is a folder".to_owned(),
        Node::Shard(_) => "it is a sharded folder".to_owned(),
        Node::Symlink(target) => format!("it is a symbolic link to {target:?}"),
    };
    ReadError::NotAFile { cid: *cid, what }
}

pub(super) fn load<E: Display>(cid: &Cid, get: Get<'_, E>) -> Result<Content, ReadError<E>> {
    if cid.codec() != codec::RAW && cid.codec() != codec::DAG_PB {
        let what = format!(
            "its codec is {:#x}, and files are raw (0x55) or DAG-PB (0x70)",
            cid.codec()
        );
        return Err(ReadError::NotAFile { cid: *cid, what });
    }
    let block = get(cid).map_err(|error| ReadError::Get { cid: *cid, error })?;
    if cid.codec() == codec::RAW {
        return Ok(Content::Leaf(block));
    }
    if block.len() > MAX_NODE_BYTES {
        return Err(ReadError::Malformed {
            cid: *cid,
            what: "the node is over 2 MiB",
        });
    }
    match node::decode(&block) {
        Ok(node) => Ok(Content::Node(node)),
        Err(NodeError::Malformed(what)) => Err(ReadError::Malformed { cid: *cid, what }),
        Err(NodeError::Name(error)) => Err(ReadError::Name {
            cid: *cid,
            error: Box::new(error),
        }),
    }
}
