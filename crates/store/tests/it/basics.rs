//! Storing and reading back. Without these: a block or receipt could be lost, doubled, or half a batch stored.

use crate::fixture::{keys_of, named, put, put_block, receipt, run, serial, serials};
use ipvm_ipld::{Block, codec};
use ipvm_store::{
    BLOCK_BYTES_MAX, Batch, INLINE_BYTES_MAX, NewReceipt, ReceiptId, RunId, RunStatus, RunUpdate,
    StepReceipt, StepState, StepUpdate, Store, StoreError,
};
use std::sync::mpsc;

#[test]
fn blocks_of_every_size_come_back() {
    let home = tempfile::tempdir().unwrap();
    let sizes = [
        0,
        1,
        4096,
        INLINE_BYTES_MAX,
        INLINE_BYTES_MAX + 1,
        1 << 20,
        BLOCK_BYTES_MAX,
    ];
    let check = |store: &Store, size: usize| {
        let data = vec![size as u8; size];
        let cid = ipvm_ipld::cid_of(codec::RAW, &data);
        assert!(store.has(&cid).unwrap(), "{size}");
        assert_eq!(store.get(&cid).unwrap(), Some(data), "{size}");
    };
    let store = Store::open(home.path(), keys_of).unwrap();
    for size in sizes {
        put_block(&store, &vec![size as u8; size]);
        check(&store, size);
    }
    drop(store);
    let store = Store::open(home.path(), keys_of).unwrap();
    sizes.into_iter().for_each(|size| check(&store, size));
    let stat = store.stat().unwrap();
    assert_eq!((stat.blocks, stat.block_files), (sizes.len() as u64, 3));
    assert_eq!(
        stat.block_file_bytes as usize,
        INLINE_BYTES_MAX + 1 + (1 << 20) + BLOCK_BYTES_MAX
    );
}

#[test]
fn what_is_not_there_is_none() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let cid = named(1);
    assert!(!store.has(&cid).unwrap());
    assert_eq!(store.get(&cid).unwrap(), None);
    assert_eq!(store.receipt(&cid).unwrap(), None);
    assert_eq!(store.receipt_at(ReceiptId(1)).unwrap(), None);
    assert_eq!(store.receipts_by_task(&cid).unwrap(), []);
    assert_eq!(store.receipts_by_computation(&cid).unwrap(), []);
    assert_eq!(store.recent_receipts(None, 10).unwrap(), []);
    assert_eq!(store.run(RunId(1)).unwrap(), None);
    assert_eq!(store.steps(RunId(1)).unwrap(), []);
}

#[test]
fn the_same_block_is_stored_once() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    for data in [vec![7; 10], vec![8; INLINE_BYTES_MAX + 1]] {
        put_block(&store, &data);
        put_block(&store, &data);
        let mut twice = Batch::new();
        twice
            .block(Block::new(codec::RAW, data.clone()))
            .block(Block::new(codec::RAW, data.clone()));
        store.commit(twice).unwrap();
    }
    assert_eq!(store.stat().unwrap().blocks, 2);
}

#[test]
fn a_receipt_is_found_by_cid_task_and_computation() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let new = receipt(1, 2, 3);
    let cid = *new.block.cid();
    put(&store, new.clone());
    put(&store, receipt(4, 0, 5));
    let stored = store.receipt(&cid).unwrap().unwrap();
    assert_eq!(
        (stored.cid, stored.block.as_slice()),
        (cid, new.block.data())
    );
    assert_eq!(
        store.receipts_by_task(&named(1)).unwrap(),
        std::slice::from_ref(&stored)
    );
    assert_eq!(
        store.receipts_by_computation(&named(2)).unwrap(),
        std::slice::from_ref(&stored)
    );
    assert_eq!(store.receipt_at(stored.id).unwrap(), Some(stored.clone()));
    assert_eq!(store.get(&cid).unwrap(), Some(stored.block));
    assert!(store.has(&cid).unwrap());
    assert_eq!(
        store.receipts_by_task(&named(2)).unwrap(),
        [],
        "a computation is no task"
    );
    assert_eq!(store.receipts_by_computation(&named(1)).unwrap(), []);
}

