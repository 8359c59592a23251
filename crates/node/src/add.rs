//! Content into the store: files and folders, read once, in memory that does not grow with them.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ipvm_ipld::unixfs::{self, Directory, Entry, MAX_ENTRIES, Root};
use ipvm_ipld::{Block, Cid};
use ipvm_store::{Batch, Store};

use crate::folder::MAX_PATH_DEPTH;
use crate::vault::Vault;
use crate::{Node, NodeError};

/// Blocks gathered before they are committed together, in bytes.
const COMMIT_BYTES: usize = 16 << 20;
/// Blocks gathered before they are committed together, where they are small.
const COMMIT_BLOCKS: usize = 8_192;
/// Bytes read from a file at a time: few enough to stay in the processor's cache.
const READ_BYTES: usize = 64 << 10;

/// What [`Node::add`] or [`Node::add_folder`] stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The root of the content.
    pub cid: Cid,
    /// Its length in bytes; of a folder, the length of all files in it.
    pub size: u64,
    /// How many blocks it has; one that it has twice counts twice.
    pub blocks: u64,
    /// How many of them were not there before.
    pub written: u64,
    /// How many files it has.
    pub files: u64,
    /// Files and folders left out because their names begin with a dot.
    pub left_out: u64,
}

/// How a folder is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddOptions {
    /// Whether to take what has a name that begins with a dot. The import profile `unixfs-v1-2025` does not.
    pub hidden: bool,
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
        self.add_reader(open_file(path)?, path, progress)
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
        Adding::new(self.store(), None, AddOptions::default(), progress).reader(&mut reader, name)
    }

    /// Adds a folder with all that is in it, as [`Node::add`] adds a file. Symbolic links are kept as they are and not
    /// followed. An interrupted call leaves blocks behind that the next one need not write.
    ///
    /// Beside one group of blocks, memory holds the entries of the folders on the way to the file that is being read.
    ///
    /// # Errors
    /// As [`Node::add`]; something in it is neither file, folder nor symbolic link, has a name that is not UTF-8, or is
    /// nested too deep.
    pub fn add_folder(
        &self,
        path: &Path,
        options: AddOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Added, NodeError> {
        let mut adding = Adding::new(self.store(), None, options, progress);
        let root = adding.folder(path)?;
        adding.finish(root)
    }
}

/// The CID that a file would have, without storing anything.
pub(crate) fn hash_file(path: &Path) -> Result<Cid, NodeError> {
    let mut file = open_file(path)?;
    let mut builder = unixfs::Builder::new();
    let mut nowhere = |_| Ok::<(), NodeError>(());
    let mut buffer = vec![0; READ_BYTES];
    while let Some(piece) = read_piece(&mut file, &mut buffer, path)? {
        builder.push(piece, &mut nowhere)?;
    }
    Ok(builder.finish(&mut nowhere)?.cid)
}

fn open_file(path: &Path) -> Result<File, NodeError> {
    let unreadable = |source| NodeError::io("read", path, source);
    let file = File::open(path).map_err(unreadable)?;
    match file.metadata().map_err(unreadable)?.is_dir() {
        true => Err(NodeError::Folder(path.to_path_buf())),
        false => Ok(file),
    }
}

/// The next bytes of a file; none at its end.
fn read_piece<'b>(
    reader: &mut dyn Read,
    buffer: &'b mut [u8],
    path: &Path,
) -> Result<Option<&'b [u8]>, NodeError> {
    loop {
        match reader.read(buffer) {
            Ok(0) => return Ok(None),
            Ok(count) => return Ok(Some(buffer.get(..count).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(NodeError::io("read", path, source)),
        }
    }
}

/// One call of `add` under way.
pub(crate) struct Adding<'a> {
    writer: BlockWriter<'a>,
    options: AddOptions,
    progress: &'a mut dyn FnMut(u64),
    buffer: Vec<u8>,
    /// Bytes read so far.
    read: u64,
    files: u64,
    left_out: u64,
}

/// A folder of which something is still to be read.
struct Open {
    path: PathBuf,
    /// Its name in the folder above.
    name: String,
    /// What is still to be read, last first.
    names: Vec<String>,
    folder: Directory,
}

impl<'a> Adding<'a> {
    /// With a vault, what is added is sealed.
    pub(crate) fn new(
        store: &'a Store,
        vault: Option<&'a Vault>,
        options: AddOptions,
        progress: &'a mut dyn FnMut(u64),
    ) -> Self {
        Self {
            writer: BlockWriter::of(store, vault),
            options,
            progress,
            buffer: vec![0; READ_BYTES],
            read: 0,
            files: 0,
            left_out: 0,
        }
    }

    fn finish(self, root: Root) -> Result<Added, NodeError> {
        let (files, left_out) = (self.files, self.left_out);
        let Written { blocks, written } = self.writer.finish()?;
        Ok(Added {
            cid: root.cid,
            size: root.size,
            blocks,
            written,
            files,
            left_out,
        })
    }

    /// Adds what is read.
    pub(crate) fn reader(mut self, reader: &mut dyn Read, name: &Path) -> Result<Added, NodeError> {
        let root = self.file(reader, name)?;
        self.finish(root)
    }

