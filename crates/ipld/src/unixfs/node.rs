//! The inner nodes of a file: DAG-PB around UnixFS data.
//!
//! DAG-PB: `PBNode { Links = 2, Data = 1 }` (links written first), `PBLink { Hash = 1, Name = 2, Tsize = 3 }`.
//! UnixFS: `Data { Type = 1, Data = 2, filesize = 3, blocksizes = 4 (unpacked) }`.

use crate::address::cid_from_bytes;
use cid::Cid;

/// Most bytes a 64-bit varint takes.
const MAX_VARINT_BYTES: usize = 10;
/// Protobuf wire types: a varint, and bytes with their length before them.
const VARINT: u64 = 0;
const LENGTH: u64 = 2;
/// UnixFS types that are files.
const TYPE_RAW: u64 = 0;
const TYPE_FILE: u64 = 2;

/// A part of a file, as its parent node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) cid: Cid,
    /// Bytes of the file below it.
    pub(super) bytes: u64,
    /// Size of all blocks below it together, itself included (a hint for other tools).
    pub(super) tree_bytes: u64,
}

/// A decoded inner node of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Bytes of the file that are in the node itself (written by some older tools).
    pub(super) inline: Vec<u8>,
    /// All bytes of the file below this node.
    pub(super) bytes: u64,
    /// The parts, in order: CID and number of bytes.
    pub(super) parts: Vec<(Cid, u64)>,
}

/// Why a block is not an inner node of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NodeError {
    /// Not DAG-PB, not UnixFS, or at odds with itself.
    Malformed(&'static str),
    /// UnixFS, but no file: the name of what it is.
    NotAFile(&'static str),
}

/// Encodes the node over these parts.
pub(super) fn encode(parts: &[Part]) -> Vec<u8> {
    let mut data = Vec::new();
    varint_field(&mut data, 1, TYPE_FILE);
    varint_field(&mut data, 3, parts.iter().map(|part| part.bytes).sum());
    for part in parts {
        varint_field(&mut data, 4, part.bytes);
    }
    let mut out = Vec::new();
    for part in parts {
        let mut link = Vec::new();
        bytes_field(&mut link, 1, &part.cid.to_bytes());
        bytes_field(&mut link, 2, b"");
        varint_field(&mut link, 3, part.tree_bytes);
        bytes_field(&mut out, 2, &link);
    }
    bytes_field(&mut out, 1, &data);
    out
}

/// Decodes an inner node of a file and checks that its sizes add up.
pub(super) fn decode(block: &[u8]) -> Result<Node, NodeError> {
    let mut links = Vec::new();
    let mut data = None;
    let mut reader = Reader(block);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Value::Bytes(bytes)) if data.is_none() => data = Some(bytes),
            (2, Value::Bytes(bytes)) if data.is_none() => links.push(link(bytes)?),
            _ => {
                return Err(NodeError::Malformed(
                    "DAG-PB with unknown, repeated or misplaced fields",
                ));
            }
        }
    }
    let data = data.ok_or(NodeError::Malformed("DAG-PB without UnixFS data"))?;
    let (inline, bytes, sizes) = file(data)?;
    if sizes.len() != links.len() {
        return Err(NodeError::Malformed(
            "the number of block sizes differs from the number of links",
        ));
    }
    let total = sizes
        .iter()
        .try_fold(inline.len() as u64, |sum, size| sum.checked_add(*size));
    if total != Some(bytes) {
        return Err(NodeError::Malformed(
            "the block sizes do not add up to the file size",
        ));
    }
    // An empty part carries nothing, and a tree of shared empty nodes could be walked for ever.
    if sizes.contains(&0) {
        return Err(NodeError::Malformed("a part of the file is empty"));
    }
    Ok(Node {
        inline,
        bytes,
        parts: links.into_iter().zip(sizes).collect(),
    })
}

fn link(bytes: &[u8]) -> Result<Cid, NodeError> {
    let mut cid = None;
    let mut last = 0;
    let mut reader = Reader(bytes);
    while let Some((field, value)) = reader.field()? {
        if field <= last {
            return Err(NodeError::Malformed(
                "a link with repeated or misplaced fields",
            ));
        }
        last = field;
        match (field, value) {
            (1, Value::Bytes(bytes)) => {
                cid = Some(
                    cid_from_bytes(bytes)
                        .map_err(|_| NodeError::Malformed("a link that is not a CID"))?,
                );
            }
            (2, Value::Bytes(_)) | (3, Value::Varint(_)) => {}
            _ => return Err(NodeError::Malformed("a link with unknown fields")),
        }
    }
    cid.ok_or(NodeError::Malformed("a link without a CID"))
}

/// The UnixFS data of a file: bytes in the node, file size, sizes of the parts.
fn file(data: &[u8]) -> Result<(Vec<u8>, u64, Vec<u64>), NodeError> {
    let (mut kind, mut inline, mut bytes, mut sizes) = (None, Vec::new(), None, Vec::new());
    let mut reader = Reader(data);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Value::Varint(n)) => kind = Some(n),
            (2, Value::Bytes(b)) => inline = b.to_vec(),
            (3, Value::Varint(n)) => bytes = Some(n),
            (4, Value::Varint(n)) => sizes.push(n),
            (4, Value::Bytes(packed)) => {
                let mut packed = Reader(packed);
                while !packed.0.is_empty() {
                    sizes.push(packed.varint()?);
                }
            }
            // Mode and modification time (UnixFS 1.5) do not change the content; the rest belongs to directories.
            _ => {}
        }
    }
    match kind {
        Some(TYPE_RAW | TYPE_FILE) => {
            let bytes = bytes.unwrap_or(inline.len() as u64);
            Ok((inline, bytes, sizes))
        }
        Some(1) => Err(NodeError::NotAFile("a directory")),
        Some(4) => Err(NodeError::NotAFile("a symbolic link")),
        Some(5) => Err(NodeError::NotAFile("a sharded directory")),
        _ => Err(NodeError::Malformed("UnixFS data of unknown type")),
    }
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn varint_field(out: &mut Vec<u8>, field: u64, n: u64) {
    varint(out, field << 3 | VARINT);
    varint(out, n);
}

fn bytes_field(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | LENGTH);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The value of a protobuf field.
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

/// What is left of a protobuf message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next field's number and value; `None` at the end.
    fn field(&mut self) -> Result<Option<(u64, Value<'a>)>, NodeError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            VARINT => Value::Varint(self.varint()?),
            LENGTH => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                let (bytes, rest) = self
                    .0
                    .split_at_checked(length)
                    .ok_or(NodeError::Malformed("it ends too early"))?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            _ => return Err(NodeError::Malformed("an unknown protobuf wire type")),
        };
        Ok(Some((key >> 3, value)))
    }

    fn varint(&mut self) -> Result<u64, NodeError> {
        let mut n = 0_u64;
        for i in 0..MAX_VARINT_BYTES {
            let (&byte, rest) = self
                .0
                .split_first()
                .ok_or(NodeError::Malformed("it ends too early"))?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * i);
            if shifted >> (7 * i) != bits || (byte == 0 && i > 0) {
                return Err(NodeError::Malformed("a number that is too long"));
            }
            n |= shifted;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(NodeError::Malformed("a number that is too long"))
    }
}
