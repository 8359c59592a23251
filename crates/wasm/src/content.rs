//! What a call reads besides its arguments: the content that links in them stand for.

use ipvm_ipld::{Cid, Ipld};

/// Where the content of links is found.
///
/// A link stands for UnixFS or raw bytes where a function takes `list<u8>`, and for one DAG-CBOR block where it
/// takes anything else. `Sync`, as the engine may hold it while it enters the guest.
pub trait Content: Sync {
    /// Length of the bytes behind a link, without reading them.
    ///
    /// # Errors
    /// If they are not there, or the link does not lead to bytes.
    fn size(&self, cid: &Cid) -> Result<u64, ContentError>;

    /// Reads the bytes behind a link straight into the guest's memory; `into` is exactly [`Content::size`] long.
    ///
    /// # Errors
    /// If they are not there, or are not of that length.
    fn read(&self, cid: &Cid, into: &mut [u8]) -> Result<(), ContentError>;

    /// The value of the DAG-CBOR block behind a link.
    ///
    /// # Errors
    /// If it is not there, or is no such block.
    fn value(&self, cid: &Cid) -> Result<Ipld, ContentError>;
}

/// Why the content of a link is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It is not stored here.
    #[error("this content is not here; add or fetch it first")]
    Missing,
    /// It is here, but is not what the function takes.
    #[error("this content is not what the function takes: {0}")]
    Wrong(String),
    /// Reading it failed.
    #[error("this content cannot be read: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// No content at all: for calls whose arguments have no links.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContent;

impl Content for NoContent {
    fn size(&self, _: &Cid) -> Result<u64, ContentError> {
        Err(ContentError::Missing)
    }

    fn read(&self, _: &Cid, _: &mut [u8]) -> Result<(), ContentError> {
        Err(ContentError::Missing)
    }

    fn value(&self, _: &Cid) -> Result<Ipld, ContentError> {
        Err(ContentError::Missing)
    }
}
