//! Files and folders as UnixFS, with the CIDs that IPFS tools give under the import profile `unixfs-v1-2025` (IPIP-499):
//! CIDv1 with sha2-256, raw leaves of 1 MiB, 1,024 links a node, balanced; a file of up to one chunk is one raw block. A
//! folder is one node, or shards of 256 places once that node would be over 256 KiB.
//!
//! ```
//! use ipvm_ipld::unixfs;
//!
//! let (cid, blocks) = unixfs::import(b"hello");
//! assert_eq!(cid.to_string(), "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq");
//! assert_eq!(blocks.len(), 1);
//! ```

mod build;
mod directory;
#[cfg(test)]
mod folder_tests;
mod hamt;
mod list;
mod node;
pub(crate) mod pb;
mod read;
#[cfg(test)]
mod tests;

pub use build::{Builder, Root, import};
pub use directory::{Directory, DirectoryError, symlink};
pub use list::{entries, find};
pub use node::{Entry, NameError, check_name};
pub use read::{ReadError, Stat, export, export_range, size, stat};

/// Size of a leaf, in bytes.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Most links in one node of a file.
pub const NODE_LINKS: usize = 1024;
/// Largest folder that is written as one node, in bytes of that node ("block-bytes" in IPIP-499).
pub const SHARD_BYTES: usize = 256 << 10;
/// Deepest tree that is read, in nodes from root to leaf. Two levels of full nodes hold 1 TiB; other tools'
/// narrower trees are deeper.
pub const MAX_TREE_DEPTH: usize = 32;
/// Largest inner node that is read, in bytes (other tools refuse blocks over 2 MiB).
pub const MAX_NODE_BYTES: usize = 2 << 20;
/// Most entries in one folder.
pub const MAX_ENTRIES: usize = 1 << 20;
/// Longest name in a folder, in bytes. File systems end at 255 bytes or UTF-16 units.
pub const MAX_NAME_BYTES: usize = 1 << 10;
/// Longest target of a symbolic link, in bytes: the longest path of Linux.
pub const MAX_TARGET_BYTES: usize = 4 << 10;
