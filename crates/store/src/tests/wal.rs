//! The WAL. Without these: it would grow without bound, be grown anew for every commit, or delay the next opening.

use super::fixture::{keys_of, put, receipt_of};
use crate::Store;
use crate::limits::{WAL_GROW_MIN, WAL_KEEP_BYTES};
use crate::wal::file_len;

#[test]
fn the_wal_is_grown_ahead_and_stays_when_closed() {
    let home = tempfile::tempdir().unwrap();
    let wal = home.path().join("store").join("main.db-wal");
    let store = Store::open(home.path(), keys_of).unwrap();
    put(&store, receipt_of(0, 0, 0, 0));
    // The first commit has returned before the file is grown; the second is committed after it.
    put(&store, receipt_of(1, 0, 1, 0));
    let len = file_len(&wal);
    assert!(len >= WAL_GROW_MIN, "{len}");
    put(&store, receipt_of(2, 0, 2, 0));
    assert_eq!(
        file_len(&wal),
        len,
        "a commit that fits does not change the file's length"
    );
    drop(store);
    assert_eq!(file_len(&wal), len, "it is kept");
    let store = Store::open(home.path(), keys_of).unwrap();
    (3..6).for_each(|n| put(&store, receipt_of(n, 0, n, 0)));
    assert_eq!(file_len(&wal), len, "and used again");
    assert_eq!(store.stat().unwrap().receipts, 6);
}

#[test]
fn the_wal_is_bounded_and_emptied_when_closed() {
    let home = tempfile::tempdir().unwrap();
    let wal = home.path().join("store").join("main.db-wal");
    let store = Store::open(home.path(), keys_of).unwrap();
    let mut longest = 0;
    for n in 0..600 {
        put(&store, receipt_of(n, n, n, 120_000));
        longest = longest.max(file_len(&wal));
    }
    assert!(longest > WAL_KEEP_BYTES, "it was used: {longest}");
    assert!(
        longest < 48 << 20,
        "72 MB were committed, and the WAL started over: {longest}"
    );
    drop(store);
    assert!(file_len(&wal) <= WAL_KEEP_BYTES);
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(store.stat().unwrap().receipts, 600);
}
