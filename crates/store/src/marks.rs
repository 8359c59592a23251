//! What the roots reach: the marking half of a collection, of an eviction and of the check for missing links.
//!
//! Each row costs at most a byte: one bit in each of the sets that it can be in. There is no stack: what is still to be
//! looked at is a set too, and is taken in the order of the rows.

use crate::Store;
use crate::error::{Context, StoreError};
use crate::ids::IdSet;
use crate::limits::WALK_ROWS;
use crate::prepare::may_be_receipt;
use crate::sealed;
use crate::tail::KeyKind;
use crate::tokens::Tokens;
use crate::types::ReceiptId;
use ipvm_ipld::sealed::Head;
use ipvm_ipld::{Cid, codec, links};
use rusqlite::{OptionalExtension, Row, params};

const MARKING: &str = "looking what is kept";

/// How strongly something is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nothing here can make it again, or a run under way needs it.
    Needed,
    /// A task whose receipt is kept made it, and can make it again.
    Made,
}

/// What holds something, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Run(i64),
    Pin(Cid),
    Receipt(ReceiptId),
    Block(Cid),
}

/// Something that is referred to and not there.
pub(crate) struct Missing {
    pub(crate) cid: Cid,
    pub(crate) holder: Holder,
    /// Whether its holder cannot be used without it, as opposed to naming it.
    pub(crate) part: bool,
}

/// Rows that are reached, and those of them whose links are still to be followed.
#[derive(Default)]
struct Reach {
    seen: IdSet,
    todo: IdSet,
}

impl Reach {
    fn add(&mut self, id: i64, may_link: bool) {
        if self.seen.insert(id) && may_link {
            self.todo.insert(id);
        }
    }
}

/// Whether blocks of this codec can have links.
pub(crate) fn may_link(codec: u64) -> bool {
    matches!(codec, codec::DAG_CBOR | codec::DAG_PB | codec::SEALED)
}

/// Told what is missing. Where there is one, damage too is passed over: it is found elsewhere.
pub(crate) type OnMissing<'a> = Option<&'a mut dyn FnMut(Missing)>;

/// What is reached so far.
pub(crate) struct Marks<'a> {
    store: &'a Store,
    tokens: &'a dyn Tokens,
    needed: Reach,
    made: Reach,
    /// Receipts whose results are needed.
    needed_receipts: Reach,
    /// Receipts whose results could be made again.
    receipts: Reach,
    /// Rows of `evicted` that something still refers to.
    evicted: IdSet,
    on_missing: OnMissing<'a>,
}

impl<'a> Marks<'a> {
    pub(crate) fn new(store: &'a Store, tokens: &'a dyn Tokens, on_missing: OnMissing<'a>) -> Self {
        Self {
            store,
            tokens,
            needed: Reach::default(),
            made: Reach::default(),
            needed_receipts: Reach::default(),
            receipts: Reach::default(),
            evicted: IdSet::default(),
            on_missing,
        }
    }

    pub(crate) fn has_block(&self, id: i64) -> bool {
        self.needed.seen.contains(id) || self.made.seen.contains(id)
    }

    pub(crate) fn has_receipt(&self, id: i64) -> bool {
        self.needed_receipts.seen.contains(id) || self.receipts.seen.contains(id)
    }

    pub(crate) fn has_evicted(&self, id: i64) -> bool {
        self.evicted.contains(id)
    }

    /// Whether the block can be made again and nothing needs it.
    pub(crate) fn can_evict(&self, id: i64) -> bool {
        self.made.seen.contains(id) && !self.needed.seen.contains(id)
    }

    /// Blocks that can perhaps be made again, by their rows.
    pub(crate) fn made_after(&self, after: i64, limit: usize) -> Vec<i64> {
        self.made.seen.after(after, limit)
    }

    /// A root, and everything below it.
    pub(crate) fn root(&mut self, cid: &Cid, holder: &Holder) -> Result<(), StoreError> {
        self.part(cid, Hold::Needed, holder)?;
        self.drain()
    }

    /// A receipt as a root. Its result is needed if somebody is about to use it.
    pub(crate) fn receipt(&mut self, id: i64, hold: Hold) -> Result<(), StoreError> {
        self.reach_receipt(id, hold);
        self.drain()
    }

