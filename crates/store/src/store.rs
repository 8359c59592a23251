//! The handle: opening, committing, closing.

use crate::background::Background;
use crate::blocks::{BlockFiles, sync_folder};
use crate::conn::{self, Access, Durability, Pool, lock};
use crate::error::{Context, StoreError};
use crate::index::Index;
use crate::key::Keyer;
use crate::limits::MERGE_IDLE_ROWS;
use crate::lock::{self as home_lock_file, HomeLock};
use crate::options::Tuning;
use crate::prepare::prepare;
use crate::queue::Job;
use crate::schema::{self, MainMeta};
use crate::torn::{self, Mark};
use crate::types::{Batch, KeysOf, OnDurable, RunId};
use crate::wal;
use crate::writer::{Desk, Writer};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};

const OPENING: &str = "opening the store";
const CLOSED: &str = "it is being closed";

/// A home's store. It can be shared between threads; dropping it commits what was submitted and closes it.
pub struct Store {
    home: PathBuf,
    pub(crate) main: Arc<Pool>,
    pub(crate) index: Arc<Index>,
    pub(crate) files: BlockFiles,
    pub(crate) keyer: Keyer,
    pub(crate) keys_of: KeysOf,
    pub(crate) tuning: Tuning,
    /// Newest receipt at opening.
    last_receipt: i64,
    last_run: AtomicI64,
    /// Whether a block that is not there may have been evicted.
    pub(crate) evicted: AtomicBool,
    desk: Arc<Desk>,
    threads: Mutex<Threads>,
    /// `None` for a handle that only reads. Last, so that it is given back after all else is closed.
    home_lock: Option<HomeLock>,
}

/// A batch that waits to be written, and of which the writer's thread has not been told: dropping this tells it.
#[must_use]
pub struct Enqueued(Option<Arc<Desk>>);

impl Enqueued {
    /// Writes it on the calling thread, with what else waits, unless another is writing already. For a thread that has
    /// nothing else to do: it spares waking others, and being woken.
    ///
    /// Callbacks of all that is written run on this thread.
    pub fn serve(mut self) {
        if let Some(desk) = self.0.take() {
            desk.serve_here();
        }
    }
}

impl Drop for Enqueued {
    fn drop(&mut self) {
        if let Some(desk) = &self.0 {
            desk.queue().wake();
        }
    }
}

/// The threads, which start with the first commit: a process that only reads has none.
#[derive(Default)]
struct Threads {
    writer: Option<JoinHandle<()>>,
    background: Option<(JoinHandle<()>, Arc<Background>)>,
}

impl Store {
    /// Opens the store of `home` for reading and writing, creating it if there is none.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process has it open for writing; [`StoreError::NewerLayout`],
    /// [`StoreError::NotAStore`], [`StoreError::Damaged`] when the file cannot be used; [`StoreError::Io`],
    /// [`StoreError::NoAccess`] or [`StoreError::DiskFull`] when the system refuses.
    pub fn open(home: &Path, keys_of: KeysOf) -> Result<Self, StoreError> {
        Self::open_tuned(home, keys_of, Tuning::default())
    }

    pub(crate) fn open_tuned(
        home: &Path,
        keys_of: KeysOf,
        tuning: Tuning,
    ) -> Result<Self, StoreError> {
        let folder = home.join("store");
        let is_new = !folder.is_dir();
        if is_new {
            std::fs::create_dir_all(&folder).at(&folder, OPENING)?;
            failpoint!("open.folder");
        }
        let home_lock = HomeLock::take(home)?;
        failpoint!("open.locked");
        let path = folder.join("main.db");
        let is_new = is_new || !path.exists();
        if home_lock.mark().is_some() && wal::file_len(&path) == 0 {
            let lock = home.join("lock");
            return Err(StoreError::Lost { path, lock });
        }
        let conn = conn::open(&path, if is_new { Access::Write } else { Access::Read })?;
        failpoint!("open.file");
        // Before the tables: without its WAL a young database looks like an empty one, to be filled.
        if !is_new {
            torn::check(&conn, &path, Access::Read, home_lock.mark())?;
        }
        let meta = schema::open_main(&conn, &path, Access::Read)?;
        failpoint!("open.tables");
        let main = Pool::new(path, Access::Read);
        if is_new {
            // So that the database does not need its WAL to be recognised.
            wal::checkpoint(&conn, main.path(), wal::Mode::Truncate)?;
            failpoint!("open.copied");
            for folder in [folder.as_path(), home] {
                sync_folder(folder).at(folder, OPENING)?;
            }
            home_lock.leave(Mark::default());
            failpoint!("open.durable");
        } else {
            main.donate(conn);
        }
        Ok(Self::assemble(
            home,
            keys_of,
            tuning,
            main,
            &meta,
            Some(home_lock),
        ))
    }

