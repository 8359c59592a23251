//! Reading blocks and receipts. What is returned has been checked against its hash.

use crate::Store;
use crate::error::{Context, StoreError};
use crate::limits::{PAGE_ROWS_MAX, RECEIPTS_PER_KEY_MAX};
use crate::prepare::may_be_receipt;
use crate::sealed;
use crate::tail::KeyKind;
use crate::types::{ReceiptId, ReceiptKeys, StoredReceipt};
use ipvm_ipld::{Block, Cid};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;

const READING: &str = "reading a block";
const READING_RECEIPT: &str = "reading a receipt";

/// A row of `block`, found by its CID.
#[derive(Clone)]
pub(crate) struct BlockFound {
    pub(crate) id: i64,
    /// Length in bytes, as the row says.
    pub(crate) size: i64,
    /// `None` for a block that is a file.
    pub(crate) data: Option<Vec<u8>>,
}

impl Store {
    /// Whether there is a block or a receipt with this CID. Its bytes are not read.
    ///
    /// # Errors
    /// As [`Store::get`], except that damage to the block's bytes is not noticed.
    pub fn has(&self, cid: &Cid) -> Result<bool, StoreError> {
        match self.find_block(cid, false)? {
            Some(found) => {
                Ok(found.data.is_some() || self.files.len(cid) == Some(found.size.unsigned_abs()))
            }
            None => Ok(may_be_receipt(cid) && self.receipt(cid)?.is_some()),
        }
    }

    /// The bytes of the block or receipt with this CID.
    ///
    /// # Errors
    /// [`StoreError::BlockDamaged`] or [`StoreError::ReceiptDamaged`] when the bytes are not those that were
    /// stored; [`StoreError::Damaged`] when the database is torn; else what the system said.
    pub fn get(&self, cid: &Cid) -> Result<Option<Vec<u8>>, StoreError> {
        match self.find_block(cid, true)? {
            Some(found) => self.block_data(cid, found).map(Some),
            None if may_be_receipt(cid) => Ok(self.receipt(cid)?.map(|receipt| receipt.block)),
            None => Ok(None),
        }
    }

