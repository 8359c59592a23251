//! A walk over a DAG-CBOR input that accepts exactly the canonical encodings within the limits, and builds the value.
//!
//! It keeps its own stack (at most `depth` entries), so nesting cannot overflow the program's, and compares every
//! declared length with what is left, so that no length is believed before its bytes are there.

use super::DecodeError;
use crate::address::cid_from_bytes;
use crate::limits::{Limits, MAX_ITEMS};
use cid::Cid;
use ipld_core::ipld::Ipld;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The tag of a link: the only one DAG-CBOR has.
const TAG_LINK: u64 = 42;
/// What precedes a CID in a link: the identity multibase prefix.
const LINK_PREFIX: u8 = 0;
/// Most items of a list for which memory is taken at once, before they have been read; afterwards as many again as there
/// are, and never more than the list has.
const RESERVED_ITEMS: usize = 1024;

/// A list or map that is being read, and how many items or entries are still to come: never none.
enum Frame<'a> {
    List {
        items: Vec<Ipld>,
        left: usize,
    },
    Map {
        entries: BTreeMap<String, Ipld>,
        left: usize,
        key: &'a str,
    },
}

/// What a value begins with.
enum Start<'a> {
    Whole(Ipld),
    Open(Frame<'a>),
}

/// The first bytes of an item.
struct Head {
    at: usize,
    major: u8,
    info: u8,
    argument: u64,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    items: usize,
}

/// Reads `bytes` as one canonical DAG-CBOR value within the limits. Each map that is not empty, once it is whole, is what
/// `mapped` makes of it.
pub(super) fn read(
    bytes: &[u8],
    limits: Limits,
    mut mapped: impl FnMut(BTreeMap<String, Ipld>) -> Ipld,
) -> Result<Ipld, DecodeError> {
    if bytes.len() > limits.bytes {
        return Err(DecodeError::TooLarge {
            bytes: bytes.len(),
            limit: limits.bytes,
        });
    }
    let mut reader = Reader {
        bytes,
        at: 0,
        items: 0,
    };
    let mut stack: Vec<Frame<'_>> = Vec::new();
    loop {
        if stack.len() >= limits.levels() {
            return Err(DecodeError::TooDeep {
                at: reader.at,
                limit: limits.levels(),
            });
        }
        if let Some(Frame::Map { entries, key, .. }) = stack.last_mut() {
            *key = reader.key((!entries.is_empty()).then_some(*key))?;
        }
        let mut value = match reader.value()? {
            Start::Whole(value) => value,
            Start::Open(frame) => {
                stack.push(frame);
                continue;
            }
        };
        // The value is whole: put it where it belongs, closing what ends with it.
        loop {
            let Some(frame) = stack.pop() else {
                return if reader.at == bytes.len() {
                    Ok(value)
                } else {
                    Err(DecodeError::Trailing { at: reader.at })
                };
            };
            match frame.put(value) {
                Start::Whole(Ipld::Map(map)) => value = mapped(map),
                Start::Whole(closed) => value = closed,
                Start::Open(frame) => {
                    stack.push(frame);
                    break;
                }
            }
        }
    }
}

impl<'a> Frame<'a> {
    /// Takes in the next value; whole if it was the last.
    fn put(mut self, value: Ipld) -> Start<'a> {
        match &mut self {
            Self::List { items, left } => {
                if items.len() == items.capacity() {
                    items.reserve_exact(items.len().min(*left));
                }
                items.push(value);
                *left -= 1;
            }
            Self::Map { entries, left, key } => {
                entries.insert((*key).to_owned(), value);
                *left -= 1;
            }
        }
        match self {
            Self::List { items, left: 0 } => Start::Whole(Ipld::List(items)),
            Self::Map {
                entries, left: 0, ..
            } => Start::Whole(Ipld::Map(entries)),
            open => Start::Open(open),
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads a scalar or an empty list or map whole; of others the head.
    fn value(&mut self) -> Result<Start<'a>, DecodeError> {
        self.count()?;
        let head = self.head()?;
        let whole = match head.major {
            0 => Ipld::Integer(head.argument.into()),
            1 => Ipld::Integer(-1 - i128::from(head.argument)),
            2 => Ipld::Bytes(self.body(&head)?.to_vec()),
            3 => Ipld::String(self.text(&head)?.to_owned()),
            4 => match self.length(&head, 1)? {
                0 => Ipld::List(Vec::new()),
                left => {
                    let items = Vec::with_capacity(left.min(RESERVED_ITEMS));
                    return Ok(Start::Open(Frame::List { items, left }));
                }
            },
            5 => match self.length(&head, 2)? {
                0 => Ipld::Map(BTreeMap::new()),
                left => {
                    return Ok(Start::Open(Frame::Map {
                        entries: BTreeMap::new(),
                        left,
                        key: "",
                    }));
                }
            },
            6 => Ipld::Link(self.link(&head)?),
            _ => simple(&head)?,
        };
        Ok(Start::Whole(whole))
    }

