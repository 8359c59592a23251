//! Look-ups by key: `index.db`, which may be deleted at any time, and the tail that it does not cover.
//!
//! Invariant: a receipt that is committed is in the index, in the tail, or in both. A look-up asks the tail first
//! and the index afterwards, a merge commits to the index first and forgets in the tail afterwards, so that no
//! receipt is missed in between; those seen twice are dropped by their id.

mod load;
mod purge;

use crate::conn::{Access, Pool, lock};
use crate::error::{Context, StoreError};
use crate::limits::MERGE_STEP_KEYS;
use crate::options::Tuning;
use crate::schema::PAIR_BYTES;
use crate::tail::{Generation, KeyKind, KeyRow, Tail};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

const MERGING: &str = "merging into the index";
const LOOKING_UP: &str = "looking up a receipt";
/// Attempts of one look-up: a damaged index is rebuilt once, and a second failure is an error.
const ATTEMPTS: usize = 2;

impl KeyKind {
    fn select_sql(self) -> &'static str {
        match self {
            Self::Cid => "SELECT id FROM by_cid WHERE key = ?1",
            Self::Task => "SELECT id FROM by_task WHERE key = ?1",
            Self::Computation => "SELECT id FROM by_comp WHERE key = ?1",
        }
    }

    fn insert_sql(self) -> &'static str {
        match self {
            Self::Cid => "INSERT OR IGNORE INTO by_cid(key, id) VALUES(?1, ?2)",
            Self::Task => "INSERT OR IGNORE INTO by_task(key, id) VALUES(?1, ?2)",
            Self::Computation => "INSERT OR IGNORE INTO by_comp(key, id) VALUES(?1, ?2)",
        }
    }

    fn count_sql(self) -> &'static str {
        match self {
            Self::Cid => "SELECT count(*) FROM by_cid WHERE id <= ?1",
            Self::Task => "SELECT count(*) FROM by_task WHERE id <= ?1",
            Self::Computation => "SELECT count(*) FROM by_comp WHERE id <= ?1",
        }
    }

    /// Its name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cid => "CID",
            Self::Task => "task",
            Self::Computation => "computation",
        }
    }
}

/// Look-ups by key.
pub(crate) struct Index {
    path: PathBuf,
    pair: [u8; PAIR_BYTES],
    writable: bool,
    tuning: Tuning,
    main: Arc<Pool>,
    readers: Pool,
    tail: RwLock<Tail>,
    /// Whether tail and index cover every receipt.
    loaded: AtomicBool,
    /// Whether `readers` may be asked: false only where there is no usable index, for a reader or on a full disk.
    usable: AtomicBool,
    /// Set when the store closes, so that a long rebuild ends.
    stop: AtomicBool,
    /// Newest receipt that was loaded into the tail or found covered; a reader without the writer's commits goes on
    /// from here. Held while loading, so that only one thread does.
    loaded_through: Mutex<i64>,
    /// The connection that merges.
    merger: Mutex<Option<Connection>>,
}

