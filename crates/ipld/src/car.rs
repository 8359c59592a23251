//! CAR: many blocks in one file (<https://ipld.io/specs/transport/car/>). Version 1 is written; version 1 and the version 1
//! inside a version 2 are read.
//!
//! `header length (varint) | header (DAG-CBOR {roots, version}) | [ length (varint) | CID | bytes ]*`
//!
//! Every block that is read is checked against its CID. A CIDv0 is read as the CIDv1 of the same block.
//!
//! ```
//! use ipvm_ipld::{Block, car, codec};
//!
//! let block = Block::new(codec::RAW, b"hello".to_vec());
//! let mut file = car::header(&[*block.cid()]);
//! file.extend(car::frame(block.cid(), block.data().len()));
//! file.extend(block.data());
//!
//! let mut rest = file.as_slice();
//! let mut reader = car::Reader::open(move |buffer: &mut [u8]| std::io::Read::read(&mut rest, buffer))?;
//! assert_eq!(reader.roots(), [*block.cid()]);
//! assert_eq!(reader.next_block()?, Some(block));
//! assert_eq!(reader.next_block()?, None);
//! # Ok::<(), car::CarError<std::io::Error>>(())
//! ```

use crate::address::to_v1;
use crate::block::{Block, BlockError};
use crate::unixfs::pb::varint;
use crate::{Ipld, Limits, MAX_BLOCK_BYTES, MAX_DEPTH, cbor};
use cid::Cid;
use std::fmt::Display;

/// Longest header that is read, in bytes.
pub const MAX_HEADER_BYTES: u64 = 1 << 20;
/// Most roots in a header.
pub const MAX_ROOTS: usize = 4_096;
/// Longest CID in front of a block, in bytes: two numbers, a code and a digest of 64 bytes take fewer.
const MAX_CID_BYTES: u64 = 128;
/// Bytes of the fixed header of version 2, after its pragma: characteristics, then three little-endian numbers.
const V2_HEADER_BYTES: usize = 40;
/// Most bytes a 64-bit varint takes.
const MAX_VARINT_BYTES: usize = 10;
/// Bytes skipped at a time.
const SKIP_BYTES: usize = 64 << 10;

/// Why a CAR cannot be read, and where in it, in bytes from its beginning.
#[derive(Debug, thiserror::Error)]
pub enum CarError<E: Display> {
    /// The bytes could not be had.
    #[error("the CAR cannot be read at byte {at}: {error}")]
    Source {
        /// Where.
        at: u64,
        /// What the source of bytes says.
        error: E,
    },
    /// It ends in the middle of something.
    #[error(
        "the CAR is cut off at byte {at}, in the middle of {what} that begins at byte {begins}"
    )]
    Truncated {
        /// Where it ends.
        at: u64,
        /// What is not whole.
        what: &'static str,
        /// Where that begins.
        begins: u64,
    },
    /// Not a CAR.
    #[error("it is not a CAR: {0}")]
    Header(String),
    /// A version that is not known here.
    #[error("it is a CAR of version {0}; versions 1 and 2 are known")]
    Version(i128),
    /// A section of impossible length.
    #[error("the CAR is damaged at byte {at}: {what}")]
    Section {
        /// Where the section begins.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A block that is not what it says, or of a kind that is not kept here.
    #[error("the block at byte {at} of the CAR is refused: {error}")]
    Block {
        /// Where its section begins.
        at: u64,
        /// Why.
        error: BlockError,
    },
}

/// The header of a CAR with these roots.
#[must_use]
pub fn header(roots: &[Cid]) -> Vec<u8> {
    let roots = roots.iter().copied().map(Ipld::Link).collect();
    let map = [
        ("roots".to_owned(), Ipld::List(roots)),
        ("version".to_owned(), Ipld::Integer(1)),
    ];
    // Links and a small number can always be encoded.
    let encoded = cbor::encode(&Ipld::Map(map.into())).unwrap_or_default();
    let mut out = Vec::new();
    varint(&mut out, encoded.len() as u64);
    out.extend(encoded);
    out
}

/// What stands in front of a block of `length` bytes.
#[must_use]
pub fn frame(cid: &Cid, length: usize) -> Vec<u8> {
    let cid = cid.to_bytes();
    let mut out = Vec::new();
    varint(&mut out, (cid.len() + length) as u64);
    out.extend(cid);
    out
}

/// Reads a CAR from a source, which fills a buffer from its start and says how much there was: 0 at the end.
pub struct Reader<S> {
    source: S,
    roots: Vec<Cid>,
    /// Bytes read so far.
    at: u64,
    /// Where the blocks end, if the source goes on after them (version 2).
    end: Option<u64>,
}

