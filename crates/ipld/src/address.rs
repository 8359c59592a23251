//! CIDs: making them from bytes and reading them from text or bytes.

use cid::{Cid, Version};
use multihash::Multihash;
use sha2::{Digest, Sha256};

/// Multicodec codes of the block formats in use (from the multicodec table).
pub mod codec {
    /// Bytes as they are: modules, chunks of files.
    pub const RAW: u64 = 0x55;
    /// DAG-PB: the inner nodes of UnixFS files.
    pub const DAG_PB: u64 = 0x70;
    /// DAG-CBOR: everything else.
    pub const DAG_CBOR: u64 = 0x71;
    /// Sealed blocks, of the range for private use: they never leave their home as such.
    pub const SEALED: u64 = 0x30_0000;
}

/// Multihash code of sha2-256.
const SHA2_256: u64 = 0x12;
/// Length of a sha2-256 digest, in bytes.
const SHA2_256_BYTES: u8 = 32;
/// The same, for arrays.
pub const DIGEST_BYTES: usize = SHA2_256_BYTES as usize;
/// Longest text read as a CID, in bytes: a 64-byte digest in base 16 needs about 150, in base 2 nobody writes one.
const MAX_CID_TEXT: usize = 256;

/// Why something is not a CID, or not one that is accepted here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidError {
    /// The text or the bytes are no CID at all.
    #[error("{what} is not a CID: {reason}")]
    Malformed {
        /// The text, or a description of the bytes.
        what: String,
        /// What was wrong with it.
        reason: String,
    },
    /// A CIDv0, where only version 1 is accepted.
    #[error("{found} is a CIDv0; write it as the CIDv1 {instead}")]
    Version0 {
        /// The CID as given.
        found: String,
        /// The same content as CIDv1.
        instead: String,
    },
    /// A hash other than sha2-256.
    #[error(
        "the CID {found} uses the hash with code {code:#x}; only sha2-256 (0x12, 32 bytes) is accepted"
    )]
    Hash {
        /// The CID as given.
        found: String,
        /// Its multihash code.
        code: u64,
    },
}

/// The CIDv1 (sha2-256) of a block.
#[must_use]
pub fn cid_of(codec: u64, bytes: &[u8]) -> Cid {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    // `wrap` fails only for digests over 64 bytes; the default multihash is never reached.
    let hash = Multihash::wrap(SHA2_256, &digest).unwrap_or_default();
    Cid::new_v1(codec, hash)
}

/// The CIDv1 (sha2-256) of a block with this digest. A digest takes a third of the memory of a CID.
#[must_use]
pub fn cid_of_digest(codec: u64, digest: &[u8; DIGEST_BYTES]) -> Cid {
    let hash = Multihash::wrap(SHA2_256, digest).unwrap_or_default();
    Cid::new_v1(codec, hash)
}

/// The digest in a CID, if it is a sha2-256.
#[must_use]
pub fn digest_of(cid: &Cid) -> Option<[u8; DIGEST_BYTES]> {
    let hash = cid.hash();
    let digest = hash.digest().try_into().ok()?;
    (hash.code() == SHA2_256).then_some(digest)
}

/// Reads a CID from text: version 1 with sha2-256, in any multibase.
///
/// # Errors
/// The message says what is wrong, and for a CIDv0 which CIDv1 to write instead.
pub fn parse_cid(text: &str) -> Result<Cid, CidError> {
    require_ours(&any_cid(text)?)
}

/// Refuses CIDs of version 0 and with hashes other than sha2-256.
pub(crate) fn require_ours(cid: &Cid) -> Result<Cid, CidError> {
    let hash = cid.hash();
    if hash.code() != SHA2_256 || hash.size() != SHA2_256_BYTES {
        return Err(CidError::Hash {
            found: cid.to_string(),
            code: hash.code(),
        });
    }
    if cid.version() == Version::V0 {
        return Err(CidError::Version0 {
            found: cid.to_string(),
            instead: to_v1(cid).to_string(),
        });
    }
    Ok(*cid)
}

/// The same content as CIDv1: what is kept and looked up here.
pub(crate) fn to_v1(cid: &Cid) -> Cid {
    Cid::new_v1(cid.codec(), *cid.hash())
}

/// Reads any CID from text: both versions, any hash. Nothing around it is tolerated.
pub(crate) fn any_cid(text: &str) -> Result<Cid, CidError> {
    let malformed = |reason: String| CidError::Malformed {
        what: shorten(text),
        reason,
    };
    if text.len() > MAX_CID_TEXT {
        return Err(malformed(format!("longer than {MAX_CID_TEXT} bytes")));
    }
    // The library searches for `/ipfs/` anywhere in the text and drops what precedes it.
    if text.contains('/') {
        return Err(malformed("it contains a slash; write the CID alone".into()));
    }
    let cid = Cid::try_from(text).map_err(|e| malformed(e.to_string()))?;
    let tail_free = match cid.version() {
        Version::V0 => true,
        Version::V1 => {
            let decoded = cid::multibase::decode(text)
                .map_err(|e| malformed(e.to_string()))?
                .1;
            decoded.len() == cid.encoded_len()
        }
    };
    if tail_free {
        Ok(cid)
    } else {
        Err(malformed("there is something after its end".into()))
    }
}

/// Reads any CID from bytes; all bytes must belong to it.
pub(crate) fn cid_from_bytes(bytes: &[u8]) -> Result<Cid, CidError> {
    let malformed = |reason: String| CidError::Malformed {
        what: format!("a link of {} bytes", bytes.len()),
        reason,
    };
    let cid = Cid::try_from(bytes).map_err(|e| malformed(e.to_string()))?;
    // The library stops reading at the CID's end and says nothing about the rest.
    if cid.encoded_len() != bytes.len() {
        return Err(malformed("there is something after its end".into()));
    }
    Ok(cid)
}

/// The text as it is quoted in messages.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 80;
    if text.chars().count() <= SHOWN {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(SHOWN).collect();
    format!("{head:?}…")
}
