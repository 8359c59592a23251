//! The nodes of UnixFS: files, folders, shards of folders, symbolic links.
//!
//! `Data { Type = 1, Data = 2, filesize = 3, blocksizes = 4 (unpacked), hashType = 5, fanout = 6 }`; mode (7) and
//! modification time (8) of UnixFS 1.5 do not change the content and are neither written nor kept.

use super::hamt::{self, SHARD_BITS};
use super::pb::{self, Malformed, PbLink, Reader, Value, varint_field};
use super::{MAX_NAME_BYTES, MAX_TARGET_BYTES};
use cid::Cid;

/// UnixFS types.
const TYPE_RAW: u64 = 0;
const TYPE_DIRECTORY: u64 = 1;
const TYPE_FILE: u64 = 2;
const TYPE_SYMLINK: u64 = 4;
const TYPE_SHARD: u64 = 5;
/// Widths of shards that are read, in bits: from 8 to 1,024 places.
const SHARD_BITS_READ: std::ops::RangeInclusive<u32> = 3..=10;

/// A part of a file, as its parent node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) cid: Cid,
    /// Bytes of the file below it.
    pub(super) bytes: u64,
    /// Size of all blocks below it together, itself included (a hint for other tools).
    pub(super) tree_bytes: u64,
}

/// What a folder has under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, as [`check_name`] accepts it.
    pub name: String,
    /// Root of what is there.
    pub cid: Cid,
    /// Size of all its blocks together in bytes, as whoever made the folder says.
    pub tree_bytes: u64,
}

/// A decoded node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(FileNode),
    /// A folder in one node: entries by name, each name once.
    Directory(Vec<Entry>),
    Shard(Shard),
    /// Where a symbolic link points.
    Symlink(String),
}

/// An inner node of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileNode {
    /// Bytes of the file that are in the node itself (written by some older tools).
    pub(super) inline: Vec<u8>,
    /// All bytes of the file below this node.
    pub(super) bytes: u64,
    /// The parts, in order: CID and number of bytes.
    pub(super) parts: Vec<(Cid, u64)>,
}

/// A node of a folder that is spread over several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    /// Bits of a name's hash that choose a place in it.
    pub(super) bits: u32,
    /// The places taken, in order.
    pub(super) places: Vec<Place>,
}

/// A place in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: u64,
    /// Size of all blocks below it together in bytes, as whoever made the link says.
    pub(super) tree_bytes: u64,
    pub(super) holds: Holds,
}

/// What a place of a shard holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Entry(Entry),
    Shard(Cid),
}

/// Why a block is not a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NodeError {
    /// Not DAG-PB, not UnixFS, or at odds with itself.
    Malformed(&'static str),
    /// A name that nothing can have.
    Name(NameError),
}

impl From<Malformed> for NodeError {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Malformed(what)
    }
}

/// Why nothing in a folder can have this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, `.`, `..`, or with a slash or a NUL in it.
    #[error("the name {0:?} cannot be that of a file: it would lead elsewhere")]
    Unsafe(String),
    /// Too long.
    #[error("a name has {0} bytes; {MAX_NAME_BYTES} are the limit")]
    TooLong(usize),
    /// Not text.
    #[error("the name {0:?} is not UTF-8")]
    NotText(String),
}

/// Checks that a name can be that of a file: one part of a path, which leads nowhere else.
///
/// # Errors
/// See [`NameError`].
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong(name.len()));
    }
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        return Err(NameError::Unsafe(name.to_owned()));
    }
    Ok(())
}

/// Encodes the node over these parts of a file.
pub(super) fn encode_file(parts: &[Part]) -> Vec<u8> {
    let mut data = Vec::new();
    varint_field(&mut data, 1, TYPE_FILE);
    varint_field(&mut data, 3, parts.iter().map(|part| part.bytes).sum());
    for part in parts {
        varint_field(&mut data, 4, part.bytes);
    }
    let mut out = Vec::new();
    for part in parts {
        pb::put_link(&mut out, &part.cid, b"", part.tree_bytes);
    }
    pb::put_data(&mut out, &data);
    out
}

