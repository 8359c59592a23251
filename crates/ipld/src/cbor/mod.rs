//! Strict DAG-CBOR: one value, one encoding.
//!
//! Decoding is done here, in one walk without recursion that checks, at each byte, everything that makes an input
//! canonical and bounded, and says where it is not. (`serde_ipld_dagcbor` gives no places, takes no limits, ignores
//! bytes after a link's CID and needs twice the time; the tests hold the two against each other.) Encoding, which always
//! gives the canonical form, is the library's.

mod read;

use crate::address::{CidError, codec};
use crate::block::Block;
use crate::limits::{Limits, MAX_DEPTH};
use ipld_core::ipld::Ipld;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

/// The integers of DAG-CBOR: −2^64 … 2^64 − 1.
pub(crate) const INTEGERS: RangeInclusive<i128> = -(1 << 64)..=(1 << 64) - 1;

/// Why bytes are not strict DAG-CBOR, or more than is accepted. `at` is the offset in bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than the limit.
    #[error("the DAG-CBOR input is {bytes} bytes long; at most {limit} are accepted here")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Nested deeper than the limit.
    #[error("the DAG-CBOR input is nested deeper than {limit} levels at byte {at}")]
    TooDeep {
        /// Where the limit is passed.
        at: usize,
        /// The limit, in levels.
        limit: usize,
    },
    /// More items than [`crate::MAX_ITEMS`].
    #[error(
        "the DAG-CBOR input holds more than {limit} items (passed at byte {at}); store long data as bytes"
    )]
    TooMany {
        /// Where the limit is passed.
        at: usize,
        /// The limit.
        limit: usize,
    },
    /// The input ends before the value does, or a declared length is longer than what is left.
    #[error("the DAG-CBOR input ends too early, within what begins at byte {at}")]
    Truncated {
        /// Where the unfinished item begins.
        at: usize,
    },
    /// Bytes after the end of the value.
    #[error("the DAG-CBOR value ends at byte {at}, but more bytes follow")]
    Trailing {
        /// The first byte too many.
        at: usize,
    },
    /// Well-formed CBOR, but not the one canonical way to write it.
    #[error("not canonical DAG-CBOR at byte {at}: {what}")]
    NotCanonical {
        /// The offending head.
        at: usize,
        /// Which rule it breaks.
        what: &'static str,
    },
    /// Something that DAG-CBOR does not have.
    #[error("not DAG-CBOR at byte {at}: {what}")]
    Forbidden {
        /// The offending head.
        at: usize,
        /// What it is.
        what: &'static str,
    },
    /// A string that is not UTF-8.
    #[error("the string at byte {at} of the DAG-CBOR input is not UTF-8")]
    Utf8 {
        /// The string's head.
        at: usize,
    },
    /// A link that is not a CID.
    #[error("the link at byte {at} of the DAG-CBOR input is wrong: {source}")]
    Link {
        /// The link's head.
        at: usize,
        /// What is wrong with the CID.
        source: CidError,
    },
}

/// Why a value has no DAG-CBOR encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Nested deeper than any decoder accepts.
    #[error(
        "the value is nested deeper than {MAX_DEPTH} levels; store inner parts as blocks of their own and link to them"
    )]
    TooDeep,
    /// NaN or an infinity.
    #[error("the value contains the float {0}, which DAG-CBOR does not have")]
    Float(&'static str),
    /// An integer beyond 64 bits.
    #[error("the value contains the integer {0}, outside the range −2^64 … 2^64 − 1 of DAG-CBOR")]
    Integer(i128),
    /// The encoder gave up (out of memory).
    #[error("the value could not be encoded: {0}")]
    Codec(String),
}

/// Encodes a value canonically.
///
/// # Errors
/// For values that no decoder would accept: see [`EncodeError`].
pub fn encode(value: &Ipld) -> Result<Vec<u8>, EncodeError> {
    check(value, 1)?;
    serde_ipld_dagcbor::to_vec(value).map_err(|e| EncodeError::Codec(e.to_string()))
}

/// Encodes a value canonically as a DAG-CBOR block.
///
/// # Errors
/// As [`encode`].
pub fn encode_block(value: &Ipld) -> Result<Block, EncodeError> {
    Ok(Block::new(codec::DAG_CBOR, encode(value)?))
}

/// The canonical encoding of a map whose values are encoded already, and where each of them stands in it, in the order
/// of `entries`. For large maps whose values are made one by one. Keys are distinct; values are canonical.
#[must_use]
pub fn encode_map(entries: &[(&str, &[u8])]) -> (Vec<u8>, Vec<Range<usize>>) {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    // Canonical order: shorter keys first, then by bytes.
    order.sort_unstable_by_key(|at| entries.get(*at).map(|(key, _)| (key.len(), *key)));
    let room = |(key, value): &(&str, &[u8])| key.len() + value.len() + LONGEST_HEAD;
    let mut bytes = Vec::with_capacity(LONGEST_HEAD + entries.iter().map(room).sum::<usize>());
    let mut places = vec![0..0; entries.len()];
    push_head(&mut bytes, MAJOR_MAP, entries.len() as u64);
    for at in order {
        if let (Some((key, value)), Some(place)) = (entries.get(at), places.get_mut(at)) {
            push_head(&mut bytes, MAJOR_TEXT, key.len() as u64);
            bytes.extend_from_slice(key.as_bytes());
            *place = bytes.len()..bytes.len() + value.len();
            bytes.extend_from_slice(value);
        }
    }
    (bytes, places)
}

