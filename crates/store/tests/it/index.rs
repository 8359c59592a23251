//! The index file. Without these: deleting, tearing or mixing up `index.db` could lose or invent answers.

use crate::fixture::{keys_of, named, put, receipt, serials};
use ipvm_store::{Batch, ReceiptId, Store};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};

/// Receipts in the stores below: enough that closing merges them into the index.
const RECEIPTS: u64 = 3_000;
/// Receipts per task and per computation in them.
const PER_TASK: u64 = 3;

fn index_db(home: &Path) -> PathBuf {
    home.join("store").join("index.db")
}

fn fill(home: &Path, from: u64, to: u64) {
    let store = Store::open(home, keys_of).unwrap();
    let mut batch = Batch::new();
    for serial in from..to {
        batch.receipt(receipt(serial / PER_TASK, 1 + serial % 7, serial));
    }
    store.warm_up().unwrap();
    store.commit(batch).unwrap();
}

/// Every receipt is found by everything, and nothing else is.
fn check_all(store: &Store, count: u64) {
    for serial in (0..count).step_by(11) {
        let new = receipt(serial / PER_TASK, 1 + serial % 7, serial);
        let found = store.receipt(new.block.cid()).unwrap().unwrap();
        assert_eq!(found.id, ReceiptId(serial as i64 + 1));
        let first = serial / PER_TASK * PER_TASK;
        assert_eq!(
            serials(store, serial / PER_TASK),
            (first..count.min(first + PER_TASK)).collect::<Vec<_>>()
        );
    }
    let by_computation = store.receipts_by_computation(&named(1)).unwrap();
    assert_eq!(
        by_computation.len(),
        count
            .div_ceil(7)
            .min(ipvm_store::RECEIPTS_PER_KEY_MAX as u64) as usize
    );
    assert!(serials(store, count).is_empty());
}

fn remove_with_wal(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

/// Each of these leaves a store that answers rightly after opening, whether for writing or reading.
#[test]
fn whatever_happens_to_the_index_the_answers_are_right() {
    let delete = |path: &Path| fs::remove_file(path).unwrap();
    let empty = |path: &Path| fs::write(path, []).unwrap();
    let garbage = |path: &Path| fs::write(path, [0x77; 5_000]).unwrap();
    let halve = |path: &Path| {
        let len = fs::metadata(path).unwrap().len();
        assert!(
            len > 8 * 4096,
            "the index is in the file and not only in its WAL: {len}"
        );
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(len / 2)
            .unwrap();
    };
    let scribble = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0xee);
        fs::write(path, bytes).unwrap();
    };
    let other_store = |path: &Path| {
        let other = tempfile::tempdir().unwrap();
        fill(other.path(), 5_000, 9_000);
        checkpoint(other.path());
        remove_with_wal(path);
        fs::copy(index_db(other.path()), path).unwrap();
    };
    let old_layout = |path: &Path| {
        Connection::open(path)
            .unwrap()
            .pragma_update(None, "user_version", 0)
            .unwrap()
    };
    let no_tables = |path: &Path| {
        Connection::open(path)
            .unwrap()
            .execute_batch("DROP TABLE by_task")
            .unwrap()
    };
    type Fault<'a> = &'a dyn Fn(&Path);
    let faults: [(&str, Fault<'_>); 8] = [
        ("delete", &delete),
        ("empty", &empty),
        ("garbage", &garbage),
        ("halve", &halve),
        ("scribble", &scribble),
        ("other_store", &other_store),
        ("old_layout", &old_layout),
        ("no_tables", &no_tables),
    ];
    for (name, fault) in faults {
        println!("{name}");
        let home = tempfile::tempdir().unwrap();
        fill(home.path(), 0, RECEIPTS);
        checkpoint(home.path());
        fault(&index_db(home.path()));
        let store = Store::open(home.path(), keys_of).unwrap();
        check_all(&store, RECEIPTS);
        put(
            &store,
            receipt(RECEIPTS / PER_TASK, 1 + RECEIPTS % 7, RECEIPTS),
        );
        check_all(&store, RECEIPTS + 1);
        drop(store);
        let reader = Store::open_read_only(home.path(), keys_of).unwrap();
        check_all(&reader, RECEIPTS + 1);
    }
}

/// What is lost with the index's WAL is what a power cut may lose: the last merges.
#[test]
fn a_lost_index_wal_is_made_good() {
    let home = tempfile::tempdir().unwrap();
    fill(home.path(), 0, RECEIPTS);
    fs::remove_file(format!("{}-wal", index_db(home.path()).display())).unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    check_all(&store, RECEIPTS);
}

/// Moves what is in the index's WAL into its file, so that a fault in the file has something to hit.
fn checkpoint(home: &Path) {
    let conn = Connection::open(index_db(home)).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
}

#[test]
fn a_reader_without_an_index_answers_from_memory() {
    let home = tempfile::tempdir().unwrap();
    fill(home.path(), 0, RECEIPTS);
    remove_with_wal(&index_db(home.path()));
    let reader = Store::open_read_only(home.path(), keys_of).unwrap();
    check_all(&reader, RECEIPTS);
    assert_eq!(reader.stat().unwrap().indexed, None);
    assert!(!index_db(home.path()).exists(), "a reader writes nothing");
}

/// Receipts of a restored older `main.db` must not be mistaken for those that the index covers.
#[test]
fn an_older_main_db_gets_a_new_index() {
    let home = tempfile::tempdir().unwrap();
    fill(home.path(), 0, 10);
    let main = home.path().join("store").join("main.db");
    Connection::open(&main)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let backup = fs::read(&main).unwrap();
    fill(home.path(), 10, RECEIPTS);
    remove_with_wal(&main);
    fs::write(&main, &backup).unwrap();

    let store = Store::open(home.path(), keys_of).unwrap();
    check_all(&store, 10);
    drop(store);
    // The same row numbers again, with other receipts: 20,000 tasks further on.
    let store = Store::open(home.path(), keys_of).unwrap();
    let mut batch = Batch::new();
    (0..RECEIPTS).for_each(|serial| {
        batch.receipt(receipt(20_000, 0, serial));
    });
    store.commit(batch).unwrap();
    drop(store);
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(
        store.receipts_by_task(&named(20_000)).unwrap().len(),
        ipvm_store::RECEIPTS_PER_KEY_MAX
    );
    assert!(serials(&store, 100).is_empty());
}

#[test]
fn closing_merges_what_is_worth_it() {
    let home = tempfile::tempdir().unwrap();
    fill(home.path(), 0, RECEIPTS);
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(
        store.stat().unwrap().indexed,
        Some(ReceiptId(RECEIPTS as i64))
    );
}