/// Encodes a folder as one node; `None` once that is over `limit` bytes. Entries come sorted by name.
pub(super) fn encode_directory(entries: &[Entry], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for entry in entries {
        pb::put_link(
            &mut out,
            &entry.cid,
            entry.name.as_bytes(),
            entry.tree_bytes,
        );
        if out.len() > limit {
            return None;
        }
    }
    let mut data = Vec::new();
    varint_field(&mut data, 1, TYPE_DIRECTORY);
    pb::put_data(&mut out, &data);
    (out.len() <= limit).then_some(out)
}

/// Encodes a shard. Links come in the order of their places: place, name (empty for a shard below), CID, size.
pub(super) fn encode_shard(links: &[(u8, &str, Cid, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut taken = [0_u8; (1 << SHARD_BITS) / 8];
    for (index, name, cid, tree_bytes) in links {
        // The field of bits is a big-endian number, so its last byte has the first places.
        if let Some(byte) = taken.iter_mut().rev().nth(usize::from(index / 8)) {
            *byte |= 1 << (index % 8);
        }
        pb::put_link(
            &mut out,
            cid,
            format!("{index:02X}{name}").as_bytes(),
            *tree_bytes,
        );
    }
    let leading = taken.iter().take_while(|byte| **byte == 0).count();
    let mut data = Vec::new();
    varint_field(&mut data, 1, TYPE_SHARD);
    pb::bytes_field(&mut data, 2, taken.get(leading..).unwrap_or_default());
    varint_field(&mut data, 5, hamt::MURMUR3_X64_64);
    varint_field(&mut data, 6, 1 << SHARD_BITS);
    pb::put_data(&mut out, &data);
    out
}

/// Encodes a symbolic link.
pub(super) fn encode_symlink(target: &str) -> Vec<u8> {
    let mut data = Vec::new();
    varint_field(&mut data, 1, TYPE_SYMLINK);
    pb::bytes_field(&mut data, 2, target.as_bytes());
    let mut out = Vec::new();
    pb::put_data(&mut out, &data);
    out
}

/// Decodes a node and checks all that can be checked without its children.
pub(super) fn decode(block: &[u8]) -> Result<Node, NodeError> {
    let node = pb::decode(block)?;
    let data = data(
        node.data
            .ok_or(Malformed("it is DAG-PB without UnixFS data"))?,
    )?;
    match data.kind {
        Some(TYPE_RAW | TYPE_FILE) => file(data, &node.links).map(Node::File),
        Some(TYPE_DIRECTORY) => directory(&node.links).map(Node::Directory),
        Some(TYPE_SHARD) => shard(&data, &node.links).map(Node::Shard),
        Some(TYPE_SYMLINK) => symlink(&data, &node.links).map(Node::Symlink),
        _ => Err(NodeError::Malformed("UnixFS data of unknown type")),
    }
}

/// The fields of UnixFS data that matter here.
#[derive(Default)]
struct Data<'a> {
    kind: Option<u64>,
    bytes: &'a [u8],
    file_bytes: Option<u64>,
    sizes: Vec<u64>,
    hash: Option<u64>,
    fanout: Option<u64>,
}

fn data(encoded: &[u8]) -> Result<Data<'_>, Malformed> {
    let mut data = Data::default();
    let mut reader = Reader(encoded);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Value::Varint(n)) => data.kind = Some(n),
            (2, Value::Bytes(bytes)) => data.bytes = bytes,
            (3, Value::Varint(n)) => data.file_bytes = Some(n),
            (4, Value::Varint(n)) => data.sizes.push(n),
            (4, Value::Bytes(packed)) => {
                let mut packed = Reader(packed);
                while !packed.0.is_empty() {
                    data.sizes.push(packed.varint()?);
                }
            }
            (5, Value::Varint(n)) => data.hash = Some(n),
            (6, Value::Varint(n)) => data.fanout = Some(n),
            _ => {}
        }
    }
    Ok(data)
}

fn file(data: Data<'_>, links: &[PbLink<'_>]) -> Result<FileNode, NodeError> {
    if data.sizes.len() != links.len() {
        return Err(NodeError::Malformed(
            "the number of block sizes differs from the number of links",
        ));
    }
    let inline = data.bytes.to_vec();
    let bytes = data.file_bytes.unwrap_or(inline.len() as u64);
    let total = data
        .sizes
        .iter()
        .try_fold(inline.len() as u64, |sum, size| sum.checked_add(*size));
    if total != Some(bytes) {
        return Err(NodeError::Malformed(
            "the block sizes do not add up to the file size",
        ));
    }
    // An empty part carries nothing, and a tree of shared empty nodes could be walked for ever.
    if data.sizes.contains(&0) {
        return Err(NodeError::Malformed("a part of the file is empty"));
    }
    Ok(FileNode {
        inline,
        bytes,
        parts: links.iter().map(|link| link.cid).zip(data.sizes).collect(),
    })
}

