//! Making a home of an exported one. It becomes visible whole, checked, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use ipvm_ipld::Block;
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use crate::archive::{self, KEYS, Part, VERSION};
use crate::export::{Archived, Spool};
use crate::home::create_private_dir;
use crate::secret::is_sealed;
use crate::{Access, Node, NodeError};

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 256 << 10;

/// Makes a home in `root`, which must not be there or be empty, of what [`Node::export_home`] wrote. `name` is what
/// errors call the archive. `tell` hears the bytes so far.
///
/// # Errors
/// There is something in `root`; the archive is not one, is cut short, or has been changed, with the place; or the disk
/// refuses. Then `root` is as it was.
pub fn import_home(
    root: &Path,
    archive: impl Read,
    name: &str,
    tell: &mut dyn FnMut(u64),
) -> Result<Archived, NodeError> {
    refuse_full(root)?;
    let scratch = Scratch::beside(root)?;
    let mut reader = Reader {
        folder: scratch.0.clone(),
        name,
        manifest: Spool::new(&scratch.0.join("import-manifest"))?,
        last: "its beginning".to_owned(),
        carried: Archived::default(),
        tell,
    };
    let carried = reader.unpack(archive)?;
    drop(reader);
    check(&scratch.0, name)?;
    scratch.become_home(root)?;
    Ok(carried)
}

fn refuse_full(root: &Path) -> Result<(), NodeError> {
    let taken = match fs::read_dir(root) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(NodeError::io("open", root, error)),
    };
    if taken {
        return Err(NodeError::HomeExists(root.to_path_buf()));
    }
    Ok(())
}

/// Everything in it is what its hash says, and its keys fit each other.
fn check(folder: &Path, name: &str) -> Result<(), NodeError> {
    let node = Node::open(folder, Access::Write)?;
    let mut first = None;
    let summary = node.verify_store(&mut |event| {
        if let ipvm_store::VerifyEvent::Finding(finding) = event
            && finding.is_damage()
        {
            first.get_or_insert(finding.to_string());
        }
    })?;
    let mut damage = summary.damage;
    node.audit_runs(&mut |finding| {
        damage += 1;
        first.get_or_insert(finding.to_string());
    })?;
    match first {
        None => Ok(()),
        Some(first) => Err(NodeError::Archive {
            name: name.to_owned(),
            message: format!("{damage} places in its store are damaged; the first: {first}"),
        }),
    }
}

/// A folder beside the home that is to be, removed unless it becomes the home.
struct Scratch(PathBuf);

impl Scratch {
    fn beside(root: &Path) -> Result<Self, NodeError> {
        let mut name = root.file_name().unwrap_or_default().to_owned();
        name.push(format!(".import-{}", std::process::id()));
        let folder = root.with_file_name(name);
        create_private_dir(&folder).map_err(|error| NodeError::io("create", &folder, error))?;
        Ok(Self(folder))
    }

    fn become_home(self, root: &Path) -> Result<(), NodeError> {
        let moved = || -> io::Result<()> {
            // Held by nobody; a new one is made by whoever opens the home.
            fs::remove_file(self.0.join("lock"))?;
            sync_folders(&self.0)?;
            match fs::remove_dir(root) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::rename(&self.0, root)?;
            match root.parent() {
                Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
                _ => Ok(()),
            }
        };
        moved().map_err(|error| NodeError::io("make the home in", root, error))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Gone already where it has become the home.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes the names in a folder and in the folders below it durable.
fn sync_folders(folder: &Path) -> io::Result<()> {
    let mut rest = vec![folder.to_path_buf()];
    while let Some(folder) = rest.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                rest.push(entry.path());
            }
        }
        if cfg!(unix) {
            File::open(&folder)?.sync_all()?;
        }
    }
    Ok(())
}

struct Reader<'a> {
    folder: PathBuf,
    name: &'a str,
    /// The lines that the manifest has to have.
    manifest: Spool,
    /// The entry before, for the place of an error.
    last: String,
    carried: Archived,
    tell: &'a mut dyn FnMut(u64),
}

