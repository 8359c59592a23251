//! Taking deleted receipts out of the index.
//!
//! `main.db` deletes a receipt and notes its keys in `dropped`, in one transaction; then the keys leave the index; then
//! the note goes. A crash in between leaves the note, and the next opening goes on from it. Until then the index has
//! keys of receipts that are not there, which look-ups pass over.

use super::Index;
use crate::conn::{self, Access, Durability, lock};
use crate::error::{Context, StoreError};
use crate::limits::MERGE_STEP_KEYS;
use crate::schema::Mark;
use crate::tail::{KeyKind, KeyRow};
use rusqlite::{Connection, OptionalExtension, params};

const PURGING: &str = "taking deleted receipts out of the index";

impl KeyKind {
    fn delete_sql(self) -> &'static str {
        match self {
            Self::Cid => "DELETE FROM by_cid WHERE key = ?1 AND id = ?2",
            Self::Task => "DELETE FROM by_task WHERE key = ?1 AND id = ?2",
            Self::Computation => "DELETE FROM by_comp WHERE key = ?1 AND id = ?2",
        }
    }
}

impl Index {
    /// Takes the receipts that `dropped` names out of the index. `main` may write, and nobody commits meanwhile.
    pub(crate) fn purge(&self, main: &Connection) -> Result<(), StoreError> {
        self.load()?;
        let purged = {
            let merger = lock(&self.merger);
            let Some(index) = merger.as_ref() else {
                return Err(self.absent());
            };
            self.purge_from(index, main)
        };
        match purged {
            // A new index is made of the receipts that are there, and then the notes are forgotten.
            Err(error) if error.is_damage() => self.rebuild(),
            purged => purged,
        }
    }

    /// At opening: goes on where a crash ended a purge. The mark, if it has moved.
    pub(super) fn purge_left(&self, index: &Connection) -> Result<Option<Mark>, StoreError> {
        let path = self.main.path();
        let left: bool = self.main.with(|conn| {
            conn.query_row("SELECT EXISTS(SELECT 1 FROM dropped)", [], |row| row.get(0))
                .at(path, PURGING)
        })?;
        if !left {
            return Ok(None);
        }
        let main = conn::open(path, Access::Write)?;
        conn::set_up_writer(&main, path, Durability::EveryCommit)?;
        self.purge_from(index, &main)?;
        self.checked_mark(index)
    }

    fn purge_from(&self, index: &Connection, main: &Connection) -> Result<(), StoreError> {
        let path = self.main.path();
        loop {
            let rows = dropped(main).at(path, PURGING)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            self.forget(index, main, &rows).at(&self.path, PURGING)?;
            main.execute("DELETE FROM dropped WHERE id <= ?1", [last.id])
                .at(path, PURGING)?;
        }
    }

    /// One transaction of the index, on the disk before the notes in `main.db` go.
    fn forget(
        &self,
        index: &Connection,
        main: &Connection,
        rows: &[KeyRow],
    ) -> rusqlite::Result<()> {
        conn::wait_for_disk(index, true)?;
        let transaction = index.unchecked_transaction()?;
        for kind in KeyKind::ALL {
            let mut keys: Vec<(i64, i64)> = rows
                .iter()
                .filter_map(|row| Some((row.key(kind)?, row.id)))
                .collect();
            keys.sort_unstable();
            let mut delete = transaction.prepare_cached(kind.delete_sql())?;
            for (key, id) in keys {
                delete.execute(params![key, id])?;
            }
        }
        lower_mark(&transaction, main)?;
        transaction.commit()?;
        conn::wait_for_disk(index, false)
    }
}

/// The oldest notes.
fn dropped(main: &Connection) -> rusqlite::Result<Vec<KeyRow>> {
    let sql = "SELECT id, k_cid, k_task, k_comp FROM dropped ORDER BY id LIMIT ?1";
    let mut select = main.prepare_cached(sql)?;
    let rows = select.query_map([MERGE_STEP_KEYS as i64], |row| {
        Ok(KeyRow {
            id: row.get(0)?,
            cid: row.get(1)?,
            task: row.get(2)?,
            computation: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// Moves the mark to a receipt that is there: between it and where the mark was, none is.
fn lower_mark(index: &Connection, main: &Connection) -> rusqlite::Result<()> {
    let mark: i64 = index.query_row("SELECT watermark FROM meta", [], |row| row.get(0))?;
    let newest = "SELECT id, k_cid FROM receipt WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
    let (id, key) = main
        .query_row(newest, [mark], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .unwrap_or((0_i64, 0_i64));
    let sql = "UPDATE meta SET watermark = ?1, mark_key = ?2 WHERE watermark <> ?1";
    index.execute(sql, params![id, key]).map(drop)
}
