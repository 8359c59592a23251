//! Deleting: the other half of a collection. Everything goes in small transactions, and each leaves a sound store.
//!
//! The order: runs, so that no step names a receipt that is gone; receipts, and after each part of them their keys in
//! the index; blocks, after what refers to them; a block's file after the commit that drops its row.

use crate::Store;
use crate::blocks;
use crate::error::{Context, StoreError};
use crate::gc::{GcPart, GcReport};
use crate::ids::IdSet;
use crate::marks::Marks;
use crate::schema::Fact;
use ipvm_ipld::Cid;
use rusqlite::{Connection, Row, params};

const DELETING: &str = "deleting what is not kept";

/// A row of the receipt or block table that is to go.
struct Gone {
    id: i64,
    bytes: i64,
    /// The file of a block that is one.
    file: Option<Cid>,
}

/// Says of a row which number it has, and what there is of it if it is to go.
type Judge<'f> = &'f mut dyn FnMut(&Row<'_>) -> rusqlite::Result<(i64, Option<Gone>)>;
/// Takes rows away.
type Delete<'f, 's> = &'f mut dyn FnMut(&mut Sweep<'s>, &[Gone]) -> Result<(), StoreError>;

/// Deletes, or only counts.
pub(crate) struct Sweep<'a> {
    pub(crate) store: &'a Store,
    /// Writes, while nobody else does.
    pub(crate) conn: &'a Connection,
    pub(crate) dry_run: bool,
    pub(crate) tell: &'a mut dyn FnMut(GcPart, u64),
}

impl<'s> Sweep<'s> {
    fn transaction(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let whole = || {
            let transaction = self.conn.unchecked_transaction()?;
            work(&transaction)?;
            transaction.commit()
        };
        whole().at(self.store.main.path(), DELETING)
    }

    /// Drops runs with their steps. Of the runs of a recipe, the newest leaves its name: that there was one is not forgotten.
    pub(crate) fn runs(&mut self, dropped: &IdSet) -> Result<(), StoreError> {
        if self.dry_run {
            return Ok(());
        }
        self.transaction(|conn| {
            let newest = |table: &str| -> rusqlite::Result<i64> {
                let sql = format!("SELECT coalesce(max(id), 0) FROM {table}");
                conn.query_row(&sql, [], |row| row.get(0))
            };
            for (fact, table) in [(Fact::LastReceipt, "receipt"), (Fact::LastRun, "run")] {
                fact.set(conn, fact.get(conn)?.max(newest(table)?))?;
            }
            Ok(())
        })?;
        let mut after = i64::MIN;
        let mut done = 0;
        loop {
            let ids = dropped.after(after, self.store.tuning.sweep_rows);
            let Some(last) = ids.last() else {
                return Ok(());
            };
            after = *last;
            self.transaction(|conn| {
                let mut steps = conn.prepare_cached("DELETE FROM step WHERE run = ?1")?;
                let mut recipe = conn.prepare_cached(
                    "DELETE FROM recipe WHERE run = ?1 AND EXISTS
                        (SELECT 1 FROM recipe AS newer WHERE newer.cid = recipe.cid AND newer.run > recipe.run)",
                )?;
                let mut run = conn.prepare_cached("DELETE FROM run WHERE id = ?1")?;
                for id in &ids {
                    steps.execute([id])?;
                    recipe.execute([id])?;
                    run.execute([id])?;
                }
                Ok(())
            })?;
            done += ids.len() as u64;
            (self.tell)(GcPart::Runs, done);
        }
    }

    /// Walks a table in steps; `judge` says which rows go and counts, `delete` takes those of one step away.
    fn walk(
        &mut self,
        part: GcPart,
        sql: &str,
        judge: Judge<'_>,
        delete: Delete<'_, 's>,
    ) -> Result<(), StoreError> {
        let store = self.store;
        let path = store.main.path();
        let (mut after, mut done) = (0_i64, 0_u64);
        loop {
            let mut gone = Vec::new();
            let from = after;
            store.main.with(|conn| {
                let mut read = || -> rusqlite::Result<()> {
                    let mut select = conn.prepare_cached(sql)?;
                    let mut rows = select.query(params![after, store.tuning.sweep_rows as i64])?;
                    while let Some(row) = rows.next()? {
                        let (id, judged) = judge(row)?;
                        after = id;
                        done += 1;
                        gone.extend(judged);
                    }
                    Ok(())
                };
                read().at(path, DELETING)
            })?;
            if !gone.is_empty() && !self.dry_run {
                delete(self, &gone)?;
            }
            (self.tell)(part, done);
            if after == from {
                return Ok(());
            }
        }
    }