impl Reader<'_> {
    fn wrong(&self, message: String) -> NodeError {
        NodeError::Archive {
            name: self.name.to_owned(),
            message,
        }
    }

    /// An error of reading the archive itself: it ends, or is none.
    fn unreadable(&self, error: &io::Error) -> NodeError {
        self.wrong(format!("it cannot be read on after {}: {error}", self.last))
    }

    fn unpack(&mut self, archive: impl Read) -> Result<Archived, NodeError> {
        let mut archive = Archive::new(archive);
        // Raw: long names and other extensions are entries that are refused, and nothing is read for them.
        let entries = archive.entries().map_err(|error| self.unreadable(&error))?;
        let mut complete = false;
        for entry in entries.raw(true) {
            let mut entry = entry.map_err(|error| self.unreadable(&error))?;
            let part = self.part(&entry)?;
            let name = part.name();
            if complete {
                return Err(self.wrong(format!("there is an entry {name} after its manifest")));
            }
            if (self.carried.files == 0) != (part == Part::Version) {
                return Err(self.wrong(format!(
                    "{name} is out of place: VERSION comes first, and once"
                )));
            }
            match part {
                Part::Manifest => {
                    self.compare(entry)?;
                    complete = true;
                }
                part => self.keep(&part, &mut entry)?,
            }
            self.last = name;
        }
        if !complete {
            return Err(self.wrong(format!("it ends after {}, before its manifest", self.last)));
        }
        let needed = KEYS.map(Part::Key).into_iter().chain([Part::Main]);
        for part in needed {
            if !part.path(&self.folder).is_file() {
                return Err(self.wrong(format!("{} is missing", part.name())));
            }
        }
        Ok(self.carried)
    }

    /// What an entry is; refuses all that this program does not write.
    fn part<R: Read>(&self, entry: &Entry<'_, R>) -> Result<Part, NodeError> {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let refuse =
            |why: &str| self.wrong(format!("the entry {name:?} after {} {why}", self.last));
        if entry.header().entry_type() != EntryType::Regular {
            return Err(refuse("is no plain file"));
        }
        let part = Part::of_name(&name).ok_or_else(|| refuse("does not belong into a home"))?;
        if entry.size() > part.bytes_max() {
            return Err(refuse(&format!(
                "has {} bytes, more than the {} it may have",
                entry.size(),
                part.bytes_max()
            )));
        }
        Ok(part)
    }

    /// Writes an entry to where it belongs, and notes its hash.
    fn keep<R: Read>(&mut self, part: &Part, entry: &mut Entry<'_, R>) -> Result<(), NodeError> {
        let path = part.path(&self.folder);
        let name = part.name();
        let unwritable = |error| NodeError::io("write", &path, error);
        if let Some(folder) = path.parent() {
            create_private_dir(folder).map_err(unwritable)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(self.wrong(format!("{name} is there twice")));
            }
            opened => opened.map_err(unwritable)?,
        };
        let mut digest = Sha256::new();
        let mut whole = Vec::new();
        let mut buffer = vec![0; COPY_BYTES];
        let mut copied = 0;
        loop {
            let count = entry
                .read(&mut buffer)
                .map_err(|error| self.unreadable(&error))?;
            let piece = buffer.get(..count).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            digest.update(piece);
            file.write_all(piece).map_err(unwritable)?;
            // Small ones are looked at below.
            if *part != Part::Main {
                whole.extend_from_slice(piece);
            }
            copied += count as u64;
            (self.tell)(self.carried.bytes + copied);
        }
        if copied != entry.size() {
            return Err(self.wrong(format!("it ends within {name}")));
        }
        self.look_at(part, whole)?;
        file.sync_data().map_err(unwritable)?;
        self.carried.files += 1;
        self.carried.bytes += copied;
        if *part == Part::Version {
            fs::remove_file(&path).map_err(unwritable)?;
        }
        self.manifest.add(&archive::manifest_line(&digest, &name))
    }

    /// What can be told of an entry at once.
    fn look_at(&self, part: &Part, bytes: Vec<u8>) -> Result<(), NodeError> {
        match part {
            Part::Version if bytes != VERSION.as_bytes() => Err(self.wrong(format!(
                "it is of another version than {:?}; import it with the ipvm that wrote it, or a newer one",
                VERSION.trim_end()
            ))),
            Part::Block(cid) if is_sealed(cid) => match Block::sealed(bytes) {
                Ok(block) if block.cid() == cid => Ok(()),
                Ok(block) => Err(self.wrong(format!("{} is {}", part.name(), block.cid()))),
                Err(error) => Err(self.wrong(format!("{}: {error}", part.name()))),
            },
            Part::Block(cid) => match Block::verify(*cid, bytes) {
                Ok(_) => Ok(()),
                Err(error) => Err(self.wrong(format!("{}: {error}", part.name()))),
            },
            _ => Ok(()),
        }
    }

    /// Holds the manifest against what was read.
    fn compare(&mut self, found: impl Read) -> Result<(), NodeError> {
        let (_, expected) = self.manifest.rewound()?;
        let mut expected = BufReader::new(expected);
        let mut found = BufReader::new(found);
        let mismatch = loop {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            let ended = expected.read_until(b'\n', &mut ours).and_then(|_| {
                (&mut found)
                    .take(LINE_BYTES_MAX)
                    .read_until(b'\n', &mut theirs)
            });
            if let Err(error) = ended {
                break Some(format!("its manifest cannot be read: {error}"));
            }
            if ours != theirs {
                let line = if ours.is_empty() { theirs } else { ours };
                let line = String::from_utf8_lossy(&line).into_owned();
                let entry = line.split("  ").nth(1).unwrap_or(&line).trim_end();
                break Some(format!("{entry:?} is not what the manifest says"));
            }
            if ours.is_empty() {
                break None;
            }
        };
        match mismatch {
            None => Ok(()),
            Some(message) => Err(self.wrong(message)),
        }
    }
}

/// Longest line of a manifest that is read, in bytes.
const LINE_BYTES_MAX: u64 = 256;
