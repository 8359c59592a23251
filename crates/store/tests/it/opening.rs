//! Opening. Without these: a second process could write, a newer or foreign file could be overwritten.

use crate::fixture::{keys_of, put, put_block, receipt, serials};
use ipvm_store::{Batch, Store, StoreError};
use rusqlite::Connection;
use std::fs;
use std::path::Path;

fn main_db(home: &Path) -> std::path::PathBuf {
    home.join("store").join("main.db")
}

fn open_error(home: &Path) -> StoreError {
    Store::open(home, keys_of).err().unwrap()
}

#[test]
fn one_handle_writes_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let first = Store::open(home.path(), keys_of).unwrap();
    let error = open_error(home.path());
    assert!(
        matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().contains("IPVM_HOME"), "{error}");
    drop(first);
    Store::open(home.path(), keys_of).unwrap();
}

#[test]
fn a_newer_layout_is_refused() {
    let home = tempfile::tempdir().unwrap();
    drop(Store::open(home.path(), keys_of).unwrap());
    Connection::open(main_db(home.path()))
        .unwrap()
        .pragma_update(None, "user_version", 6)
        .unwrap();
    for error in [
        open_error(home.path()),
        Store::open_read_only(home.path(), keys_of).err().unwrap(),
    ] {
        assert!(
            matches!(
                error,
                StoreError::NewerLayout {
                    found: 6,
                    known: 5,
                    ..
                }
            ),
            "{error}"
        );
        assert!(
            error.to_string().contains("install a newer ipvm"),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let other = |path: &Path| {
        Connection::open(path)
            .unwrap()
            .execute_batch("CREATE TABLE other(x)")
            .unwrap()
    };
    let garbage = |path: &Path| fs::write(path, [0xa5; 9000]).unwrap();
    let makers: [&dyn Fn(&Path); 2] = [&other, &garbage];
    for make in makers {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("store")).unwrap();
        let path = main_db(home.path());
        make(&path);
        let before = fs::read(&path).unwrap();
        let error = open_error(home.path());
        assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

/// A crash while the tables are made leaves an empty file.
#[test]
fn an_empty_database_is_filled() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("store")).unwrap();
    fs::write(main_db(home.path()), []).unwrap();
    assert!(Store::open_read_only(home.path(), keys_of).is_err());
    let store = Store::open(home.path(), keys_of).unwrap();
    put(&store, receipt(1, 1, 1));
    assert_eq!(serials(&store, 1), [1]);
}

#[test]
fn a_truncated_database_is_an_error_that_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    (0..500).for_each(|n| {
        put_block(&store, &vec![n as u8; 8_000]);
    });
    drop(store);
    let path = main_db(home.path());
    let len = fs::metadata(&path).unwrap().len();
    assert!(
        len > 1 << 20,
        "closing has copied the WAL, so that the fault reaches the data: {len}"
    );
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(len / 2)
        .unwrap();
    let result = Store::open(home.path(), keys_of).and_then(|store| {
        (0..500).try_for_each(|n| {
            store
                .get(&ipvm_ipld::cid_of(
                    ipvm_ipld::codec::RAW,
                    &vec![n as u8; 8_000],
                ))
                .map(drop)
        })
    });
    let error = result.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(
        error.to_string().contains("restore it from a backup"),
        "{error}"
    );
}

#[test]
fn a_home_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("file");
    fs::write(&home, "in the way").unwrap();
    let error = open_error(&home);
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(matches!(
        Store::open_read_only(&folder.path().join("nothing"), keys_of)
            .err()
            .unwrap(),
        StoreError::Absent { .. }
    ));
}

#[test]
fn a_reader_sees_the_store_with_and_without_a_writer() {
    let home = tempfile::tempdir().unwrap();
    let writer = Store::open(home.path(), keys_of).unwrap();
    put(&writer, receipt(1, 1, 1));
    let reader = Store::open_read_only(home.path(), keys_of).unwrap();
    assert_eq!(serials(&reader, 1), [1]);
    put(&writer, receipt(1, 1, 2));
    assert_eq!(
        serials(&reader, 1),
        [1, 2],
        "what is committed later is seen too"
    );
    let cid = put_block(&writer, b"later");
    assert_eq!(reader.get(&cid).unwrap().as_deref(), Some(&b"later"[..]));
    assert!(matches!(
        reader.commit(Batch::new()),
        Err(StoreError::ReadOnlyHandle)
    ));
    drop(writer);
    assert_eq!(serials(&reader, 1), [1, 2]);
    drop(reader);
    let reader = Store::open_read_only(home.path(), keys_of).unwrap();
    assert_eq!(serials(&reader, 1), [1, 2]);
    assert_eq!(reader.stat().unwrap().receipts, 2);
}
