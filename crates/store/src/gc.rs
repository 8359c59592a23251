//! Collecting what no root reaches.
//!
//! Roots are the runs that are kept, the pins, and, unless runs are dropped, every receipt that may answer later work.
//! It takes the handle for itself, and that holds the home's lock: nothing that is under way can lose what it needs.
//! A crash leaves a sound store at every step, in which the next collection goes on.

use crate::Store;
use crate::compact;
use crate::error::{Context, StoreError};
use crate::ids::IdSet;
use crate::limits::WALK_ROWS;
use crate::marks::{Hold, Holder, Marks};
use crate::schema::Fact;
use crate::sweep::Sweep;
use crate::tokens::Tokens;
use crate::types::{Pin, PinChange, PinKind, RunStatus};
use ipvm_ipld::{Cid, codec};
use rusqlite::{Connection, params};

const LISTING: &str = "looking what is kept";

/// Which finished runs are kept. Unfinished ones always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All, and with them every receipt that may answer later work.
    All,
    /// The newest so many.
    Runs(u64),
    /// Those that ended at this time or later, in seconds since the epoch.
    Since(i64),
}

/// How a collection is done.
#[derive(Clone, Copy, Debug)]
pub struct GcOptions {
    /// Which finished runs are kept.
    pub keep: Keep,
    /// Only says what would be collected.
    pub dry_run: bool,
    /// The time, in seconds since the epoch.
    pub now: i64,
}

/// What a collection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GcPart {
    /// Looks what the roots reach.
    Mark,
    /// Drops runs.
    Runs,
    /// Drops receipts.
    Receipts,
    /// Takes dropped receipts out of the index.
    Index,
    /// Drops blocks.
    Blocks,
    /// Removes files that belong to nothing.
    Files,
    /// Returns space to the system.
    Compact,
}

/// What was collected, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Runs dropped.
    pub runs: u64,
    /// Receipts dropped.
    pub receipts: u64,
    /// Blocks dropped.
    pub blocks: u64,
    /// Bytes of these receipts and blocks.
    pub bytes: u64,
    /// Files removed that belonged to nothing.
    pub stray_files: u64,
    /// Content pinned because it was added before there were pins.
    pub pinned: u64,
    /// Runs left.
    pub runs_kept: u64,
    /// Receipts left.
    pub receipts_kept: u64,
    /// Blocks left.
    pub blocks_kept: u64,
    /// Bytes by which the files of the store became shorter.
    pub freed: u64,
}

impl Store {
    /// Deletes what no root reaches, and returns the space to the system. `tell` hears after each step what is being
    /// done and how many rows are done.
    ///
    /// Memory: at most a byte for each row of the receipt and block tables.
    ///
    /// # Errors
    /// [`StoreError::ReadOnlyHandle`]; damage, before anything is deleted, since what a damaged block links to cannot
    /// be told from garbage; else what the system said. What was deleted until then stays deleted.
    pub fn gc(
        &mut self,
        options: &GcOptions,
        tokens: &dyn Tokens,
        tell: &mut dyn FnMut(GcPart, u64),
    ) -> Result<GcReport, StoreError> {
        let writer = self.own_writer()?;
        if !options.dry_run {
            // Only what is in the index can be taken out of it.
            self.index.merge(&mut || {})?;
        }
        if !options.dry_run {
            // So that what was only reserved does not count as freed.
            compact::empty_wal(&writer, self.main.path())?;
        }
        let before = self.file_bytes()?;
        let mut report = GcReport::default();
        let mut marks = Marks::new(self, tokens, None);
        let dropped = self.mark_runs(options.keep, &mut marks, &mut report, tell)?;
        self.mark_pins(&mut marks)?;
        if options.keep == Keep::All {
            marks.reusable(&mut |done| tell(GcPart::Mark, done))?;
        }
        let pins = self.adopt(options, &mut marks)?;
        report.pinned = pins.len() as u64;
        if !options.dry_run {
            self.keep_adopted(&writer, &pins)?;
        }
        let mut sweep = Sweep {
            store: self,
            conn: &writer,
            dry_run: options.dry_run,
            tell,
        };
        sweep.runs(&dropped)?;
        sweep.receipts(&marks, &mut report)?;
        sweep.blocks(&marks, &mut report)?;
        sweep.evicted(&marks)?;
        sweep.files(&mut report)?;
        if !options.dry_run {
            tell(GcPart::Compact, 0);
            compact::shrink(&writer, self.main.path())?;
            report.freed = before.saturating_sub(self.file_bytes()?);
        }
        Ok(report)
    }

