//! Checking everything: the database's structure, every hash, every signature, the index against the truth, what pins
//! and links lead to, files without a row.

use crate::Store;
use crate::error::{Context, StoreError};
use crate::finding::{Finding, VerifyEvent, VerifyPart, VerifySummary};
use crate::limits::{MISSING_MAX, VERIFY_BYTES, VERIFY_SHARE_MIN, WALK_ROWS};
use crate::marks::{Holder, Marks, Missing};
use crate::read::BlockFound;
use crate::sealed;
use crate::tail::{KeyKind, KeyRow};
use crate::tokens::Tokens;
use crate::types::{Pin, ReceiptId, RunId};
use ipvm_ipld::sealed::is_frame;
use ipvm_ipld::{Cid, codec};
use rusqlite::{Row, params};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::thread;

const VERIFYING: &str = "verifying";
/// Messages taken from SQLite's own check.
const DATABASE_MESSAGES_MAX: usize = 100;

/// Entries of the index, by kind, among the receipts that it says it covers.
#[derive(Default)]
struct IndexCount {
    mark: i64,
    expected: [u64; 3],
}

impl IndexCount {
    fn expect(&mut self, keys: &KeyRow) {
        if keys.id <= self.mark {
            for (kind, expected) in KeyKind::ALL.into_iter().zip(&mut self.expected) {
                *expected += u64::from(keys.key(kind).is_some());
            }
        }
    }
}

/// Checks what was read of some rows.
type Check<'f, 'v, T> = &'f mut dyn FnMut(&mut Verifier<'v>, &[T]) -> Result<(), StoreError>;

/// One pass over a store.
struct Verifier<'a> {
    store: &'a Store,
    tokens: Option<&'a dyn Tokens>,
    tell: &'a mut dyn FnMut(VerifyEvent),
    summary: VerifySummary,
}

impl Store {
    /// Checks every receipt, block, run, pin and index entry, but no signatures and no links, which needs
    /// [`Store::verify_with`]. Tells `tell` as it goes. Damage is a finding and not an error.
    ///
    /// # Errors
    /// What keeps the check from going on: the system, or a closed store.
    pub fn verify(&self, tell: &mut dyn FnMut(VerifyEvent)) -> Result<VerifySummary, StoreError> {
        self.check(None, tell)
    }

    /// As [`Store::verify`], and checks every signature, and that all is there that runs, pins and reusable receipts
    /// link to.
    ///
    /// # Errors
    /// As [`Store::verify`].
    pub fn verify_with(
        &self,
        tokens: &dyn Tokens,
        tell: &mut dyn FnMut(VerifyEvent),
    ) -> Result<VerifySummary, StoreError> {
        self.check(Some(tokens), tell)
    }

    fn check(
        &self,
        tokens: Option<&dyn Tokens>,
        tell: &mut dyn FnMut(VerifyEvent),
    ) -> Result<VerifySummary, StoreError> {
        let mut verifier = Verifier {
            store: self,
            tokens,
            tell,
            summary: VerifySummary::default(),
        };
        verifier.database()?;
        verifier.receipts()?;
        verifier.blocks()?;
        verifier.runs()?;
        let pinned = verifier.pins();
        verifier.survive(pinned)?;
        verifier.authority()?;
        if let Some(tokens) = tokens {
            verifier.links(tokens)?;
        }
        verifier.files()?;
        verifier.evicted()?;
        Ok(verifier.summary)
    }
}

