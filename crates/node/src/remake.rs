//! Making content again that was given up for space.

use ipvm_ipld::{Cid, links_of_value};
use ipvm_store::{Batch, ReceiptId};
use ipvm_ucan::Receipt;
use ipvm_wasm::Cancel;

use crate::{Node, NodeError};

/// Newest receipts among which the one is looked for that made a result.
const MAX_SEARCHED: usize = 100_000;
/// Receipts read at a time.
const PAGE: usize = 1_000;

impl Node {
    /// Whether the content with this CID, or a part of it, was given up for space.
    ///
    /// # Errors
    /// The store cannot be read, or what is there is damaged.
    pub fn is_given_up(&self, cid: &Cid) -> Result<bool, NodeError> {
        Ok(!self.store().is_whole(vec![*cid])?)
    }

    /// Does the task again whose result has this content, and stores the content.
    ///
    /// # Errors
    /// None of the newest receipts here names it, the result comes out otherwise, something that the task needs is not
    /// here, the store cannot be written, or `cancel` was set.
    pub fn remake(&self, cid: &Cid, cancel: &Cancel) -> Result<(), NodeError> {
        let receipt = self.maker_of(cid)?.ok_or(NodeError::GivenUp(*cid))?;
        let redone = self.redo(&receipt, cancel)?;
        if redone.out != receipt.payload().out {
            return Err(NodeError::Content(format!(
                "{cid} was computed again and came out otherwise than receipt {} says",
                receipt.cid()
            )));
        }
        let mut batch = Batch::new();
        redone.blocks.into_iter().for_each(|block| {
            batch.block(block);
        });
        Ok(self.store().commit(batch)?)
    }

    /// The newest receipt whose result names this content.
    fn maker_of(&self, cid: &Cid) -> Result<Option<Receipt>, NodeError> {
        let mut before: Option<ReceiptId> = None;
        for _ in 0..MAX_SEARCHED / PAGE {
            let page = self.store().recent_receipts(before, PAGE)?;
            let Some(oldest) = page.last() else { break };
            before = Some(oldest.id);
            for row in &page {
                let Ok(receipt) = Receipt::decode(&row.block) else {
                    continue;
                };
                let payload = receipt.payload();
                if payload.meta.computation.is_some()
                    && links_of_value(payload.out.value()).contains(cid)
                {
                    return Ok(Some(receipt));
                }
            }
        }
        Ok(None)
    }
}
