//! DAG-PB: the protobuf around UnixFS nodes, and the little of protobuf that it takes.
//!
//! `PBNode { Links = 2, Data = 1 }` (links written first), `PBLink { Hash = 1, Name = 2, Tsize = 3 }`.

use crate::address::{cid_from_bytes, to_v1};
use cid::Cid;

/// Most bytes a 64-bit varint takes.
const MAX_VARINT_BYTES: usize = 10;
/// Protobuf wire types: a varint, and bytes with their length before them.
const VARINT: u64 = 0;
const LENGTH: u64 = 2;

/// What is wrong with bytes that should be DAG-PB or UnixFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// A decoded node: its links in the order they have, and its data if it has any.
pub(crate) struct PbNode<'a> {
    pub(crate) links: Vec<PbLink<'a>>,
    pub(crate) data: Option<&'a [u8]>,
}

/// A decoded link.
pub(crate) struct PbLink<'a> {
    /// As CIDv1, also where the link has version 0: the same block.
    pub(crate) cid: Cid,
    pub(crate) name: &'a [u8],
    /// Size of all blocks below it together, as whoever made the link says.
    pub(crate) tree_bytes: u64,
}

/// Decodes a node.
pub(crate) fn decode(block: &[u8]) -> Result<PbNode<'_>, Malformed> {
    let mut node = PbNode {
        links: Vec::new(),
        data: None,
    };
    let mut reader = Reader(block);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Value::Bytes(bytes)) if node.data.is_none() => node.data = Some(bytes),
            (2, Value::Bytes(bytes)) if node.data.is_none() => node.links.push(link(bytes)?),
            _ => {
                return Err(Malformed(
                    "DAG-PB with unknown, repeated or misplaced fields",
                ));
            }
        }
    }
    Ok(node)
}

fn link(bytes: &[u8]) -> Result<PbLink<'_>, Malformed> {
    let (mut cid, mut name, mut tree_bytes) = (None, [].as_slice(), 0);
    let mut last = 0;
    let mut reader = Reader(bytes);
    while let Some((field, value)) = reader.field()? {
        if field <= last {
            return Err(Malformed("a link with repeated or misplaced fields"));
        }
        last = field;
        match (field, value) {
            (1, Value::Bytes(bytes)) => {
                let found =
                    cid_from_bytes(bytes).map_err(|_| Malformed("a link that is not a CID"))?;
                cid = Some(to_v1(&found));
            }
            (2, Value::Bytes(bytes)) => name = bytes,
            (3, Value::Varint(n)) => tree_bytes = n,
            _ => return Err(Malformed("a link with unknown fields")),
        }
    }
    Ok(PbLink {
        cid: cid.ok_or(Malformed("a link without a CID"))?,
        name,
        tree_bytes,
    })
}

/// Appends a link of a node.
pub(super) fn put_link(out: &mut Vec<u8>, cid: &Cid, name: &[u8], tree_bytes: u64) {
    let mut link = Vec::with_capacity(name.len() + 64);
    bytes_field(&mut link, 1, &cid.to_bytes());
    bytes_field(&mut link, 2, name);
    varint_field(&mut link, 3, tree_bytes);
    bytes_field(out, 2, &link);
}

/// Appends the data of a node, which ends it.
pub(super) fn put_data(out: &mut Vec<u8>, data: &[u8]) {
    bytes_field(out, 1, data);
}

/// Appends an unsigned LEB128 number.
pub(crate) fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

pub(super) fn varint_field(out: &mut Vec<u8>, field: u64, n: u64) {
    varint(out, field << 3 | VARINT);
    varint(out, n);
}

pub(super) fn bytes_field(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | LENGTH);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The value of a protobuf field.
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

/// What is left of a protobuf message.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next field's number and value; `None` at the end.
    pub(super) fn field(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
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
                    .ok_or(Malformed("it ends too early"))?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            _ => return Err(Malformed("an unknown protobuf wire type")),
        };
        Ok(Some((key >> 3, value)))
    }

    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut n = 0_u64;
        for i in 0..MAX_VARINT_BYTES {
            let (&byte, rest) = self.0.split_first().ok_or(Malformed("it ends too early"))?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * i);
            if shifted >> (7 * i) != bits || (byte == 0 && i > 0) {
                return Err(Malformed("a number that is too long"));
            }
            n |= shifted;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Malformed("a number that is too long"))
    }
}
