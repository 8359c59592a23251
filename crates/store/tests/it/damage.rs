//! Damaged data. Without these: wrong bytes could be returned, or damage could not be mended.

use crate::fixture::{keys_of, put, put_block, receipt};
use ipvm_store::{INLINE_BYTES_MAX, Store, StoreError};
use rusqlite::{Connection, params};
use std::fs;
use std::path::{Path, PathBuf};

/// Changes `main.db` behind the store's back.
fn tamper(home: &Path, sql: &str, value: &[u8]) {
    let conn = Connection::open(home.join("store").join("main.db")).unwrap();
    assert_eq!(
        conn.execute(sql, params![value]).unwrap(),
        1,
        "the fault happened"
    );
}

fn block_file(home: &Path) -> PathBuf {
    let shard = fs::read_dir(home.join("blocks"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::read_dir(shard).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_damaged_block_row_is_named_and_mended_by_storing_it_again() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let cid = put_block(&store, b"content");
    tamper(home.path(), "UPDATE block SET data = ?1", b"Content");
    let error = store.get(&cid).unwrap_err();
    assert!(
        matches!(&error, StoreError::BlockDamaged { place, .. } if place.contains("row 1 of")),
        "{error}"
    );
    assert!(error.to_string().contains(&cid.to_string()), "{error}");
    put_block(&store, b"content");
    assert_eq!(store.get(&cid).unwrap().as_deref(), Some(&b"content"[..]));
    assert_eq!(store.stat().unwrap().blocks, 1);
}

#[test]
fn a_damaged_block_file_is_named_and_mended_by_storing_it_again() {
    let data = vec![3; INLINE_BYTES_MAX + 10];
    let flip = |path: &Path| fs::write(path, vec![4; INLINE_BYTES_MAX + 10]).unwrap();
    let shorten = |path: &Path| fs::write(path, [3; 5]).unwrap();
    let lengthen = |path: &Path| fs::write(path, vec![3; 9 << 20]).unwrap();
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let faults: [&dyn Fn(&Path); 4] = [&flip, &shorten, &lengthen, &remove];
    for fault in faults {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path(), keys_of).unwrap();
        let cid = put_block(&store, &data);
        let path = block_file(home.path());
        fault(&path);
        let error = store.get(&cid).unwrap_err();
        assert!(
            matches!(&error, StoreError::BlockDamaged { place, .. } if *place == path.display().to_string()),
            "{error}"
        );
        put_block(&store, &data);
        assert_eq!(store.get(&cid).unwrap().as_ref(), Some(&data));
    }
}

#[test]
fn a_damaged_receipt_is_never_an_answer() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let good = receipt(1, 2, 3);
    put(&store, good.clone());
    tamper(
        home.path(),
        "UPDATE receipt SET block = ?1",
        receipt(1, 2, 4).block.data(),
    );
    let results = [
        store.receipt(good.block.cid()).map(drop),
        store.get(good.block.cid()).map(drop),
        store.receipts_by_task(&good.keys.task).map(drop),
        store
            .receipts_by_computation(&good.keys.computation.unwrap())
            .map(drop),
        store.recent_receipts(None, 5).map(drop),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert!(
            matches!(error, StoreError::ReceiptDamaged { row, .. } if row.0 == 1),
            "{error}"
        );
    }
}

/// A row whose bytes are good but that is filed under another task is no answer for that task.
#[test]
fn a_receipt_under_a_wrong_key_is_passed_over() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    let mut wrong = receipt(1, 2, 3);
    wrong.keys = receipt(5, 6, 7).keys;
    put(&store, wrong.clone());
    assert_eq!(store.receipts_by_task(&wrong.keys.task).unwrap(), []);
    assert_eq!(
        store
            .receipts_by_computation(&wrong.keys.computation.unwrap())
            .unwrap(),
        []
    );
    assert!(store.receipt(wrong.block.cid()).unwrap().is_some());
}

#[test]
fn a_damaged_run_is_an_error() {
    use ipvm_store::{Batch, StepState, StepUpdate};
    for sql in [
        "UPDATE run SET workflow = ?1",
        "UPDATE run SET status = 99, invocation = ?1 || NULL",
        "UPDATE step SET state = 99 + 0 * length(?1)",
    ] {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(home.path(), keys_of).unwrap();
        let id = store.new_run_id();
        let mut batch = Batch::new();
        batch.run(crate::fixture::run(id, 1));
        batch.step(StepUpdate {
            run: id,
            index: 0,
            state: StepState::Ok,
            receipt: None,
        });
        store.commit(batch).unwrap();
        tamper(home.path(), sql, b"no CID");
        let error = store.run(id).and_then(|_| store.steps(id)).unwrap_err();
        assert!(
            matches!(error, StoreError::RunDamaged { run, .. } if run == id),
            "{sql}: {error}"
        );
    }
}
