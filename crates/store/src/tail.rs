//! The tail: look-ups for the newest receipts, which `index.db` does not cover yet.

use crate::schema::Mark;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// What a receipt can be looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Cid,
    Task,
    Computation,
}

impl KeyKind {
    pub(crate) const ALL: [Self; 3] = [Self::Cid, Self::Task, Self::Computation];
}

/// A receipt's row without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRow {
    pub(crate) id: i64,
    pub(crate) cid: i64,
    pub(crate) task: i64,
    pub(crate) computation: Option<i64>,
}

impl KeyRow {
    pub(crate) fn key(&self, kind: KeyKind) -> Option<i64> {
        match kind {
            KeyKind::Cid => Some(self.cid),
            KeyKind::Task => Some(self.task),
            KeyKind::Computation => self.computation,
        }
    }
}

/// A multimap from key to receipt, in the order in which an index takes it.
type Keys = BTreeSet<(i64, i64)>;

/// Receipts that are merged together.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    by_cid: Keys,
    by_task: Keys,
    by_computation: Keys,
    /// The newest receipt in it.
    mark: Option<Mark>,
}

impl Generation {
    /// The keys of one kind, in order.
    pub(crate) fn keys(&self, kind: KeyKind) -> &Keys {
        match kind {
            KeyKind::Cid => &self.by_cid,
            KeyKind::Task => &self.by_task,
            KeyKind::Computation => &self.by_computation,
        }
    }

    fn keys_mut(&mut self, kind: KeyKind) -> &mut Keys {
        match kind {
            KeyKind::Cid => &mut self.by_cid,
            KeyKind::Task => &mut self.by_task,
            KeyKind::Computation => &mut self.by_computation,
        }
    }

    pub(crate) fn mark(&self) -> Option<Mark> {
        self.mark
    }

    pub(crate) fn len(&self) -> usize {
        self.by_cid.len()
    }

    fn push(&mut self, row: &KeyRow) {
        for kind in KeyKind::ALL {
            if let Some(key) = row.key(kind) {
                self.keys_mut(kind).insert((key, row.id));
            }
        }
        self.raise(Mark {
            id: row.id,
            key: row.cid,
        });
    }

    fn raise(&mut self, mark: Mark) {
        if self.mark.is_none_or(|old| old.id < mark.id) {
            self.mark = Some(mark);
        }
    }

    /// Adds many rows. Rebuilding the sets in bulk takes a fifth of the time of single insertions, but it also
    /// moves what is there already.
    fn extend(&mut self, rows: &[KeyRow]) {
        if rows.len() < self.len() / 8 {
            return rows.iter().for_each(|row| self.push(row));
        }
        for kind in KeyKind::ALL {
            let mut more: Keys = rows
                .iter()
                .filter_map(|row| Some((row.key(kind)?, row.id)))
                .collect();
            self.keys_mut(kind).append(&mut more);
        }
        if let Some(row) = rows.iter().max_by_key(|row| row.id) {
            self.raise(Mark {
                id: row.id,
                key: row.cid,
            });
        }
    }

    fn find(&self, kind: KeyKind, key: i64, found: &mut Vec<i64>) {
        let range: RangeInclusive<(i64, i64)> = (key, i64::MIN)..=(key, i64::MAX);
        found.extend(self.keys(kind).range(range).map(|(_, id)| *id));
    }
}

/// The receipts that the index does not cover: those being merged and those after them.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    merging: Option<Arc<Generation>>,
    current: Generation,
}

impl Tail {
    /// Receipts covered.
    pub(crate) fn len(&self) -> usize {
        self.current.len()
            + self
                .merging
                .as_ref()
                .map_or(0, |generation| generation.len())
    }

    /// Adds the receipts of one commit.
    pub(crate) fn push(&mut self, rows: &[KeyRow]) {
        rows.iter().for_each(|row| self.current.push(row));
    }

    /// Adds many receipts at once.
    pub(crate) fn extend(&mut self, rows: &[KeyRow]) {
        self.current.extend(rows);
    }

    /// Appends the receipts with this key.
    pub(crate) fn find(&self, kind: KeyKind, key: i64, found: &mut Vec<i64>) {
        if let Some(merging) = &self.merging {
            merging.find(kind, key, found);
        }
        self.current.find(kind, key, found);
    }

    /// Sets aside what is to be merged now: what an earlier, failed merge left, else all there is. Look-ups still
    /// see it.
    pub(crate) fn start_merge(&mut self) -> Option<Arc<Generation>> {
        if self.merging.is_none() && self.current.len() > 0 {
            self.merging = Some(Arc::new(std::mem::take(&mut self.current)));
        }
        self.merging.clone()
    }

    /// Forgets what [`Tail::start_merge`] set aside: the index has it.
    pub(crate) fn finish_merge(&mut self) {
        self.merging = None;
    }

    /// Forgets receipts up to `id`: an index that another process writes has them.
    pub(crate) fn forget_through(&mut self, id: i64) {
        for kind in KeyKind::ALL {
            self.current.keys_mut(kind).retain(|entry| entry.1 > id);
        }
    }
}
