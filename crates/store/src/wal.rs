//! The WAL file of `main.db`: copying it into the database, and growing it ahead of need.
//!
//! A commit that makes the file longer waits for the file system's journal too; one that writes into space the
//! file already has waits only for its own pages. So the file is grown between commits, and kept.

use crate::conn::{self, Access};
use crate::error::{Context, StoreError};
use crate::index::with_suffix;
use crate::limits::{
    BUSY_TIMEOUT, WAL_GROW_LOOK_BYTES, WAL_GROW_MAX, WAL_GROW_MIN, WAL_GROW_UNTIL, WAL_KEEP_BYTES,
    WAL_LOOK_BYTES, WAL_WAIT,
};
use rusqlite::Connection;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const CHECKPOINTING: &str = "copying the WAL into the database";

/// What the writer knows of its WAL.
pub(crate) struct Wal {
    path: PathBuf,
    /// Length of the file after the last growth, bytes.
    len: u64,
    /// Bytes committed since the last look at the file's length.
    since_grow_look: u64,
    /// Bytes committed since the last look at the pages in it.
    since_look: u64,
    /// Pages above which the writer waits.
    pages_max: i64,
    /// The same, raised while a reader is in the way: waiting for it again and again would stop the writer.
    pages_allowed: i64,
}

impl Wal {
    /// The WAL of the database at `main`.
    pub(crate) fn new(main: &Path, pages_max: i64) -> Self {
        let path = with_suffix(main, "-wal");
        Self {
            len: file_len(&path),
            path,
            since_grow_look: 0,
            since_look: 0,
            pages_max,
            pages_allowed: pages_max,
        }
    }

    /// Grows the file if commits did: doubles it within limits. It is not looked at after every commit: once a file was
    /// asked for its times, the next write to it notes the time exactly, and waiting for that write takes half as long again
    /// (Linux 6.13 and later, ext4). Zeros after the last frame are not read as
    /// frames, because their salt is not that of the WAL's header. It is only for speed, so a failure is no error:
    /// the next commit meets the same disk and reports what is wrong with it.
    ///
    /// Only the writer's thread may call this, between commits: nobody else appends.
    pub(crate) fn grow_ahead(&mut self) {
        let is_young = self.len < WAL_GROW_MIN;
        if !is_young && self.since_grow_look < WAL_GROW_LOOK_BYTES {
            return;
        }
        self.since_grow_look = 0;
        let len = file_len(&self.path);
        if len <= self.len || len >= WAL_GROW_UNTIL {
            return;
        }
        let zeros = vec![0_u8; len.clamp(WAL_GROW_MIN, WAL_GROW_MAX) as usize];
        if let Ok(mut file) = OpenOptions::new().append(true).open(&self.path)
            && file.write_all(&zeros).is_err()
        {
            // What is left of a disk is not for zeros.
            let _ = file.set_len(len);
        }
        failpoint!("wal.grown");
        self.len = file_len(&self.path);
    }

    /// Told how much a commit wrote.
    pub(crate) fn wrote(&mut self, bytes: u64) {
        self.since_grow_look += bytes;
        self.since_look += bytes;
    }

    /// When the WAL has become longer than it may, copies all of it, waiting for the background thread and, briefly,
    /// for readers. A failure is left to the next commit, which meets the same disk.
    pub(crate) fn bound(&mut self, conn: &Connection, main: &Path) {
        if self.since_look < WAL_LOOK_BYTES {
            return;
        }
        self.since_look = 0;
        match checkpoint(conn, main, Mode::Look) {
            Ok(found) if found.pages > self.pages_allowed => {}
            _ => return,
        }
        let _ = conn.busy_timeout(WAL_WAIT);
        let done = checkpoint(conn, main, Mode::Restart);
        let _ = conn.busy_timeout(BUSY_TIMEOUT);
        failpoint!("wal.bounded");
        self.pages_allowed = match done {
            Ok(done) if done.busy => self.pages_max.max(done.pages.saturating_mul(2)),
            _ => self.pages_max,
        };
    }
}

/// Length of a file in bytes, 0 if it does not exist.
pub(crate) fn file_len(path: &Path) -> u64 {
    fs::metadata(path).map(|meta| meta.len()).unwrap_or(0)
}

/// What it means that a database could not be opened for reading: SQLite recovers a WAL whose shared memory is gone, and
/// for that it has to make a file.
pub(crate) fn unrecovered(main: &Path, error: StoreError) -> StoreError {
    let wal = with_suffix(main, "-wal");
    let has_shared_memory = with_suffix(main, "-shm").exists();
    match error {
        StoreError::NoAccess { .. } if file_len(&wal) > 0 && !has_shared_memory => {
            StoreError::Unrecovered { path: wal }
        }
        error => error,
    }
}

/// How far a checkpoint came, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Whether it could not do all that its mode asks for.
    pub(crate) busy: bool,
    /// Pages in the WAL.
    pub(crate) pages: i64,
    /// Pages of these that are in the database too.
    pub(crate) copied: i64,
}

/// How much a checkpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing: only says how long the WAL is.
    Look,
    /// Copies what can be copied without waiting for anybody.
    Passive,
    /// Waits until all is copied and no reader needs the WAL, so that the next commit starts it over.
    Restart,
    /// The same, and cuts the file to nothing.
    Truncate,
}

/// Copies the WAL into the database.
pub(crate) fn checkpoint(
    conn: &Connection,
    main: &Path,
    mode: Mode,
) -> Result<Checkpoint, StoreError> {
    let sql = match mode {
        Mode::Look => "PRAGMA wal_checkpoint(NOOP)",
        Mode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Mode::Restart => "PRAGMA wal_checkpoint(RESTART)",
        Mode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    conn.query_row(sql, [], |row| {
        Ok(Checkpoint {
            busy: row.get(0)?,
            pages: row.get(1)?,
            copied: row.get(2)?,
        })
    })
    .at(main, CHECKPOINTING)
}

/// Empties a WAL file that would take long to read at the next opening. Readers of other processes may prevent it,
/// which costs only that time.
pub(crate) fn empty_if_large(main: &Path) -> Result<(), StoreError> {
    if file_len(&with_suffix(main, "-wal")) <= WAL_KEEP_BYTES {
        return Ok(());
    }
    let conn = conn::open(main, Access::Write)?;
    conn.busy_timeout(WAL_WAIT).at(main, CHECKPOINTING)?;
    checkpoint(&conn, main, Mode::Truncate).map(drop)
}
