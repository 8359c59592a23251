//! Checking everything: the database's structure, every hash, the index against the truth, files without a row.

use crate::Store;
use crate::error::{Context, StoreError};
use crate::finding::{Finding, VerifyEvent, VerifyPart, VerifySummary};
use crate::limits::WALK_ROWS;
use crate::read::BlockFound;
use crate::tail::{KeyKind, KeyRow};
use crate::types::{ReceiptId, RunId};
use ipvm_ipld::Cid;
use rusqlite::{Row, params};

const VERIFYING: &str = "verifying";
/// Messages taken from SQLite's own check.
const DATABASE_MESSAGES_MAX: usize = 100;

/// Entries of the index, by kind, among the receipts that it says it covers.
#[derive(Default)]
struct IndexCount {
    mark: i64,
    expected: [u64; 3],
}

/// One pass over a store.
struct Verifier<'a> {
    store: &'a Store,
    tell: &'a mut dyn FnMut(VerifyEvent),
    summary: VerifySummary,
}

impl Store {
    /// Checks every receipt, block, run and index entry, and tells `tell` as it goes. Damage is a finding and not
    /// an error.
    ///
    /// # Errors
    /// What keeps the check from going on: the system, or a closed store.
    pub fn verify(&self, tell: &mut dyn FnMut(VerifyEvent)) -> Result<VerifySummary, StoreError> {
        let mut verifier = Verifier {
            store: self,
            tell,
            summary: VerifySummary::default(),
        };
        verifier.database()?;
        verifier.receipts()?;
        verifier.blocks()?;
        verifier.runs()?;
        verifier.files()?;
        Ok(verifier.summary)
    }
}

