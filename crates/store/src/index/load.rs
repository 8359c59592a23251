//! How tail and index come to cover every receipt: at the first look-up, after damage, and in the steps of another
//! process.

use super::{Index, with_suffix};
use crate::conn::{self, Access, Durability, lock};
use crate::error::{Context, StoreError};
use crate::limits::LOAD_ROWS;
use crate::schema::{self, Mark};
use crate::tail::{KeyRow, Tail};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::atomic::Ordering;

const LOADING: &str = "loading the newest receipts' keys";

impl Index {
    /// Makes sure that tail and index cover every receipt. The first caller does the work, others wait for it.
    pub(crate) fn load(&self) -> Result<(), StoreError> {
        if self.loaded.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut through = lock(&self.loaded_through);
        if self.loaded.load(Ordering::Acquire) {
            return Ok(());
        }
        self.load_locked(&mut through)
    }

    fn load_locked(&self, through: &mut i64) -> Result<(), StoreError> {
        let last = self.last_receipt()?;
        let mark = if self.writable {
            match self.open_or_create() {
                // Reading must go on where there is no room to write: memory takes the place of the index, until
                // a merge finds room.
                Err(StoreError::DiskFull { .. }) => self.probe(last)?,
                opened => self.opened(opened?),
            }
        } else {
            self.probe(last)?
        };
        self.load_rows(mark, last)?;
        *through = last;
        self.loaded.store(true, Ordering::Release);
        Ok(())
    }

    fn opened(&self, mark: i64) -> i64 {
        self.usable.store(true, Ordering::Release);
        mark
    }

    /// Opens the index for merging if there was no room for it before.
    pub(super) fn open_late(&self) -> Result<(), StoreError> {
        let mut through = lock(&self.loaded_through);
        if !self.writable || lock(&self.merger).is_some() {
            return Ok(());
        }
        let mark = self.open_or_create()?;
        let last = self.last_receipt()?;
        self.load_rows(self.opened(mark), last)?;
        *through = last;
        Ok(())
    }