    /// A map key: a string, after all that are shorter or equally long and bytewise smaller.
    fn key(&mut self, last: Option<&str>) -> Result<&'a str, DecodeError> {
        self.count()?;
        let head = self.head()?;
        if head.major != 3 {
            return Err(DecodeError::Forbidden {
                at: head.at,
                what: "a map key that is not a string",
            });
        }
        let key = self.text(&head)?;
        match last.map(|last| (last.len(), last).cmp(&(key.len(), key))) {
            None | Some(Ordering::Less) => Ok(key),
            Some(Ordering::Equal) => Err(DecodeError::NotCanonical {
                at: head.at,
                what: "a map key that is there twice",
            }),
            Some(Ordering::Greater) => Err(DecodeError::NotCanonical {
                at: head.at,
                what: "a map key out of order",
            }),
        }
    }

    fn count(&mut self) -> Result<(), DecodeError> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(DecodeError::TooMany {
                at: self.at,
                limit: MAX_ITEMS,
            });
        }
        Ok(())
    }

    /// Reads a head and requires its shortest form.
    fn head(&mut self) -> Result<Head, DecodeError> {
        let at = self.at;
        let first = *self.bytes.get(at).ok_or(DecodeError::Truncated {
            at: at.saturating_sub(1),
        })?;
        self.at += 1;
        let (major, info) = (first >> 5, first & 0x1f);
        let width = match info {
            0..=23 => {
                return Ok(Head {
                    at,
                    major,
                    info,
                    argument: u64::from(info),
                });
            }
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            31 => {
                return Err(DecodeError::NotCanonical {
                    at,
                    what: "an indefinite length",
                });
            }
            _ => {
                return Err(DecodeError::Forbidden {
                    at,
                    what: "a reserved head",
                });
            }
        };
        let argument = self
            .take(at, width)?
            .iter()
            .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        let shortest = match width {
            1 => argument > 23,
            2 => argument > 0xff,
            4 => argument > 0xffff,
            _ => argument > 0xffff_ffff,
        };
        // For floats the argument is the value itself, not a length or number.
        if major != 7 && !shortest {
            return Err(DecodeError::NotCanonical {
                at,
                what: "an integer or length in more bytes than it needs",
            });
        }
        Ok(Head {
            at,
            major,
            info,
            argument,
        })
    }

    fn take(&mut self, head: usize, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self
            .at
            .checked_add(length)
            .ok_or(DecodeError::Truncated { at: head })?;
        let taken = self
            .bytes
            .get(self.at..end)
            .ok_or(DecodeError::Truncated { at: head })?;
        self.at = end;
        Ok(taken)
    }

    /// The bytes of a string or byte string.
    fn body(&mut self, head: &Head) -> Result<&'a [u8], DecodeError> {
        let length =
            usize::try_from(head.argument).map_err(|_| DecodeError::Truncated { at: head.at })?;
        self.take(head.at, length)
    }

    fn text(&mut self, head: &Head) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.body(head)?).map_err(|_| DecodeError::Utf8 { at: head.at })
    }

    /// The length of a list or map, of which each item or entry takes at least so many bytes.
    fn length(&self, head: &Head, bytes_each: usize) -> Result<usize, DecodeError> {
        let length = usize::try_from(head.argument).ok();
        let needed = length.and_then(|length| length.checked_mul(bytes_each));
        match (length, needed) {
            (Some(length), Some(needed)) if needed <= self.bytes.len() - self.at => Ok(length),
            _ => Err(DecodeError::Truncated { at: head.at }),
        }
    }

    fn link(&mut self, head: &Head) -> Result<Cid, DecodeError> {
        if head.argument != TAG_LINK {
            return Err(DecodeError::Forbidden {
                at: head.at,
                what: "a tag other than 42 (link)",
            });
        }
        let content = self.head()?;
        if content.major != 2 {
            return Err(DecodeError::Forbidden {
                at: content.at,
                what: "a link that is not bytes",
            });
        }
        match self.body(&content)?.split_first() {
            Some((&LINK_PREFIX, cid)) => cid_from_bytes(cid).map_err(|source| DecodeError::Link {
                at: head.at,
                source,
            }),
            _ => Err(DecodeError::Forbidden {
                at: content.at,
                what: "a link without the prefix byte 0",
            }),
        }
    }
}

/// A bool, null or float; the rest of major type 7 does not exist in DAG-CBOR.
fn simple(head: &Head) -> Result<Ipld, DecodeError> {
    let forbidden = |what| Err(DecodeError::Forbidden { at: head.at, what });
    match head.info {
        20 => Ok(Ipld::Bool(false)),
        21 => Ok(Ipld::Bool(true)),
        22 => Ok(Ipld::Null),
        23 => forbidden("undefined"),
        25 => forbidden("a half-precision float"),
        26 => forbidden("a single-precision float"),
        27 => {
            let value = f64::from_bits(head.argument);
            if !value.is_finite() {
                return forbidden("NaN or an infinity");
            }
            if value == 0.0 && value.is_sign_negative() {
                return Err(DecodeError::NotCanonical {
                    at: head.at,
                    what: "a negative zero",
                });
            }
            Ok(Ipld::Float(value))
        }
        _ => forbidden("a simple value other than false, true and null"),
    }
}
