//! Files that verbs write: whole or not at all, and never outside the folder they belong in.

use crate::fault::Fault;
use anyhow::Context as _;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

/// Folder for the outputs of workflows, in the current folder.
const DEFAULT_DIR: &str = "ipvm-out";
/// Names tried for a temporary file before giving up.
const TEMPORARY_NAMES: u32 = 100;

/// The folder that a workflow's outputs go to. Neither the workflow nor a symlink leads out of it.
pub(crate) struct OutputDir {
    /// As the user knows it.
    shown: PathBuf,
    /// Without symlinks.
    real: PathBuf,
}

impl OutputDir {
    /// Makes the folder: `out` as the user gave it, else `./ipvm-out/<name>`, where `name` comes from the
    /// workflow and is trusted no more than its outputs are.
    pub(crate) fn create(out: Option<&Path>, name: &str) -> anyhow::Result<Self> {
        if let Some(out) = out {
            let failed = || format!("cannot use {} for the outputs", out.display());
            fs::create_dir_all(out).with_context(failed)?;
            let real = fs::canonicalize(out).with_context(failed)?;
            return Ok(Self {
                shown: out.to_path_buf(),
                real,
            });
        }
        let here = fs::canonicalize(".").context("cannot use the current folder")?;
        let inside = Path::new(DEFAULT_DIR).join(name);
        let parts = parts(name)
            .filter(|parts| parts.len() == 1)
            .map(|parts| [OsStr::new(DEFAULT_DIR), parts[0]]);
        let Some(parts) = parts else {
            let message = format!("the workflow's name {name:?} cannot be the name of a folder");
            return Err(Fault::usage(message, "say where the outputs go with --out DIR").into());
        };
        let real = descend(&here, &parts, &inside)?;
        Ok(Self {
            shown: inside,
            real,
        })
    }

    /// Makes the folder with a workflow's name in `out`, for one of several workflows.
    pub(crate) fn create_in(out: &Path, name: &str) -> anyhow::Result<Self> {
        let out = Self::create(Some(out), name)?;
        let shown = out.shown.join(name);
        let parts = parts(name).unwrap_or_default();
        let [part] = parts.as_slice() else {
            let message = format!("the workflow's name {name:?} cannot be the name of a folder");
            return Err(Fault::usage(
                message,
                "run this workflow alone, or give it another `name`",
            )
            .into());
        };
        let real = descend(&out.real, &[part], &shown)?;
        Ok(Self { shown, real })
    }

    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// Writes one file at the relative path `inside` and returns its path as the user knows it.
    pub(crate) fn write(
        &self,
        inside: &str,
        fill: impl Fn(&mut dyn Write) -> anyhow::Result<()>,
    ) -> anyhow::Result<PathBuf> {
        let shown = self.shown.join(inside);
        let parts = parts(inside);
        let Some((file, folders)) = parts.as_deref().and_then(<[&OsStr]>::split_last) else {
            return Err(leads_out(&shown));
        };
        let folder = descend(&self.real, folders, &shown)?;
        replace(&folder.join(file), fill)
            .with_context(|| format!("cannot write {}", shown.display()))?;
        Ok(shown)
    }
}

/// The parts of a relative path without `..`; none for any other.
fn parts(path: &str) -> Option<Vec<&OsStr>> {
    let parts = Path::new(path)
        .components()
        .filter(|part| *part != Component::CurDir);
    let names = parts.map(|part| match part {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    names.collect()
}

/// Goes down from `root`, making folders, and refuses symlinks that lead out of it.
pub(crate) fn descend(root: &Path, folders: &[&OsStr], shown: &Path) -> anyhow::Result<PathBuf> {
    let mut at = root.to_path_buf();
    for folder in folders {
        at.push(folder);
        match fs::create_dir(&at) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error)
                    .with_context(|| format!("cannot make the folder of {}", shown.display()));
            }
            _ => {}
        }
        at = fs::canonicalize(&at)
            .with_context(|| format!("cannot use the folder of {}", shown.display()))?;
        if !at.starts_with(root) {
            return Err(leads_out(shown));
        }
    }
    Ok(at)
}

pub(crate) fn leads_out(shown: &Path) -> anyhow::Error {
    let message = format!("{} leads out of the folder for outputs", shown.display());
    Fault::usage(
        message,
        "remove the symlink or `..`, or choose another folder with --out DIR",
    )
    .into()
}

/// Writes to a file that the user named: through symlinks, into devices and pipes, and else whole or not at all.
pub(crate) fn write_named(
    path: &Path,
    fill: impl Fn(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {
            let target = fs::canonicalize(path).with_context(failed)?;
            replace(&target, fill).with_context(failed)
        }
        Ok(found) if found.is_dir() => {
            let message = format!("{} is a folder", path.display());
            Err(Fault::usage(message, "name a file in it").into())
        }
        Ok(_) => {
            let mut device = OpenOptions::new()
                .write(true)
                .open(path)
                .with_context(failed)?;
            fill(&mut device).with_context(failed)
        }
        Err(_) => replace(path, fill).with_context(failed),
    }
}