    fn reach_receipt(&mut self, id: i64, hold: Hold) {
        match hold {
            Hold::Needed => self.needed_receipts.add(id, true),
            Hold::Made => self.receipts.add(id, true),
        }
    }

    /// Reaches something that its holder cannot be used without.
    fn part(&mut self, cid: &Cid, hold: Hold, holder: &Holder) -> Result<(), StoreError> {
        if !self.reach(cid, hold)? {
            self.miss(cid, holder, true);
        }
        Ok(())
    }

    /// Reaches something that its holder names. A CID of DAG-CBOR, or what is sealed, may be a task, of which there is no
    /// block.
    fn named(&mut self, cid: &Cid, hold: Hold, holder: &Holder) -> Result<(), StoreError> {
        if !self.reach(cid, hold)? && !may_be_receipt(cid) {
            self.miss(cid, holder, false);
        }
        Ok(())
    }

    /// Reaches what a result names. That is content, of whatever codec: what its task awaited stands in its invocation.
    fn result(&mut self, cid: &Cid, hold: Hold, holder: &Holder) -> Result<(), StoreError> {
        if !self.reach(cid, hold)? {
            self.miss(cid, holder, false);
        }
        Ok(())
    }

    fn miss(&mut self, cid: &Cid, holder: &Holder, part: bool) {
        if let Some(on_missing) = &mut self.on_missing {
            on_missing(Missing {
                cid: *cid,
                holder: holder.clone(),
                part,
            });
        }
    }

