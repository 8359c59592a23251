//! Writing a file as UnixFS, in one pass and in memory that does not grow with the file.

use super::node::{self, Part};
use super::{CHUNK_BYTES, NODE_LINKS};
use crate::address::codec;
use crate::block::Block;
use cid::Cid;
use std::convert::Infallible;

/// A file whose first piece is shorter than this is taken for one that has no other, in bytes.
const SMALL_BYTES: usize = 64 << 10;

/// Cuts a stream of bytes into blocks: give it the bytes with [`Builder::push`], then [`Builder::finish`].
///
/// It holds at most one chunk and, for each level of the tree, one node's links.
///
/// ```
/// use ipvm_ipld::unixfs::Builder;
///
/// let mut blocks = Vec::new();
/// let mut keep = |block| -> Result<(), std::io::Error> { Ok(blocks.push(block)) };
/// let mut builder = Builder::new();
/// builder.push(&[7; 1_500_000], &mut keep)?;
/// builder.push(&[8; 1_500_000], &mut keep)?;
/// let root = builder.finish(&mut keep)?;
/// assert_eq!(root.size, 3_000_000);
/// assert_eq!(blocks.len(), 4);
/// assert_eq!(blocks.last().map(|block| *block.cid()), Some(root.cid));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    shape: Shape,
    chunk: Vec<u8>,
    /// Parts without a parent yet: first leaves, then nodes over leaves, and so on.
    levels: Vec<Vec<Part>>,
    bytes: u64,
}

/// What was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its name.
    pub cid: Cid,
    /// Bytes of the file, or of all files below the folder.
    pub size: u64,
    /// Size of all its blocks together in bytes, a block that is there twice counted twice (`Tsize` of a link to it).
    pub tree_bytes: u64,
}

/// The parameters of the profile. Only tests use others, to see trees of many levels without gigabytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Bytes of a leaf.
    pub(super) chunk: usize,
    /// Links of a node.
    pub(super) links: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            chunk: CHUNK_BYTES,
            links: NODE_LINKS,
        }
    }
}

/// Where finished blocks go.
type Sink<'a, E> = &'a mut dyn FnMut(Block) -> Result<(), E>;

impl Builder {
    /// A builder for one file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[cfg(test)]
    pub(super) fn with_shape(shape: Shape) -> Self {
        Self {
            shape,
            ..Self::default()
        }
    }

    /// Takes the next bytes of the file; blocks that are whole go to the sink, children before parents.
    ///
    /// # Errors
    /// Only those of the sink; the builder is of no use afterwards.
    pub fn push<E>(&mut self, mut bytes: &[u8], sink: Sink<'_, E>) -> Result<(), E> {
        while !bytes.is_empty() {
            // A full chunk is emitted only when more follows, so that `finish` always has one to end with.
            if self.chunk.len() == self.shape.chunk {
                let chunk = std::mem::take(&mut self.chunk);
                self.leaf(chunk, sink)?;
            }
            if self.chunk.capacity() == 0 {
                // Growing in steps would touch every page of a chunk twice; but most files are small.
                let small = bytes.len() < SMALL_BYTES;
                self.chunk
                    .reserve_exact(if small { bytes.len() } else { self.shape.chunk });
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.shape.chunk - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Ends the file. Gives its root: the last block that went to the sink.
    ///
    /// # Errors
    /// Only those of the sink.
    pub fn finish<E>(mut self, sink: Sink<'_, E>) -> Result<Root, E> {
        let chunk = std::mem::take(&mut self.chunk);
        let mut last = self.leaf(chunk, sink)?;
        let mut level = 0;
        while let Some(parts) = self.levels.get_mut(level) {
            let parts = std::mem::take(parts);
            let above_is_empty = self.levels.iter().skip(level + 1).all(Vec::is_empty);
            // A single part with nothing above is the root; any other gets a parent even if it is alone, since all
            // leaves are equally far from the root.
            let is_root = parts.len() == 1 && above_is_empty;
            if !is_root && !parts.is_empty() {
                last = self.node(level, &parts, sink)?;
            }
            level += 1;
        }
        Ok(Root {
            cid: last.cid,
            size: self.bytes,
            tree_bytes: last.tree_bytes,
        })
    }

    fn leaf<E>(&mut self, chunk: Vec<u8>, sink: Sink<'_, E>) -> Result<Part, E> {
        let bytes = chunk.len() as u64;
        let block = Block::new(codec::RAW, chunk);
        let cid = *block.cid();
        self.bytes += bytes;
        sink(block)?;
        let part = Part {
            cid,
            bytes,
            tree_bytes: bytes,
        };
        self.add(0, part.clone(), sink)?;
        Ok(part)
    }

    /// Puts a part on its level, after closing the nodes that are full.
    fn add<E>(&mut self, level: usize, part: Part, sink: Sink<'_, E>) -> Result<(), E> {
        if self.levels.len() <= level {
            self.levels.push(Vec::new());
        }
        let full = self
            .levels
            .get(level)
            .is_some_and(|parts| parts.len() == self.shape.links);
        if full && let Some(parts) = self.levels.get_mut(level).map(std::mem::take) {
            self.node(level, &parts, sink)?;
        }
        if let Some(parts) = self.levels.get_mut(level) {
            parts.push(part);
        }
        Ok(())
    }

    /// Makes the node over these parts of a level.
    fn node<E>(&mut self, level: usize, parts: &[Part], sink: Sink<'_, E>) -> Result<Part, E> {
        let block = Block::new(codec::DAG_PB, node::encode_file(parts));
        let cid = *block.cid();
        let below: u64 = parts.iter().map(|part| part.tree_bytes).sum();
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let tree_bytes = below + block.data().len() as u64;
        sink(block)?;
        let part = Part {
            cid,
            bytes,
            tree_bytes,
        };
        self.add(level + 1, part.clone(), sink)?;
        Ok(part)
    }
}

/// Imports bytes that are in memory: the root's CID, and all blocks, children before parents.
#[must_use]
pub fn import(bytes: &[u8]) -> (Cid, Vec<Block>) {
    let mut blocks = Vec::new();
    let mut keep = |block| -> Result<(), Infallible> {
        blocks.push(block);
        Ok(())
    };
    let mut builder = Builder::new();
    let Ok(()) = builder.push(bytes, &mut keep);
    let Ok(root) = builder.finish(&mut keep);
    (root.cid, blocks)
}