impl Verifier<'_> {
    fn find(&mut self, finding: Finding) {
        if finding.is_damage() {
            self.summary.damage += 1;
        } else {
            self.summary.stray_files += 1;
        }
        (self.tell)(VerifyEvent::Finding(finding));
    }

    fn progress(&mut self, part: VerifyPart, done: u64, total: u64) {
        (self.tell)(VerifyEvent::Progress {
            part,
            done,
            total: total.max(done),
        });
    }

    /// Turns a torn database into a finding; a walk over it ends there.
    fn survive(&mut self, walked: Result<(), StoreError>) -> Result<(), StoreError> {
        match walked {
            Err(error) if error.is_damage() => {
                self.find(Finding::Database {
                    message: error.to_string(),
                });
                Ok(())
            }
            walked => walked,
        }
    }

    fn database(&mut self) -> Result<(), StoreError> {
        self.progress(VerifyPart::Database, 0, 1);
        let path = self.store.main.path();
        let messages = self.store.main.with(|conn| {
            let sql = format!("PRAGMA integrity_check({DATABASE_MESSAGES_MAX})");
            let mut check = conn.prepare(&sql).at(path, VERIFYING)?;
            let messages = check
                .query_map([], |row| row.get::<_, String>(0))
                .at(path, VERIFYING)?;
            messages
                .collect::<rusqlite::Result<Vec<_>>>()
                .at(path, VERIFYING)
        });
        match messages {
            Ok(messages) => messages
                .into_iter()
                .filter(|message| message != "ok")
                .for_each(|message| {
                    self.find(Finding::Database { message });
                }),
            Err(error) => self.survive(Err(error))?,
        }
        self.progress(VerifyPart::Database, 1, 1);
        Ok(())
    }

    /// Walks a table by `id` in short transactions and calls `visit` with each row.
    fn walk(
        &mut self,
        part: VerifyPart,
        table: &str,
        columns: &str,
        visit: &mut dyn FnMut(&mut Self, &Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let store = self.store;
        let path = store.main.path();
        let sql = format!("SELECT {columns} FROM {table} WHERE id > ?1 ORDER BY id LIMIT ?2");
        let newest = format!("SELECT max(id) FROM {table}");
        let (mut after, mut done) = (0_i64, 0_u64);
        loop {
            let total = store.main.with(|conn| {
                conn.query_row(&newest, [], |row| row.get::<_, Option<i64>>(0))
                    .at(path, VERIFYING)
            })?;
            let seen = done;
            store.main.with(|conn| {
                let mut select = conn.prepare_cached(&sql).at(path, VERIFYING)?;
                let mut rows = select
                    .query(params![after, WALK_ROWS as i64])
                    .at(path, VERIFYING)?;
                while let Some(row) = rows.next().at(path, VERIFYING)? {
                    after = row.get(0).at(path, VERIFYING)?;
                    done += 1;
                    visit(self, row)?;
                }
                Ok(())
            })?;
            self.progress(part, done, total.unwrap_or(0).unsigned_abs());
            if done == seen {
                return Ok(());
            }
        }
    }

    fn receipts(&mut self) -> Result<(), StoreError> {
        let index = &self.store.index;
        let mut index_damage = index.load().err().map(|error| error.to_string());
        let mut count = IndexCount {
            mark: index.mark()?.unwrap_or(0),
            ..IndexCount::default()
        };
        let columns = "id, k_cid, block, k_task, k_comp";
        let walked = self.walk(
            VerifyPart::Receipts,
            "receipt",
            columns,
            &mut |this, row| {
                this.summary.receipts += 1;
                let keys = this.receipt(row)?;
                if keys.id <= count.mark {
                    for (kind, expected) in KeyKind::ALL.into_iter().zip(&mut count.expected) {
                        *expected += u64::from(keys.key(kind).is_some());
                    }
                }
                if index_damage.is_none() {
                    index_damage = match this.store.index.missing(&keys) {
                        Ok(None) => None,
                        Ok(Some(kind)) => Some(format!(
                            "receipt {} is not found by its {}",
                            keys.id,
                            kind.name()
                        )),
                        Err(error) => Some(error.to_string()),
                    };
                }
                Ok(())
            },
        );
        self.survive(walked)?;
        if index_damage.is_none() {
            index_damage = self.surplus(&count)?;
        }
        if let Some(message) = index_damage {
            self.find(Finding::Index {
                path: self.store.index.path().to_path_buf(),
                message,
            });
        }
        Ok(())
    }

    /// Checks one row of `id, k_cid, block, k_task, k_comp`, and returns its keys as the columns have them.
    fn receipt(&mut self, row: &Row<'_>) -> Result<KeyRow, StoreError> {
        let path = self.store.main.path();
        let read = || -> rusqlite::Result<KeyRow> {
            Ok(KeyRow {
                id: row.get(0)?,
                cid: row.get(1)?,
                task: row.get(3)?,
                computation: row.get(4)?,
            })
        };
        let columns = read().at(path, VERIFYING)?;
        let id = ReceiptId(columns.id);
        let keyer = &self.store.keyer;
        let problem = match self.store.checked_receipt(row) {
            Err(StoreError::ReceiptDamaged { reason, .. }) => Some(reason),
            Err(error) => return Err(error),
            Ok(receipt) => match self.store.keys(&receipt) {
                None => Some("its bytes are no receipt".into()),
                Some(keys) => {
                    let task = keyer.key(&keys.task);
                    let computation = keys.computation.map(|computation| keyer.key(&computation));
                    let same = task == columns.task && computation == columns.computation;
                    (!same).then(|| "it is filed under another task or computation".into())
                }
            },
        };
        if let Some(message) = problem {
            self.find(Finding::Receipt { row: id, message });
        }
        Ok(columns)
    }

    /// Says when the index has more entries than there are receipts.
    fn surplus(&self, count: &IndexCount) -> Result<Option<String>, StoreError> {
        if count.mark == 0 {
            return Ok(None);
        }
        for (kind, expected) in KeyKind::ALL.into_iter().zip(count.expected) {
            let found = self.store.index.count_through(kind, count.mark)?;
            if found != expected {
                let name = kind.name();
                return Ok(Some(format!(
                    "it has {found} entries by {name} for {expected} receipts"
                )));
            }
        }
        Ok(None)
    }

    fn blocks(&mut self) -> Result<(), StoreError> {
        let walked = self.walk(
            VerifyPart::Blocks,
            "block",
            "id, k_cid, cid, size, data",
            &mut |this, row| {
                this.summary.blocks += 1;
                this.block(row)
            },
        );
        self.survive(walked)
    }

    fn block(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        let path = self.store.main.path();
        let read = || -> rusqlite::Result<(i64, Vec<u8>, BlockFound)> {
            let found = BlockFound {
                id: row.get(0)?,
                size: row.get(3)?,
                data: row.get(4)?,
            };
            Ok((row.get(1)?, row.get(2)?, found))
        };
        let (key, name, found) = read().at(path, VERIFYING)?;
        let id = found.id;
        let torn = |reason: &str| Finding::Block {
            cid: None,
            message: format!(
                "row {id} of the block table is damaged: {reason}; restore {} from a backup",
                path.display()
            ),
        };
        let Ok(cid) = Cid::try_from(name.as_slice()) else {
            self.find(torn("its CID is malformed"));
            return Ok(());
        };
        if self.store.keyer.key(&cid) != key {
            self.find(torn("its key is not that of its CID"));
            return Ok(());
        }
        match self.store.block_data(&cid, found) {
            Ok(_) => Ok(()),
            Err(
                error @ (StoreError::BlockDamaged { .. }
                | StoreError::Io { .. }
                | StoreError::NoAccess { .. }),
            ) => {
                self.find(Finding::Block {
                    cid: Some(Box::new(cid)),
                    message: error.to_string(),
                });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn runs(&mut self) -> Result<(), StoreError> {
        let mut ids = Vec::new();
        let walked = self.walk(VerifyPart::Runs, "run", "id", &mut |this, row| {
            ids.push(
                row.get(0)
                    .map(RunId)
                    .at(this.store.main.path(), VERIFYING)?,
            );
            Ok(())
        });
        self.survive(walked)?;
        for run in ids {
            self.summary.runs += 1;
            let checked = self.run(run);
            self.survive(checked)?;
        }
        Ok(())
    }

    fn run(&mut self, run: RunId) -> Result<(), StoreError> {
        let path = self.store.main.path();
        let steps = self.store.run(run).and_then(|_| self.store.steps(run));
        match steps {
            Ok(_) => {}
            Err(StoreError::RunDamaged { reason, .. }) => self.find(Finding::Run {
                run,
                message: reason,
            }),
            Err(error) => return Err(error),
        }
        let sql = "SELECT count(*) FROM step WHERE run = ?1 AND receipt IS NOT NULL
            AND NOT EXISTS(SELECT 1 FROM receipt WHERE id = step.receipt)";
        let dangling: i64 = self.store.main.with(|conn| {
            conn.query_row(sql, [run.0], |row| row.get(0))
                .at(path, VERIFYING)
        })?;
        if dangling > 0 {
            self.find(Finding::Run {
                run,
                message: format!("{dangling} of its steps name receipts that are not there"),
            });
        }
        Ok(())
    }

    /// Blocks that have a row were checked there; here only what no row names is looked for.
    fn files(&mut self) -> Result<(), StoreError> {
        let store = self.store;
        let mut seen = 0;
        store.files.walk(&mut |entry| {
            seen += 1;
            let known = match entry.cid {
                Some(cid) => store.has_block_row(&cid)?,
                None => false,
            };
            if !known {
                self.find(Finding::StrayFile { path: entry.path });
            }
            Ok(())
        })?;
        self.progress(VerifyPart::Files, seen, seen);
        Ok(())
    }
}
