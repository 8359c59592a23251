//! The writer: takes what waits, commits it as one transaction, then tells everybody.
//!
//! There is one, behind a lock. Its thread serves whoever does not wait; a thread that would only wait for its own
//! batch serves the queue itself, which spares two changes of threads for each wait for the disk.

use crate::authority;
use crate::background::Background;
use crate::conn::{self, Access, Durability, lock};
use crate::error::{Context, StoreError};
use crate::index::Index;
use crate::journal;
use crate::limits::COMMIT_OVERHEAD_BYTES;
use crate::options::Tuning;
use crate::pins;
use crate::prepare::{BlockRow, Prepared};
use crate::queue::{Job, Queue};
use crate::sealed;
use crate::tail::KeyRow;
use crate::types::{NewRun, RunStatus, RunUpdate, StepReceipt, StepUpdate};
use crate::wal::{self, Wal};
use rusqlite::{Connection, ErrorCode, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread;

const STORING: &str = "storing";

/// The queue, and the writer that serves it.
#[derive(Default)]
pub(crate) struct Desk {
    queue: Queue,
    /// `None` before the first commit, and once the store is closed.
    writer: Mutex<Option<Writer>>,
}

impl Desk {
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn put(&self, writer: Writer) {
        *lock(&self.writer) = Some(writer);
    }

    /// Closes the writer's connection.
    pub(crate) fn clear(&self) {
        *lock(&self.writer) = None;
    }

    /// The writer's thread: serves the queue until it is closed and empty.
    pub(crate) fn run(&self) {
        while self.queue.wait() {
            self.serve(lock(&self.writer).as_mut());
        }
    }

    /// Commits what waits, on the caller's thread and up to the size of one transaction; leaves it to the thread that is
    /// committing, if one is.
    pub(crate) fn serve_here(&self) {
        match self.writer.try_lock() {
            Ok(mut writer) => self.serve(writer.as_mut()),
            Err(TryLockError::Poisoned(poisoned)) => self.serve(poisoned.into_inner().as_mut()),
            Err(TryLockError::WouldBlock) => {}
        }
        // What came meanwhile, its submitter may have left to whoever was committing.
        self.queue.wake();
    }

    /// One group; after an error that ends the writer, all that waits comes to know of it.
    fn serve(&self, writer: Option<&mut Writer>) {
        let abandon = AbandonOnPanic(&self.queue);
        let group = self.queue.take_group();
        if let Some(writer) = writer
            && !group.is_empty()
            && let Err(error) = writer.serve_group(group)
        {
            let reason = error.to_string();
            self.queue.close(&reason);
            self.refuse_rest(&reason);
        }
        drop(abandon);
    }

    fn refuse_rest(&self, reason: &str) {
        loop {
            let group = self.queue.take_group();
            if group.is_empty() {
                return;
            }
            let reason = reason.to_owned();
            tell(group, &Err(StoreError::Stopped { reason }));
        }
    }
}

/// Commits batches, one group at a time.
pub(crate) struct Writer {
    path: PathBuf,
    conn: Connection,
    wal: Wal,
    index: Arc<Index>,
    background: Arc<Background>,
    tuning: Tuning,
    /// Newest receipt committed.
    last_receipt: i64,
}

impl Writer {
    pub(crate) fn open(
        path: &Path,
        index: Arc<Index>,
        background: Arc<Background>,
        tuning: Tuning,
        last_receipt: i64,
    ) -> Result<Self, StoreError> {
        let conn = conn::open(path, Access::Write)?;
        conn::set_up_writer(&conn, path, Durability::EveryCommit)?;
        if let Some(pages) = tuning.main_pages_max {
            conn.execute_batch(&format!("PRAGMA max_page_count={pages}"))
                .at(path, STORING)?;
        }
        Ok(Self {
            path: path.to_path_buf(),
            conn,
            wal: Wal::new(path, tuning.wal_pages_max),
            index,
            background,
            tuning,
            last_receipt,
        })
    }

    fn serve_group(&mut self, group: Vec<Job>) -> Result<(), StoreError> {
        self.background.set_busy(true);
        let served = self.serve(group);
        self.background.set_busy(false);
        served
    }

    /// Commits a group and tells its submitters. An error is one after which writing must not go on.
    fn serve(&mut self, group: Vec<Job>) -> Result<(), StoreError> {
        if self.background.take_wal_restart() {
            // Ends what the background thread has almost done, so that the next commit starts the WAL over.
            // If a reader is in the way, the WAL grows on and a later attempt succeeds.
            let _ = wal::checkpoint(&self.conn, &self.path, wal::Mode::Passive);
            failpoint!("wal.ended");
        }
        let committed = self.make_room().and_then(|()| self.commit(&group));
        match committed {
            Err(error) if group.len() > 1 && !error.is_disk_wide() => {
                // One bad batch must not fail its neighbours.
                group.into_iter().try_for_each(|job| {
                    let job = vec![job];
                    let committed = self.commit(&job);
                    finish(job, committed)
                })
            }
            committed => finish(group, committed),
        }?;
        self.wal.grow_ahead();
        self.wal.bound(&self.conn, &self.path);
        Ok(())
    }

    /// Waits for a merge when memory holds all the keys it may.
    fn make_room(&self) -> Result<(), StoreError> {
        if self.index.backlog() < self.tuning.tail_rows_max {
            Ok(())
        } else {
            self.index.merge(&mut || {})
        }
    }

    /// One transaction. When it returns, all of the group is on the disk and can be looked up.
    fn commit(&mut self, group: &[Job]) -> Result<(), StoreError> {
        let transaction = self.conn.unchecked_transaction().at(&self.path, STORING)?;
        failpoint!("commit.begun");
        let mut rows = Vec::new();
        for job in group {
            let table = Tables {
                conn: &self.conn,
                path: &self.path,
                next_receipt: self.last_receipt + 1 + rows.len() as i64,
            };
            table.apply(&job.batch, &mut rows)?;
            failpoint!("commit.applied");
        }
        transaction.commit().at(&self.path, STORING)?;
        failpoint!("commit.durable");
        self.last_receipt = rows.last().map_or(self.last_receipt, |row| row.id);
        self.index.append(&rows);
        failpoint!("commit.findable");
        let payload: usize = group.iter().map(|job| job.batch.bytes).sum();
        let bytes = payload as u64 + COMMIT_OVERHEAD_BYTES;
        self.wal.wrote(bytes);
        self.background
            .committed(self.last_receipt, self.index.backlog(), bytes);
        Ok(())
    }
}

/// Lets nobody wait for a writer that was ended by a submitter's callback that panicked.
struct AbandonOnPanic<'a>(&'a Queue);