    /// Marks what the kept runs reach, newest first, and returns the others.
    fn mark_runs(
        &self,
        keep: Keep,
        marks: &mut Marks<'_>,
        report: &mut GcReport,
        tell: &mut dyn FnMut(GcPart, u64),
    ) -> Result<IdSet, StoreError> {
        let mut dropped = IdSet::default();
        let mut finished = 0;
        let mut before = i64::MAX;
        loop {
            let page = self.run_page(before)?;
            let Some(oldest) = page.last() else { break };
            before = oldest.id;
            for run in &page {
                let unfinished = run.is_open;
                let kept = match keep {
                    _ if unfinished => true,
                    Keep::All => true,
                    Keep::Runs(most) => finished < most,
                    Keep::Since(time) => run.ended >= time,
                };
                finished += u64::from(!unfinished);
                if kept {
                    report.runs_kept += 1;
                    self.mark_run(run, unfinished, marks)?;
                } else {
                    report.runs += 1;
                    dropped.insert(run.id);
                }
                tell(GcPart::Mark, report.runs + report.runs_kept);
            }
        }
        Ok(dropped)
    }

    /// Marks what one run reaches. An unfinished one is about to use its results.
    fn mark_run(
        &self,
        run: &RunRow,
        unfinished: bool,
        marks: &mut Marks<'_>,
    ) -> Result<(), StoreError> {
        let holder = Holder::Run(run.id);
        for cid in run.cids.iter().flatten() {
            marks.root(cid, &holder)?;
        }
        let hold = if unfinished { Hold::Needed } else { Hold::Made };
        for receipt in self.step_receipts(run.id)? {
            marks.receipt(receipt, hold)?;
        }
        Ok(())
    }

    /// Marks what every run that is there reaches. For `verify` and eviction.
    pub(crate) fn mark_all_runs(&self, marks: &mut Marks<'_>) -> Result<(), StoreError> {
        let mut report = GcReport::default();
        self.mark_runs(Keep::All, marks, &mut report, &mut |_, _| ())
            .map(drop)
    }

    /// Marks what the pins and the values under keys reach, and receipts that are accepted: nothing here can make these again.
    pub(crate) fn mark_pins(&self, marks: &mut Marks<'_>) -> Result<(), StoreError> {
        for receipt in self.accepted()?.into_iter().flatten() {
            marks.root(&receipt, &Holder::Pin(receipt))?;
        }
        for link in self.value_links()? {
            marks.root(&link, &Holder::Pin(link))?;
        }
        let mut last: Option<Pin> = None;
        loop {
            let page = self.pins(last.as_ref(), WALK_ROWS)?;
            for pin in &page {
                marks.root(&pin.cid, &Holder::Pin(pin.cid))?;
            }
            match page.last() {
                Some(pin) => last = Some(*pin),
                None => return Ok(()),
            }
        }
    }

