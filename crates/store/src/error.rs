//! Everything that can go wrong in the store, and what to do about it.

use crate::{ReceiptId, RunId, room};
use ipvm_ipld::Cid;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// What an operation of the store can end with instead of a result.
///
/// It can be cloned, since one failed commit is told to everybody who took part in it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the home open for writing.
    #[error("{home} is in use by another ipvm process{}; wait until it ends, stop it, or set IPVM_HOME to another folder", pid_text(*.pid))]
    Locked {
        /// The home folder.
        home: PathBuf,
        /// Process id that the other process left in the lock file.
        pid: Option<u32>,
    },
    /// There is no store to read.
    #[error(
        "there is no store in {home}; run a workflow first, or set IPVM_HOME to the right folder"
    )]
    Absent {
        /// The home folder.
        home: PathBuf,
    },
    /// The handle was opened for reading only.
    #[error("the store was opened for reading only; open it for writing to store anything")]
    ReadOnlyHandle,
    /// A newer program wrote the store.
    #[error(
        "{path} has layout {found}, this ipvm knows layouts up to {known}; install a newer ipvm, or set IPVM_HOME to another folder"
    )]
    NewerLayout {
        /// The database file.
        path: PathBuf,
        /// Layout number in the file.
        found: i64,
        /// Newest layout number that this program knows.
        known: i64,
    },
    /// The file is no database of this program.
    #[error(
        "{path} is not an ipvm store: {reason}; move the file away or restore it from a backup"
    )]
    NotAStore {
        /// The database file.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// The disk, or the user's share of it, is full.
    #[error(
        "the disk of {path} is full while {doing}{}; nothing of this was stored; free some space and try again", left_text(*.left)
    )]
    DiskFull {
        /// The file that was written.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Bytes left on the disk, of which the user's share may be smaller.
        left: Option<u64>,
    },
    /// The file may not be opened or written.
    #[error(
        "no access to {path} while {doing}: {reason}; check its permissions and that the disk is not mounted read-only"
    )]
    NoAccess {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// The operating system refused or failed.
    #[error("{path}: {reason} while {doing}; check the disk")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// SQLite found the file torn.
    #[error(
        "{path} is damaged ({reason}, while {doing}); restore it from a backup; `ipvm store verify` lists what can still be read"
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        reason: String,
    },
    /// A crash left a WAL that has to be recovered where nothing can be written.
    #[error(
        "{path} was left by a crash, and recovering it needs to write beside it; make its folder writable, or copy the home to another disk and set IPVM_HOME to that"
    )]
    Unrecovered {
        /// The WAL.
        path: PathBuf,
    },
    /// The database is gone, of a home that had one.
    #[error(
        "{path} is missing or empty, although there was a store; restore it from a backup, or, to begin with an empty store, remove {lock}"
    )]
    Lost {
        /// The database file.
        path: PathBuf,
        /// The file that remembers it.
        lock: PathBuf,
    },
    /// Commits that were on the disk cannot be read from the WAL.
    #[error(
        "{path} is damaged at byte {at}, and what was stored after that cannot be read; restore its folder from a backup, or, to go on without it, move this file away: what was stored before is in main.db"
    )]
    LogDamaged {
        /// The WAL.
        path: PathBuf,
        /// Offset of the first frame that is wrong, in bytes.
        at: u64,
    },
    /// A block's bytes are not what its CID says.
    #[error(
        "block {cid} is damaged in {place}: {reason}; store the same content again to mend it; `ipvm store verify` lists all damage"
    )]
    BlockDamaged {
        /// The block's CID.
        cid: Box<Cid>,
        /// The file, or the row of the database.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A receipt's bytes are not those that were stored.
    #[error(
        "receipt {row} in {path} is damaged: {reason}; restore the file from a backup; `ipvm store verify` lists all damage"
    )]
    ReceiptDamaged {
        /// The row.
        row: ReceiptId,
        /// The database file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A row of the run or step table cannot be understood.
    #[error(
        "run {run} in {path} is damaged: {reason}; restore the file from a backup, or begin anew with `ipvm run --again`"
    )]
    RunDamaged {
        /// The run.
        run: RunId,
        /// The database file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A block is larger than the store takes.
    #[error(
        "block {cid} has {bytes} bytes, the limit is {max}; split the content into smaller blocks"
    )]
    BlockTooLarge {
        /// The block's CID.
        cid: Box<Cid>,
        /// Its length in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A block was given as a receipt that is not DAG-CBOR.
    #[error("{cid} is not a DAG-CBOR block and so no receipt; store it as a block")]
    NotAReceipt {
        /// The block's CID.
        cid: Box<Cid>,
    },
    /// A batch is larger than one transaction should be.
    #[error(
        "a batch of {items} items and {bytes} bytes is too large (limits {max_items} and {max_bytes}); commit it in parts"
    )]
    BatchTooLarge {
        /// Items in the batch.
        items: usize,
        /// Bytes in the batch.
        bytes: usize,
        /// Limit of items.
        max_items: usize,
        /// Limit of bytes.
        max_bytes: usize,
    },
    /// A batch creates a run under an id that exists.
    #[error("run {run} exists already; take a new id from `Store::new_run_id`")]
    RunExists {
        /// The run.
        run: RunId,
    },
    /// A batch speaks of a run that was never created.
    #[error("there is no run {run}; create it in the same batch or an earlier one")]
    RunUnknown {
        /// The run.
        run: RunId,
    },
    /// A step names a receipt that is not in its batch.
    #[error(
        "a step of run {run} names receipt {position} of its batch, which has {receipts}; add the receipt to the same batch"
    )]
    StepReceipt {
        /// The run.
        run: RunId,
        /// Position named by the step.
        position: usize,
        /// Receipts in the batch.
        receipts: usize,
    },
    /// The index cannot be used by a reader, and only a writer can make a new one.
    #[error(
        "the index {path} is missing or being rebuilt; run any ipvm command that writes, for instance `ipvm run`, then try again"
    )]
    IndexAbsent {
        /// The index file.
        path: PathBuf,
    },
    /// Another program holds the database.
    #[error("{path} is held by another program while {doing}; close that program and try again")]
    Busy {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
    },
    /// The writer has ended, and with it this handle's ability to store.
    #[error("the store no longer accepts writes: {reason}; open it again")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// Anything else SQLite can say.
    #[error("{path}: {reason} while {doing}; this should not happen, please report it")]
    Database {
        /// The database file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        reason: String,
    },
}