impl Drop for AbandonOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.abandon();
        }
    }
}

/// Tells the group; hands the error on if writing must end.
fn finish(group: Vec<Job>, committed: Result<(), StoreError>) -> Result<(), StoreError> {
    tell(group, &committed);
    match committed {
        Err(error) if error.ends_writer() => Err(error),
        _ => Ok(()),
    }
}

fn tell(group: Vec<Job>, committed: &Result<(), StoreError>) {
    for job in group {
        (job.on_durable)(committed.clone());
        failpoint!("commit.told");
    }
}

/// The statements that put one batch into an open transaction.
struct Tables<'a> {
    conn: &'a Connection,
    path: &'a Path,
    /// Row of the batch's first receipt.
    next_receipt: i64,
}

impl Tables<'_> {
    fn apply(&self, batch: &Prepared, rows: &mut Vec<KeyRow>) -> Result<(), StoreError> {
        batch
            .blocks
            .iter()
            .try_for_each(|block| self.block(block).at(self.path, STORING))?;
        for (id, receipt) in (self.next_receipt..).zip(&batch.receipts) {
            let keys = KeyRow { id, ..receipt.keys };
            self.receipt(&keys, &receipt.block).at(self.path, STORING)?;
            rows.push(keys);
        }
        batch.runs.iter().try_for_each(|run| self.run(run))?;
        batch
            .run_updates
            .iter()
            .try_for_each(|update| self.run_update(update))?;
        batch.steps.iter().try_for_each(|step| self.step(step))?;
        pins::change(self.conn, &batch.pins).at(self.path, STORING)?;
        authority::change(self.conn, &batch.authority).at(self.path, STORING)?;
        journal::change(self.conn, &batch.journal).at(self.path, STORING)?;
        sealed::note(self.conn, batch).at(self.path, STORING)
    }

    /// Inserts a block, or mends the row that it has already.
    fn block(&self, block: &BlockRow) -> rusqlite::Result<()> {
        let cid = block.cid.to_bytes();
        let mut select = self
            .conn
            .prepare_cached("SELECT id, cid, data FROM block WHERE k_cid = ?1")?;
        let mut same_key = select.query([block.key])?;
        while let Some(row) = same_key.next()? {
            if row.get_ref(1)?.as_blob()? != cid {
                continue;
            }
            let stored = row.get_ref(2)?.as_blob_or_null()?;
            if stored != block.data.as_deref() {
                let sql = "UPDATE block SET size = ?2, data = ?3 WHERE id = ?1";
                let id: i64 = row.get(0)?;
                self.conn
                    .prepare_cached(sql)?
                    .execute(params![id, block.size, block.data])?;
            }
            return Ok(());
        }
        let sql = "INSERT INTO block(k_cid, cid, size, data) VALUES(?1, ?2, ?3, ?4)";
        self.conn
            .prepare_cached(sql)?
            .execute(params![block.key, cid, block.size, block.data])?;
        Ok(())
    }

    fn receipt(&self, keys: &KeyRow, block: &[u8]) -> rusqlite::Result<()> {
        let sql =
            "INSERT INTO receipt(id, k_cid, k_task, k_comp, block) VALUES(?1, ?2, ?3, ?4, ?5)";
        let mut insert = self.conn.prepare_cached(sql)?;
        insert.execute(params![
            keys.id,
            keys.cid,
            keys.task,
            keys.computation,
            block
        ])?;
        Ok(())
    }

    fn run(&self, run: &NewRun) -> Result<(), StoreError> {
        let sql = "INSERT INTO run(id, workflow, name, source, invocation, started, status, tasks)
            VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (workflow, invocation) = (
            run.workflow.to_bytes(),
            run.invocation.map(|cid| cid.to_bytes()),
        );
        let status = RunStatus::Running.code();
        let values = params![
            run.id.0,
            workflow,
            run.name,
            run.source,
            invocation,
            run.started,
            status,
            run.tasks
        ];
        let inserted = self
            .conn
            .prepare_cached(sql)
            .and_then(|mut insert| insert.execute(values));
        match inserted {
            Err(error) if is_constraint(&error) => Err(StoreError::RunExists { run: run.id }),
            inserted => inserted.map(drop).at(self.path, STORING),
        }
    }

    fn run_update(&self, update: &RunUpdate) -> Result<(), StoreError> {
        let sql = "UPDATE run SET status = ?2, finished = ?3 WHERE id = ?1";
        let values = params![update.id.0, update.status.code(), update.finished];
        let changed = self
            .conn
            .prepare_cached(sql)
            .and_then(|mut change| change.execute(values))
            .at(self.path, STORING)?;
        if changed == 0 {
            Err(StoreError::RunUnknown { run: update.id })
        } else {
            Ok(())
        }
    }

    fn step(&self, step: &StepUpdate) -> Result<(), StoreError> {
        let sql = "INSERT INTO step(run, idx, state, receipt) VALUES(?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET state = excluded.state, receipt = excluded.receipt";
        let receipt = step.receipt.map(|receipt| match receipt {
            StepReceipt::InBatch(position) => self.next_receipt + position as i64,
            StepReceipt::Stored(id) => id.0,
        });
        let values = params![step.run.0, step.index, step.state.code(), receipt];
        match self
            .conn
            .prepare_cached(sql)
            .and_then(|mut insert| insert.execute(values))
        {
            Err(error) if is_constraint(&error) => Err(StoreError::RunUnknown { run: step.run }),
            inserted => inserted.map(drop).at(self.path, STORING),
        }
    }
}

fn is_constraint(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}