    fn run_page(&self, before: i64) -> Result<Vec<RunRow>, StoreError> {
        let path = self.main.path();
        // What is in doubt is not over, whatever became of the rest of its run.
        let sql = "SELECT id, status IN (?3, ?4) OR EXISTS(SELECT 1 FROM intent WHERE intent.run = run.id),
            coalesce(finished, started), workflow, invocation FROM run WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
        let (running, in_doubt) = (RunStatus::Running.code(), RunStatus::InDoubt.code());
        self.main.with(|conn| {
            let mut select = conn.prepare_cached(sql).at(path, LISTING)?;
            let rows = select
                .query_map(
                    params![before, WALK_ROWS as i64, running, in_doubt],
                    |row| {
                        let cid = |column| -> rusqlite::Result<Option<Cid>> {
                            let bytes: Option<Vec<u8>> = row.get(column)?;
                            Ok(bytes.and_then(|bytes| Cid::try_from(bytes.as_slice()).ok()))
                        };
                        Ok(RunRow {
                            id: row.get(0)?,
                            is_open: row.get(1)?,
                            ended: row.get(2)?,
                            cids: [cid(3)?, cid(4)?],
                        })
                    },
                )
                .at(path, LISTING)?;
            rows.collect::<rusqlite::Result<_>>().at(path, LISTING)
        })
    }

    fn step_receipts(&self, run: i64) -> Result<Vec<i64>, StoreError> {
        let path = self.main.path();
        let sql =
            "SELECT receipt FROM step WHERE run = ?1 AND receipt IS NOT NULL ORDER BY receipt";
        self.main.with(|conn| {
            let mut select = conn.prepare_cached(sql).at(path, LISTING)?;
            let rows = select
                .query_map([run], |row| row.get(0))
                .at(path, LISTING)?;
            rows.collect::<rusqlite::Result<_>>().at(path, LISTING)
        })
    }

    /// Content from before there were pins that nothing else keeps: somebody may have added it. Newest first, so that
    /// a file's root comes before its parts, which then are kept by it.
    fn adopt(&self, options: &GcOptions, marks: &mut Marks<'_>) -> Result<Vec<Pin>, StoreError> {
        let path = self.main.path();
        let through = self
            .main
            .with(|conn| Fact::UnpinnedThrough.get(conn).at(path, LISTING))?;
        let mut pins = Vec::new();
        let mut before = through + 1;
        while before > 1 {
            let page = self.block_page(before)?;
            before = page.last().map_or(0, |(id, _)| *id);
            for (id, cid) in page {
                let is_content = matches!(cid.codec(), codec::RAW | codec::DAG_PB);
                if !is_content || marks.has_block(id) {
                    continue;
                }
                marks.root(&cid, &Holder::Pin(cid))?;
                pins.push(Pin {
                    cid,
                    kind: PinKind::Pinned,
                    since: options.now,
                });
            }
        }
        Ok(pins)
    }

    fn keep_adopted(&self, writer: &Connection, pins: &[Pin]) -> Result<(), StoreError> {
        let changes: Vec<PinChange> = pins.iter().map(|pin| PinChange::Pin(*pin)).collect();
        let work = || {
            let transaction = writer.unchecked_transaction()?;
            crate::pins::change(&transaction, &changes)?;
            Fact::UnpinnedThrough.set(&transaction, 0)?;
            transaction.commit()
        };
        work().at(self.main.path(), LISTING)
    }

    fn block_page(&self, before: i64) -> Result<Vec<(i64, Cid)>, StoreError> {
        let path = self.main.path();
        let sql = "SELECT id, cid FROM block WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
        self.main.with(|conn| {
            let mut select = conn.prepare_cached(sql).at(path, LISTING)?;
            let mut rows = select
                .query(params![before, WALK_ROWS as i64])
                .at(path, LISTING)?;
            let mut page = Vec::new();
            while let Some(row) = rows.next().at(path, LISTING)? {
                let id = row.get(0).at(path, LISTING)?;
                let name: Vec<u8> = row.get(1).at(path, LISTING)?;
                let cid = Cid::try_from(name.as_slice()).map_err(|_| StoreError::Damaged {
                    path: path.to_path_buf(),
                    doing: LISTING,
                    reason: format!("the CID in row {id} of the block table is malformed"),
                })?;
                page.push((id, cid));
            }
            Ok(page)
        })
    }
}

/// What a collection needs of a run.
struct RunRow {
    id: i64,
    /// Whether it goes on, or waits to be settled.
    is_open: bool,
    /// When it ended, else when it began; in seconds since the epoch.
    ended: i64,
    /// Its workflow and the invocation that asked for it.
    cids: [Option<Cid>; 2],
}
