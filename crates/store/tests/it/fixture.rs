//! Stand-ins for receipts: bytes from which keys can be read, made from small numbers. Shared with the tests inside
//! the crate.

use ipvm_ipld::{Block, Cid, cid_of, codec};
use ipvm_store::{Batch, NewReceipt, NewRun, ReceiptKeys, RunId, Store, StoredReceipt};

/// First byte of a stand-in.
const MAGIC: u8 = b'R';

/// The CID of a task or computation with this number.
pub(crate) fn named(number: u64) -> Cid {
    cid_of(codec::DAG_CBOR, &number.to_be_bytes())
}

/// The inverse of [`receipt`] as far as the store needs it.
pub(crate) fn keys_of(bytes: &[u8]) -> Option<ReceiptKeys> {
    let (&magic, rest) = bytes.split_first()?;
    let (task, rest) = rest.split_first_chunk::<8>()?;
    let (computation, _) = rest.split_first_chunk::<8>()?;
    let computation = u64::from_be_bytes(*computation);
    (magic == MAGIC).then(|| ReceiptKeys {
        task: named(u64::from_be_bytes(*task)),
        computation: (computation != 0).then(|| named(computation)),
    })
}

/// A receipt for task `task` and computation `computation` (0: none), told apart from others by `serial`.
pub(crate) fn receipt(task: u64, computation: u64, serial: u64) -> NewReceipt {
    receipt_of(task, computation, serial, 0)
}

/// The same with `padding` more bytes.
pub(crate) fn receipt_of(task: u64, computation: u64, serial: u64, padding: usize) -> NewReceipt {
    let mut bytes = vec![MAGIC];
    for number in [task, computation, serial] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.resize(bytes.len() + padding, 0x5a);
    let keys = keys_of(&bytes).unwrap();
    NewReceipt {
        block: Block::new(codec::DAG_CBOR, bytes),
        keys,
    }
}

/// The serial number of a stored receipt.
pub(crate) fn serial(receipt: &StoredReceipt) -> u64 {
    u64::from_be_bytes(*receipt.block[17..].first_chunk().unwrap())
}

/// A run of workflow number `workflow`.
pub(crate) fn run(id: RunId, workflow: u64) -> NewRun {
    NewRun {
        id,
        workflow: named(workflow),
        name: None,
        source: None,
        invocation: None,
        started: 1_700_000_000,
        tasks: 3,
    }
}

/// Commits one receipt.
pub(crate) fn put(store: &Store, receipt: NewReceipt) {
    let mut batch = Batch::new();
    batch.receipt(receipt);
    store.commit(batch).unwrap();
}

/// Commits one block.
pub(crate) fn put_block(store: &Store, data: &[u8]) -> Cid {
    let block = Block::new(codec::RAW, data.to_vec());
    let cid = *block.cid();
    let mut batch = Batch::new();
    batch.block(block);
    store.commit(batch).unwrap();
    cid
}

/// The serial numbers of the receipts for a task, in the order in which they come.
pub(crate) fn serials(store: &Store, task: u64) -> Vec<u64> {
    store
        .receipts_by_task(&named(task))
        .unwrap()
        .iter()
        .map(serial)
        .collect()
}
