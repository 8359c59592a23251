//! Sealed blocks: bytes that only the holder of a key can read, under a name that says nothing to anybody else.
//!
//! ```text
//! frame = magic (8 bytes) ‖ sha2-256 of the rest ‖ length of the head (4 bytes, big endian) ‖ head ‖ body
//! head  = DAG-CBOR [name, task | null, computation | null, reusable, needs, names]
//! ```
//!
//! The name is a tag of 32 bytes that its maker derives from a key and the true CID; so is each link to something that
//! is sealed too. Tags have the form of CIDs, of a codec and a hash for private use, so that whatever stores blocks and
//! follows links can do so with sealed ones, without the key. The body is opaque here, and the head is open: it should
//! be authenticated together with the body. The hash guards against damage, not against people.

use crate::address::codec;
use crate::{Block, Ipld, Limits, cbor};
use cid::Cid;
use multihash::Multihash;
use sha2::{Digest, Sha256};

/// Bytes of a tag.
pub const TAG_BYTES: usize = 32;
/// Begins every frame, and no DAG-CBOR value: 0xfe is reserved there.
const MAGIC: &[u8; 8] = b"\xfeipvm/s1";
/// Multihash code of a tag, of the range for private use.
const TAG_HASH: u64 = 0x30_0001;
const SUM_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;

/// A name that says nothing without the key.
pub type Tag = [u8; TAG_BYTES];

/// Why bytes are no sealed block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no sealed block: {0}")]
pub struct FrameError(&'static str);

/// The open part of a sealed block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// What it is called.
    pub name: Tag,
    /// Of a receipt: its task, as a tag.
    pub task: Option<Tag>,
    /// Of a receipt: its computation, as a tag.
    pub computation: Option<Tag>,
    /// Of a receipt: whether its result may answer later work.
    pub reusable: bool,
    /// What it cannot be used without.
    pub needs: Vec<Cid>,
    /// What it names, which need not be there.
    pub names: Vec<Cid>,
}

/// A sealed block, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The open part.
    pub head: Head,
    /// The bytes of the open part, to authenticate.
    pub head_bytes: &'a [u8],
    /// The rest.
    pub body: &'a [u8],
}

/// The name of what is sealed under this tag.
#[must_use]
pub fn name_of(tag: &Tag) -> Cid {
    let hash = Multihash::wrap(TAG_HASH, tag).unwrap_or_default();
    Cid::new_v1(codec::SEALED, hash)
}

/// The tag in the name of something sealed.
#[must_use]
pub fn tag_of(name: &Cid) -> Option<Tag> {
    let tag = name.hash().digest().try_into().ok()?;
    (name.codec() == codec::SEALED && name.hash().code() == TAG_HASH).then_some(tag)
}

/// Whether bytes begin as a sealed block does.
#[must_use]
pub fn is_frame(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl Head {
    /// Its bytes: one form for each head.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let tag = |tag: &Option<Tag>| match tag {
            Some(tag) => Ipld::Bytes(tag.to_vec()),
            None => Ipld::Null,
        };
        let list = |links: &[Cid]| Ipld::List(links.iter().map(link).collect());
        let value = Ipld::List(vec![
            Ipld::Bytes(self.name.to_vec()),
            tag(&self.task),
            tag(&self.computation),
            Ipld::Bool(self.reusable),
            list(&self.needs),
            list(&self.names),
        ]);
        // Without floats and shallow, it has an encoding.
        cbor::encode(&value).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let Ipld::List(parts) = cbor::decode(bytes, Limits::default()).ok()? else {
            return None;
        };
        let [name, task, computation, reusable, needs, names] =
            <[Ipld; 6]>::try_from(parts).ok()?;
        let tag = |value: &Ipld| match value {
            Ipld::Bytes(bytes) => Tag::try_from(bytes.as_slice()).ok(),
            _ => None,
        };
        let optional = |value: &Ipld| match value {
            Ipld::Null => Some(None),
            value => tag(value).map(Some),
        };
        let list = |value: &Ipld| match value {
            Ipld::List(links) => links.iter().map(read_link).collect::<Option<Vec<Cid>>>(),
            _ => None,
        };
        Some(Self {
            name: tag(&name)?,
            task: optional(&task)?,
            computation: optional(&computation)?,
            reusable: matches!(reusable, Ipld::Bool(true)),
            needs: list(&needs)?,
            names: list(&names)?,
        })
    }

    /// Everything that it links to.
    #[must_use]
    pub fn links(&self) -> Vec<Cid> {
        [self.needs.as_slice(), self.names.as_slice()].concat()
    }
}

