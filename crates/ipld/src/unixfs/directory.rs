//! Writing a folder as UnixFS: one node, or shards once that would be too large.

use super::build::Root;
use super::hamt::{self, SHARD_BITS};
use super::node::{self, Entry, NameError, check_name};
use super::{MAX_ENTRIES, MAX_TARGET_BYTES, SHARD_BYTES};
use crate::address::codec;
use crate::block::Block;
use cid::Cid;

/// Why a folder cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// A name that nothing can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Two entries with one name.
    #[error("the name {0:?} is there twice")]
    Twice(String),
    /// Too many entries.
    #[error("it has more than {MAX_ENTRIES} entries")]
    TooMany,
    /// Names that cannot be told apart by their hashes.
    #[error(
        "the names {0:?} and {1:?} have the same hash, so that no sharded folder can hold both"
    )]
    Collision(String, String),
    /// The target of a symbolic link is no path.
    #[error("the target of a symbolic link has {0} bytes; 1 to {MAX_TARGET_BYTES} are allowed")]
    Target(usize),
}

/// Collects the entries of one folder; holds no more than them.
///
/// ```
/// use ipvm_ipld::unixfs::{self, Directory, Entry};
///
/// let (cid, mut blocks) = unixfs::import(b"hello");
/// let mut folder = Directory::new();
/// folder.push(Entry { name: "a.txt".into(), cid, tree_bytes: 5 })?;
/// let (root, above) = folder.finish()?;
/// blocks.extend(above);
/// assert_eq!(root.cid.to_string(), "bafybeicdexjwatebfhiltofxjw7xgzcjphgj2axkeneflnrmztijfru3tu");
/// # Ok::<(), unixfs::DirectoryError>(())
/// ```
#[derive(Debug, Default)]
pub struct Directory {
    entries: Vec<Entry>,
    file_bytes: u64,
}

impl Directory {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts something into the folder, in any order.
    ///
    /// # Errors
    /// The name cannot be that of a file, or there are too many entries.
    pub fn push(&mut self, entry: Entry) -> Result<(), DirectoryError> {
        check_name(&entry.name)?;
        if self.entries.len() == MAX_ENTRIES {
            return Err(DirectoryError::TooMany);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Counts the bytes of files that are in what was put there, for [`Root::size`].
    pub fn count(&mut self, file_bytes: u64) {
        self.file_bytes = self.file_bytes.saturating_add(file_bytes);
    }

    /// Ends the folder: its root, and its blocks, children before parents. A sharded folder of a million entries has
    /// about 30 MB of them.
    ///
    /// # Errors
    /// Two entries have one name, or two names one hash.
    pub fn finish(mut self) -> Result<(Root, Vec<Block>), DirectoryError> {
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
        let mut neighbours = self.entries.iter().zip(self.entries.iter().skip(1));
        if let Some((twice, _)) = neighbours.find(|(a, b)| a.name == b.name) {
            return Err(DirectoryError::Twice(twice.name.clone()));
        }
        let mut blocks = Vec::new();
        let (cid, tree_bytes) = match node::encode_directory(&self.entries, SHARD_BYTES) {
            Some(node) => {
                let below = self.entries.iter().map(|entry| entry.tree_bytes);
                keep(node, below, &mut blocks)
            }
            None => {
                let mut hashed: Vec<_> = self
                    .entries
                    .iter()
                    .map(|entry| (hamt::hash(&entry.name), entry))
                    .collect();
                hashed.sort_by_key(|(hash, _)| *hash);
                shard(&hashed, 0, &mut blocks)?
            }
        };
        let root = Root {
            cid,
            size: self.file_bytes,
            tree_bytes,
        };
        Ok((root, blocks))
    }
}

/// Makes the shard of these entries, whose hashes agree in all places above `level`. They are sorted by hash. It calls
/// itself at most once for each of the eight bytes of a hash.
fn shard(
    entries: &[(u64, &Entry)],
    level: u32,
    blocks: &mut Vec<Block>,
) -> Result<(Cid, u64), DirectoryError> {
    let place = |hash: u64| hamt::place(hash, SHARD_BITS, level);
    let mut links = Vec::new();
    for group in entries.chunk_by(|(a, _), (b, _)| place(*a) == place(*b)) {
        let (Some((hash, first)), Some((_, last))) = (group.first(), group.last()) else {
            continue;
        };
        let Some(index) = place(*hash) else {
            return Err(DirectoryError::Collision(
                first.name.clone(),
                last.name.clone(),
            ));
        };
        let (name, cid, tree_bytes) = if group.len() == 1 {
            (first.name.as_str(), first.cid, first.tree_bytes)
        } else {
            let (cid, tree_bytes) = shard(group, level + 1, blocks)?;
            ("", cid, tree_bytes)
        };
        links.push((index as u8, name, cid, tree_bytes));
    }
    let below = links.iter().map(|(.., tree_bytes)| *tree_bytes);
    Ok(keep(node::encode_shard(&links), below, blocks))
}

fn keep(node: Vec<u8>, below: impl Iterator<Item = u64>, blocks: &mut Vec<Block>) -> (Cid, u64) {
    // What entries say of their sizes may be anything.
    let tree_bytes = below.fold(node.len() as u64, u64::saturating_add);
    let block = Block::new(codec::DAG_PB, node);
    let cid = *block.cid();
    blocks.push(block);
    (cid, tree_bytes)
}

/// A symbolic link: its root and its block.
///
/// # Errors
/// The target is empty or too long.
pub fn symlink(target: &str) -> Result<(Root, Block), DirectoryError> {
    if target.is_empty() || target.len() > MAX_TARGET_BYTES {
        return Err(DirectoryError::Target(target.len()));
    }
    let block = Block::new(codec::DAG_PB, node::encode_symlink(target));
    let root = Root {
        cid: *block.cid(),
        size: 0,
        tree_bytes: block.data().len() as u64,
    };
    Ok((root, block))
}
