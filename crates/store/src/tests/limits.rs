//! Small limits, and what happens at them. Without these: a full disk could lose neighbours or stop the store for
//! good, one bad batch could fail others, a full tail could drop keys.

use super::fixture::{keys_of, named, put, receipt, receipt_of, run, serials};
use crate::limits::QUEUE_BATCHES_MAX;
use crate::options::Tuning;
use crate::{Batch, RunId, StepState, StepUpdate, Store, StoreError};
use std::sync::mpsc;

fn small() -> Tuning {
    Tuning {
        tail_rows_max: 20,
        merge_rows_min: 4,
        merge_rows_max: 8,
        rebuild_rows: 16,
        ..Tuning::default()
    }
}

#[test]
fn a_full_tail_is_merged_by_the_writer() {
    let home = tempfile::tempdir().unwrap();
    // The background thread never finds a merge worth its while, so the writer has to.
    let tuning = Tuning {
        tail_rows_max: 20,
        merge_rows_min: usize::MAX,
        merge_rows_max: usize::MAX,
        ..Tuning::default()
    };
    let store = Store::open_tuned(home.path(), keys_of, tuning).unwrap();
    (0..100).for_each(|n| put(&store, receipt(n, 1, n)));
    assert!(store.index.backlog() <= 20);
    assert!(store.stat().unwrap().indexed.unwrap().0 >= 80);
    (0..100).for_each(|n| assert_eq!(serials(&store, n), [n]));
    assert_eq!(store.receipts_by_computation(&named(1)).unwrap().len(), 100);
}

/// A rebuild that does not fit into memory goes into the index in parts.
#[test]
fn a_large_index_is_rebuilt_in_parts() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_tuned(home.path(), keys_of, small()).unwrap();
    let mut batch = Batch::new();
    (0..crate::limits::LOAD_ROWS as u64 - 100).for_each(|n| {
        batch.receipt(receipt(n, 1, n));
    });
    store.commit(batch).unwrap();
    (70_000..70_500).for_each(|n| put(&store, receipt(n, 1, n)));
    drop(store);
    std::fs::remove_file(home.path().join("store").join("index.db")).unwrap();
    let store = Store::open_tuned(home.path(), keys_of, small()).unwrap();
    for n in (0..60_000).step_by(997).chain(70_000..70_500) {
        assert_eq!(serials(&store, n), [n]);
    }
    assert!(store.stat().unwrap().indexed.unwrap().0 >= crate::limits::LOAD_ROWS as i64);
    // The next merge goes on from there.
    (80_000..80_030).for_each(|n| put(&store, receipt(n, 1, n)));
    drop(store);
    let store = Store::open_tuned(home.path(), keys_of, small()).unwrap();
    for n in (0..60_000)
        .step_by(997)
        .chain(70_000..70_500)
        .chain(80_000..80_030)
    {
        assert_eq!(serials(&store, n), [n]);
    }
}

/// A reader follows a writer whose index moves on, and forgets what the index has.
#[test]
fn a_reader_with_a_full_tail_goes_on_from_the_index() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open_tuned(home.path(), keys_of, small()).unwrap();
    let reader = Store::open_read_only_tuned(home.path(), keys_of, small()).unwrap();
    for n in 0..200 {
        put(&store, receipt(n, 1, n));
        if n % 10 == 9 {
            store.index.merge(&mut || {}).unwrap();
        }
        assert_eq!(serials(&reader, n), [n]);
        assert_eq!(serials(&reader, n / 2), [n / 2]);
    }
    assert!(reader.index.backlog() <= 20);
    drop(store);
    std::fs::remove_file(home.path().join("store").join("index.db")).unwrap();
    let reader = Store::open_read_only_tuned(home.path(), keys_of, small()).unwrap();
    let error = reader.receipts_by_task(&named(1)).unwrap_err();
    assert!(matches!(error, StoreError::IndexAbsent { .. }), "{error}");
}

/// Holds the writer in a callback until the returned sender is dropped, so that what is submitted meanwhile becomes
/// one group.
fn hold_writer(store: &Store) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (entered, wait) = mpsc::channel();
    let mut batch = Batch::new();
    batch.receipt(receipt(0, 0, 0));
    store.submit(
        batch,
        Box::new(move |_| {
            entered.send(()).unwrap();
            let _ = held.recv();
        }),
    );
    wait.recv().unwrap();
    release
}