/// A tag alone, or a whole CID, which has more bytes.
fn link(cid: &Cid) -> Ipld {
    Ipld::Bytes(match tag_of(cid) {
        Some(tag) => tag.to_vec(),
        None => cid.to_bytes(),
    })
}

fn read_link(value: &Ipld) -> Option<Cid> {
    let Ipld::Bytes(bytes) = value else {
        return None;
    };
    match Tag::try_from(bytes.as_slice()) {
        Ok(tag) => Some(name_of(&tag)),
        Err(_) => Cid::try_from(bytes.as_slice()).ok(),
    }
}

impl<'a> Frame<'a> {
    /// Takes a sealed block apart and checks that it is whole.
    ///
    /// # Errors
    /// It is none, or damaged.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or(FrameError("they begin otherwise"))?;
        let short = FrameError("they are cut short");
        let (sum, rest) = rest.split_at_checked(SUM_BYTES).ok_or(short.clone())?;
        if Sha256::digest(rest).as_slice() != sum {
            return Err(FrameError("their hash is another"));
        }
        let (length, rest) = rest.split_at_checked(LENGTH_BYTES).ok_or(short.clone())?;
        let length = <[u8; LENGTH_BYTES]>::try_from(length).map_err(|_| short.clone())?;
        let length = u32::from_be_bytes(length) as usize;
        let (head_bytes, body) = rest.split_at_checked(length).ok_or(short)?;
        Ok(Self {
            head: Head::read(head_bytes).ok_or(FrameError("their head is malformed"))?,
            head_bytes,
            body,
        })
    }
}

impl Block {
    /// The sealed block of a head's bytes and a body.
    ///
    /// # Errors
    /// The head is none.
    pub fn seal(head: &[u8], body: &[u8]) -> Result<Self, FrameError> {
        let length = u32::try_from(head.len()).map_err(|_| FrameError("their head is too long"))?;
        let mut rest = Vec::with_capacity(LENGTH_BYTES + head.len() + body.len());
        rest.extend_from_slice(&length.to_be_bytes());
        rest.extend_from_slice(head);
        rest.extend_from_slice(body);
        let mut bytes = Vec::with_capacity(MAGIC.len() + SUM_BYTES + rest.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&Sha256::digest(&rest));
        bytes.append(&mut rest);
        Self::sealed(bytes)
    }

    /// The block of a frame, under the name that its head says. Nobody vouches for that name but whoever sealed it: take
    /// frames from the own store only.
    ///
    /// # Errors
    /// It is no frame, or damaged.
    pub fn sealed(frame: Vec<u8>) -> Result<Self, FrameError> {
        let name = Frame::parse(&frame)?.head.name;
        Ok(Self::named(name_of(&name), frame))
    }
}

#[cfg(test)]
mod tests {
    //! Without these a damaged block would be taken for a whole one, or its parts could not be found.
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{cid_of, links};

    fn head() -> Head {
        Head {
            name: [1; TAG_BYTES],
            task: Some([2; TAG_BYTES]),
            computation: None,
            reusable: true,
            needs: vec![name_of(&[3; TAG_BYTES]), cid_of(codec::RAW, b"module")],
            names: vec![name_of(&[4; TAG_BYTES])],
        }
    }

    #[test]
    fn a_frame_comes_back_and_its_links_are_known() {
        let block = Block::seal(&head().to_bytes(), b"body").unwrap();
        let frame = Frame::parse(block.data()).unwrap();
        assert_eq!(
            (frame.head, frame.body, *block.cid()),
            (head(), &b"body"[..], name_of(&[1; TAG_BYTES]))
        );
        assert_eq!(links(block.cid(), block.data()).unwrap(), head().links());
        assert_eq!(tag_of(block.cid()), Some([1; TAG_BYTES]));
        assert_eq!(tag_of(&cid_of(codec::RAW, b"x")), None);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let block = Block::seal(&head().to_bytes(), b"body").unwrap();
        for at in 0..block.data().len() {
            let mut bytes = block.data().to_vec();
            bytes[at] ^= 1;
            assert!(Frame::parse(&bytes).is_err(), "byte {at}");
            assert!(Frame::parse(&bytes[..at]).is_err(), "up to {at}");
        }
    }

    /// Content of others, a CAR file for instance, cannot put bytes under a name of a sealed block.
    #[test]
    fn no_block_from_elsewhere_is_sealed() {
        let block = Block::seal(&head().to_bytes(), b"body").unwrap();
        let (cid, data) = block.into_parts();
        assert!(Block::verify(cid, data).is_err());
    }
}