/// Puts a file in the place of whatever has this name: a symlink is replaced, not followed.
pub(crate) fn replace(
    path: &Path,
    fill: impl Fn(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if holds_already(path, &fill) {
        return Ok(());
    }
    let (temporary, file) = create_beside(path)?;
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    let filled = fill(&mut out).and_then(|()| Ok(out.flush()?));
    drop(out);
    let done = filled.and_then(|()| Ok(fs::rename(&temporary, path)?));
    if done.is_err() {
        // Best effort: what matters is the first error.
        let _ = fs::remove_file(&temporary);
    }
    done
}

/// Whether the file holds just what `fill` would write: then a run from memory changes no file and waits for no disk.
pub(crate) fn holds_already(
    path: &Path,
    fill: impl Fn(&mut dyn Write) -> anyhow::Result<()>,
) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
    let Some(file) = is_file.then(|| File::open(path).ok()).flatten() else {
        return false;
    };
    let mut same = Comparison {
        file,
        piece: Vec::new(),
    };
    fill(&mut same).is_ok() && matches!(same.file.read(&mut [0]), Ok(0))
}

/// Bytes compared at a time.
const COMPARED: usize = 64 << 10;

/// Takes bytes and fails at the first that the file does not have.
struct Comparison {
    file: File,
    piece: Vec<u8>,
}

impl Write for Comparison {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = bytes.get(..bytes.len().min(COMPARED)).unwrap_or_default();
        self.piece.resize(bytes.len(), 0);
        self.file.read_exact(&mut self.piece)?;
        if self.piece == bytes {
            return Ok(bytes.len());
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A new file in the same folder, so that the rename is atomic.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let process = std::process::id();
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for attempt in 0..TEMPORARY_NAMES {
        let temporary = path.with_file_name(format!(".ipvm-{process}-{attempt}.tmp"));
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
        {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    //! Without these a workflow from a stranger could write where it likes.
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(bytes: &'static str) -> impl Fn(&mut dyn Write) -> anyhow::Result<()> {
        move |out| Ok(out.write_all(bytes.as_bytes())?)
    }

    fn dir() -> (tempfile::TempDir, OutputDir) {
        let holder = tempfile::tempdir().unwrap();
        let out = OutputDir::create(Some(&holder.path().join("out")), "w").unwrap();
        (holder, out)
    }

    #[test]
    fn files_go_into_the_folder_and_replace_what_was_there() {
        let (_holder, out) = dir();
        for (path, content) in [
            ("a.txt", "1"),
            ("a.txt", "2"),
            ("deep/er/b.txt", "3"),
            ("./c.txt", "4"),
        ] {
            let written = out.write(path, text(content)).unwrap();
            assert_eq!(fs::read_to_string(written).unwrap(), content);
        }
        let left = fs::read_dir(out.shown()).unwrap().count();
        assert_eq!(left, 3, "no temporary file is left");
    }

    #[test]
    #[cfg(unix)]
    fn what_is_there_already_is_left_alone() {
        use std::os::unix::fs::MetadataExt;
        let (_holder, out) = dir();
        let number = |path: &Path| fs::metadata(path).unwrap().ino();
        let first = number(&out.write("a", text("same")).unwrap());
        assert_eq!(number(&out.write("a", text("same")).unwrap()), first);
        for other in ["sam", "same!", "some", ""] {
            let written = out.write("a", text(other)).unwrap();
            assert_eq!(fs::read_to_string(written).unwrap(), other);
        }
    }

    #[test]
    fn no_path_leads_out() {
        let (holder, out) = dir();
        for path in ["../x", "/etc/x", "a/../../x", "..", "", "deep/../x"] {
            assert!(out.write(path, text("x")).is_err(), "{path}");
        }
        assert!(!holder.path().join("x").exists());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let (_holder, out) = dir();
        out.write("a", text("old")).unwrap();
        let failed = out.write("a", |file| {
            file.write_all(b"half")?;
            anyhow::bail!("broken")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("broken"));
        assert_eq!(fs::read_to_string(out.shown().join("a")).unwrap(), "old");
        assert_eq!(fs::read_dir(out.shown()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn symlinks_do_not_lead_out() {
        use std::os::unix::fs::symlink;
        let (holder, out) = dir();
        let outside = holder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "kept").unwrap();
        symlink(&outside, out.shown().join("link")).unwrap();
        symlink(outside.join("secret"), out.shown().join("file")).unwrap();
        symlink(outside.join("nowhere"), out.shown().join("dangling")).unwrap();
        assert!(out.write("link/x", text("x")).is_err());
        assert!(out.write("dangling/x", text("x")).is_err());
        out.write("file", text("new")).unwrap();
        assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "kept");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn a_name_is_one_folder() {
        for name in ["../x", "a/b", "", ".", "..", "/x"] {
            assert!(parts(name).is_none_or(|parts| parts.len() != 1), "{name}");
        }
        assert_eq!(parts("thumbnails").map(|parts| parts.len()), Some(1));
    }
}
