//! What a submitter does with a batch before the writer gets it: limits, keys, and the files of large blocks.

use crate::blocks::BlockFiles;
use crate::error::StoreError;
use crate::key::Keyer;
use crate::limits::{BATCH_BYTES_MAX, BATCH_ITEMS_MAX, BLOCK_BYTES_MAX, INLINE_BYTES_MAX};
use crate::tail::KeyRow;
use crate::types::{
    AuthorityChange, Batch, JournalChange, NewReceipt, NewRun, PinChange, RunUpdate, StepReceipt,
    StepUpdate,
};
use ipvm_ipld::{Block, Cid, codec};

/// A block as a row.
pub(crate) struct BlockRow {
    pub(crate) key: i64,
    pub(crate) cid: Cid,
    /// Length in bytes.
    pub(crate) size: i64,
    /// `None` for a block that is a file.
    pub(crate) data: Option<Vec<u8>>,
}

/// A receipt as a row; its id is given by the writer.
pub(crate) struct ReceiptRow {
    pub(crate) keys: KeyRow,
    pub(crate) block: Vec<u8>,
}

/// A batch that is ready for a transaction.
pub(crate) struct Prepared {
    pub(crate) blocks: Vec<BlockRow>,
    pub(crate) receipts: Vec<ReceiptRow>,
    pub(crate) runs: Vec<NewRun>,
    pub(crate) run_updates: Vec<RunUpdate>,
    pub(crate) steps: Vec<StepUpdate>,
    pub(crate) pins: Vec<PinChange>,
    pub(crate) authority: Vec<AuthorityChange>,
    pub(crate) journal: Vec<JournalChange>,
    /// Rows that it writes.
    pub(crate) rows: usize,
    /// Bytes that it holds in memory.
    pub(crate) bytes: usize,
}

/// Checks the batch and makes its large blocks durable. `is_stored` says whether a large block has its row and its
/// file already.
pub(crate) fn prepare(
    batch: Batch,
    keyer: &Keyer,
    files: &BlockFiles,
    is_stored: &dyn Fn(&Block) -> Result<bool, StoreError>,
) -> Result<Prepared, StoreError> {
    check(&batch)?;
    let rows = batch.items();
    let mut large = Vec::new();
    for block in batch
        .blocks
        .iter()
        .filter(|block| block.data().len() > INLINE_BYTES_MAX)
    {
        if !is_stored(block)? {
            large.push(block);
        }
    }
    files.write(&large)?;
    let blocks: Vec<BlockRow> = batch
        .blocks
        .into_iter()
        .map(|block| block_row(block, keyer))
        .collect();
    let receipts: Vec<ReceiptRow> = batch
        .receipts
        .into_iter()
        .map(|receipt| receipt_row(receipt, keyer))
        .collect();
    let inline: usize = blocks
        .iter()
        .filter_map(|block| block.data.as_ref())
        .map(Vec::len)
        .sum();
    let bytes = inline
        + receipts
            .iter()
            .map(|receipt| receipt.block.len())
            .sum::<usize>();
    Ok(Prepared {
        blocks,
        receipts,
        runs: batch.runs,
        run_updates: batch.run_updates,
        steps: batch.steps,
        pins: batch.pins,
        authority: batch.authority,
        journal: batch.journal,
        rows,
        bytes,
    })
}

fn check(batch: &Batch) -> Result<(), StoreError> {
    let (items, bytes) = (batch.items(), batch.bytes());
    if items > BATCH_ITEMS_MAX || bytes > BATCH_BYTES_MAX {
        let (max_items, max_bytes) = (BATCH_ITEMS_MAX, BATCH_BYTES_MAX);
        return Err(StoreError::BatchTooLarge {
            items,
            bytes,
            max_items,
            max_bytes,
        });
    }
    let mut blocks = batch
        .blocks
        .iter()
        .chain(batch.receipts.iter().map(|receipt| &receipt.block));
    if let Some(block) = blocks.find(|block| block.data().len() > BLOCK_BYTES_MAX) {
        let cid = Box::new(*block.cid());
        return Err(StoreError::BlockTooLarge {
            cid,
            bytes: block.data().len(),
            max: BLOCK_BYTES_MAX,
        });
    }
    let mut receipts = batch.receipts.iter().map(|receipt| receipt.block.cid());
    if let Some(cid) = receipts.find(|cid| !may_be_receipt(cid)) {
        return Err(StoreError::NotAReceipt {
            cid: Box::new(*cid),
        });
    }
    let receipts = batch.receipts.len();
    for step in &batch.steps {
        if let Some(StepReceipt::InBatch(position)) = step.receipt
            && position >= receipts
        {
            return Err(StoreError::StepReceipt {
                run: step.run,
                position,
                receipts,
            });
        }
    }
    Ok(())
}

/// Whether something with this CID can be a receipt.
pub(crate) fn may_be_receipt(cid: &Cid) -> bool {
    matches!(cid.codec(), codec::DAG_CBOR | codec::SEALED)
}

fn block_row(block: Block, keyer: &Keyer) -> BlockRow {
    let (cid, data) = block.into_parts();
    let size = data.len() as i64;
    BlockRow {
        key: keyer.key(&cid),
        cid,
        size,
        data: (data.len() <= INLINE_BYTES_MAX).then_some(data),
    }
}

fn receipt_row(receipt: NewReceipt, keyer: &Keyer) -> ReceiptRow {
    let (cid, block) = receipt.block.into_parts();
    let keys = KeyRow {
        id: 0,
        cid: keyer.key(&cid),
        task: keyer.key(&receipt.keys.task),
        computation: receipt
            .keys
            .computation
            .map(|computation| keyer.key(&computation)),
    };
    ReceiptRow { keys, block }
}
