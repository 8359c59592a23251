//! Blocks: bytes together with the CID that names them.

use crate::address::{CidError, cid_of, require_ours};
use cid::Cid;

/// A block whose bytes are known to hash to its CID, or to be a whole sealed block of that name: valid by construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    data: Vec<u8>,
}

/// Why bytes are not the block they claim to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The bytes hash to another CID.
    #[error(
        "the bytes given for block {claimed} are not that block: they hash to {actual}; fetch it again elsewhere"
    )]
    Hash {
        /// The CID under which the bytes came.
        claimed: Box<Cid>,
        /// The CID that they have.
        actual: Box<Cid>,
    },
    /// The CID is of a kind that is not used here.
    #[error(transparent)]
    Cid(#[from] CidError),
}

impl Block {
    /// Makes a block of these bytes and computes its CID.
    #[must_use]
    pub fn new(codec: u64, data: Vec<u8>) -> Self {
        Self {
            cid: cid_of(codec, &data),
            data,
        }
    }

    /// Checks that these bytes are the block of that CID.
    ///
    /// # Errors
    /// When the hash differs, or the CID is not version 1 with sha2-256.
    pub fn verify(cid: Cid, data: Vec<u8>) -> Result<Self, BlockError> {
        require_ours(&cid)?;
        let actual = cid_of(cid.codec(), &data);
        if actual != cid {
            return Err(BlockError::Hash {
                claimed: Box::new(cid),
                actual: Box::new(actual),
            });
        }
        Ok(Self { cid, data })
    }

    /// A block whose name is not the hash of its bytes, which the caller has checked.
    pub(crate) fn named(cid: Cid, data: Vec<u8>) -> Self {
        Self { cid, data }
    }

    /// The block's name.
    #[must_use]
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// The block's bytes.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Name and bytes, without a copy.
    #[must_use]
    pub fn into_parts(self) -> (Cid, Vec<u8>) {
        (self.cid, self.data)
    }
}
