//! The size limit of a home, and giving up what can be computed again to keep it.

use crate::Store;
use crate::compact::{self, bytes_in_use};
use crate::error::{Context, StoreError};
use crate::gc::GcPart;
use crate::index::with_suffix;
use crate::limits::WHOLE_BLOCKS_MAX;
use crate::marks::{Marks, may_link};
use crate::schema::Fact;
use crate::sweep::Sweep;
use crate::tokens::Tokens;
use crate::wal::file_len;
use ipvm_ipld::{Cid, links};
use rusqlite::{OptionalExtension, params};
use std::sync::atomic::Ordering;

const MEASURING: &str = "measuring the store";
const READING: &str = "looking for evicted blocks";

/// What an eviction gave up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// Bytes that the home may grow to, if there is a limit.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or what the system said.
    pub fn limit(&self) -> Result<Option<u64>, StoreError> {
        let path = self.main.path();
        let limit = self
            .main
            .with(|conn| Fact::LimitBytes.get(conn).at(path, MEASURING))?;
        Ok((limit > 0).then_some(limit.unsigned_abs()))
    }

    /// Sets or removes the limit. It is kept by whoever calls [`Store::evict`].
    ///
    /// # Errors
    /// [`StoreError::ReadOnlyHandle`], or what the system said.
    pub fn set_limit(&mut self, limit: Option<u64>) -> Result<(), StoreError> {
        let writer = self.own_writer()?;
        let limit = limit.map_or(0, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        Fact::LimitBytes
            .set(&writer, limit)
            .at(self.main.path(), "setting the limit")
    }

    /// Bytes that the store uses: of `main.db` the pages in use, the index, the block files. The WAL, which is emptied
    /// again and again, does not count.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or what the system said.
    pub fn used_bytes(&self) -> Result<u64, StoreError> {
        let path = self.main.path();
        let (main, files) = self.main.with(|conn| {
            let sql = "SELECT coalesce(sum(size), 0) FROM block WHERE data IS NULL";
            let files: i64 = conn
                .prepare_cached(sql)
                .and_then(|mut select| select.query_row([], |row| row.get(0)))
                .at(path, MEASURING)?;
            Ok((bytes_in_use(conn, path)?, files.unsigned_abs()))
        })?;
        Ok(main + files + file_len(self.index.path()))
    }

    /// Bytes that the store's files have on the disk.
    pub(crate) fn file_bytes(&self) -> Result<u64, StoreError> {
        let files = self.stat()?.block_file_bytes;
        let databases = [self.main.path(), self.index.path()]
            .map(|path| file_len(path) + file_len(&with_suffix(path, "-wal")));
        Ok(files + databases.iter().sum::<u64>())
    }

    /// Gives up blocks that tasks with receipts can make again, oldest first. `goal` is told how many bytes there are
    /// of them and says how many are to go. What a pin, a run under way or an argument needs stays; so do all receipts.
    ///
    /// # Errors
    /// As [`Store::gc`].
    pub fn evict(
        &mut self,
        goal: &mut dyn FnMut(u64) -> u64,
        tokens: &dyn Tokens,
        tell: &mut dyn FnMut(GcPart, u64),
    ) -> Result<Evicted, StoreError> {
        let writer = self.own_writer()?;
        let mut marks = Marks::new(self, tokens, None);
        self.mark_all_runs(&mut marks)?;
        self.mark_pins(&mut marks)?;
        marks.reusable(&mut |done| tell(GcPart::Mark, done))?;
        let goal = goal(self.evictable(&marks)?);
        if goal == 0 {
            return Ok(Evicted::default());
        }
        let mut sweep = Sweep {
            store: self,
            conn: &writer,
            dry_run: false,
            tell,
        };
        let (blocks, bytes) = sweep.evict(&marks, goal)?;
        compact::shrink(&writer, self.main.path())?;
        self.look_for_evicted()?;
        Ok(Evicted { blocks, bytes })
    }

    /// Bytes of the blocks that can be given up.
    fn evictable(&self, marks: &Marks<'_>) -> Result<u64, StoreError> {
        let path = self.main.path();
        let mut bytes = 0;
        let mut after = i64::MIN;
        loop {
            let ids = marks.made_after(after, self.tuning.sweep_rows);
            let Some(last) = ids.last() else {
                return Ok(bytes);
            };
            after = *last;
            bytes += self.main.with(|conn| {
                let mut select = conn
                    .prepare_cached("SELECT size FROM block WHERE id = ?1")
                    .at(path, MEASURING)?;
                let sizes = ids.iter().filter(|id| marks.can_evict(**id)).map(|id| {
                    select
                        .query_row([id], |row| row.get::<_, i64>(0))
                        .map(i64::unsigned_abs)
                        .at(path, MEASURING)
                });
                sizes.sum::<Result<u64, StoreError>>()
            })?;
        }
    }

    /// Whether the block with this CID was given up and is not there again.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or what the system said.
    pub fn is_evicted(&self, cid: &Cid) -> Result<bool, StoreError> {
        Ok(self.find_evicted(cid)?.is_some() && !self.has_block_row(cid)?)
    }

    /// Whether everything that these CIDs lead to is there, as far as it ever was: false if a part of it was given up.
    /// Looks at no more than 100,000 blocks. Takes no time in a store in which nothing was ever given up.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn is_whole(&self, roots: Vec<Cid>) -> Result<bool, StoreError> {
        if !self.has_evicted() {
            return Ok(true);
        }
        let mut rest = roots;
        let mut seen = 0;
        while let Some(cid) = rest.pop() {
            seen += 1;
            if seen > WHOLE_BLOCKS_MAX {
                break;
            }
            match self.find_block(&cid, false)? {
                None if self.find_evicted(&cid)?.is_some() => return Ok(false),
                Some(_) if may_link(cid.codec()) => {
                    let data = self.get(&cid)?.unwrap_or_default();
                    rest.extend(links(&cid, &data).unwrap_or_default());
                }
                _ => {}
            }
        }
        Ok(true)
    }

    /// Whether anything was ever given up that could still be missed. Takes no time.
    #[must_use]
    pub fn has_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }

    /// The row of an evicted block; it may be there again.
    pub(crate) fn find_evicted(&self, cid: &Cid) -> Result<Option<i64>, StoreError> {
        if !self.has_evicted() {
            return Ok(None);
        }
        let path = self.main.path();
        let sql = "SELECT id FROM evicted WHERE k_cid = ?1 AND cid = ?2";
        let (key, cid) = (self.keyer.key(cid), cid.to_bytes());
        self.main.with(|conn| {
            let found = conn.prepare_cached(sql).and_then(|mut select| {
                select
                    .query_row(params![key, cid], |row| row.get(0))
                    .optional()
            });
            found.at(path, READING)
        })
    }

    pub(crate) fn look_for_evicted(&self) -> Result<(), StoreError> {
        let path = self.main.path();
        let any: bool = self.main.with(|conn| {
            conn.query_row("SELECT EXISTS(SELECT 1 FROM evicted)", [], |row| row.get(0))
                .at(path, READING)
        })?;
        self.evicted.store(any, Ordering::Release);
        Ok(())
    }
}