    /// Marks the block, the evicted block or the receipts that a link leads to; false if it leads nowhere. A link to a
    /// task leads to its receipts: whoever awaits it needs them.
    fn reach(&mut self, cid: &Cid, hold: Hold) -> Result<bool, StoreError> {
        if let Some(found) = self.store.find_block(cid, false)? {
            let may_link = may_link(cid.codec());
            match hold {
                Hold::Needed => self.needed.add(found.id, may_link),
                Hold::Made => self.made.add(found.id, may_link),
            }
            return Ok(true);
        }
        if let Some(id) = self.store.find_evicted(cid)? {
            self.evicted.insert(id);
            return Ok(true);
        }
        if !may_be_receipt(cid) {
            return Ok(false);
        }
        let key = self.store.keyer.key(cid);
        for kind in [KeyKind::Cid, KeyKind::Task] {
            let ids = self.store.index.find(kind, key)?;
            // A pinned receipt keeps its result; one that is only referred to does not.
            let hold = if kind == KeyKind::Cid {
                hold
            } else {
                Hold::Made
            };
            ids.iter().for_each(|id| self.reach_receipt(*id, hold));
            if !ids.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Follows links until there are none left to follow.
    fn drain(&mut self) -> Result<(), StoreError> {
        loop {
            if let Some(id) = self.needed_receipts.todo.pop() {
                self.follow_receipt(id, Hold::Needed)?;
            } else if let Some(id) = self.receipts.todo.pop() {
                self.follow_receipt(id, Hold::Made)?;
            } else if let Some(id) = self.needed.todo.pop() {
                self.follow_block(id, Hold::Needed)?;
            } else if let Some(id) = self.made.todo.pop() {
                self.follow_block(id, Hold::Made)?;
            } else {
                return Ok(());
            }
        }
    }

    fn follow_receipt(&mut self, id: i64, hold: Hold) -> Result<(), StoreError> {
        let store = self.store;
        let found = store.main.with(|conn| store.read_receipt(conn, id));
        let Some(Some(receipt)) = self.readable(found)? else {
            return Ok(());
        };
        let holder = Holder::Receipt(receipt.id);
        if let Some(head) = sealed::head(&receipt.block) {
            self.follow_needs(&head, &holder)?;
            let mut names = head.names.iter();
            return names.try_for_each(|cid| self.result(cid, Hold::Needed, &holder));
        }
        let refs = self.tokens.refs(&receipt.block).unwrap_or_default();
        for cid in &refs.rests_on {
            self.part(cid, Hold::Needed, &holder)?;
        }
        for cid in &refs.receipts {
            self.part(cid, Hold::Made, &holder)?;
        }
        refs.made
            .iter()
            .try_for_each(|cid| self.result(cid, hold, &holder))
    }

    fn follow_block(&mut self, id: i64, hold: Hold) -> Result<(), StoreError> {
        if hold == Hold::Made && self.needed.seen.contains(id) {
            return Ok(());
        }
        let store = self.store;
        let path = store.main.path();
        let name: Option<Vec<u8>> = store.main.with(|conn| {
            conn.prepare_cached("SELECT cid FROM block WHERE id = ?1")
                .and_then(|mut select| select.query_row([id], |row| row.get(0)).optional())
                .at(path, MARKING)
        })?;
        let Some(cid) = name.and_then(|name| Cid::try_from(name.as_slice()).ok()) else {
            return Ok(());
        };
        let found = store.find_block(&cid, true)?;
        let Some(found) = found else { return Ok(()) };
        let data = store.block_data(&cid, found);
        let Some(data) = self.readable(data)? else {
            return Ok(());
        };
        let holder = Holder::Block(cid);
        if let Some(head) = sealed::head(&data).filter(|_| cid.codec() == codec::SEALED) {
            self.follow_needs(&head, &holder)?;
            return self.follow_names(&head, &data, &holder);
        }
        // What is not of its codec has no links, whatever somebody meant by it.
        let found = links(&cid, &data).unwrap_or_default();
        for link in found {
            if cid.codec() == codec::DAG_PB {
                self.part(&link, hold, &holder)?;
            } else {
                self.named(&link, hold, &holder)?;
            }
        }
        Ok(())
    }

    /// What is sealed is not given up for space, nor what it refers to.
    fn follow_needs(&mut self, head: &Head, holder: &Holder) -> Result<(), StoreError> {
        let mut needs = head.needs.iter();
        needs.try_for_each(|cid| self.part(cid, Hold::Needed, holder))
    }

    /// Follows what a sealed block names. Of what is not there, its name does not say whether it can be a task; who has
    /// the key can.
    fn follow_names(
        &mut self,
        head: &Head,
        frame: &[u8],
        holder: &Holder,
    ) -> Result<(), StoreError> {
        let mut absent = Vec::new();
        for cid in &head.names {
            if !self.reach(cid, Hold::Needed)? {
                absent.push(*cid);
            }
        }
        if absent.is_empty() || self.on_missing.is_none() {
            return Ok(());
        }
        let content = self.tokens.sealed_content(frame);
        let is_content = |cid: &&Cid| !may_be_receipt(cid) || content.contains(cid);
        absent
            .iter()
            .filter(is_content)
            .for_each(|cid| self.miss(cid, holder, false));
        Ok(())
    }

    /// Passes over damage where only missing things are looked for. Elsewhere it is an error: what a damaged block
    /// links to cannot be told from garbage.
    fn readable<T>(&self, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(StoreError::BlockDamaged { .. } | StoreError::ReceiptDamaged { .. })
                if self.on_missing.is_some() =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Receipts that may answer later work, as roots.
    pub(crate) fn reusable(&mut self, tell: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
        let store = self.store;
        let path = store.main.path();
        let sql = "SELECT id, k_cid, block FROM receipt WHERE id > ?1 ORDER BY id LIMIT ?2";
        let (mut after, mut done) = (0_i64, 0_u64);
        loop {
            let from = after;
            store.main.with(|conn| {
                let mut select = conn.prepare_cached(sql).at(path, MARKING)?;
                let mut rows = select
                    .query(params![after, WALK_ROWS as i64])
                    .at(path, MARKING)?;
                while let Some(row) = rows.next().at(path, MARKING)? {
                    after = row.get(0).at(path, MARKING)?;
                    done += 1;
                    if !self.has_receipt(after) && self.is_reusable(row)? {
                        self.receipt(after, Hold::Made)?;
                    }
                }
                Ok(())
            })?;
            tell(done);
            if after == from {
                return Ok(());
            }
        }
    }

    fn is_reusable(&self, row: &Row<'_>) -> Result<bool, StoreError> {
        let receipt = self.readable(self.store.checked_receipt(row))?;
        Ok(
            receipt.is_some_and(|receipt| match sealed::head(&receipt.block) {
                Some(head) => head.reusable,
                None => self
                    .tokens
                    .refs(&receipt.block)
                    .is_some_and(|refs| refs.reusable),
            }),
        )
    }
}
