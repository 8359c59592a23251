//! The compiled modules of a home and their interfaces: how much they hold, and giving them up, oldest first.
//!
//! They are made by `ipvm-wasm` and `modules`; nothing is lost with them but time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ipvm_ipld::{Cid, parse_cid};

use crate::NodeError;

/// The folders in the cache.
const FOLDERS: [&str; 2] = ["modules", "interfaces"];
/// Most files that are looked at.
const MAX_FILES: usize = 1 << 20;

/// A file of the cache.
pub(crate) struct Cached {
    modified: SystemTime,
    pub(crate) bytes: u64,
    path: PathBuf,
    /// The module, if the name says.
    pub(crate) module: Option<Cid>,
}

impl Cached {
    /// Removes it. Another process may have done so already; one that has it mapped keeps it until it ends.
    pub(crate) fn remove(&self) -> Result<(), NodeError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(NodeError::io("remove", &self.path, error))
            }
            _ => Ok(()),
        }
    }
}

/// The files in the cache, oldest first.
pub(crate) fn files(cache: &Path) -> Result<Vec<Cached>, NodeError> {
    let mut found = Vec::new();
    for folder in FOLDERS.map(|name| cache.join(name)) {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(NodeError::io("list", &folder, error)),
        };
        for entry in entries.take(MAX_FILES) {
            // Another process may prune at the same time.
            let Some(cached) = entry.ok().and_then(|entry| cached(&entry)) else {
                continue;
            };
            found.push(cached);
        }
    }
    found.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
    Ok(found)
}

fn cached(entry: &fs::DirEntry) -> Option<Cached> {
    let about = entry.metadata().ok()?;
    let name = entry.file_name();
    // A compiled module is named `MODULE-SETTINGS`, an interface `MODULE`.
    let module = name.to_str()?.split(['-', '.']).next()?;
    about.is_file().then_some(Cached {
        modified: about.modified().ok()?,
        bytes: about.len(),
        path: entry.path(),
        module: parse_cid(module).ok(),
    })
}
