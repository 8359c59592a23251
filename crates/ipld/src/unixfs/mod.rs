//! Files as UnixFS, with the CIDs that IPFS tools give under the import profile `unixfs-v1-2025`:
//! CIDv1 with sha2-256, raw leaves of 1 MiB, 1,024 links a node, balanced. A file of up to one chunk is one raw block.
//!
//! ```
//! use ipvm_ipld::unixfs;
//!
//! let (cid, blocks) = unixfs::import(b"hello");
//! assert_eq!(cid.to_string(), "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq");
//! assert_eq!(blocks.len(), 1);
//! ```

mod build;
mod node;
mod read;
#[cfg(test)]
mod tests;

pub use build::{Builder, import};
pub use read::{ExportError, export, size};

/// Size of a leaf, in bytes.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Most links in one node.
pub const NODE_LINKS: usize = 1024;
/// Deepest tree that is read, in nodes from root to leaf. Two levels of full nodes hold 1 TiB; other tools'
/// narrower trees are deeper.
pub const MAX_TREE_DEPTH: usize = 32;
/// Largest inner node that is read, in bytes (other tools refuse blocks over 2 MiB).
pub const MAX_NODE_BYTES: usize = 2 << 20;
