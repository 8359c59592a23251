//! Whether a disk has room.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// SQLite's extended codes for a failed write, and for shared memory that cannot be made or grow: what it says of a user
/// whose share of the disk is used up, and of a disk that is full while it opens a database.
const MAYBE_FULL: [i32; 3] = [
    rusqlite::ffi::SQLITE_IOERR_WRITE,
    rusqlite::ffi::SQLITE_IOERR_SHMOPEN,
    rusqlite::ffi::SQLITE_IOERR_SHMSIZE,
];
/// Bytes that are written to see whether there is room: what SQLite asks for at least.
const TRIED_BYTES: usize = 32 << 10;

/// Whether a failure of SQLite means that there is no room. It does not say, so it is tried: a failed write and a full
/// disk ask for different remedies, and after the latter writing can go on.
pub(crate) fn is_missing(error: &rusqlite::Error, path: &Path) -> bool {
    let code = match error {
        rusqlite::Error::SqliteFailure(failure, _) => failure.extended_code,
        _ => return false,
    };
    MAYBE_FULL.contains(&code) && !can_write(path)
}

fn can_write(path: &Path) -> bool {
    let tried = path.with_extension(format!("try-{}", std::process::id()));
    let written = File::create(&tried).and_then(|mut file| file.write_all(&[0; TRIED_BYTES]));
    // Only tidiness: it is empty or small.
    let _ = fs::remove_file(&tried);
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    !written.is_err_and(|error| full.contains(&error.kind()))
}

/// Bytes left on the disk of `path`, if the system says.
#[cfg(unix)]
pub(crate) fn left(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path.parent()?).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Elsewhere it is not asked.
#[cfg(not(unix))]
pub(crate) fn left(_path: &Path) -> Option<u64> {
    None
}
