//! Sealed blocks and receipts: kept like others, under names that only the holder of a key can make.
//!
//! Nothing here can open one. What there is to know of it without the key stands in its open head: its name, what a
//! receipt is looked up by, what is to be kept with it.

use crate::Store;
use crate::error::{Context, StoreError};
use crate::prepare::Prepared;
use crate::schema::Fact;
use crate::types::ReceiptKeys;
use ipvm_ipld::sealed::{Frame, Head, is_frame, name_of};
use ipvm_ipld::{Block, Cid, cid_of, codec};
use rusqlite::Connection;

const READING: &str = "looking whether something is sealed";

/// The CID of a stored receipt. That of a damaged one is another.
pub(crate) fn receipt_name(block: &[u8]) -> Cid {
    match Frame::parse(block) {
        Ok(frame) => name_of(&frame.head.name),
        Err(_) => cid_of(codec::DAG_CBOR, block),
    }
}

/// What a sealed receipt is looked up by; `None` if it is not sealed.
pub(crate) fn receipt_keys(block: &[u8]) -> Option<ReceiptKeys> {
    let head = head(block)?;
    Some(ReceiptKeys {
        task: name_of(&head.task?),
        computation: head.computation.as_ref().map(name_of),
    })
}

/// The open part of what is sealed; `None` if it is not.
pub(crate) fn head(bytes: &[u8]) -> Option<Head> {
    Frame::parse(bytes).ok().map(|frame| frame.head)
}

/// Whether bytes are the block of this name.
pub(crate) fn checked(cid: &Cid, data: Vec<u8>) -> Option<Vec<u8>> {
    let block = match cid.codec() {
        codec::SEALED => Block::sealed(data).ok().filter(|block| block.cid() == cid),
        _ => Block::verify(*cid, data).ok(),
    };
    block.map(|block| block.into_parts().1)
}

/// Notes that there is something sealed, if a batch has any.
pub(crate) fn note(conn: &Connection, batch: &Prepared) -> rusqlite::Result<()> {
    let is_sealed = |cid: &Cid| cid.codec() == codec::SEALED;
    let blocks = batch.blocks.iter().any(|block| is_sealed(&block.cid));
    let receipts = batch
        .receipts
        .iter()
        .any(|receipt| is_frame(&receipt.block));
    match blocks || receipts {
        true => Fact::Sealed.set(conn, 1),
        false => Ok(()),
    }
}

impl Store {
    /// Whether there was ever anything sealed here.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], or what the system said.
    pub fn has_sealed(&self) -> Result<bool, StoreError> {
        let path = self.main.path();
        self.main
            .with(|conn| Fact::Sealed.get(conn).at(path, READING))
            .map(|sealed| sealed > 0)
    }
}