    /// Opens the store of `home` for reading, whether or not another process writes to it meanwhile. What others
    /// commit is seen by the next read.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when there is no store; else as [`Store::open`], except that no lock is taken.
    pub fn open_read_only(home: &Path, keys_of: KeysOf) -> Result<Self, StoreError> {
        Self::open_read_only_tuned(home, keys_of, Tuning::default())
    }

    pub(crate) fn open_read_only_tuned(
        home: &Path,
        keys_of: KeysOf,
        tuning: Tuning,
    ) -> Result<Self, StoreError> {
        let path = home.join("store").join("main.db");
        if !path.exists() {
            return Err(StoreError::Absent {
                home: home.to_path_buf(),
            });
        }
        let conn = conn::open(&path, Access::ReadOnly)?;
        let mark = home_lock_file::read_mark(home);
        torn::check(&conn, &path, Access::ReadOnly, mark)?;
        let meta = schema::open_main(&conn, &path, Access::ReadOnly)
            .map_err(|error| wal::unrecovered(&path, error))?;
        let main = Pool::new(path, Access::ReadOnly).with_stand_in(meta.stand_in);
        main.donate(conn);
        Ok(Self::assemble(home, keys_of, tuning, main, &meta, None))
    }

    fn assemble(
        home: &Path,
        keys_of: KeysOf,
        tuning: Tuning,
        main: Pool,
        meta: &MainMeta,
        home_lock: Option<HomeLock>,
    ) -> Self {
        let access = if home_lock.is_some() {
            Access::Read
        } else {
            Access::ReadOnly
        };
        let main = Arc::new(main);
        let index = Index::new(
            home.join("store").join("index.db"),
            Arc::clone(&main),
            meta.pair,
            access,
            tuning,
        );
        Self {
            home: home.to_path_buf(),
            main,
            index: Arc::new(index),
            files: BlockFiles::new(home),
            keyer: Keyer::new(meta.salt, tuning.key_mask),
            keys_of,
            tuning,
            last_receipt: meta.last_receipt,
            last_run: AtomicI64::new(meta.last_run),
            evicted: AtomicBool::new(meta.evicted),
            desk: Arc::default(),
            threads: Mutex::default(),
            home_lock,
        }
    }

