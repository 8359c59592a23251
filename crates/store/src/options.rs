//! The knobs that tests turn to reach limits quickly; everybody else has the defaults.

use crate::limits;

/// Sizes that shape the store's behaviour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// Bits of a key that are used.
    pub(crate) key_mask: u64,
    /// See [`limits::TAIL_ROWS_MAX`].
    pub(crate) tail_rows_max: usize,
    /// See [`limits::MERGE_ROWS_MIN`].
    pub(crate) merge_rows_min: usize,
    /// See [`limits::MERGE_ROWS_MAX`].
    pub(crate) merge_rows_max: usize,
    /// See [`limits::REBUILD_ROWS`].
    pub(crate) rebuild_rows: usize,
    /// See [`limits::WAL_PAGES_MAX`].
    pub(crate) wal_pages_max: i64,
    /// See [`limits::SWEEP_ROWS`].
    pub(crate) sweep_rows: usize,
    /// Largest size of `main.db` in pages; `None` for SQLite's own limit.
    pub(crate) main_pages_max: Option<u32>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            key_mask: u64::MAX,
            tail_rows_max: limits::TAIL_ROWS_MAX,
            merge_rows_min: limits::MERGE_ROWS_MIN,
            merge_rows_max: limits::MERGE_ROWS_MAX,
            rebuild_rows: limits::REBUILD_ROWS,
            wal_pages_max: limits::WAL_PAGES_MAX,
            sweep_rows: limits::SWEEP_ROWS,
            main_pages_max: None,
        }
    }
}

impl Tuning {
    /// The backlog that is worth a merge in a store of `receipts`: grows with the index, since a merge writes
    /// every page that it puts a key on.
    pub(crate) fn merge_at(&self, receipts: i64) -> usize {
        let share = usize::try_from(receipts / limits::MERGE_SHARE).unwrap_or(usize::MAX);
        share.clamp(self.merge_rows_min, self.merge_rows_max)
    }

    /// The backlog that is worth a merge when nothing else is to be done.
    pub(crate) fn idle_merge_at(&self, receipts: i64) -> usize {
        let merge_at = self.merge_at(receipts);
        (merge_at / limits::MERGE_IDLE_SHARE)
            .max(limits::MERGE_IDLE_ROWS)
            .min(merge_at)
    }
}
