//! Files in and out of the store, and content as functions see it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ipvm_ipld::{Block, Cid, Ipld, Limits, cbor, codec, unixfs};
use ipvm_store::{Batch, Store};
use ipvm_wasm::{Content, ContentError};

use crate::{Node, NodeError};

/// Blocks gathered before they are committed together, in bytes.
const COMMIT_BYTES: usize = 16 << 20;
/// Bytes read from a file at a time: few enough to stay in the processor's cache.
const READ_BYTES: usize = 64 << 10;

/// What [`Node::add`] stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The root of the content.
    pub cid: Cid,
    /// Its length in bytes.
    pub size: u64,
    /// How many blocks it has.
    pub blocks: u64,
}

impl Node {
    /// Adds a file's content to the store and returns its CID once it is durable.
    ///
    /// The file is read once, in pieces; memory stays flat. Blocks that are already there are
    /// not written again. `progress` is told the bytes read so far.
    ///
    /// # Errors
    /// The file cannot be read, is a folder, or the store cannot be written.
    pub fn add(&self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<Added, NodeError> {
        let unreadable = |source| NodeError::io("read", path, source);
        let file = File::open(path).map_err(unreadable)?;
        let kind = file.metadata().map_err(unreadable)?.file_type();
        if kind.is_dir() {
            return Err(NodeError::Folder(path.to_path_buf()));
        }
        self.add_reader(file, path, progress)
    }

    /// Adds what `reader` yields, as [`Node::add`] does; `name` is used in errors.
    ///
    /// # Errors
    /// As [`Node::add`].
    pub fn add_reader(
        &self,
        mut reader: impl Read,
        name: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Added, NodeError> {
        let mut writer = BlockWriter::new(self.store());
        let mut builder = unixfs::Builder::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut read = 0u64;
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(NodeError::io("read", name, source)),
            };
            let piece = buffer.get(..count).unwrap_or_default();
            builder.push(piece, &mut |block| writer.push(block))?;
            read += count as u64;
            progress(read);
        }
        let root = builder.finish(&mut |block| writer.push(block))?;
        let blocks = writer.finish()?;
        Ok(Added {
            cid: root.cid,
            size: root.size,
            blocks,
        })
    }

    /// Writes the bytes of a file or raw block to `sink` and returns how many there were.
    ///
    /// # Errors
    /// A block is missing or damaged, the CID is not of a file, or `sink` fails.
    pub fn export(
        &self,
        cid: &Cid,
        sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, NodeError> {
        let mut get = |cid: &Cid| self.block_or_missing(cid);
        let mut write = |bytes: &[u8]| sink(bytes).map_err(NodeError::Output);
        Ok(unixfs::export(cid, &mut get, &mut write)?)
    }

    /// The bytes of one block, or of a receipt, checked against its CID.
    ///
    /// # Errors
    /// The store cannot be read or the block is damaged.
    pub fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, NodeError> {
        Ok(self.store().get(cid)?)
    }

    pub(crate) fn block_or_missing(&self, cid: &Cid) -> Result<Vec<u8>, NodeError> {
        self.block(cid)?.ok_or(NodeError::NoBlock(*cid))
    }
}

/// Commits the blocks that are not there yet, in groups.
struct BlockWriter<'a> {
    store: &'a Store,
    waiting: Vec<Block>,
    bytes: usize,
    blocks: u64,
}

impl<'a> BlockWriter<'a> {
    fn new(store: &'a Store) -> Self {
        Self {
            store,
            waiting: Vec::new(),
            bytes: 0,
            blocks: 0,
        }
    }

    fn push(&mut self, block: Block) -> Result<(), NodeError> {
        self.blocks += 1;
        if self.store.has(block.cid())? {
            return Ok(());
        }
        self.bytes += block.data().len();
        self.waiting.push(block);
        if self.bytes >= COMMIT_BYTES {
            self.commit()
        } else {
            Ok(())
        }
    }

    fn finish(mut self) -> Result<u64, NodeError> {
        self.commit()?;
        Ok(self.blocks)
    }

    fn commit(&mut self) -> Result<(), NodeError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let mut batch = Batch::new();
        for block in self.waiting.drain(..) {
            batch.block(block);
        }
        Ok(self.store.commit(batch)?)
    }
}

/// The store as a source of content for functions.
pub(crate) struct StoreContent<'a>(pub(crate) &'a Node);

impl Content for StoreContent<'_> {
    fn size(&self, cid: &Cid) -> Result<u64, ContentError> {
        unixfs::size(cid, &mut |cid: &Cid| self.0.block_or_missing(cid)).map_err(unavailable)
    }

    fn read(&self, cid: &Cid, into: &mut [u8]) -> Result<(), ContentError> {
        let mut rest = into;
        let mut get = |cid: &Cid| self.0.block_or_missing(cid);
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
        match self.0.block(cid) {
            Ok(Some(bytes)) => cbor::decode(&bytes, Limits::default())
                .map_err(|error| ContentError::Wrong(error.to_string())),
            Ok(None) => Err(ContentError::Missing),
            Err(error) => Err(ContentError::Failed(error.into())),
        }
    }
}

fn unavailable(error: unixfs::ReadError<NodeError>) -> ContentError {
    match error {
        unixfs::ReadError::Get {
            error: NodeError::NoBlock(_),
            ..
        } => ContentError::Missing,
        unixfs::ReadError::Get { error, .. } => ContentError::Failed(error.into()),
        other => ContentError::Wrong(other.to_string()),
    }
}