    /// The home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// An id for a new run, which no other run of this home has.
    pub fn new_run_id(&self) -> RunId {
        RunId(self.last_run.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Stores a batch, all of it or nothing, and returns when it is on the disk. The calling thread writes it itself,
    /// with what else waits, unless another is writing already.
    ///
    /// # Errors
    /// Why nothing of it was stored: a limit, an unknown run, or the disk.
    pub fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let (sender, receiver) = mpsc::channel();
        self.enqueue(batch, Box::new(move |durable| drop(sender.send(durable))))
            .serve();
        receiver.recv().unwrap_or_else(|_| {
            Err(StoreError::Stopped {
                reason: "the writer has ended".into(),
            })
        })
    }

    /// Stores a batch, all of it or nothing, and calls `on_durable` when it is on the disk or cannot be stored.
    /// Batches are committed in the order of submission; those that wait together share a transaction.
    ///
    /// Blocks over [`INLINE_BYTES_MAX`](crate::INLINE_BYTES_MAX) are written before it returns, and it waits while
    /// the queue is full.
    pub fn submit(&self, batch: Batch, on_durable: OnDurable) {
        drop(self.enqueue(batch, on_durable));
    }

    /// As [`Store::submit`], for a caller that finds out only now whether it has anything else to do meanwhile.
    pub fn enqueue(&self, batch: Batch, on_durable: OnDurable) -> Enqueued {
        let prepared = self.start_writer().and_then(|()| {
            prepare(batch, &self.keyer, &self.files, &|block| {
                self.has_block_file(block)
            })
        });
        let waits = match prepared {
            Ok(batch) => self.desk.queue().push(Job { batch, on_durable }),
            Err(error) => {
                on_durable(Err(error));
                false
            }
        };
        Enqueued(waits.then(|| Arc::clone(&self.desk)))
    }

    /// A connection for writing beside the writer's thread, which has nothing to do: `&mut` keeps everybody else away
    /// while it is used, and what was submitted is on the disk.
    pub(crate) fn own_writer(&mut self) -> Result<Connection, StoreError> {
        if self.home_lock.is_none() {
            return Err(StoreError::ReadOnlyHandle);
        }
        if lock(&self.threads).writer.is_some() {
            self.commit(Batch::new())?;
        }
        let path = self.main.path();
        let conn = conn::open(path, Access::Write)?;
        conn::set_up_writer(&conn, path, Durability::EveryCommit)?;
        Ok(conn)
    }

    fn start_writer(&self) -> Result<(), StoreError> {
        if self.home_lock.is_none() {
            return Err(StoreError::ReadOnlyHandle);
        }
        let mut threads = lock(&self.threads);
        if threads.writer.is_some() {
            return Ok(());
        }
        let main = self.main.path().to_path_buf();
        let background = Arc::new(Background::new(self.tuning));
        let (index, shared) = (Arc::clone(&self.index), Arc::clone(&background));
        let writer = Writer::open(&main, index, shared, self.tuning, self.last_receipt)?;
        self.desk.put(writer);
        let desk = Arc::clone(&self.desk);
        threads.writer = Some(spawn("store-writer", &main, move || desk.run())?);
        let (index, shared, path) = (
            Arc::clone(&self.index),
            Arc::clone(&background),
            main.clone(),
        );
        let thread = spawn("store-background", &main, move || shared.run(&path, &index))?;
        threads.background = Some((thread, background));
        Ok(())
    }

    /// What the writer does to the queue when the disk fails under it.
    #[cfg(test)]
    pub(crate) fn stop_writing(&self, reason: &str) {
        self.desk.queue().close(reason);
    }

    /// Reads the keys of the newest receipts, which else the first look-up does. Worth a thread of the caller's
    /// where other work can go on meanwhile, for instance resuming.
    ///
    /// # Errors
    /// As look-ups have.
    pub fn warm_up(&self) -> Result<(), StoreError> {
        self.index.load()
    }

    /// Whether look-ups by key answer without [`Store::warm_up`]'s work.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.index.is_loaded()
    }
}

fn spawn(
    name: &str,
    main: &Path,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .at(main, "starting a thread")
}

impl Drop for Store {
    fn drop(&mut self) {
        self.desk.queue().close(CLOSED);
        let threads = std::mem::take(&mut *lock(&self.threads));
        // A thread that panicked has nothing left to wait for; what it did not commit was not acknowledged.
        if let Some(writer) = threads.writer {
            let _ = writer.join();
        }
        self.desk.clear();
        failpoint!("close.written");
        if let Some((thread, background)) = threads.background {
            background.stop();
            self.index.stop();
            let _ = thread.join();
        }
        if self.home_lock.is_some() {
            self.tidy_up();
        }
    }
}

impl Store {
    /// Leaves little to do for the next opening, also where another process died. What fails here is done then.
    fn tidy_up(&self) {
        if self.index.is_loaded() && self.index.backlog() >= MERGE_IDLE_ROWS {
            let _ = self.index.merge(&mut || {});
            failpoint!("close.merged");
        }
        let _ = wal::empty_if_large(self.main.path());
        failpoint!("close.emptied");
        let path = self.main.path();
        let mark = self.main.with(|conn| Ok(Mark::of(conn, path)));
        if let (Some(home_lock), Ok(Some(mark))) = (&self.home_lock, mark) {
            home_lock.leave(mark);
        }
        failpoint!("close.marked");
    }
}