impl<'v> Verifier<'v> {
    fn find(&mut self, finding: Finding) {
        match &finding {
            Finding::StrayFile { .. } => self.summary.stray_files += 1,
            Finding::Missing { part: false, .. } => self.summary.missing += 1,
            _ => self.summary.damage += 1,
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

    /// Walks a table by `id` in short transactions, and calls `check` with what `read` makes of the rows, so many at a
    /// time that memory stays flat. `read` also says how many bytes it made.
    fn walk<T>(
        &mut self,
        part: VerifyPart,
        table: &str,
        columns: &str,
        read: fn(&Row<'_>) -> rusqlite::Result<(T, usize)>,
        check: Check<'_, 'v, T>,
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
            let mut page = Vec::new();
            // What was read before a torn page is checked all the same.
            let walked = store.main.with(|conn| {
                let mut rows = || -> rusqlite::Result<()> {
                    let mut select = conn.prepare_cached(&sql)?;
                    let mut rows = select.query(params![after, WALK_ROWS as i64])?;
                    let mut bytes = 0;
                    while bytes < VERIFY_BYTES
                        && let Some(row) = rows.next()?
                    {
                        let (item, size) = read(row)?;
                        after = row.get(0)?;
                        bytes += size;
                        page.push(item);
                    }
                    Ok(())
                };
                rows().at(path, VERIFYING)
            });
            check(self, &page)?;
            walked?;
            done += page.len() as u64;
            self.progress(part, done, total.unwrap_or(0).unsigned_abs());
            if page.is_empty() {
                return Ok(());
            }
        }
    }

    fn receipts(&mut self) -> Result<(), StoreError> {
        let store = self.store;
        let mut index_damage = store.index.load().err().map(|error| error.to_string());
        let mut count = IndexCount {
            mark: store.index.mark()?.unwrap_or(0),
            ..IndexCount::default()
        };
        let tokens = self.tokens;
        let columns = "id, k_cid, k_task, k_comp, block";
        let walked = self.walk(
            VerifyPart::Receipts,
            "receipt",
            columns,
            receipt_row,
            &mut |this, page| {
                this.summary.receipts += page.len() as u64;
                let with_index = index_damage.is_none();
                let checked = in_parallel(page, &|(keys, block)| {
                    check_receipt(store, tokens, keys, block, with_index)
                });
                for ((keys, _), (problem, not_found)) in page.iter().zip(checked) {
                    count.expect(keys);
                    index_damage = index_damage.take().or(not_found);
                    match problem {
                        Some(message) => this.find(Finding::Receipt {
                            row: ReceiptId(keys.id),
                            message,
                        }),
                        None => this.summary.signatures += u64::from(tokens.is_some()),
                    }
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

    /// Says when the index has more entries than there are receipts.
    fn surplus(&self, count: &IndexCount) -> Result<Option<String>, StoreError> {
        if count.mark == 0 {
            return Ok(None);
        }
        for (kind, expected) in KeyKind::ALL.into_iter().zip(count.expected) {
            let found = self.store.index.count_through(kind, count.mark)?;
            let dropped = self.dropped(kind, count.mark)?;
            if !(expected..=expected + dropped).contains(&found) {
                let name = kind.name();
                return Ok(Some(format!(
                    "it has {found} entries by {name} for {expected} receipts"
                )));
            }
        }
        Ok(None)
    }

    /// Entries that the index may still have, of receipts that another process is dropping or that a crash left.
    fn dropped(&self, kind: KeyKind, through: i64) -> Result<u64, StoreError> {
        let column = match kind {
            KeyKind::Cid => "k_cid",
            KeyKind::Task => "k_task",
            KeyKind::Computation => "k_comp",
        };
        let sql = format!("SELECT count({column}) FROM dropped WHERE id <= ?1");
        let path = self.store.main.path();
        self.store.main.with(|conn| {
            conn.query_row(&sql, [through], |row| row.get::<_, i64>(0))
                .map(i64::unsigned_abs)
                .at(path, VERIFYING)
        })
    }

    fn blocks(&mut self) -> Result<(), StoreError> {
        let (store, tokens) = (self.store, self.tokens);
        let columns = "id, k_cid, cid, size, data";
        let walked = self.walk(
            VerifyPart::Blocks,
            "block",
            columns,
            block_row,
            &mut |this, page| {
                this.summary.blocks += page.len() as u64;
                for checked in in_parallel(page, &|row| check_block(store, tokens, row)) {
                    match checked? {
                        Ok(is_token) => this.summary.signatures += u64::from(is_token),
                        Err(finding) => this.find(finding),
                    }
                }
                Ok(())
            },
        );
        self.survive(walked)
    }

    fn runs(&mut self) -> Result<(), StoreError> {
        let mut ids = Vec::new();
        let read = |row: &Row<'_>| Ok((RunId(row.get(0)?), 0));
        let walked = self.walk(VerifyPart::Runs, "run", "id", read, &mut |_, page| {
            ids.extend_from_slice(page);
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

    /// Pins that lead to nothing.
    fn pins(&mut self) -> Result<(), StoreError> {
        let store = self.store;
        let path = store.main.path();
        let rows: i64 = store.main.with(|conn| {
            conn.query_row("SELECT count(*) FROM pin", [], |row| row.get(0))
                .at(path, VERIFYING)
        })?;
        let mut last: Option<Pin> = None;
        loop {
            let page = store.pins(last.as_ref(), WALK_ROWS)?;
            for pin in &page {
                self.summary.pins += 1;
                match store.has(&pin.cid) {
                    Ok(true) => {}
                    Ok(false) => self.find(Finding::Pin {
                        cid: Box::new(pin.cid),
                    }),
                    // Named where receipts and blocks are checked.
                    Err(error) if error.is_damage() => {}
                    Err(StoreError::ReceiptDamaged { .. } | StoreError::IndexAbsent { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            match page.last() {
                Some(pin) => last = Some(*pin),
                None => break,
            }
        }
        let unread = rows.unsigned_abs().saturating_sub(self.summary.pins);
        if unread > 0 {
            self.find(Finding::Database {
                message: format!("{unread} rows of the pin table cannot be understood"),
            });
        }
        Ok(())
    }

    /// Delegations, revocations, names, former keys, accepted receipts, and what is kept for effects.
    fn authority(&mut self) -> Result<(), StoreError> {
        let store = self.store;
        let mut after = 0;
        loop {
            let page = match store.tokens(after, WALK_ROWS) {
                Ok(page) => page,
                Err(error) => return self.survive(Err(error)),
            };
            let Some(last) = page.last() else { break };
            after = last.id;
            for token in &page {
                match self.tokens.map(|tokens| tokens.check_block(&token.block)) {
                    None => {}
                    Some(Ok(true)) => self.summary.signatures += 1,
                    Some(Ok(false)) => self.torn(format!("token {} is none", token.cid)),
                    Some(Err(message)) => {
                        self.torn(format!("token {} is not valid: {message}", token.cid));
                    }
                }
            }
        }
        for read in [store.names().map(drop), store.former().map(drop)] {
            self.survive(read)?;
        }
        for read in store.check_journal() {
            self.survive(read)?;
        }
        for receipt in store.accepted()? {
            match receipt.map(|cid| (cid, store.receipt(&cid))) {
                Some((_, Ok(Some(_)))) => {}
                Some((cid, Ok(None))) => self.torn(format!("{cid} is accepted and not here")),
                None => self.torn("a row of the accepted table cannot be understood".to_owned()),
                // Named where receipts are checked.
                Some((
                    _,
                    Err(StoreError::ReceiptDamaged { .. } | StoreError::IndexAbsent { .. }),
                )) => {}
                Some((_, Err(error))) => self.survive(Err(error))?,
            }
        }
        Ok(())
    }

    fn torn(&mut self, message: String) {
        self.find(Finding::Database { message });
    }

    /// Follows the links of all that is kept, and names what is not there.
    fn links(&mut self, tokens: &dyn Tokens) -> Result<(), StoreError> {
        let store = self.store;
        let total = self.summary.receipts;
        let this = RefCell::new(self);
        let mut named = BTreeSet::new();
        let mut on_missing = |missing: Missing| {
            // Each once: a module that is gone is named by every call of it.
            let is_news = named.len() >= MISSING_MAX || named.insert((missing.cid, missing.part));
            // A pin that leads to nothing is named as such.
            if is_news && !matches!(missing.holder, Holder::Pin(_)) {
                this.borrow_mut().find(missing.finding());
            }
        };
        let mut marks = Marks::new(store, tokens, Some(&mut on_missing));
        let walked = store
            .mark_all_runs(&mut marks)
            .and_then(|()| store.mark_pins(&mut marks))
            .and_then(|()| {
                marks.reusable(&mut |done| {
                    this.borrow_mut().progress(VerifyPart::Links, done, total);
                })
            });
        drop(marks);
        match walked {
            Err(StoreError::IndexAbsent { .. }) => Ok(()),
            walked => this.into_inner().survive(walked),
        }
    }

    fn evicted(&mut self) -> Result<(), StoreError> {
        let path = self.store.main.path();
        let count: i64 = self.store.main.with(|conn| {
            conn.query_row("SELECT count(*) FROM evicted", [], |row| row.get(0))
                .at(path, VERIFYING)
        })?;
        self.summary.evicted = count.unsigned_abs();
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

impl Missing {
    fn finding(self) -> Finding {
        let holder = match self.holder {
            Holder::Run(id) => format!("run {id}"),
            Holder::Pin(cid) => format!("pin {cid}"),
            Holder::Receipt(row) => format!("receipt {row}"),
            Holder::Block(cid) => format!("block {cid}"),
        };
        Finding::Missing {
            cid: Box::new(self.cid),
            holder,
            part: self.part,
        }
    }
}

fn receipt_row(row: &Row<'_>) -> rusqlite::Result<((KeyRow, Vec<u8>), usize)> {
    let keys = KeyRow {
        id: row.get(0)?,
        cid: row.get(1)?,
        task: row.get(2)?,
        computation: row.get(3)?,
    };
    let block: Vec<u8> = row.get(4)?;
    let size = block.len();
    Ok(((keys, block), size))
}

/// What is wrong with a receipt, and what the index does not find of it.
fn check_receipt(
    store: &Store,
    tokens: Option<&dyn Tokens>,
    columns: &KeyRow,
    block: &[u8],
    with_index: bool,
) -> (Option<String>, Option<String>) {
    let keyer = &store.keyer;
    let problem = || {
        if keyer.key(&sealed::receipt_name(block)) != columns.cid {
            return Some("its bytes are not those that were stored".to_owned());
        }
        let Some(keys) = store.keys_in(block) else {
            return Some("its bytes are no receipt".to_owned());
        };
        let task = keyer.key(&keys.task);
        let computation = keys.computation.map(|computation| keyer.key(&computation));
        if task != columns.task || computation != columns.computation {
            return Some("it is filed under another task or computation".to_owned());
        }
        let tokens = tokens?;
        match is_frame(block) {
            true => tokens.check_sealed(block).err(),
            false => tokens.check_receipt(block).err(),
        }
    };
    let not_found = || match store.index.missing(columns) {
        Ok(None) => None,
        Ok(Some(kind)) => {
            let (id, kind) = (columns.id, kind.name());
            Some(format!("receipt {id} is not found by its {kind}"))
        }
        Err(error) => Some(error.to_string()),
    };
    (problem(), if with_index { not_found() } else { None })
}

/// A row of the block table: key, CID, and what there is of the block.
type BlockRow = (i64, Vec<u8>, BlockFound);

fn block_row(row: &Row<'_>) -> rusqlite::Result<(BlockRow, usize)> {
    let found = BlockFound {
        id: row.get(0)?,
        size: row.get(3)?,
        data: row.get(4)?,
    };
    let size = found.data.as_ref().map_or(0, Vec::len);
    Ok(((row.get(1)?, row.get(2)?, found), size))
}

/// Whether a block is a token, or what is wrong with it.
fn check_block(
    store: &Store,
    tokens: Option<&dyn Tokens>,
    (key, name, found): &BlockRow,
) -> Result<Result<bool, Finding>, StoreError> {
    let torn = |reason: &str| {
        let (id, path) = (found.id, store.main.path().display());
        Ok(Err(Finding::Block {
            cid: None,
            message: format!(
                "row {id} of the block table is damaged: {reason}; restore {path} from a backup"
            ),
        }))
    };
    let Ok(cid) = Cid::try_from(name.as_slice()) else {
        return torn("its CID is malformed");
    };
    if store.keyer.key(&cid) != *key {
        return torn("its key is not that of its CID");
    }
    let wrong = |message: String| {
        Ok(Err(Finding::Block {
            cid: Some(Box::new(cid)),
            message,
        }))
    };
    let data = match store.block_data(&cid, found.clone()) {
        Ok(data) if data.len() as i64 == found.size => data,
        Ok(_) => return torn("its length is not that of its bytes"),
        Err(
            error @ (StoreError::BlockDamaged { .. }
            | StoreError::Io { .. }
            | StoreError::NoAccess { .. }),
        ) => return wrong(error.to_string()),
        Err(error) => return Err(error),
    };
    match tokens {
        Some(tokens) if cid.codec() == codec::DAG_CBOR => match tokens.check_block(&data) {
            Ok(is_token) => Ok(Ok(is_token)),
            Err(message) => wrong(format!("token {cid} is not valid: {message}")),
        },
        Some(tokens) if cid.codec() == codec::SEALED => match tokens.check_sealed(&data) {
            Ok(_) => Ok(Ok(false)),
            Err(message) => wrong(format!("sealed block {cid} is damaged: {message}")),
        },
        _ => Ok(Ok(false)),
    }
}

/// Checks items on all processors; answers in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], check: &(dyn Fn(&T) -> R + Sync)) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(threads).max(VERIFY_SHARE_MIN);
    let one = |part: &[T]| part.iter().map(check).collect::<Vec<R>>();
    thread::scope(|scope| {
        let started: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(move || one(part)))
            .collect();
        started
            .into_iter()
            .flat_map(|thread| match thread.join() {
                Ok(answers) => answers,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}