#[test]
fn a_bad_batch_does_not_fail_its_neighbours() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let release = hold_writer(&store);
    let (sender, told) = mpsc::channel();
    for n in 1..=9 {
        let mut batch = Batch::new();
        batch.receipt(receipt(n, n, n));
        if n % 4 == 0 {
            batch.step(StepUpdate {
                run: RunId(99),
                index: 0,
                state: StepState::Ok,
                receipt: None,
            });
        }
        let sender = sender.clone();
        store.submit(
            batch,
            Box::new(move |durable| sender.send((n, durable)).unwrap()),
        );
    }
    drop(release);
    for n in 1..=9 {
        let (number, durable) = told.recv().unwrap();
        assert_eq!(number, n);
        if n % 4 == 0 {
            assert!(
                matches!(durable, Err(StoreError::RunUnknown { run: RunId(99) })),
                "{durable:?}"
            );
            assert!(serials(&store, n).is_empty());
        } else {
            durable.unwrap();
            assert_eq!(serials(&store, n), [n]);
        }
    }
    // No row was left unused by what was refused: row numbers are the count.
    assert_eq!(store.stat().unwrap().receipts, 1 + 7);
}

#[test]
fn a_full_disk_tells_everybody_and_passes() {
    let home = tempfile::tempdir().unwrap();
    let tuning = Tuning {
        main_pages_max: Some(60),
        ..Tuning::default()
    };
    let store = Store::open_tuned(home.path(), keys_of, tuning).unwrap();
    let release = hold_writer(&store);
    let (sender, told) = mpsc::channel();
    for n in 1..=3 {
        let mut batch = Batch::new();
        batch.receipt(receipt_of(n, n, n, 150_000));
        let sender = sender.clone();
        store.submit(
            batch,
            Box::new(move |durable| sender.send(durable).unwrap()),
        );
    }
    drop(release);
    for _ in 0..3 {
        let error = told.recv().unwrap().unwrap_err();
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
        assert!(error.to_string().contains("free some space"), "{error}");
    }
    assert_eq!(
        store.stat().unwrap().receipts,
        1,
        "nothing of the group is there"
    );
    // What still fits is stored.
    put(&store, receipt(5, 5, 5));
    assert_eq!(serials(&store, 5), [5]);
}

/// Without this, a submitter that has told nobody of its batches would wait for ever when the queue is full.
#[test]
fn a_full_queue_is_served_although_nobody_was_told_of_it() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let (sender, told) = mpsc::channel();
    let enqueue = |_| {
        let sender = sender.clone();
        let tell = move |durable| sender.send(durable).unwrap();
        store.enqueue(Batch::new(), Box::new(tell))
    };
    let held: Vec<_> = (0..=QUEUE_BATCHES_MAX).map(enqueue).collect();
    for _ in 0..QUEUE_BATCHES_MAX {
        told.recv().unwrap().unwrap();
    }
    drop(held);
    told.recv().unwrap().unwrap();
}

/// After the disk failed, nobody waits for ever: what is queued and what comes later is refused with the reason.
#[test]
fn a_closed_queue_refuses_with_its_reason() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    put(&store, receipt(1, 1, 1));
    let mut batch = Batch::new();
    batch.run(run(store.new_run_id(), 1));
    store.stop_writing("the disk failed");
    let error = store.commit(batch).unwrap_err();
    assert!(
        matches!(&error, StoreError::Stopped { reason } if reason == "the disk failed"),
        "{error}"
    );
    assert_eq!(serials(&store, 1), [1], "reading goes on");
}

/// A callback that panics ends the writer; everybody is told, and nobody waits for ever.
#[test]
fn a_panicking_callback_leaves_nobody_waiting() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let release = hold_writer(&store);
    let mut batch = Batch::new();
    batch.receipt(receipt(1, 1, 1));
    store.submit(batch, Box::new(|_| panic!("on purpose")));
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.commit(Batch::new()));
        drop(release);
        waiting.join().unwrap()
    });
    assert!(
        matches!(waiting, Err(StoreError::Stopped { .. })),
        "{waiting:?}"
    );
    let error = store.commit(Batch::new()).unwrap_err();
    assert!(matches!(error, StoreError::Stopped { .. }), "{error}");
    drop(store);
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(
        serials(&store, 1),
        [1],
        "what was committed before the callback is there"
    );
}
