//! The background thread: merges the tail into the index and copies the WAL into the database, so that commits do
//! neither.

use crate::conn::{self, Access, Durability, lock};
use crate::error::StoreError;
use crate::index::Index;
use crate::limits::{
    CHECKPOINT_BYTES, CHECKPOINT_FORCE_PAGES, CHECKPOINT_PASSES, CHECKPOINT_REST_PAGES, IDLE,
    WAL_KEEP_BYTES,
};
use crate::options::Tuning;
use crate::wal;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What the writer has done since the thread last looked.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Transactions committed.
    commits: u64,
    /// Bytes put into the WAL since the last checkpoint, estimated.
    wal_bytes: u64,
    /// Receipts stored.
    receipts: i64,
    /// Receipts that only the tail covers.
    backlog: usize,
    /// Whether the writer is at work: waiting for a slow disk is not idleness.
    busy: bool,
    /// Whether the thread waits without a time limit, since not even idleness would give it work.
    parked: bool,
    stop: bool,
}

/// Work for the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    merge: bool,
    checkpoint: bool,
}

impl Due {
    fn any(self) -> bool {
        self.merge || self.checkpoint
    }
}

/// What the writer and the thread tell each other.
pub(crate) struct Background {
    tuning: Tuning,
    progress: Mutex<Progress>,
    wake: Condvar,
    /// Asks the writer to end a checkpoint.
    wal_restart: AtomicBool,
}

impl Background {
    pub(crate) fn new(tuning: Tuning) -> Self {
        Self {
            tuning,
            progress: Mutex::default(),
            wake: Condvar::new(),
            wal_restart: AtomicBool::new(false),
        }
    }

    /// Told by the writer when it begins and ends to serve a group.
    pub(crate) fn set_busy(&self, busy: bool) {
        lock(&self.progress).busy = busy;
    }

    /// Told by the writer after each commit.
    pub(crate) fn committed(&self, receipts: i64, backlog: usize, bytes: u64) {
        let mut progress = lock(&self.progress);
        progress.commits += 1;
        progress.wal_bytes += bytes;
        progress.receipts = receipts;
        progress.backlog = backlog;
        let wake = self.due(&progress, progress.parked).any();
        drop(progress);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Whether the writer should end a checkpoint now; asks once.
    pub(crate) fn take_wal_restart(&self) -> bool {
        self.wal_restart.swap(false, Ordering::AcqRel)
    }

    /// Makes the thread end.
    pub(crate) fn stop(&self) {
        lock(&self.progress).stop = true;
        self.wake.notify_one();
    }

    fn due(&self, progress: &Progress, idle: bool) -> Due {
        let (merge_at, checkpoint_at) = if idle {
            (self.tuning.idle_merge_at(progress.receipts), WAL_KEEP_BYTES)
        } else {
            (self.tuning.merge_at(progress.receipts), CHECKPOINT_BYTES)
        };
        Due {
            merge: progress.backlog >= merge_at,
            checkpoint: progress.wal_bytes >= checkpoint_at,
        }
    }

    /// Waits for work; `None` when the thread is to end.
    fn wait(&self) -> Option<Due> {
        let mut progress = lock(&self.progress);
        while !progress.stop {
            let due = self.due(&progress, false);
            if due.any() {
                return Some(due);
            }
            if !self.due(&progress, true).any() {
                progress.parked = true;
                progress = self
                    .wake
                    .wait(progress)
                    .unwrap_or_else(PoisonError::into_inner);
                progress.parked = false;
                continue;
            }
            let seen = progress.commits;
            let (guard, waited) = self
                .wake
                .wait_timeout(progress, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            progress = guard;
            let idle = waited.timed_out() && progress.commits == seen && !progress.busy;
            if idle && !progress.stop {
                return Some(self.due(&progress, true));
            }
        }
        None
    }

    fn checkpoint(&self, worker: &mut Worker) {
        lock(&self.progress).wal_bytes = 0;
        if worker.checkpoint().is_ok_and(|can_end| can_end) {
            self.wal_restart.store(true, Ordering::Release);
        }
    }

    /// The thread. Failures are not reported from here: the WAL and the tail stay as they are and keep everything,
    /// and if the tail becomes full the writer meets the failure itself and tells its submitters.
    pub(crate) fn run(&self, main: &Path, index: &Arc<Index>) {
        let mut worker = Worker {
            main: main.to_path_buf(),
            conn: None,
        };
        while let Some(due) = self.wait() {
            if due.checkpoint {
                self.checkpoint(&mut worker);
            }
            if due.merge {
                // A merge takes seconds when the index is large: the WAL must not wait for its end.
                let merged = index.merge(&mut || {
                    let progress = *lock(&self.progress);
                    if self.due(&progress, false).checkpoint {
                        self.checkpoint(&mut worker);
                    }
                });
                let mut progress = lock(&self.progress);
                // After a failure the next attempt waits for further receipts.
                progress.backlog = if merged.is_ok() { index.backlog() } else { 0 };
            }
        }
    }
}

/// What the thread owns.
struct Worker {
    main: PathBuf,
    conn: Option<Connection>,
}

impl Worker {
    /// Copies the WAL while the writer goes on; true when the writer should end it.
    fn checkpoint(&mut self) -> Result<bool, StoreError> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => {
                let conn = conn::open(&self.main, Access::Write)?;
                conn::set_up_writer(&conn, &self.main, Durability::EveryCommit)?;
                conn
            }
        };
        let mut copied = 0;
        let mut can_end = false;
        for _ in 0..CHECKPOINT_PASSES {
            let done = wal::checkpoint(&conn, &self.main, wal::Mode::Passive)?;
            failpoint!("checkpoint.copied");
            // What this pass had to copy is what was committed during the one before; less is left now.
            can_end =
                done.pages - copied < CHECKPOINT_REST_PAGES || done.pages > CHECKPOINT_FORCE_PAGES;
            copied = done.copied;
            if can_end || done.copied < done.pages {
                break;
            }
        }
        self.conn = Some(conn);
        Ok(can_end)
    }
}
