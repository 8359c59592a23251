//! Real disks that are full or read-only. Without these: a full disk could lose what was acknowledged, stop the process
//! for good, or keep a person from reading.

use crate::fixture::{keys_of, named, put, put_block, receipt_of, serials};
use ipvm_ipld::{Block, codec};
use ipvm_store::{Batch, INLINE_BYTES_MAX, Store, StoreError};
use ipvm_testkit::Disk;
use std::fs;

/// A disk of so many bytes; `None`, said aloud, where it cannot be made.
fn disk(bytes: u64) -> Option<Disk> {
    match Disk::small(bytes) {
        Ok(disk) => Some(disk),
        Err(why) => {
            println!("ignored, since no disk can be made here: {why}");
            None
        }
    }
}

fn store_receipt(store: &Store, n: u64, padding: usize) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.receipt(receipt_of(n, 1, n, padding));
    store.commit(batch)
}

fn store_file(store: &Store, n: u64) -> Result<(), StoreError> {
    let mut data = vec![1; INLINE_BYTES_MAX + 1];
    data.splice(..8, n.to_be_bytes());
    let mut batch = Batch::new();
    batch.block(Block::new(codec::RAW, data));
    store.commit(batch)
}

/// Does it until the disk is full; how often it succeeded.
fn until_full(home: &std::path::Path, mut act: impl FnMut(u64) -> Result<(), StoreError>) -> u64 {
    for n in 0..10_000 {
        match act(n) {
            Ok(()) => {}
            Err(error @ StoreError::DiskFull { .. }) => {
                let text = error.to_string();
                assert!(text.contains(&home.display().to_string()), "{text}");
                for part in ["is full", "bytes are left", "free some space"] {
                    assert!(text.contains(part), "{text}");
                }
                return n;
            }
            Err(error) => panic!("after {n}: {error}"),
        }
    }
    panic!("it was never full");
}

#[test]
fn a_full_disk_loses_nothing_and_the_same_handle_goes_on() {
    let Some(disk) = disk(8 << 20) else { return };
    let home = disk.path().join("home");
    fs::create_dir(&home).unwrap();
    let ballast = disk.path().join("first");
    fs::write(&ballast, vec![0; 4 << 20]).unwrap();
    let store = Store::open(&home, keys_of).unwrap();
    let large = until_full(&home, |n| store_receipt(&store, n, 50_000));
    let small = until_full(&home, |n| store_receipt(&store, 1_000 + n, 100));
    let rest = disk.fill();
    until_full(&home, |n| store_file(&store, n));
    assert!(large > 10, "{large}");
    // Reading goes on, although the index has no room.
    let stored = |store: &Store| {
        (0..large).for_each(|n| assert_eq!(serials(store, n), [n]));
        (0..small).for_each(|n| assert_eq!(serials(store, 1_000 + n), [1_000 + n]));
    };
    stored(&store);
    assert!(store.commit(Batch::new()).is_ok(), "the writer is there");

    // Room is made: the same handle goes on, with rows, files and the index.
    fs::remove_file(rest).unwrap();
    fs::remove_file(ballast).unwrap();
    (0..5).for_each(|n| put(&store, receipt_of(2_000 + n, 1, 2_000 + n, 50_000)));
    (0..3).for_each(|n| store_file(&store, n).unwrap());
    stored(&store);
    let damage = store.verify(&mut |_| ()).unwrap().damage;
    assert_eq!(damage, 0);
    drop(store);
    let store = Store::open(&home, keys_of).unwrap();
    stored(&store);
    (0..5).for_each(|n| assert_eq!(serials(&store, 2_000 + n), [2_000 + n]));
    let all = store.receipts_by_computation(&named(1)).unwrap();
    assert_eq!(all.len() as u64, large + small + 5);
    let stray = fs::read_dir(home.join("blocks")).unwrap().count();
    assert!(stray > 0, "there are block files");
    assert_eq!(
        store.verify(&mut |_| ()).unwrap().stray_files,
        0,
        "no half file is left"
    );
}