#[test]
fn a_task_may_have_many_receipts_oldest_first() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    (0..5).for_each(|serial| put(&store, receipt(1, 1, serial)));
    assert_eq!(serials(&store, 1), [0, 1, 2, 3, 4]);
    put(&store, receipt(1, 1, 2));
    assert_eq!(
        serials(&store, 1),
        [0, 1, 2, 3, 4],
        "one that is stored twice is returned once"
    );
}

#[test]
fn receipts_are_listed_newest_first_in_pages() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    (0..7).for_each(|serial| put(&store, receipt(serial, 0, serial)));
    let mut listed = Vec::new();
    let mut before = None;
    loop {
        let page = store.recent_receipts(before, 3).unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        listed.extend(page.iter().map(serial));
    }
    assert_eq!(listed, [6, 5, 4, 3, 2, 1, 0]);
}

/// Everything in a batch, around one item that cannot be stored.
fn mixed_batch(run_id: RunId, bad: impl FnOnce(&mut Batch)) -> Batch {
    let mut batch = Batch::new();
    batch.block(Block::new(codec::RAW, b"small".to_vec()));
    let receipt = batch.receipt(receipt(1, 1, 1));
    batch.run(run(run_id, 9));
    batch.step(StepUpdate {
        run: run_id,
        index: 0,
        state: StepState::Ok,
        receipt: Some(receipt),
    });
    bad(&mut batch);
    batch
}

#[test]
fn a_batch_is_stored_whole_or_not_at_all() {
    let unknown = RunId(77);
    let step = |run, receipt| StepUpdate {
        run,
        index: 1,
        state: StepState::Ok,
        receipt,
    };
    type Bad = Box<dyn FnOnce(&mut Batch)>;
    let cases: [(&str, Bad); 5] = [
        (
            "no run 77",
            Box::new(move |batch| {
                batch.step(step(unknown, None));
            }),
        ),
        (
            "no run 77",
            Box::new(move |batch| {
                batch.run_update(RunUpdate {
                    id: unknown,
                    status: RunStatus::Ok,
                    finished: None,
                });
            }),
        ),
        (
            "exists already",
            Box::new(|batch| {
                batch.run(run(RunId(1), 9));
            }),
        ),
        (
            "names receipt 5",
            Box::new(move |batch| {
                batch.step(step(RunId(1), Some(StepReceipt::InBatch(5))));
            }),
        ),
        (
            "the limit is",
            Box::new(|batch| {
                batch.block(Block::new(codec::RAW, vec![0; BLOCK_BYTES_MAX + 1]));
            }),
        ),
    ];
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    for (expect, bad) in cases {
        let error = store.commit(mixed_batch(RunId(1), bad)).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
        let stat = store.stat().unwrap();
        assert_eq!(
            (stat.receipts, stat.blocks, stat.runs),
            (0, 0, 0),
            "{expect}"
        );
        assert!(serials(&store, 1).is_empty(), "{expect}");
    }
    store.commit(mixed_batch(RunId(1), |_| {})).unwrap();
    assert_eq!(serials(&store, 1), [1]);
    assert_eq!(store.steps(RunId(1)).unwrap().len(), 1);
}

#[test]
fn a_batch_over_its_limits_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let mut many = Batch::new();
    (0..=ipvm_store::BATCH_ITEMS_MAX as u64).for_each(|serial| {
        many.receipt(receipt(1, 1, serial));
    });
    assert!(matches!(
        store.commit(many),
        Err(StoreError::BatchTooLarge { .. })
    ));
    let mut heavy = Batch::new();
    (0..17).for_each(|n| {
        heavy.block(Block::new(codec::RAW, vec![n; BLOCK_BYTES_MAX]));
    });
    assert!(matches!(
        store.commit(heavy),
        Err(StoreError::BatchTooLarge { .. })
    ));
    store.commit(Batch::new()).unwrap();
}

/// The callback runs once for each batch, in order, and what it announces can be looked up.
#[test]
fn submitters_are_told_in_order() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let (sender, told) = mpsc::channel();
    for serial in 0..200 {
        let mut batch = Batch::new();
        let NewReceipt { block, keys } = receipt(serial, 1, serial);
        batch.receipt(NewReceipt { block, keys });
        let sender = sender.clone();
        store.submit(
            batch,
            Box::new(move |durable| sender.send((serial, durable.is_ok())).unwrap()),
        );
    }
    for expect in 0..200 {
        assert_eq!(told.recv().unwrap(), (expect, true));
        assert_eq!(serials(&store, expect), [expect]);
    }
}

