//! The WAL. Without these: it would grow without bound, be grown anew for every commit, or delay the next opening.

use super::fixture::{keys_of, put, receipt_of};
use crate::Store;
use crate::limits::{WAL_GROW_MIN, WAL_KEEP_BYTES};
use crate::options::Tuning;
use crate::wal::{Mode, checkpoint, file_len};

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
    let tuning = Tuning {
        wal_pages_max: 1_024,
        ..Tuning::default()
    };
    let store = Store::open_tuned(home.path(), keys_of, tuning).unwrap();
    let mut longest = 0;
    for n in 0..250 {
        put(&store, receipt_of(n, n, n, 120_000));
        longest = longest.max(file_len(&wal));
    }
    assert!(longest > WAL_KEEP_BYTES, "it was used: {longest}");
    assert!(
        longest < 16 << 20,
        "30 MB were committed, and the WAL started over: {longest}"
    );
    drop(store);
    assert!(file_len(&wal) <= WAL_KEEP_BYTES);
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(store.stat().unwrap().receipts, 250);
}

/// A reader that stays delays the WAL's restart, but not the writer for long; when it is gone, the WAL starts over.
#[test]
fn a_reader_in_the_way_only_lets_the_wal_grow() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store").join("main.db");
    let tuning = Tuning {
        wal_pages_max: 512,
        ..Tuning::default()
    };
    let store = Store::open_tuned(home.path(), keys_of, tuning).unwrap();
    put(&store, receipt_of(0, 0, 0, 0));
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let seen = |reader: &rusqlite::Connection| -> i64 {
        reader
            .query_row("SELECT count(*) FROM receipt", [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(seen(&reader), 1);
    (1..60).for_each(|n| put(&store, receipt_of(n, n, n, 200_000)));
    assert_eq!(seen(&reader), 1, "it is in the way");
    let watcher = rusqlite::Connection::open(&path).unwrap();
    let pages = || checkpoint(&watcher, &path, Mode::Look).unwrap().pages;
    assert!(pages() > 2_900, "12 MB are in the WAL: {}", pages());
    reader.execute_batch("COMMIT").unwrap();
    (60..120).for_each(|n| put(&store, receipt_of(n, n, n, 200_000)));
    assert!(pages() < 2_900, "it has started over: {}", pages());
    assert_eq!(seen(&reader), 120);
}
