//! Compiled modules on disk. Only a cache: whatever is wrong with it, the module is compiled again.

use crate::compiler::Compiled;
use ipvm_ipld::{Cid, cid_of, codec};
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Last bytes of every file; the number changes with the format.
const MAGIC: &[u8] = b"ipvm compiled 2\n";
/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 30;
/// Most bytes kept in all; the oldest files go first.
const MAX_TOTAL: u64 = 2 << 30;
/// Bytes that are hashed at a time.
const CHUNK: u64 = 1 << 20;

/// A folder of compiled modules.
///
/// A file is named by the module's CID and by what the code was compiled for. It holds the code, the digest of
/// that name and the code, and [`MAGIC`]. The code comes first, as it is mapped from the start of the file.
pub(crate) struct DiskCache {
    folder: PathBuf,
    /// Digest of the engine's version, settings and processor.
    compatible: Cid,
    written: AtomicU64,
}

/// An open file of compiled code whose digest is the one written in it.
pub(crate) struct Verified {
    file: File,
    code_bytes: u64,
}

/// What the disk has of a module.
pub(crate) enum Found {
    Code(Verified),
    /// A file that is not what was written.
    Damaged,
    Nothing,
}

impl Verified {
    /// A path to the open file itself, whatever has its name by now. The code is at its start.
    #[cfg(unix)]
    pub(crate) fn path(&self) -> Option<PathBuf> {
        let number = std::os::fd::AsRawFd::as_raw_fd(&self.file);
        let folder = if cfg!(target_os = "linux") {
            "/proc/self/fd"
        } else {
            "/dev/fd"
        };
        Some(Path::new(folder).join(number.to_string()))
    }

    /// There is no such path.
    #[cfg(not(unix))]
    pub(crate) fn path(&self) -> Option<PathBuf> {
        None
    }

    /// The code, in memory.
    pub(crate) fn read(&self) -> io::Result<Compiled> {
        let mut file = &self.file;
        file.rewind()?;
        let mut code = Vec::new();
        file.take(self.code_bytes).read_to_end(&mut code)?;
        Ok(Compiled::new(code))
    }

    fn check(file: File, length: u64, name: &str) -> io::Result<Option<Self>> {
        let trailer = (digest(&[]).len() + MAGIC.len()) as u64;
        let Some(code_bytes) = length.checked_sub(trailer) else {
            return Ok(None);
        };
        let reader = &file;
        let mut expected = digest_of(name, &mut reader.take(code_bytes))?;
        expected.extend(MAGIC);
        let mut stated = Vec::new();
        reader.take(trailer + 1).read_to_end(&mut stated)?;
        Ok((stated == expected).then_some(Self { file, code_bytes }))
    }
}

impl DiskCache {
    pub(crate) fn new(folder: &Path, compatible: Cid) -> Self {
        Self {
            folder: folder.to_owned(),
            compatible,
            written: AtomicU64::new(0),
        }
    }

    pub(crate) fn get(&self, module: &Cid) -> Found {
        let name = self.name(module);
        // Opened once, so that what is checked is what is mapped.
        let Ok(file) = File::open(self.folder.join(&name)) else {
            return Found::Nothing;
        };
        match file.metadata() {
            Ok(about) if about.is_file() && about.len() <= MAX_FILE => {
                match Verified::check(file, about.len(), &name) {
                    Ok(Some(verified)) => Found::Code(verified),
                    Ok(None) | Err(_) => Found::Damaged,
                }
            }
            Ok(_) | Err(_) => Found::Damaged,
        }
    }

    /// Keeps compiled code; readers see all of it or nothing.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn put(&self, module: &Cid, code: &Compiled) -> io::Result<()> {
        create_private(&self.folder)?;
        let name = self.name(module);
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = self
            .folder
            .join(format!("{name}.{}-{number}.new", std::process::id()));
        let write = || {
            let mut file = create_readonly(&temporary)?;
            let digest = digest_of(&name, &mut code.bytes())?;
            for part in [code.bytes(), &digest, MAGIC] {
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

/// Digest of the digests of a name and of each chunk of code, so that large code is not held in memory for it.
fn digest_of(name: &str, code: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut digests = digest(name.as_bytes());
    let mut chunk = Vec::new();
    loop {
        chunk.clear();
        code.take(CHUNK).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            return Ok(digest(&digests));
        }
        digests.extend(digest(&chunk));
    }
}

/// Makes a file that is never written again: other processes have it mapped.
fn create_readonly(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o400);
    options.open(path)
}

/// Makes a folder that only this user can write to, as code in it is trusted.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