/// Without this, a chain of commits would change threads twice for each wait for the disk, or a batch that nobody writes
/// himself would wait for the next.
#[test]
fn a_batch_is_written_by_whom_has_nothing_else_to_do_or_else_by_the_writers_thread() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let (sender, told) = mpsc::channel();
    let enqueue = |serial| {
        let mut batch = Batch::new();
        batch.receipt(receipt(serial, 1, serial));
        let sender = sender.clone();
        let tell = move |durable: Result<_, _>| {
            let by = std::thread::current().id();
            sender.send((serial, by, durable.is_ok())).unwrap();
        };
        store.enqueue(batch, Box::new(tell))
    };
    let here = std::thread::current().id();
    let (first, second) = (enqueue(0), enqueue(1));
    second.serve();
    for serial in 0..2 {
        assert_eq!(told.try_recv(), Ok((serial, here, true)), "both, in order");
        assert_eq!(serials(&store, serial), [serial]);
    }
    first.serve();
    assert!(told.try_recv().is_err(), "what is written is written once");
    drop(enqueue(2));
    let (serial, by, durable) = told.recv().unwrap();
    assert!((serial, durable) == (2, true) && by != here);
}

/// A process that ends in an orderly way loses nothing of what it submitted, even unacknowledged.
#[test]
fn dropping_the_store_commits_what_waits() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    for serial in 0..500 {
        let mut batch = Batch::new();
        batch.receipt(receipt(1, 1, serial));
        store.submit(batch, Box::new(|durable| durable.unwrap()));
    }
    drop(store);
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(serials(&store, 1), (0..500).collect::<Vec<_>>());
}

/// Readers in other threads see complete batches only, while the index is being merged behind them.
#[test]
fn threads_read_while_one_writes() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    const BATCHES: u64 = 300;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < BATCHES {
                    let now = store.receipts_by_computation(&named(1)).unwrap().len() as u64;
                    assert!(now >= seen && now.is_multiple_of(2), "{now} after {seen}");
                    seen = now;
                }
            });
        }
        for serial in (0..BATCHES).step_by(2) {
            let mut batch = Batch::new();
            batch.receipt(receipt(serial, 1, serial));
            batch.receipt(receipt(serial, 1, serial + 1));
            store.commit(batch).unwrap();
        }
    });
}

#[test]
fn only_dag_cbor_can_be_a_receipt() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let NewReceipt { block, keys } = receipt(1, 1, 1);
    let block = Block::new(codec::RAW, block.into_parts().1);
    let mut batch = Batch::new();
    batch.receipt(NewReceipt { block, keys });
    assert!(matches!(
        store.commit(batch),
        Err(StoreError::NotAReceipt { .. })
    ));
}

#[test]
fn cids_are_found_by_their_first_characters() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let new = receipt(1, 1, 1);
    let of_receipt = *new.block.cid();
    put(&store, new);
    let of_block = put_block(&store, b"a block");
    let mut batch = Batch::new();
    batch.run(run(store.new_run_id(), 5));
    store.commit(batch).unwrap();
    for cid in [of_receipt, of_block, named(5)] {
        let text = cid.to_string();
        for len in [20, text.len()] {
            assert_eq!(store.find_by_prefix(&text[..len]).unwrap(), [cid]);
        }
        assert_eq!(store.find_by_prefix(&text[..7]).unwrap(), [], "too short");
        assert_eq!(
            store.find_by_prefix(&text[1..30]).unwrap(),
            [],
            "not the start"
        );
    }
    // Both are DAG-CBOR with sha2-256, which the first seven characters say.
    assert_eq!(of_receipt.to_string()[..7], named(5).to_string()[..7]);
    (0..40_u8).for_each(|n| {
        put_block(&store, &[n]);
    });
    let many = store.find_by_prefix("bafkreia").unwrap();
    assert!(
        many.iter()
            .all(|cid| cid.to_string().starts_with("bafkreia")),
        "{many:?}"
    );
}