    /// Drops receipts that are not marked.
    pub(crate) fn receipts(
        &mut self,
        marks: &Marks<'_>,
        report: &mut GcReport,
    ) -> Result<(), StoreError> {
        let sql = "SELECT id, length(block) FROM receipt WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut judge = |row: &Row<'_>| {
            let (id, bytes) = (row.get(0)?, row.get::<_, i64>(1)?);
            if marks.has_receipt(id) {
                report.receipts_kept += 1;
                return Ok((id, None));
            }
            report.receipts += 1;
            report.bytes += bytes.unsigned_abs();
            Ok((
                id,
                Some(Gone {
                    id,
                    bytes,
                    file: None,
                }),
            ))
        };
        self.walk(GcPart::Receipts, sql, &mut judge, &mut |this, gone| {
            this.transaction(|conn| {
                let sql = "INSERT INTO dropped SELECT id, k_cid, k_task, k_comp FROM receipt WHERE id = ?1";
                let mut note = conn.prepare_cached(sql)?;
                let mut delete = conn.prepare_cached("DELETE FROM receipt WHERE id = ?1")?;
                for receipt in gone {
                    note.execute([receipt.id])?;
                    delete.execute([receipt.id])?;
                }
                Fact::ReceiptsDropped.add(conn, gone.len() as i64)
            })?;
            (this.tell)(GcPart::Index, gone.len() as u64);
            this.store.index.purge(this.conn)
        })
    }

    /// Drops blocks that are not marked.
    pub(crate) fn blocks(
        &mut self,
        marks: &Marks<'_>,
        report: &mut GcReport,
    ) -> Result<(), StoreError> {
        let mut judge = |row: &Row<'_>| {
            let gone = block(row)?;
            let id = gone.id;
            if marks.has_block(id) {
                report.blocks_kept += 1;
                return Ok((id, None));
            }
            report.blocks += 1;
            report.bytes += gone.bytes.unsigned_abs();
            Ok((id, Some(gone)))
        };
        let sql = "SELECT id, size, iif(data IS NULL, cid, NULL) FROM block WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.walk(GcPart::Blocks, sql, &mut judge, &mut |this, gone| {
            this.drop_blocks(gone, "")
        })
    }

    /// Drops blocks that can be made again, oldest first, until `goal` bytes are given up. Returns how many blocks and
    /// bytes there were.
    pub(crate) fn evict(&mut self, marks: &Marks<'_>, goal: u64) -> Result<(u64, u64), StoreError> {
        let (mut blocks, mut bytes) = (0, 0);
        let mut after = i64::MIN;
        while bytes < goal {
            let ids = marks.made_after(after, self.store.tuning.sweep_rows);
            let Some(last) = ids.last() else { break };
            after = *last;
            let mut gone = Vec::new();
            for id in ids {
                if bytes >= goal || !marks.can_evict(id) {
                    continue;
                }
                let sql = "SELECT id, size, iif(data IS NULL, cid, NULL) FROM block WHERE id = ?1";
                let found = self
                    .conn
                    .prepare_cached(sql)
                    .and_then(|mut select| select.query_row([id], block))
                    .at(self.store.main.path(), DELETING)?;
                bytes += found.bytes.unsigned_abs();
                gone.push(found);
            }
            blocks += gone.len() as u64;
            let note = "INSERT INTO evicted(k_cid, cid) SELECT k_cid, cid FROM block WHERE id = ?1";
            self.drop_blocks(&gone, note)?;
            (self.tell)(GcPart::Blocks, blocks);
        }
        Ok((blocks, bytes))
    }

    /// Drops blocks, their files after their rows. `note`, if there is one, is run for each row before it goes.
    fn drop_blocks(&mut self, gone: &[Gone], note: &str) -> Result<(), StoreError> {
        self.transaction(|conn| {
            let newest = || -> rusqlite::Result<i64> {
                let sql = "SELECT coalesce(max(id), 0) FROM block";
                conn.prepare_cached(sql)?.query_row([], |row| row.get(0))
            };
            let before = newest()?;
            let mut delete = conn.prepare_cached("DELETE FROM block WHERE id = ?1")?;
            for block in gone {
                if !note.is_empty() {
                    conn.prepare_cached(note)?.execute([block.id])?;
                }
                delete.execute([block.id])?;
            }
            // Gaps above what is now the newest block are none: its successors take these numbers.
            let gaps = gone.len() as i64 - (before - newest()?);
            Fact::BlockGaps.add(conn, gaps)
        })?;
        (self.tell)(GcPart::Files, gone.len() as u64);
        gone.iter()
            .filter_map(|block| block.file.as_ref())
            .try_for_each(|cid| blocks::remove(&self.store.files.path(cid)))
    }

    /// Forgets evicted blocks that are there again or that nothing refers to any more.
    pub(crate) fn evicted(&mut self, marks: &Marks<'_>) -> Result<(), StoreError> {
        let store = self.store;
        let mut judge = |row: &Row<'_>| {
            let id = row.get(0)?;
            let gone = Gone {
                id,
                bytes: 0,
                file: None,
            };
            Ok((id, (!marks.has_evicted(id)).then_some(gone)))
        };
        let sql = "SELECT id FROM evicted WHERE id > ?1 ORDER BY id LIMIT ?2";
        self.walk(GcPart::Blocks, sql, &mut judge, &mut |this, gone| {
            this.transaction(|conn| {
                let mut delete = conn.prepare_cached("DELETE FROM evicted WHERE id = ?1")?;
                gone.iter()
                    .try_for_each(|row| delete.execute([row.id]).map(drop))
            })
        })?;
        store.look_for_evicted()
    }

    /// Removes files of blocks that no row names. Files that are no blocks are left: somebody put them there.
    pub(crate) fn files(&mut self, report: &mut GcReport) -> Result<(), StoreError> {
        let store = self.store;
        let dry_run = self.dry_run;
        let mut done = 0;
        store.files.walk(&mut |entry| {
            done += 1;
            let belongs = match &entry.cid {
                Some(cid) => store.has_block_row(cid)?,
                None => !entry.is_partial(),
            };
            if belongs {
                return Ok(());
            }
            report.stray_files += 1;
            if dry_run {
                return Ok(());
            }
            blocks::remove(&entry.path)
        })?;
        (self.tell)(GcPart::Files, done);
        Ok(())
    }
}

/// The block in a row of `id, size, cid if it is a file`.
fn block(row: &Row<'_>) -> rusqlite::Result<Gone> {
    let name: Option<Vec<u8>> = row.get(2)?;
    Ok(Gone {
        id: row.get(0)?,
        bytes: row.get(1)?,
        file: name.and_then(|name| Cid::try_from(name.as_slice()).ok()),
    })
}