    /// Opens the index for merging; one that is missing, torn or of another store is made anew.
    fn open_or_create(&self) -> Result<i64, StoreError> {
        let mut merger = lock(&self.merger);
        let opened = conn::open(&self.path, Access::Write).and_then(|conn| {
            let mark = self.checked_mark(&conn)?;
            conn::set_up_writer(&conn, &self.path, Durability::Order)?;
            Ok((conn, mark))
        });
        match opened {
            Ok((conn, Some(mark))) => {
                let mark = self.purge_left(&conn)?.unwrap_or(mark);
                *merger = Some(conn);
                return Ok(mark.id);
            }
            Ok((_, None)) => {}
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error),
        }
        self.readers.clear();
        remove_database(&self.path)?;
        let conn = conn::open(&self.path, Access::Write)?;
        schema::create_index(&conn, &self.path, &self.pair)?;
        failpoint!("index.created");
        conn::set_up_writer(&conn, &self.path, Durability::Order)?;
        self.purge_left(&conn)?;
        *merger = Some(conn);
        Ok(0)
    }

    /// What a handle that may not write finds: the index if it is good, else nothing, if memory can replace it.
    fn probe(&self, last: i64) -> Result<i64, StoreError> {
        let mark = self
            .readers
            .with(|conn| self.checked_mark(conn))
            .ok()
            .flatten();
        if mark.is_none() {
            self.usable.store(false, Ordering::Release);
        }
        let from = mark.map_or(0, |mark| mark.id);
        // Less than nothing where the newest receipts were deleted a moment ago.
        let rows = usize::try_from((last - from).max(0)).unwrap_or(usize::MAX);
        if rows > self.tuning.tail_rows_max {
            Err(self.absent())
        } else {
            Ok(from)
        }
    }

    /// The index's mark, if it belongs to this store in the state in which the store is: after a restore from a
    /// backup, receipts that the index covers may be missing or others.
    pub(super) fn checked_mark(&self, conn: &Connection) -> Result<Option<Mark>, StoreError> {
        let Some(mark) = schema::index_mark(conn, &self.path, &self.pair)? else {
            return Ok(None);
        };
        if mark.id == 0 {
            return Ok(Some(mark));
        }
        // One that was deleted and that the index may still have counts as there.
        let sql = "SELECT k_cid FROM receipt WHERE id = ?1 UNION ALL SELECT k_cid FROM dropped WHERE id = ?1";
        let key = self.main.with(|conn| {
            conn.query_row(sql, [mark.id], |row| row.get::<_, i64>(0))
                .optional()
                .at(self.main.path(), LOADING)
        })?;
        Ok((key == Some(mark.key)).then_some(mark))
    }

    /// Puts the keys of the receipts after `from`, through `to`, into the index as far as they fill merges, and
    /// the rest into the tail.
    fn load_rows(&self, from: i64, to: i64) -> Result<(), StoreError> {
        let mut waiting: Vec<KeyRow> = Vec::new();
        let mut next = from;
        while next < to {
            if self.stop.load(Ordering::Acquire) {
                return Err(StoreError::Stopped {
                    reason: "it is being closed".into(),
                });
            }
            let rows = self.read_rows(next, to)?;
            let Some(newest) = rows.last() else { break };
            next = newest.id;
            waiting.extend(rows);
            let enough = if next < to {
                self.tuning.rebuild_rows
            } else {
                self.tuning.merge_rows_max
            };
            if waiting.len() >= enough && lock(&self.merger).is_some() {
                let mut generation = Tail::default();
                generation.extend(&waiting);
                waiting.clear();
                if let Some(generation) = generation.start_merge() {
                    self.merge_generation(lock(&self.merger).as_ref(), &generation, &mut || {})?;
                    failpoint!("index.part_loaded");
                }
            }
        }
        self.tail_mut(|tail| tail.extend(&waiting));
        Ok(())
    }

    fn read_rows(&self, after: i64, through: i64) -> Result<Vec<KeyRow>, StoreError> {
        let path = self.main.path();
        let sql = "SELECT id, k_cid, k_task, k_comp FROM receipt WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
        self.main.with(|conn| {
            let mut select = conn.prepare_cached(sql).at(path, LOADING)?;
            let row = |row: &rusqlite::Row<'_>| {
                Ok(KeyRow {
                    id: row.get(0)?,
                    cid: row.get(1)?,
                    task: row.get(2)?,
                    computation: row.get(3)?,
                })
            };
            let rows = select
                .query_map(params![after, through, LOAD_ROWS as i64], row)
                .at(path, LOADING)?;
            rows.collect::<rusqlite::Result<_>>().at(path, LOADING)
        })
    }

    /// Adds the receipts that another process has committed since the last look-up.
    pub(super) fn refresh(&self) -> Result<(), StoreError> {
        let last = self.last_receipt()?;
        let mut through = lock(&self.loaded_through);
        if last <= *through {
            return Ok(());
        }
        self.load_rows(*through, last)?;
        *through = last;
        if self.backlog() <= self.tuning.tail_rows_max {
            return Ok(());
        }
        // The writer may have replaced the file since it was opened here.
        self.readers.clear();
        let mark = self
            .readers
            .with(|conn| self.checked_mark(conn))
            .ok()
            .flatten()
            .ok_or_else(|| self.absent())?;
        self.usable.store(true, Ordering::Release);
        self.tail_mut(|tail| tail.forget_through(mark.id));
        if self.backlog() > self.tuning.tail_rows_max {
            Err(self.absent())
        } else {
            Ok(())
        }
    }

    /// Throws a torn index away and makes a new one from `main.db`. Look-ups that begin meanwhile wait. What was
    /// being merged is read again like the rest.
    pub(super) fn rebuild(&self) -> Result<(), StoreError> {
        let mut through = lock(&self.loaded_through);
        self.loaded.store(false, Ordering::Release);
        {
            let mut merger = lock(&self.merger);
            *merger = None;
            self.tail_mut(Tail::finish_merge);
            self.readers.clear();
            remove_database(&self.path)?;
        }
        failpoint!("index.thrown_away");
        self.load_locked(&mut through)
    }

    pub(super) fn last_receipt(&self) -> Result<i64, StoreError> {
        self.main.with(|conn| {
            conn.prepare_cached("SELECT max(id) FROM receipt")
                .and_then(|mut select| select.query_row([], |row| row.get::<_, Option<i64>>(0)))
                .map(|id| id.unwrap_or(0))
                .at(self.main.path(), LOADING)
        })
    }
}

/// Deletes a database with its WAL.
fn remove_database(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let file = with_suffix(path, suffix);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io(&file, "removing a damaged index", &error));
            }
            _ => {}
        }
        failpoint!("index.file_removed");
    }
    Ok(())
}
