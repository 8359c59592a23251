//! Compiled modules on disk. Only a cache: whatever is wrong with it, the module is compiled again.

use ipvm_ipld::{Cid, cid_of, codec};
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// First bytes of every file; the number changes with the format.
const MAGIC: &[u8] = b"ipvm compiled 1\n";
/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 30;
/// Most bytes kept in all; the oldest files go first.
const MAX_TOTAL: u64 = 2 << 30;

/// A folder of compiled modules.
///
/// A file is named by the module's CID and by what the code was compiled for. It holds [`MAGIC`], that name's
/// digest, the code's digest, and the code.
pub(crate) struct DiskCache {
    folder: PathBuf,
    /// Digest of the engine's version, settings and processor.
    compatible: Cid,
    written: AtomicU64,
}

/// Compiled code whose digest is the one written beside it.
pub(crate) struct Verified {
    file: Vec<u8>,
    start: usize,
}

/// What the disk has of a module.
pub(crate) enum Found {
    Code(Verified),
    /// A file that is not what was written.
    Damaged,
    Nothing,
}

impl Verified {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.file.get(self.start..).unwrap_or_default()
    }

    fn check(file: Vec<u8>, name: &str) -> Option<Self> {
        let rest = file.strip_prefix(MAGIC)?;
        let rest = rest.strip_prefix(digest(name.as_bytes()).as_slice())?;
        let (stated, code) = rest.split_at_checked(digest(&[]).len())?;
        let start = file.len() - code.len();
        (stated == digest(code))
            .then_some(())
            .map(|()| Self { start, file })
    }
}

impl DiskCache {
    pub(crate) fn new(folder: &Path, compatible: &impl Hash) -> Self {
        let mut bytes = Collected(Vec::new());
        compatible.hash(&mut bytes);
        Self {
            folder: folder.to_owned(),
            compatible: cid_of(codec::RAW, &bytes.0),
            written: AtomicU64::new(0),
        }
    }

    pub(crate) fn get(&self, module: &Cid) -> Found {
        let name = self.name(module);
        let path = self.folder.join(&name);
        match fs::metadata(&path) {
            Ok(about) if about.len() <= MAX_FILE => {}
            Ok(_) => return Found::Damaged,
            Err(_) => return Found::Nothing,
        }
        match fs::read(&path) {
            Ok(file) => Verified::check(file, &name).map_or(Found::Damaged, Found::Code),
            Err(_) => Found::Nothing,
        }
    }

    /// Keeps compiled code; readers see all of it or nothing.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn put(&self, module: &Cid, code: &[u8]) -> io::Result<()> {
        create_private(&self.folder)?;
        let name = self.name(module);
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = self
            .folder
            .join(format!("{name}.{}-{number}.new", std::process::id()));
        let write = || {
            let mut file = fs::File::create_new(&temporary)?;
            for part in [MAGIC, &digest(name.as_bytes()), &digest(code), code] {
                file.write_all(part)?;
            }
            fs::rename(&temporary, self.folder.join(&name))
        };
        let written = write();
        if written.is_err() {
            // The error of the writing is the one that matters.
            let _ = fs::remove_file(&temporary);
        }
        written.and_then(|()| self.prune())
    }

    /// Forgets a module.
    pub(crate) fn remove(&self, module: &Cid) {
        // A file that stays is found damaged again.
        let _ = fs::remove_file(self.folder.join(self.name(module)));
    }

    fn prune(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // Another process may prune at the same time.
            let Ok(about) = entry.metadata() else {
                continue;
            };
            files.push((about.modified()?, about.len(), entry.path()));
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if total <= MAX_TOTAL {
                break;
            }
            let _ = fs::remove_file(path);
            total -= size;
        }
        Ok(())
    }

    fn name(&self, module: &Cid) -> String {
        format!("{module}-{}", self.compatible)
    }
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    cid_of(codec::RAW, bytes).to_bytes()
}

/// Makes a folder that only this user can write to, as code in it is trusted.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Collects what is hashed, to be hashed with a digest that stays the same from one build to the next.
struct Collected(Vec<u8>);

impl Hasher for Collected {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
