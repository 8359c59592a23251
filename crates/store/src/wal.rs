//! The WAL file of `main.db`: copying it into the database, and growing it ahead of need.
//!
//! A commit that makes the file longer waits for the file system's journal too; one that writes into space the
//! file already has waits only for its own pages. So the file is grown between commits, and kept.

use crate::error::{Context, StoreError};
use crate::index::with_suffix;
use crate::limits::{WAL_GROW_MAX, WAL_GROW_MIN, WAL_GROW_UNTIL, WAL_KEEP_BYTES};
use rusqlite::Connection;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const CHECKPOINTING: &str = "copying the WAL into the database";

/// What the writer knows of its WAL file.
pub(crate) struct Wal {
    path: PathBuf,
    /// Length after the last growth, bytes.
    len: u64,
}

impl Wal {
    /// The WAL of the database at `main`.
    pub(crate) fn new(main: &Path) -> Self {
        let path = with_suffix(main, "-wal");
        let len = file_len(&path);
        Self { path, len }
    }

    /// Grows the file if the last commit did: doubles it within limits. Zeros after the last frame are not read as
    /// frames, because their salt is not that of the WAL's header. It is only for speed, so a failure is no error:
    /// the next commit meets the same disk and reports what is wrong with it.
    ///
    /// Only the writer's thread may call this, between commits: nobody else appends.
    pub(crate) fn grow_ahead(&mut self) {
        let len = file_len(&self.path);
        if len <= self.len || len >= WAL_GROW_UNTIL {
            return;
        }
        let zeros = vec![0_u8; len.clamp(WAL_GROW_MIN, WAL_GROW_MAX) as usize];
        let _ = OpenOptions::new()
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(&zeros));
        self.len = file_len(&self.path);
    }
}

/// Length of a file in bytes, 0 if it does not exist.
pub(crate) fn file_len(path: &Path) -> u64 {
    fs::metadata(path).map(|meta| meta.len()).unwrap_or(0)
}

/// How far a checkpoint came, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Pages in the WAL.
    pub(crate) pages: i64,
    /// Pages of these that are in the database too.
    pub(crate) copied: i64,
}

/// Copies what can be copied without waiting for anybody.
pub(crate) fn checkpoint(conn: &Connection, main: &Path) -> Result<Checkpoint, StoreError> {
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(Checkpoint {
            pages: row.get(1)?,
            copied: row.get(2)?,
        })
    })
    .at(main, CHECKPOINTING)
}

/// Empties a WAL file that would take long to read at the next opening. Readers of other processes may prevent it,
/// which costs only that time.
pub(crate) fn empty_if_large(conn: &Connection, main: &Path) -> Result<(), StoreError> {
    if file_len(&with_suffix(main, "-wal")) <= WAL_KEEP_BYTES {
        return Ok(());
    }
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .at(main, CHECKPOINTING)
}
