//! Small and read-only disks, made by `mount`: real ones, where the user may make them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own at a temporary path; gone when dropped.
#[derive(Debug)]
pub struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// An empty one of `bytes` bytes, or why there is none: it takes Linux and the right to mount.
    ///
    /// # Errors
    /// What `mount` said.
    pub fn small(bytes: u64) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]);
        run(mount.arg(folder.path()))?;
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills it to the last byte with a file, which is returned.
    pub fn fill(&self) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.create(true).append(true).open(&path).expect("a file");
        // First by pages, as the file system gives them.
        for piece in [1 << 16, 1 << 12] {
            let zeros = vec![0; piece];
            while std::io::Write::write_all(&mut file, &zeros).is_ok() {}
        }
        path
    }

    /// Lets nobody write to it, or lets them again.
    ///
    /// # Errors
    /// What `mount` said.
    pub fn set_read_only(&self, read_only: bool) -> Result<(), String> {
        let mode = if read_only {
            "remount,ro"
        } else {
            "remount,rw"
        };
        run(Command::new("mount").args(["-o", mode]).arg(self.path()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(self.path()));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
