//! Blocks that are files: `<home>/blocks/xx/<cid>`, where `xx` are the last two characters of the CID, which take
//! 256 values.

use crate::error::{Context, StoreError};
use crate::limits::{BLOCK_BYTES_MAX, WAITS_AT_ONCE};
use ipvm_ipld::{Block, Cid};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

const WRITING: &str = "writing a block file";
const READING: &str = "reading a block file";
/// Start of the name of a file that is not complete. Left behind only by a crash.
const TEMPORARY: &str = ".part-";
/// Characters of a CID that name its folder.
const SHARD_CHARS: usize = 2;

/// The folder of block files.
pub(crate) struct BlockFiles {
    home: PathBuf,
    root: PathBuf,
    /// Makes the names of temporary files differ between threads.
    counter: AtomicU64,
}

/// Something in the folder of block files.
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    /// The CID that the file's name is, if it is one in its right place.
    pub(crate) cid: Option<Cid>,
}

impl Entry {
    /// Whether it is a file that was never completed.
    pub(crate) fn is_partial(&self) -> bool {
        let name = self.path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(TEMPORARY))
    }
}

/// Removes a file that may be gone already.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io(path, "removing a block file", &error))
        }
        _ => Ok(()),
    }
}

impl BlockFiles {
    pub(crate) fn new(home: &Path) -> Self {
        Self {
            home: home.to_path_buf(),
            root: home.join("blocks"),
            counter: AtomicU64::new(0),
        }
    }

    /// Where the block's file is, whether or not it exists.
    pub(crate) fn path(&self, cid: &Cid) -> PathBuf {
        let name = cid.to_string();
        let shard = name
            .len()
            .checked_sub(SHARD_CHARS)
            .and_then(|start| name.get(start..))
            .unwrap_or_default();
        self.root.join(shard).join(&name)
    }

    /// Length of the block's file in bytes; `None` if there is no file.
    pub(crate) fn len(&self, cid: &Cid) -> Option<u64> {
        fs::metadata(self.path(cid)).ok().map(|meta| meta.len())
    }

    /// Whether the block's file has its bytes. One that cannot be read does not.
    pub(crate) fn holds(&self, block: &Block) -> bool {
        let cid = block.cid();
        self.len(cid) == Some(block.data().len() as u64)
            && self
                .read(cid)
                .is_ok_and(|data| data.as_deref() == Some(block.data()))
    }

    /// Writes the blocks so that they survive a power cut: data first, then names, then folders.
    pub(crate) fn write(&self, blocks: &[&Block]) -> Result<(), StoreError> {
        let mut folders = BTreeSet::new();
        let mut files = Vec::with_capacity(blocks.len());
        for block in blocks {
            let path = self.path(block.cid());
            let folder = path.parent().unwrap_or(&self.root).to_path_buf();
            if !folders.contains(&folder) && !folder.is_dir() {
                fs::create_dir_all(&folder).at(&folder, WRITING)?;
                failpoint!("block.folder");
                folders.insert(self.root.clone());
                folders.insert(self.home.clone());
            }
            folders.insert(folder.clone());
            files.push((folder, path, block.data()));
        }
        at_once(&files, &|(folder, path, data)| {
            self.write_one(folder, path, data)?;
            failpoint!("block.renamed");
            Ok(())
        })?;
        let folders: Vec<PathBuf> = folders.into_iter().collect();
        at_once(&folders, &|folder| sync_folder(folder).at(folder, WRITING))?;
        failpoint!("block.durable");
        Ok(())
    }

    fn write_one(&self, folder: &Path, path: &Path, data: &[u8]) -> Result<(), StoreError> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let part = folder.join(format!("{TEMPORARY}{}-{number}", std::process::id()));
        let written = write_synced(&part, data).and_then(|()| fs::rename(&part, path));
        if written.is_err() {
            // Only tidiness: a file left behind is named by `verify`.
            let _ = fs::remove_file(&part);
        }
        written.at(path, WRITING)
    }

    /// Reads the block's file; `None` if there is no file. Of one that is longer than any block, only so much is read
    /// that its hash differs.
    pub(crate) fn read(&self, cid: &Cid) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(cid);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&path, READING, &error)),
        };
        let expected = file
            .metadata()
            .map(|meta| meta.len())
            .unwrap_or(0)
            .min(BLOCK_BYTES_MAX as u64);
        let mut data = Vec::with_capacity(expected as usize + 1);
        file.take(BLOCK_BYTES_MAX as u64 + 1)
            .read_to_end(&mut data)
            .at(&path, READING)?;
        Ok(Some(data))
    }

    /// Calls `visit` with every file in the folder.
    pub(crate) fn walk(
        &self,
        visit: &mut dyn FnMut(Entry) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for shard in list(&self.root)? {
            if !shard.is_dir() {
                visit(Entry {
                    path: shard,
                    cid: None,
                })?;
                continue;
            }
            for path in list(&shard)? {
                let cid = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .and_then(|name| Cid::try_from(name).ok());
                let cid = cid.filter(|cid| self.path(cid) == path);
                visit(Entry { path, cid })?;
            }
        }
        Ok(())
    }
}

/// Does the work on every item, several at once, and returns one of its errors: waits for the disk that overlap share its
/// journal's commits, so that eight files take little longer than one.
fn at_once<T: Sync>(
    items: &[T],
    work: &(dyn Fn(&T) -> Result<(), StoreError> + Sync),
) -> Result<(), StoreError> {
    let threads = items.len().min(WAITS_AT_ONCE);
    if threads <= 1 {
        return items.iter().try_for_each(work);
    }
    let next = AtomicUsize::new(0);
    let next_item = || items.get(next.fetch_add(1, Ordering::Relaxed));
    let serve = || std::iter::from_fn(next_item).try_for_each(work);
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(serve)).collect();
        let own = serve();
        others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .fold(own, Result::and)
    })
}

/// The paths in a folder; none if there is no folder.
fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    const LISTING: &str = "listing block files";
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<_>>()
            .at(folder, LISTING),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(StoreError::io(folder, LISTING, &error)),
    }
}

fn write_synced(path: &Path, data: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    failpoint!("block.created");
    file.write_all(data)?;
    failpoint!("block.written");
    file.sync_data()?;
    failpoint!("block.synced");
    Ok(())
}

/// Makes the names in a folder durable.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file, and the system keeps names in order itself.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