impl Index {
    pub(crate) fn new(
        path: PathBuf,
        main: Arc<Pool>,
        pair: [u8; PAIR_BYTES],
        access: Access,
        tuning: Tuning,
    ) -> Self {
        Self {
            readers: Pool::new(path.clone(), access),
            path,
            pair,
            writable: access != Access::ReadOnly,
            tuning,
            main,
            tail: RwLock::default(),
            loaded: AtomicBool::new(false),
            usable: AtomicBool::new(true),
            stop: AtomicBool::new(false),
            loaded_through: Mutex::default(),
            merger: Mutex::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the receipts of one commit; called by the writer before it tells anybody.
    pub(crate) fn append(&self, rows: &[KeyRow]) {
        if !rows.is_empty() {
            self.tail_mut(|tail| tail.push(rows));
        }
    }

    /// Receipts that only the tail covers.
    pub(crate) fn backlog(&self) -> usize {
        self.tail
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether look-ups are ready.
    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Makes a rebuild that is under way end with an error.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Rows whose key of this kind is `key`, oldest first. The caller checks that they are what it wants: keys are
    /// cut, and an index may be wrong.
    pub(crate) fn find(&self, kind: KeyKind, key: i64) -> Result<Vec<i64>, StoreError> {
        let mut attempt = 1;
        loop {
            self.load()?;
            if !self.writable {
                self.refresh()?;
            }
            let mut found = self.find_in_tail(kind, key);
            match self.find_indexed(kind, key, &mut found) {
                Ok(()) => {
                    found.sort_unstable();
                    found.dedup();
                    return Ok(found);
                }
                Err(error) if error.is_damage() && self.writable && attempt < ATTEMPTS => {
                    self.rebuild()?
                }
                Err(error) if error.is_damage() && !self.writable => return Err(self.absent()),
                Err(error) => return Err(error),
            }
            attempt += 1;
        }
    }

    fn find_in_tail(&self, kind: KeyKind, key: i64) -> Vec<i64> {
        let mut found = Vec::new();
        let tail = self.tail.read().unwrap_or_else(PoisonError::into_inner);
        tail.find(kind, key, &mut found);
        found
    }

    fn find_indexed(
        &self,
        kind: KeyKind,
        key: i64,
        found: &mut Vec<i64>,
    ) -> Result<(), StoreError> {
        if !self.usable.load(Ordering::Acquire) {
            return Ok(());
        }
        self.readers.with(|conn| {
            let mut select = conn
                .prepare_cached(kind.select_sql())
                .at(&self.path, LOOKING_UP)?;
            let mut rows = select.query([key]).at(&self.path, LOOKING_UP)?;
            while let Some(row) = rows.next().at(&self.path, LOOKING_UP)? {
                found.push(row.get(0).at(&self.path, LOOKING_UP)?);
            }
            Ok(())
        })
    }

    /// Merges the tail into the index. Look-ups go on meanwhile. `between` is called between its transactions.
    pub(crate) fn merge(&self, between: &mut dyn FnMut()) -> Result<(), StoreError> {
        self.load()?;
        self.open_late()?;
        match self.merge_tail(between) {
            Err(error) if error.is_damage() => self.rebuild(),
            merged => merged,
        }
    }

    /// The lock is held from choosing the receipts until they are forgotten: a rebuild in between would begin a
    /// new index whose mark must not move past what it has.
    fn merge_tail(&self, between: &mut dyn FnMut()) -> Result<(), StoreError> {
        let merger = lock(&self.merger);
        if !self.loaded.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(generation) = self.tail_mut(Tail::start_merge) {
            failpoint!("merge.begun");
            self.merge_generation(merger.as_ref(), &generation, between)?;
            failpoint!("merge.marked");
            self.tail_mut(Tail::finish_merge);
        }
        Ok(())
    }

    /// Puts a generation into the index. It goes in by small transactions, each of which may be repeated; the
    /// mark moves with the last.
    fn merge_generation(
        &self,
        merger: Option<&Connection>,
        generation: &Generation,
        between: &mut dyn FnMut(),
    ) -> Result<(), StoreError> {
        let (Some(mark), Some(conn)) = (generation.mark(), merger) else {
            return Err(self.absent());
        };
        let mut work = || -> rusqlite::Result<()> {
            for kind in KeyKind::ALL {
                let mut keys = generation.keys(kind).iter().peekable();
                while keys.peek().is_some() {
                    let transaction = conn.unchecked_transaction()?;
                    let mut insert = transaction.prepare_cached(kind.insert_sql())?;
                    for (key, id) in keys.by_ref().take(MERGE_STEP_KEYS) {
                        insert.execute(params![key, id])?;
                    }
                    drop(insert);
                    failpoint!("merge.inserted");
                    transaction.commit()?;
                    failpoint!("merge.committed");
                    between();
                }
            }
            let sql = "UPDATE meta SET watermark = ?1, mark_key = ?2 WHERE watermark < ?1";
            conn.execute(sql, params![mark.id, mark.key]).map(drop)
        };
        work().at(&self.path, MERGING)
    }

    fn tail_mut<T>(&self, change: impl FnOnce(&mut Tail) -> T) -> T {
        change(&mut self.tail.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn absent(&self) -> StoreError {
        StoreError::IndexAbsent {
            path: self.path.clone(),
        }
    }

    /// The index's mark; `None` where there is no usable index. For `stat` and `verify`.
    pub(crate) fn mark(&self) -> Result<Option<i64>, StoreError> {
        Ok(self
            .readers
            .with(|conn| self.checked_mark(conn))
            .ok()
            .flatten()
            .map(|mark| mark.id))
    }

    /// Entries of one kind for receipts up to `id`. For `verify`.
    pub(crate) fn count_through(&self, kind: KeyKind, id: i64) -> Result<u64, StoreError> {
        let count =
            |conn: &Connection| conn.query_row(kind.count_sql(), [id], |row| row.get::<_, i64>(0));
        self.readers.with(|conn| {
            count(conn)
                .map(i64::unsigned_abs)
                .at(&self.path, "counting the index")
        })
    }

    /// A key by which the receipt is not found. For `verify`: a damaged index is reported and not rebuilt.
    pub(crate) fn missing(&self, row: &KeyRow) -> Result<Option<KeyKind>, StoreError> {
        for kind in KeyKind::ALL {
            let Some(key) = row.key(kind) else { continue };
            let mut found = self.find_in_tail(kind, key);
            if !found.contains(&row.id) {
                self.find_indexed(kind, key, &mut found)?;
            }
            if !found.contains(&row.id) {
                return Ok(Some(kind));
            }
        }
        Ok(None)
    }
}

/// A database's path with something after its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