fn directory(links: &[PbLink<'_>]) -> Result<Vec<Entry>, NodeError> {
    let mut entries = links
        .iter()
        .map(|link| entry(link.name, link))
        .collect::<Result<Vec<_>, _>>()?;
    // Some older tools did not sort.
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let twice = entries
        .iter()
        .zip(entries.iter().skip(1))
        .any(|(a, b)| a.name == b.name);
    if twice {
        return Err(NodeError::Malformed("a folder has a name twice"));
    }
    Ok(entries)
}

fn entry(name: &[u8], link: &PbLink<'_>) -> Result<Entry, NodeError> {
    let name = match std::str::from_utf8(name) {
        Ok(name) => name,
        Err(_) => {
            let shown = String::from_utf8_lossy(name).into_owned();
            return Err(NodeError::Name(NameError::NotText(shown)));
        }
    };
    check_name(name).map_err(NodeError::Name)?;
    Ok(Entry {
        name: name.to_owned(),
        cid: link.cid,
        tree_bytes: link.tree_bytes,
    })
}

fn shard(data: &Data<'_>, links: &[PbLink<'_>]) -> Result<Shard, NodeError> {
    if data.hash != Some(hamt::MURMUR3_X64_64) {
        return Err(NodeError::Malformed(
            "a sharded folder that does not hash its names with murmur3-x64-64",
        ));
    }
    let fanout = data.fanout.unwrap_or(0);
    let bits = fanout.trailing_zeros();
    if !fanout.is_power_of_two() || !SHARD_BITS_READ.contains(&bits) {
        return Err(NodeError::Malformed(
            "the width of a shard is not a power of two from 8 to 1024",
        ));
    }
    let digits = format!("{:X}", fanout - 1).len();
    let mut places: Vec<Place> = Vec::with_capacity(links.len());
    for link in links {
        let place = place(link, digits)?;
        if place.index >= fanout || places.last().is_some_and(|last| last.index >= place.index) {
            return Err(NodeError::Malformed(
                "the places of a shard are not in order",
            ));
        }
        places.push(place);
    }
    let taken = data.bytes.iter().map(|byte| byte.count_ones()).sum::<u32>() as usize;
    let marked = |index: u64| {
        let byte = data.bytes.iter().rev().nth((index / 8) as usize);
        byte.is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    };
    if taken != places.len() || !places.iter().all(|place| marked(place.index)) {
        return Err(NodeError::Malformed(
            "the places of a shard are not those that are marked as taken",
        ));
    }
    Ok(Shard { bits, places })
}

/// A link of a shard: hexadecimal digits of its place, then the name of an entry, or nothing for a shard below.
fn place(link: &PbLink<'_>, digits: usize) -> Result<Place, NodeError> {
    let (prefix, name) = link
        .name
        .split_at_checked(digits)
        .ok_or(Malformed("a link of a shard does not name its place"))?;
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    let index = std::str::from_utf8(prefix)
        .ok()
        .filter(|_| prefix.iter().all(is_digit))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(Malformed("a link of a shard does not name its place"))?;
    let holds = if name.is_empty() {
        Holds::Shard(link.cid)
    } else {
        Holds::Entry(entry(name, link)?)
    };
    Ok(Place {
        index,
        tree_bytes: link.tree_bytes,
        holds,
    })
}

fn symlink(data: &Data<'_>, links: &[PbLink<'_>]) -> Result<String, NodeError> {
    if !links.is_empty() {
        return Err(NodeError::Malformed("a symbolic link with blocks below it"));
    }
    if data.bytes.is_empty() || data.bytes.len() > MAX_TARGET_BYTES || data.bytes.contains(&0) {
        return Err(NodeError::Malformed(
            "a symbolic link whose target is no path",
        ));
    }
    String::from_utf8(data.bytes.to_vec())
        .map_err(|_| NodeError::Malformed("a symbolic link whose target is not UTF-8"))
}
