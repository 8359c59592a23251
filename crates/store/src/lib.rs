//! The store of one home: blocks, receipts, runs and their steps, on disk before anybody is told.
//!
//! ```text
//! <home>/lock            held by the one process that writes
//! <home>/store/main.db   the truth: receipts, small blocks, runs, steps (SQLite, WAL, synchronous=FULL)
//! <home>/store/index.db  look-ups by receipt, task and computation; derived, may be deleted at any time
//! <home>/blocks/xx/<cid> blocks over 64 KiB
//! ```
//!
//! - What is in one [`Batch`] is stored together or not at all. One writer thread commits all that waits as one
//!   transaction and then tells each submitter: one wait for the disk per group.
//! - The keys of receipts are cut to 64 bits and salted; what they find is checked against the full CID. The index
//!   is filled behind the commit; memory covers the receipts that it does not have yet.
//! - What is read is checked against its hash. Damage is an error that names the place, never a panic.
//! - What is sealed is kept under a name that is no hash of it: [`ipvm_ipld::sealed`]. The store has no key.
//! - What no root reaches is deleted on demand ([`Store::gc`]), and results can be given up for space ([`Store::evict`]).
//!   Both take the handle for themselves. An older layout is brought to the newest by the first handle that writes.
//! - The store knows no tokens: it never decodes a receipt itself, never verifies a signature, reads no clock;
//!   what it has to know of them, a [`Tokens`] tells it.
//!
//! ```
//! use ipvm_ipld::{Block, codec};
//! use ipvm_store::{Batch, Store};
//!
//! let home = tempfile::tempdir()?;
//! let store = Store::open(home.path(), |_| None)?;
//! let block = Block::new(codec::RAW, b"hello".to_vec());
//! let cid = *block.cid();
//!
//! let mut batch = Batch::new();
//! batch.block(block);
//! store.commit(batch)?; // on the disk when it returns
//! assert_eq!(store.get(&cid)?.as_deref(), Some(&b"hello"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[macro_use]
mod failpoint;

mod authority;
mod background;
mod blocks;
mod compact;
mod conn;
mod error;
mod evict;
mod finding;
mod gc;
mod ids;
mod index;
mod journal;
mod key;
mod limits;
mod lock;
mod marks;
mod options;
mod pins;
mod prefix;
mod prepare;
mod queue;
mod read;
mod room;
mod runs;
mod schema;
mod sealed;
mod snapshot;
mod store;
mod sweep;
mod tail;
mod tokens;
mod torn;
mod types;
mod verify;
mod wal;
mod writer;

#[cfg(test)]
extern crate self as ipvm_store;
#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use evict::Evicted;
pub use finding::{Finding, VerifyEvent, VerifyPart, VerifySummary};
pub use gc::{GcOptions, GcPart, GcReport, Keep};
pub use limits::{
    BATCH_BYTES_MAX, BATCH_ITEMS_MAX, BLOCK_BYTES_MAX, INLINE_BYTES_MAX, PAGE_ROWS_MAX,
    PREFIX_CHARS_MIN, PREFIX_FOUND_MAX, PREFIX_ROWS_MAX, RECEIPTS_PER_KEY_MAX,
};
pub use snapshot::Snapshot;
pub use store::{Enqueued, Store};
pub use tokens::{ReceiptRefs, Tokens};
pub use types::{
    Batch, Former, Intent, KeysOf, Name, NewReceipt, NewRun, NewToken, OnDurable, Pin, PinKind,
    ReceiptId, ReceiptKeys, Recipe, Role, RunFilter, RunId, RunInfo, RunStatus, RunUpdate, Setting,
    Stat, StepInfo, StepReceipt, StepState, StepUpdate, StoredReceipt, StoredToken, Value,
};
