//! Writing a whole home as one stream.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use ipvm_store::Store;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::archive::{self, KEYS, OPTIONAL_KEY, Part, VERSION};
use crate::{Node, NodeError};

/// Mode of the entries: keys are among them.
const ENTRY_MODE: u32 = 0o600;

/// What was exported or imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Node {
    /// Writes this home to `out`: keys, store and blocks, in one state. Nobody writes meanwhile; others may read.
    /// `tell` hears the bytes so far.
    ///
    /// # Errors
    /// Another process writes, a block is damaged, the store fails, or `out` does.
    pub fn export_home(
        &mut self,
        out: &mut dyn Write,
        tell: &mut dyn FnMut(u64),
    ) -> Result<Archived, NodeError> {
        let snapshot = self.with_store(Store::snapshot)?;
        let manifest = self.home().join(format!("export-{}", std::process::id()));
        let mut writer = Writer {
            tar: Builder::new(out),
            manifest: Spool::new(&manifest)?,
            time: u64::try_from(self.now()).unwrap_or(0),
            carried: Archived::default(),
            tell,
        };
        writer.entry(&Part::Version, VERSION.len() as u64, VERSION.as_bytes())?;
        let path = Part::Key(OPTIONAL_KEY).path(self.home());
        for name in KEYS
            .into_iter()
            .chain(path.exists().then_some(OPTIONAL_KEY))
        {
            writer.file(&Part::Key(name), &Part::Key(name).path(self.home()))?;
        }
        self.store().block_files::<NodeError>(&mut |cid, size| {
            // As it is kept: what is sealed stays so.
            let block = self.store().get(cid)?;
            let block = block.ok_or_else(|| self.absent(cid))?;
            writer.entry(&Part::Block(*cid), size, block.as_slice())
        })?;
        writer.file(&Part::Main, snapshot.path())?;
        writer.finish()
    }
}

struct Writer<'a> {
    tar: Builder<&'a mut dyn Write>,
    manifest: Spool,
    /// Seconds since the epoch.
    time: u64,
    carried: Archived,
    tell: &'a mut dyn FnMut(u64),
}

impl Writer<'_> {
    fn file(&mut self, part: &Part, path: &Path) -> Result<(), NodeError> {
        let unreadable = |error| NodeError::io("read", path, error);
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        self.entry(part, size, file)
    }

    fn entry(&mut self, part: &Part, size: u64, content: impl Read) -> Result<(), NodeError> {
        let name = part.name();
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(ENTRY_MODE);
        header.set_mtime(self.time);
        header.set_size(size);
        let mut hashed = Hashed {
            content: content.take(size),
            digest: Sha256::new(),
            before: self.carried.bytes,
            read: 0,
            tell: &mut *self.tell,
        };
        self.tar
            .append_data(&mut header, &name, &mut hashed)
            .map_err(NodeError::Output)?;
        if hashed.read != size {
            return Err(NodeError::Content(format!(
                "{name} became shorter while it was read"
            )));
        }
        let line = archive::manifest_line(&hashed.digest, &name);
        self.carried.files += 1;
        self.carried.bytes += size;
        self.manifest.add(&line)
    }

    fn finish(mut self) -> Result<Archived, NodeError> {
        let carried = self.carried;
        let (size, manifest) = self.manifest.rewound()?;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(ENTRY_MODE);
        header.set_mtime(self.time);
        header.set_size(size);
        self.tar
            .append_data(&mut header, Part::Manifest.name(), manifest)
            .and_then(|()| self.tar.into_inner()?.flush())
            .map_err(NodeError::Output)?;
        Ok(carried)
    }
}

/// Hashes what is read through it.
struct Hashed<'a, R> {
    content: R,
    digest: Sha256,
    before: u64,
    read: u64,
    tell: &'a mut dyn FnMut(u64),
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        self.read += count as u64;
        (self.tell)(self.before + self.read);
        Ok(count)
    }
}

/// Lines that wait in a file: there may be too many for memory.
pub(crate) struct Spool {
    path: PathBuf,
    file: io::BufWriter<File>,
    bytes: u64,
}

impl Spool {
    /// A new file at `path`, removed when this is dropped.
    pub(crate) fn new(path: &Path) -> Result<Self, NodeError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = options
            .open(path)
            .map_err(|error| NodeError::io("write", path, error))?;
        Ok(Self {
            path: path.to_path_buf(),
            file: io::BufWriter::new(file),
            bytes: 0,
        })
    }

    pub(crate) fn add(&mut self, line: &str) -> Result<(), NodeError> {
        self.bytes += line.len() as u64;
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|error| NodeError::io("write", &self.path, error))
    }

    /// Its length in bytes, and what is in it.
    pub(crate) fn rewound(&mut self) -> Result<(u64, &mut File), NodeError> {
        let rewound = self
            .file
            .flush()
            .and_then(|()| self.file.get_mut().rewind());
        rewound.map_err(|error| NodeError::io("read", &self.path, error))?;
        Ok((self.bytes, self.file.get_mut()))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Harmless where it stays.
        let _ = fs::remove_file(&self.path);
    }
}