    /// Adds a file or a folder.
    pub(crate) fn path(mut self, path: &Path) -> Result<Added, NodeError> {
        let unreadable = |source| NodeError::io("read", path, source);
        let root = match fs::metadata(path).map_err(unreadable)?.is_dir() {
            true => self.folder(path)?,
            false => self.file(&mut open_file(path)?, path)?,
        };
        self.finish(root)
    }

    fn file(&mut self, reader: &mut dyn Read, path: &Path) -> Result<Root, NodeError> {
        self.files += 1;
        let mut builder = unixfs::Builder::new();
        while let Some(piece) = read_piece(reader, &mut self.buffer, path)? {
            builder.push(piece, &mut |block| self.writer.push(block))?;
            self.read += piece.len() as u64;
            (self.progress)(self.read);
        }
        builder.finish(&mut |block| self.writer.push(block))
    }

    fn folder(&mut self, path: &Path) -> Result<Root, NodeError> {
        let mut open = vec![self.open(path.to_path_buf(), String::new())?];
        loop {
            let Some(top) = open.last_mut() else {
                return Err(NodeError::Internal("a folder was closed twice".into()));
            };
            let Some(name) = top.names.pop() else {
                let Some(done) = open.pop() else { continue };
                let root = self.close(done.folder, &done.path)?;
                match open.last_mut() {
                    Some(above) => put(above, done.name, &root)?,
                    None => return Ok(root),
                }
                continue;
            };
            let path = top.path.join(&name);
            let kind = fs::symlink_metadata(&path)
                .map_err(|source| NodeError::io("read", &path, source))?;
            if kind.is_dir() {
                if open.len() == MAX_PATH_DEPTH {
                    return Err(NodeError::TooDeep(path));
                }
                open.push(self.open(path, name)?);
            } else {
                let root = self.leaf(&path, &kind)?;
                put(top, name, &root)?;
            }
        }
    }

    fn open(&mut self, path: PathBuf, name: String) -> Result<Open, NodeError> {
        let unreadable = |source| NodeError::io("read", &path, source);
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            if name.as_encoded_bytes().starts_with(b".") && !self.options.hidden {
                self.left_out += 1;
                continue;
            }
            if names.len() == MAX_ENTRIES {
                return Err(NodeError::entry(&path, unixfs::DirectoryError::TooMany));
            }
            let name = name
                .into_string()
                .map_err(|name| NodeError::NotText(path.join(name)))?;
            names.push(name);
        }
        // The same order in every run; last first.
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Open {
            path,
            name,
            names,
            folder: Directory::new(),
        })
    }

    fn close(&mut self, folder: Directory, path: &Path) -> Result<Root, NodeError> {
        let (root, blocks) = folder
            .finish()
            .map_err(|error| NodeError::entry(path, error))?;
        for block in blocks {
            self.writer.push(block)?;
        }
        Ok(root)
    }

    /// Adds what is no folder.
    fn leaf(&mut self, path: &Path, kind: &Metadata) -> Result<Root, NodeError> {
        let unreadable = |source| NodeError::io("read", path, source);
        if kind.is_file() {
            return self.file(&mut File::open(path).map_err(unreadable)?, path);
        }
        if !kind.is_symlink() {
            return Err(NodeError::Special(path.to_path_buf()));
        }
        let target = fs::read_link(path).map_err(unreadable)?;
        let target = target
            .to_str()
            .ok_or_else(|| NodeError::NotText(target.clone()))?;
        let (root, block) =
            unixfs::symlink(target).map_err(|error| NodeError::entry(path, error))?;
        self.writer.push(block)?;
        Ok(root)
    }
}

fn put(into: &mut Open, name: String, root: &Root) -> Result<(), NodeError> {
    into.folder.count(root.size);
    let entry = Entry {
        name,
        cid: root.cid,
        tree_bytes: root.tree_bytes,
    };
    into.folder
        .push(entry)
        .map_err(|error| NodeError::entry(&into.path, error))
}

/// Commits the blocks that are not there yet, in groups.
pub(crate) struct BlockWriter<'a> {
    store: &'a Store,
    /// Seals them.
    vault: Option<&'a Vault>,
    waiting: Vec<Block>,
    bytes: usize,
    written: Written,
}

/// What went through a [`BlockWriter`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) blocks: u64,
    /// Of them, those that were not there before.
    pub(crate) written: u64,
}

impl<'a> BlockWriter<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self::of(store, None)
    }

    /// With a vault, what is written is sealed.
    pub(crate) fn of(store: &'a Store, vault: Option<&'a Vault>) -> Self {
        Self {
            store,
            vault,
            waiting: Vec::new(),
            bytes: 0,
            written: Written::default(),
        }
    }

    pub(crate) fn push(&mut self, block: Block) -> Result<(), NodeError> {
        self.written.blocks += 1;
        let block = match self.vault {
            None if self.store.has(block.cid())? => return Ok(()),
            None => block,
            Some(vault) if self.store.has(&vault.name(block.cid()))? => return Ok(()),
            Some(vault) => vault.seal_block(&block, &HashSet::new())?,
        };
        self.written.written += 1;
        self.bytes += block.data().len();
        self.waiting.push(block);
        if self.bytes >= COMMIT_BYTES || self.waiting.len() >= COMMIT_BLOCKS {
            self.commit()
        } else {
            Ok(())
        }
    }

    /// Commits what waits still.
    pub(crate) fn finish(mut self) -> Result<Written, NodeError> {
        self.commit()?;
        Ok(self.written)
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