/// Major type of bytes.
const MAJOR_BYTES: u8 = 2;
/// Major type of a text.
const MAJOR_TEXT: u8 = 3;
/// Major type of a list.
const MAJOR_LIST: u8 = 4;
/// Major type of a map.
const MAJOR_MAP: u8 = 5;
/// Major type of a tag.
const MAJOR_TAG: u8 = 6;
/// Longest head of an item, in bytes.
const LONGEST_HEAD: usize = 9;

/// The shortest head with this argument, as DAG-CBOR wants.
fn push_head(bytes: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..=23 => bytes.push(major | argument as u8),
        24..=0xff => bytes.extend_from_slice(&[major | 24, argument as u8]),
        0x100..=0xffff => {
            bytes.push(major | 25);
            bytes.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            bytes.push(major | 26);
            bytes.extend_from_slice(&(argument as u32).to_be_bytes());
        }
        _ => {
            bytes.push(major | 27);
            bytes.extend_from_slice(&argument.to_be_bytes());
        }
    }
}

/// Decodes a value; anything but its canonical encoding is refused.
///
/// # Errors
/// See [`DecodeError`]: each names the place in the input.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Ipld, DecodeError> {
    read::read(bytes, limits, Ipld::Map)
}

/// Decodes a value in which each map that is not empty is replaced by what `mapped` makes of it, inner maps first; what
/// it makes is not looked into again. For large values with many small maps that stand for something: all at once they
/// would take a hundred times the memory of their encoding.
///
/// # Errors
/// As [`decode`].
pub fn decode_mapped(
    bytes: &[u8],
    limits: Limits,
    mapped: impl FnMut(BTreeMap<String, Ipld>) -> Ipld,
) -> Result<Ipld, DecodeError> {
    read::read(bytes, limits, mapped)
}

/// The encoding of the value under a key of an encoded map; none if there is no such key, or no such map. For encodings
/// that are known to be canonical: what follows the value is not looked at.
#[must_use]
pub fn entry<'a>(map: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let (major, entries, mut at) = head(map)?;
    if major != MAJOR_MAP {
        return None;
    }
    for _ in 0..entries {
        let (major, length, bytes) = head(map.get(at..)?)?;
        let text = at + bytes..at + bytes + usize::try_from(length).ok()?;
        let value = text.end;
        at = value + skip(map.get(value..)?)?;
        if major == MAJOR_TEXT && map.get(text)? == key.as_bytes() {
            return map.get(value..at);
        }
    }
    None
}

/// Length of the item that these bytes begin with, with all that is in it.
fn skip(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut pending) = (0_usize, 1_u64);
    while pending > 0 {
        let (major, argument, length) = head(bytes.get(at..)?)?;
        at += length;
        pending -= 1;
        match major {
            MAJOR_BYTES | MAJOR_TEXT => at = at.checked_add(usize::try_from(argument).ok()?)?,
            MAJOR_LIST => pending = pending.checked_add(argument)?,
            MAJOR_MAP => pending = pending.checked_add(argument.checked_mul(2)?)?,
            MAJOR_TAG => pending += 1,
            _ => {}
        }
        // No item is shorter than a byte.
        if pending > (bytes.len() as u64).checked_sub(at as u64)? {
            return None;
        }
    }
    Some(at)
}

/// Major type, argument and length of the head that these bytes begin with.
fn head(bytes: &[u8]) -> Option<(u8, u64, usize)> {
    let first = *bytes.first()?;
    let (major, info) = (first >> 5, first & 0x1f);
    let argument = match info {
        0..=23 => return Some((major, info.into(), 1)),
        24 => bytes.get(1..2)?,
        25 => bytes.get(1..3)?,
        26 => bytes.get(1..5)?,
        27 => bytes.get(1..9)?,
        _ => return None,
    };
    let value = argument
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some((major, value, 1 + argument.len()))
}

/// Refuses what has no encoding. The recursion ends at [`MAX_DEPTH`].
fn check(value: &Ipld, level: usize) -> Result<(), EncodeError> {
    if level > MAX_DEPTH {
        return Err(EncodeError::TooDeep);
    }
    match value {
        Ipld::Float(f) if f.is_nan() => Err(EncodeError::Float("NaN")),
        Ipld::Float(f) if f.is_infinite() => Err(EncodeError::Float("infinity")),
        Ipld::Integer(i) if !INTEGERS.contains(i) => Err(EncodeError::Integer(*i)),
        Ipld::List(items) => items.iter().try_for_each(|item| check(item, level + 1)),
        Ipld::Map(entries) => entries.values().try_for_each(|item| check(item, level + 1)),
        _ => Ok(()),
    }
}
