//! One writer per home: a lock file that the operating system releases when its holder dies.

use crate::error::{Context, StoreError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// Width to which a process id is padded in the lock file, characters.
const PID_DIGITS: usize = 10;
/// Longest content read from a lock file, bytes: a padded process id and a line end.
const PID_BYTES_MAX: u64 = PID_DIGITS as u64 + 1;

/// Held while the store is open for writing. Dropping it gives the lock back.
#[derive(Debug)]
pub(crate) struct HomeLock {
    _file: File,
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
        // Of equal length each time: cutting the file first would wait for the disk.
        writeln!(file, "{:>PID_DIGITS$}", std::process::id()).at(&path, DOING)?;
        Ok(Self { _file: file })
    }
}

/// The process id in a lock file; `None` if its holder has not written it yet.
fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
