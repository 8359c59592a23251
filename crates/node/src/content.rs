//! Content out of the store: the bytes of files, and content as functions see it.

use std::io;
use std::ops::Range;

use ipvm_ipld::{Cid, Ipld, Limits, cbor, codec, unixfs};
use ipvm_wasm::{Content, ContentError};

use crate::{Node, NodeError};

impl Node {
    /// Writes the bytes of a file or raw block to `sink` and returns how many there were.
    ///
    /// # Errors
    /// A block is missing or damaged, the CID is not of a file, or `sink` fails.
    pub fn export(
        &self,
        cid: &Cid,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, NodeError> {
        self.export_range(cid, 0..u64::MAX, sink)
    }

    /// As [`Node::export`], for a range of the file's bytes. Blocks outside it are not read.
    ///
    /// # Errors
    /// As [`Node::export`].
    pub fn export_range(
        &self,
        cid: &Cid,
        range: Range<u64>,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, NodeError> {
        let mut get = |cid: &Cid| self.block_or_missing(cid);
        let mut write = |bytes: &[u8]| sink(bytes).map_err(NodeError::Output);
        Ok(unixfs::export_range(cid, range, &mut get, &mut write)?)
    }

    /// The bytes of one block, or of a receipt, checked against its CID: for the owner, to whom what is sealed is
    /// opened.
    ///
    /// # Errors
    /// The store cannot be read or the block is damaged.
    pub fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, NodeError> {
        match self.open_block(cid)? {
            Some(bytes) => Ok(Some(bytes)),
            None => Ok(self.sealed_block(cid)?.map(|block| block.into_parts().1)),
        }
    }

    /// The same for the work of a step: what is sealed is there for secret ones alone.
    pub(crate) fn block_for(&self, cid: &Cid, secret: bool) -> Result<Vec<u8>, NodeError> {
        let found = match secret {
            true => self.block(cid)?,
            false => self.open_block(cid)?,
        };
        found.ok_or_else(|| self.absent(cid))
    }

    /// All bytes of a file or raw block, for the work of a step, if there are at most `limit`.
    pub(crate) fn bytes_for(
        &self,
        cid: &Cid,
        limit: u64,
        secret: bool,
    ) -> Result<Vec<u8>, NodeError> {
        let mut get = |cid: &Cid| self.block_for(cid, secret);
        let size = unixfs::size(cid, &mut get)?;
        if size > limit {
            return Err(NodeError::Content(format!(
                "{cid} has {size} bytes, more than the {limit} that may be sent"
            )));
        }
        let mut bytes = Vec::new();
        let mut get = |cid: &Cid| self.block_for(cid, secret);
        let mut sink = |piece: &[u8]| -> Result<(), NodeError> {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        unixfs::export(cid, &mut get, &mut sink)?;
        Ok(bytes)
    }

    pub(crate) fn block_or_missing(&self, cid: &Cid) -> Result<Vec<u8>, NodeError> {
        self.block(cid)?.ok_or_else(|| self.absent(cid))
    }
}

/// The store as a source of content for functions.
pub(crate) struct StoreContent<'a> {
    pub(crate) node: &'a Node,
    /// Whether the step is secret.
    pub(crate) secret: bool,
}

impl StoreContent<'_> {
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, NodeError> {
        self.node.block_for(cid, self.secret)
    }
}

impl Content for StoreContent<'_> {
    fn size(&self, cid: &Cid) -> Result<u64, ContentError> {
        unixfs::size(cid, &mut |cid: &Cid| self.block(cid)).map_err(unavailable)
    }

    fn read(&self, cid: &Cid, into: &mut [u8]) -> Result<(), ContentError> {
        let mut rest = into;
        let mut get = |cid: &Cid| self.block(cid);
        let mut sink = |piece: &[u8]| {
            let (here, after) = std::mem::take(&mut rest)
                .split_at_mut_checked(piece.len())
                .ok_or(NodeError::Output(io::ErrorKind::FileTooLarge.into()))?;
            here.copy_from_slice(piece);
            rest = after;
            Ok(())
        };
        unixfs::export(cid, &mut get, &mut sink).map_err(unavailable)?;
        if rest.is_empty() {
            return Ok(());
        }
        Err(ContentError::Wrong("it is shorter than it says".into()))
    }

    fn value(&self, cid: &Cid) -> Result<Ipld, ContentError> {
        if cid.codec() != codec::DAG_CBOR {
            return Err(ContentError::Wrong("it is not a DAG-CBOR block".into()));
        }
        match self.block(cid) {
            Ok(bytes) => cbor::decode(&bytes, Limits::default())
                .map_err(|error| ContentError::Wrong(error.to_string())),
            Err(NodeError::NoBlock(_) | NodeError::GivenUp(_)) => Err(ContentError::Missing),
            Err(error) => Err(ContentError::Failed(error.into())),
        }
    }
}

fn unavailable(error: unixfs::ReadError<NodeError>) -> ContentError {
    match error {
        unixfs::ReadError::Get {
            error: NodeError::NoBlock(_) | NodeError::GivenUp(_),
            ..
        } => ContentError::Missing,
        unixfs::ReadError::Get { error, .. } => ContentError::Failed(error.into()),
        other => ContentError::Wrong(other.to_string()),
    }
}