    /// The receipt with this CID.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn receipt(&self, cid: &Cid) -> Result<Option<StoredReceipt>, StoreError> {
        let found = self.find_receipts(KeyKind::Cid, cid, 1, &|receipt| receipt.cid == *cid)?;
        Ok(found.into_iter().next())
    }

    /// The receipt in this row: the cheapest look-up, which needs no index.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn receipt_at(&self, id: ReceiptId) -> Result<Option<StoredReceipt>, StoreError> {
        self.main.with(|conn| self.read_receipt(conn, id.0))
    }

    /// The receipts for a task, oldest first, at most [`RECEIPTS_PER_KEY_MAX`](crate::RECEIPTS_PER_KEY_MAX).
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn receipts_by_task(&self, task: &Cid) -> Result<Vec<StoredReceipt>, StoreError> {
        self.find_receipts(KeyKind::Task, task, RECEIPTS_PER_KEY_MAX, &|receipt| {
            self.keys(receipt).is_some_and(|keys| keys.task == *task)
        })
    }

    /// The receipts for a computation, oldest first, at most
    /// [`RECEIPTS_PER_KEY_MAX`](crate::RECEIPTS_PER_KEY_MAX).
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn receipts_by_computation(
        &self,
        computation: &Cid,
    ) -> Result<Vec<StoredReceipt>, StoreError> {
        self.find_receipts(
            KeyKind::Computation,
            computation,
            RECEIPTS_PER_KEY_MAX,
            &|receipt| {
                self.keys(receipt)
                    .is_some_and(|keys| keys.computation == Some(*computation))
            },
        )
    }

    /// The oldest receipt that `accept` takes among those that may be for a task. `accept` sees receipts whose hash
    /// is checked, and has to check that they are for this task: for a caller who decodes them anyway, which
    /// [`Store::receipts_by_task`] would do a second time.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn first_by_task(
        &self,
        task: &Cid,
        accept: &dyn Fn(&StoredReceipt) -> bool,
    ) -> Result<Option<StoredReceipt>, StoreError> {
        Ok(self.find_receipts(KeyKind::Task, task, 1, accept)?.pop())
    }

    /// As [`Store::first_by_task`], for a computation.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn first_by_computation(
        &self,
        computation: &Cid,
        accept: &dyn Fn(&StoredReceipt) -> bool,
    ) -> Result<Option<StoredReceipt>, StoreError> {
        Ok(self
            .find_receipts(KeyKind::Computation, computation, 1, accept)?
            .pop())
    }

    /// The newest receipts, newest first: at most `limit`, and at most [`PAGE_ROWS_MAX`](crate::PAGE_ROWS_MAX).
    /// `before` goes on after the last of an earlier page.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn recent_receipts(
        &self,
        before: Option<ReceiptId>,
        limit: usize,
    ) -> Result<Vec<StoredReceipt>, StoreError> {
        let path = self.main.path();
        let before = before.map_or(i64::MAX, |id| id.0);
        let sql = "SELECT id, k_cid, block FROM receipt WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
        self.main.with(|conn| {
            let mut select = conn.prepare_cached(sql).at(path, READING_RECEIPT)?;
            let mut rows = select
                .query(params![before, limit.min(PAGE_ROWS_MAX) as i64])
                .at(path, READING_RECEIPT)?;
            let mut page = Vec::new();
            while let Some(row) = rows.next().at(path, READING_RECEIPT)? {
                page.push(self.checked_receipt(row)?);
            }
            Ok(page)
        })
    }

    /// The receipts with this key that are what is `wanted`. Others have the same cut key by chance, or are what an
    /// index wrongly says; one that is stored twice is returned once.
    fn find_receipts(
        &self,
        kind: KeyKind,
        cid: &Cid,
        limit: usize,
        wanted: &dyn Fn(&StoredReceipt) -> bool,
    ) -> Result<Vec<StoredReceipt>, StoreError> {
        let ids = self.index.find(kind, self.keyer.key(cid))?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.main.with(|conn| {
            let mut found: Vec<StoredReceipt> = Vec::new();
            for id in ids {
                let Some(receipt) = self.read_receipt(conn, id)? else {
                    continue;
                };
                if wanted(&receipt) && !found.iter().any(|other| other.cid == receipt.cid) {
                    found.push(receipt);
                }
                if found.len() == limit {
                    break;
                }
            }
            Ok(found)
        })
    }

    pub(crate) fn keys(&self, receipt: &StoredReceipt) -> Option<ReceiptKeys> {
        self.keys_in(&receipt.block)
    }

    /// What a receipt is looked up by, as its bytes say.
    pub(crate) fn keys_in(&self, block: &[u8]) -> Option<ReceiptKeys> {
        sealed::receipt_keys(block).or_else(|| (self.keys_of)(block))
    }

    pub(crate) fn read_receipt(
        &self,
        conn: &Connection,
        id: i64,
    ) -> Result<Option<StoredReceipt>, StoreError> {
        let path = self.main.path();
        let sql = "SELECT id, k_cid, block FROM receipt WHERE id = ?1";
        let mut select = conn.prepare_cached(sql).at(path, READING_RECEIPT)?;
        let mut rows = select.query([id]).at(path, READING_RECEIPT)?;
        let row = rows.next().at(path, READING_RECEIPT)?;
        row.map(|row| self.checked_receipt(row)).transpose()
    }

    /// The receipt in a row of `id, k_cid, block`. The row holds the key of the CID and not the CID, which the bytes
    /// give; so damaged bytes show as another key.
    pub(crate) fn checked_receipt(&self, row: &Row<'_>) -> Result<StoredReceipt, StoreError> {
        let path = self.main.path();
        let id = row.get(0).map(ReceiptId).at(path, READING_RECEIPT)?;
        let key: i64 = row.get(1).at(path, READING_RECEIPT)?;
        let block: Vec<u8> = row.get(2).at(path, READING_RECEIPT)?;
        let cid = sealed::receipt_name(&block);
        if self.keyer.key(&cid) == key {
            return Ok(StoredReceipt { id, cid, block });
        }
        let reason = "its bytes are not those that were stored".into();
        Err(StoreError::ReceiptDamaged {
            row: id,
            path: path.to_path_buf(),
            reason,
        })
    }

    /// The row of a block. `data` of a block that is a row is read only if wanted, else it is empty.
    pub(crate) fn find_block(
        &self,
        cid: &Cid,
        with_data: bool,
    ) -> Result<Option<BlockFound>, StoreError> {
        let path = self.main.path();
        let sql = if with_data {
            "SELECT id, size, data FROM block WHERE k_cid = ?1 AND cid = ?2"
        } else {
            "SELECT id, size, iif(data IS NULL, NULL, x'') FROM block WHERE k_cid = ?1 AND cid = ?2"
        };
        let (key, cid) = (self.keyer.key(cid), cid.to_bytes());
        self.main.with(|conn| {
            let mut select = conn.prepare_cached(sql).at(path, READING)?;
            let found = |row: &Row<'_>| {
                Ok(BlockFound {
                    id: row.get(0)?,
                    size: row.get(1)?,
                    data: row.get(2)?,
                })
            };
            select
                .query_row(params![key, cid], found)
                .optional()
                .at(path, READING)
        })
    }

    /// The checked bytes of a block.
    pub(crate) fn block_data(&self, cid: &Cid, found: BlockFound) -> Result<Vec<u8>, StoreError> {
        let damaged = |place: String, reason: &str| {
            Err(StoreError::BlockDamaged {
                cid: Box::new(*cid),
                place,
                reason: reason.into(),
            })
        };
        let row = |path: &Path| format!("row {} of {}", found.id, path.display());
        let (data, place) = match found.data {
            Some(data) => (data, row(self.main.path())),
            None => {
                let place = self.files.path(cid).display().to_string();
                match self.files.read(cid)? {
                    Some(data) => (data, place),
                    None => return damaged(place, "the file is missing"),
                }
            }
        };
        match sealed::checked(cid, data) {
            Some(data) => Ok(data),
            None => damaged(place, "its bytes do not have its hash"),
        }
    }

    /// Whether a block has its row.
    pub(crate) fn has_block_row(&self, cid: &Cid) -> Result<bool, StoreError> {
        Ok(self.find_block(cid, false)?.is_some())
    }

    /// Whether a large block has its row, and a file with its bytes. Comparing costs less than writing the file, and
    /// storing a block again mends a damaged file.
    pub(crate) fn has_block_file(&self, block: &Block) -> Result<bool, StoreError> {
        Ok(self.has_block_row(block.cid())? && self.files.holds(block))
    }
}
