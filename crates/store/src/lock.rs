//! One writer per home: a lock file that the operating system releases when its holder dies.

use crate::error::{Context, StoreError};
use crate::torn::Mark;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Width to which a process id is padded in the lock file, characters.
const PID_DIGITS: usize = 10;
/// Length of the first line of a lock file, bytes: a padded process id and a line end.
const PID_LINE: u64 = PID_DIGITS as u64 + 1;
/// Longest content that is read from a lock file, bytes.
const LOCK_BYTES_MAX: u64 = 256;

/// Held while the store is open for writing. Dropping it gives the lock back.
#[derive(Debug)]
pub(crate) struct HomeLock {
    file: File,
    mark: Option<Mark>,
}

impl HomeLock {
    /// Takes the lock of `home`, or says who has it.
    pub(crate) fn take(home: &Path) -> Result<Self, StoreError> {
        const DOING: &str = "locking the home";
        let path = home.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .at(&path, DOING)?;
        match file.try_lock() {
            Ok(()) => {
                failpoint!("lock.taken");
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked {
                    home: home.to_path_buf(),
                    pid: read_pid(&file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, DOING, &error)),
        }
        let mark = mark_in(&file);
        file.rewind().at(&path, DOING)?;
        // Of equal length each time: cutting the file first would wait for the disk.
        writeln!(file, "{:>PID_DIGITS$}", std::process::id()).at(&path, DOING)?;
        Ok(Self { file, mark })
    }

    /// What the last holder that closed its store left.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Leaves how far the WAL goes now. It is not waited for, and a failure costs only what a mark is good for.
    pub(crate) fn leave(&self, mark: Mark) {
        let mut file = &self.file;
        let _ = file
            .seek(SeekFrom::Start(PID_LINE))
            .and_then(|_| file.write_all(format!("{}\n", mark.text()).as_bytes()));
    }
}

impl Drop for HomeLock {
    /// Closing the file alone would not do: a process that is being started at this moment has a copy of the descriptor until
    /// it begins its program, and a lock lives as long as its last descriptor.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// What the last holder of a home's lock that closed its store left.
pub(crate) fn read_mark(home: &Path) -> Option<Mark> {
    mark_in(&File::open(home.join("lock")).ok()?)
}

fn mark_in(file: &File) -> Option<Mark> {
    Mark::parse(lines_of(file)?.nth(1)?.as_str())
}

fn lines_of(file: &File) -> Option<impl Iterator<Item = String>> {
    let mut bytes = Vec::new();
    file.take(LOCK_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    Some(lines.into_iter())
}

/// The process id in a lock file; `None` if its holder has not written it yet.
fn read_pid(file: &File) -> Option<u32> {
    lines_of(file)?.next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without this, a home could not be opened again for a moment after its store was closed, whenever another thread
    /// starts a process.
    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
        let home = tempfile::tempdir().unwrap();
        let lock = HomeLock::take(home.path()).unwrap();
        let _as_a_starting_process_has_it = lock.file.try_clone().unwrap();
        assert!(HomeLock::take(home.path()).is_err());
        drop(lock);
        assert!(HomeLock::take(home.path()).is_ok());
    }
}