impl<S, E> Reader<S>
where
    S: FnMut(&mut [u8]) -> Result<usize, E>,
    E: Display,
{
    /// Reads the header.
    ///
    /// # Errors
    /// It is not a CAR, or one of another version.
    pub fn open(source: S) -> Result<Self, CarError<E>> {
        let mut reader = Self {
            source,
            roots: Vec::new(),
            at: 0,
            end: None,
        };
        let mut version = reader.header()?;
        if version == 2 {
            reader.enter_v2()?;
            version = reader.header()?;
            if version == 2 {
                return Err(CarError::Header("a version 2 inside a version 2".into()));
            }
        }
        if version != 1 {
            return Err(CarError::Version(version));
        }
        Ok(reader)
    }

    /// The roots that the header names, as CIDv1.
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// The next block, checked against its CID; `None` at the end.
    ///
    /// # Errors
    /// See [`CarError`]. What came before was whole.
    pub fn next_block(&mut self) -> Result<Option<Block>, CarError<E>> {
        const WHAT: &str = "a block";
        let begins = self.at;
        if self.end.is_some_and(|end| begins >= end) {
            return Ok(None);
        }
        let Some(length) = self.length(WHAT)? else {
            return match self.end {
                Some(_) => Err(self.truncated(WHAT, begins)),
                None => Ok(None),
            };
        };
        let section = |what| Err(CarError::Section { at: begins, what });
        if length > MAX_BLOCK_BYTES as u64 + MAX_CID_BYTES {
            return section("a block over 4 MiB, or no block at all");
        }
        if self
            .end
            .is_some_and(|end| self.at.saturating_add(length) > end)
        {
            return section("a block leads beyond the end of the blocks");
        }
        let bytes = self.take(length as usize, WHAT, begins)?;
        let mut data = bytes.as_slice();
        let Ok(cid) = Cid::read_bytes(&mut data) else {
            return section("there is no CID in front of the block");
        };
        if data.len() > MAX_BLOCK_BYTES {
            return section("a block over 4 MiB");
        }
        match Block::verify(to_v1(&cid), data.to_vec()) {
            Ok(block) => Ok(Some(block)),
            Err(error) => Err(CarError::Block { at: begins, error }),
        }
    }

    /// Reads a header and returns its version.
    fn header(&mut self) -> Result<i128, CarError<E>> {
        const WHAT: &str = "the header";
        let begins = self.at;
        let length = self.length(WHAT)?.unwrap_or(0);
        if length == 0 || length > MAX_HEADER_BYTES {
            return Err(CarError::Header(
                "it does not begin with the length of a header".into(),
            ));
        }
        let bytes = self.take(length as usize, WHAT, begins)?;
        let limits = Limits {
            bytes: bytes.len(),
            depth: MAX_DEPTH,
        };
        let value = cbor::decode(&bytes, limits)
            .map_err(|error| CarError::Header(format!("its header: {error}")))?;
        let Ipld::Map(mut map) = value else {
            return Err(CarError::Header("its header is no map".into()));
        };
        let Some(Ipld::Integer(version)) = map.remove("version") else {
            return Err(CarError::Header("its header names no version".into()));
        };
        if version == 1 {
            self.roots = roots(map.remove("roots"))?;
        }
        Ok(version)
    }

    /// Goes on to the version 1 that is inside a version 2.
    fn enter_v2(&mut self) -> Result<(), CarError<E>> {
        const WHAT: &str = "the header of version 2";
        let begins = self.at;
        let bytes = self.take(V2_HEADER_BYTES, WHAT, begins)?;
        let number = |place: usize| {
            let bytes = bytes.get(place..place + 8);
            bytes
                .and_then(|bytes| bytes.try_into().ok())
                .map(u64::from_le_bytes)
        };
        let (Some(start), Some(length)) = (number(16), number(24)) else {
            return Err(self.truncated(WHAT, begins));
        };
        let Some(mut skip) = start.checked_sub(self.at) else {
            return Err(CarError::Header(
                "its blocks would begin in its header".into(),
            ));
        };
        while skip > 0 {
            let now = skip.min(SKIP_BYTES as u64);
            self.take(now as usize, WHAT, begins)?;
            skip -= now;
        }
        self.end = Some(start.saturating_add(length));
        Ok(())
    }

    /// Reads a length; `None` if the source is at its end.
    fn length(&mut self, what: &'static str) -> Result<Option<u64>, CarError<E>> {
        let begins = self.at;
        let mut n = 0_u64;
        for i in 0..MAX_VARINT_BYTES {
            let mut byte = [0];
            if self.fill(&mut byte)? == 0 {
                if i == 0 {
                    return Ok(None);
                }
                return Err(self.truncated(what, begins));
            }
            let [byte] = byte;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << (7 * i);
            if shifted >> (7 * i) != bits || (byte == 0 && i > 0) {
                break;
            }
            n |= shifted;
            if byte < 0x80 {
                return Ok(Some(n));
            }
        }
        Err(CarError::Section {
            at: begins,
            what: "a length that is no number",
        })
    }

    /// The next `length` bytes, all of them.
    fn take(
        &mut self,
        length: usize,
        what: &'static str,
        begins: u64,
    ) -> Result<Vec<u8>, CarError<E>> {
        let mut bytes = vec![0; length];
        if self.fill(&mut bytes)? < length {
            return Err(self.truncated(what, begins));
        }
        Ok(bytes)
    }

    /// Fills the buffer, unless the source ends before; returns how much there was.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, CarError<E>> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match (self.source)(rest) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    self.at += count as u64;
                }
                Err(error) => return Err(CarError::Source { at: self.at, error }),
            }
        }
        Ok(filled)
    }

    fn truncated(&self, what: &'static str, begins: u64) -> CarError<E> {
        CarError::Truncated {
            at: self.at,
            what,
            begins,
        }
    }
}

fn roots<E: Display>(value: Option<Ipld>) -> Result<Vec<Cid>, CarError<E>> {
    let Some(Ipld::List(items)) = value else {
        return Err(CarError::Header("its header has no list of roots".into()));
    };
    if items.len() > MAX_ROOTS {
        let message = format!("it has {} roots; {MAX_ROOTS} are the limit", items.len());
        return Err(CarError::Header(message));
    }
    items
        .iter()
        .map(|item| match item {
            Ipld::Link(cid) => Ok(to_v1(cid)),
            _ => Err(CarError::Header("a root is no link".into())),
        })
        .collect()
}