fn left_text(left: Option<u64>) -> String {
    left.map(|left| format!(" ({left} bytes are left)"))
        .unwrap_or_default()
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

impl StoreError {
    /// Whether the cause lies in the file or disk, so that every batch of the same group fails with it.
    pub(crate) fn is_disk_wide(&self) -> bool {
        self.ends_writer()
            || matches!(
                self,
                Self::DiskFull { .. } | Self::Busy { .. } | Self::NoAccess { .. }
            )
    }

    /// Whether writing must not go on: after a failed write or sync nobody knows what is on the disk.
    pub(crate) fn ends_writer(&self) -> bool {
        matches!(
            self,
            Self::Io { .. } | Self::Damaged { .. } | Self::NotAStore { .. }
        )
    }

    /// Whether a database file was found torn or foreign.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. } | Self::NotAStore { .. } | Self::Database { .. }
        )
    }

    fn disk_full(path: PathBuf, doing: &'static str) -> Self {
        let left = room::left(&path);
        Self::DiskFull { path, doing, left }
    }

    /// An error of the operating system about `path`.
    pub(crate) fn io(path: &Path, doing: &'static str, error: &io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::disk_full(path, doing)
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NoAccess {
                path,
                doing,
                reason: error.to_string(),
            },
            _ => Self::Io {
                path,
                doing,
                reason: error.to_string(),
            },
        }
    }

    /// An error of SQLite about the database `path`.
    pub(crate) fn sqlite(path: &Path, doing: &'static str, error: &rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::disk_full(path, doing),
            Some(ErrorCode::SystemIoFailure) if room::is_missing(error, &path) => {
                Self::disk_full(path, doing)
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::NoAccess {
                    path,
                    doing,
                    reason,
                }
            }
            Some(ErrorCode::SystemIoFailure) => Self::Io {
                path,
                doing,
                reason,
            },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged {
                path,
                doing,
                reason,
            },
            Some(ErrorCode::NotADatabase) => Self::NotAStore { path, reason },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path, doing },
            // SQLite read the row, but a value in it is of a kind that is never written.
            None if is_conversion(error) => Self::Damaged {
                path,
                doing,
                reason,
            },
            _ => Self::Database {
                path,
                doing,
                reason,
            },
        }
    }
}

fn is_conversion(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
    };
    matches!(
        error,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..)
    )
}

/// Adds path and activity to the errors below.
pub(crate) trait Context<T> {
    /// Names the file and what was being done with it.
    fn at(self, path: &Path, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Context<T> for Result<T, rusqlite::Error> {
    fn at(self, path: &Path, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::sqlite(path, doing, &error))
    }
}

impl<T> Context<T> for io::Result<T> {
    fn at(self, path: &Path, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::io(path, doing, &error))
    }
}