/// Opening on a full disk: reading works, and so does writing as soon as there is room.
#[test]
fn a_store_opens_on_a_full_disk() {
    let Some(disk) = disk(4 << 20) else { return };
    let home = disk.path().join("home");
    fs::create_dir(&home).unwrap();
    let store = Store::open(&home, keys_of).unwrap();
    (0..20).for_each(|n| put(&store, receipt_of(n, 1, n, 10_000)));
    drop(store);
    let ballast = disk.fill();
    let reader = Store::open_read_only(&home, keys_of).unwrap();
    (0..20).for_each(|n| assert_eq!(serials(&reader, n), [n]));
    drop(reader);
    let store = Store::open(&home, keys_of).unwrap();
    (0..20).for_each(|n| assert_eq!(serials(&store, n), [n]));
    until_full(&home, |n| store_receipt(&store, 100 + n, 50_000));
    fs::remove_file(ballast).unwrap();
    put(&store, receipt_of(500, 1, 500, 50_000));
    assert_eq!(serials(&store, 500), [500]);
}

/// Without its shared memory, as a power cut leaves it, a store needs a little room to be opened at all: that is said.
#[test]
fn a_store_that_needs_room_to_open_says_so() {
    let Some(disk) = disk(4 << 20) else { return };
    let home = disk.path().join("home");
    fs::create_dir(&home).unwrap();
    let store = Store::open(&home, keys_of).unwrap();
    (0..20).for_each(|n| put(&store, receipt_of(n, 1, n, 10_000)));
    drop(store);
    fs::remove_file(home.join("store").join("main.db-shm")).unwrap();
    let ballast = disk.fill();
    let errors = [
        Store::open(&home, keys_of).err(),
        Store::open_read_only(&home, keys_of).err(),
    ];
    for error in errors.into_iter().flatten() {
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    }
    fs::remove_file(ballast).unwrap();
    let store = Store::open(&home, keys_of).unwrap();
    (0..20).for_each(|n| assert_eq!(serials(&store, n), [n]));
}

/// Reading works on a disk that cannot be written, also where a crash has left work; writing is refused in words.
#[test]
fn a_read_only_disk_can_be_read() {
    let Some(disk) = disk(32 << 20) else { return };
    let home = disk.path().join("home");
    fs::create_dir(&home).unwrap();
    let store = Store::open(&home, keys_of).unwrap();
    (0..200).for_each(|n| put(&store, receipt_of(n, 1, n, 3_000)));
    let cid = put_block(&store, &vec![9; INLINE_BYTES_MAX + 1]);
    // As a crash leaves it: nothing was closed, and the shared memory of the WAL is there or not.
    let crashed = disk.path().join("crashed");
    fs::create_dir_all(crashed.join("store")).unwrap();
    for name in ["lock", "store/main.db", "store/main.db-wal"] {
        fs::copy(home.join(name), crashed.join(name)).unwrap();
    }
    drop(store);
    disk.set_read_only(true).unwrap();
    assert!(
        fs::write(disk.path().join("x"), "x").is_err(),
        "it is read-only"
    );
    let reader = Store::open_read_only(&home, keys_of).unwrap();
    (0..200).for_each(|n| assert_eq!(serials(&reader, n), [n]));
    assert!(reader.get(&cid).unwrap().is_some());
    assert_eq!(reader.recent_receipts(None, 300).unwrap().len(), 200);
    assert_eq!(reader.verify(&mut |_| ()).unwrap().damage, 0);
    let error = Store::open(&home, keys_of).err().unwrap();
    assert!(matches!(error, StoreError::NoAccess { .. }), "{error}");
    assert!(
        error.to_string().contains("not mounted read-only"),
        "{error}"
    );
    match Store::open_read_only(&crashed, keys_of) {
        Ok(reader) => (0..200).for_each(|n| assert_eq!(serials(&reader, n), [n])),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("copy the home"), "{text}");
        }
    }
}
