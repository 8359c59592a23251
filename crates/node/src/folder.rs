//! Folders in the store: paths inside them, what is in them, and all that is below them.

use ipvm_ipld::unixfs::{self, Entry, ReadError, Stat};
use ipvm_ipld::{Cid, codec};
use ipvm_workflow::author::nearest;

use crate::{Node, NodeError};

/// Most folders inside one another.
pub const MAX_PATH_DEPTH: usize = 256;
/// Most files and folders below one folder. Folders in the store may share what is in them, so a few blocks can stand
/// for more files than any disk holds.
const MAX_TREE_ENTRIES: u64 = 10_000_000;

/// Something in the store, found by a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// What it is.
    pub cid: Cid,
    /// The last part of the path: a name, or the CID itself.
    pub name: String,
}

/// What a folder has under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// The root of what is there.
    pub cid: Cid,
    /// What it is; `None` if that cannot be told because its root is not in this home.
    pub stat: Option<Stat>,
    /// Size of all its blocks together in bytes, as whoever made the folder says.
    pub tree_bytes: u64,
}

/// What [`Node::walk`] meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A folder; what is in it comes later.
    Folder,
    /// A file.
    File(Cid),
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
}

impl Node {
    /// What a path of the form `CID`, `CID/name/name` stands for; the CID as in [`Node::find_cid`]. Symbolic links are
    /// not followed.
    ///
    /// # Errors
    /// There is no such CID or name, a part of the path is no folder, or a block is missing or damaged.
    pub fn locate(&self, path: &str) -> Result<Located, NodeError> {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let cid = self.find_cid(first)?;
        let mut at = Located {
            cid,
            name: cid.to_string(),
        };
        let mut shown = first.to_owned();
        for name in rest.split('/').filter(|name| !name.is_empty()) {
            let mut get = |cid: &Cid| self.block_or_missing(cid);
            let found = unixfs::find(&at.cid, name, &mut get).map_err(|error| match error {
                ReadError::NotAFolder { what, .. } => NodeError::NotAFolder {
                    path: shown.clone(),
                    what,
                },
                other => other.into(),
            })?;
            let Some(entry) = found else {
                return Err(NodeError::NoEntry {
                    folder: shown,
                    name: name.to_owned(),
                    nearest: self.nearest(&at.cid, name),
                });
            };
            shown = format!("{shown}/{name}");
            at = Located {
                cid: entry.cid,
                name: entry.name,
            };
        }
        Ok(at)
    }

    /// The name in a folder that was probably meant.
    fn nearest(&self, folder: &Cid, name: &str) -> Option<String> {
        let entries = self.entries(folder).ok()?;
        nearest(name, entries.iter().map(|entry| entry.name.as_str())).map(str::to_owned)
    }

    /// What a file, folder or symbolic link is, as its root says.
    ///
    /// # Errors
    /// The block is missing or damaged, or none of these.
    pub fn stat(&self, cid: &Cid) -> Result<Stat, NodeError> {
        let mut get = |cid: &Cid| self.block_or_missing(cid);
        Ok(unixfs::stat(cid, &mut get)?)
    }

    /// The entries of a folder, sorted by name.
    ///
    /// # Errors
    /// A block is missing or damaged, or it is no folder.
    pub fn entries(&self, folder: &Cid) -> Result<Vec<Entry>, NodeError> {
        let mut entries = Vec::new();
        let mut get = |cid: &Cid| self.block_or_missing(cid);
        unixfs::entries(folder, &mut get, &mut |entry| {
            entries.push(entry);
            Ok(())
        })?;
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// The entries of a folder and what they are, sorted by name.
    ///
    /// # Errors
    /// As [`Node::entries`]; that an entry's own root is missing is none.
    pub fn list(&self, folder: &Cid) -> Result<Vec<Listed>, NodeError> {
        let entries = self.entries(folder)?.into_iter();
        entries.map(|entry| self.listed(entry)).collect()
    }

    fn listed(&self, entry: Entry) -> Result<Listed, NodeError> {
        let stat = if entry.cid.codec() == codec::RAW {
            // A raw block is nothing but the bytes of a file.
            Some(Stat::File {
                size: entry.tree_bytes,
            })
        } else {
            match self.stat(&entry.cid) {
                Ok(stat) => Some(stat),
                Err(NodeError::NoBlock(_)) => None,
                Err(error) => return Err(error),
            }
        };
        Ok(Listed {
            name: entry.name,
            cid: entry.cid,
            stat,
            tree_bytes: entry.tree_bytes,
        })
    }

    /// Calls `visit` with the path, below it, of everything in a folder: a folder before what is in it, else in the
    /// order of names. Every name in a path is one that [`unixfs::check_name`] accepts.
    ///
    /// # Errors
    /// A block of a folder is missing or damaged, folders are nested too deep, there is too much; or what `visit` says.
    pub fn walk<E: From<NodeError>>(
        &self,
        folder: &Cid,
        visit: &mut dyn FnMut(&str, Item) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut left = MAX_TREE_ENTRIES;
        // What is still to be visited, last first: path, root, folders above it.
        let mut pending: Vec<(String, Cid, usize)> = Vec::new();
        let mut open = |folder: &Cid, path: &str, depth, pending: &mut Vec<_>| {
            let entries = self.entries(folder)?;
            let Some(rest) = left.checked_sub(entries.len() as u64) else {
                return Err(NodeError::Content(format!(
                    "it has more than {MAX_TREE_ENTRIES} files and folders"
                )));
            };
            left = rest;
            let slash = if path.is_empty() { "" } else { "/" };
            let below = entries.into_iter().rev();
            pending.extend(below.map(|entry| {
                let path = format!("{path}{slash}{}", entry.name);
                (path, entry.cid, depth)
            }));
            Ok(())
        };
        open(folder, "", 1, &mut pending)?;
        while let Some((path, cid, depth)) = pending.pop() {
            match self.kind(&cid)? {
                Stat::Directory { .. } if depth == MAX_PATH_DEPTH => {
                    return Err(NodeError::TooDeep(path.into()).into());
                }
                Stat::Directory { .. } => {
                    visit(&path, Item::Folder)?;
                    open(&cid, &path, depth + 1, &mut pending)?;
                }
                Stat::File { .. } => visit(&path, Item::File(cid))?,
                Stat::Symlink { target } => visit(&path, Item::Symlink { target })?,
            }
        }
        Ok(())
    }

    /// As [`Node::stat`], without reading blocks that can only be files.
    fn kind(&self, cid: &Cid) -> Result<Stat, NodeError> {
        if cid.codec() == codec::RAW {
            return Ok(Stat::File { size: 0 });
        }
        self.stat(cid)
    }
}
