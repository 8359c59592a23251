//! Stores of older layouts. Without these: an update of the program could lose what was stored, or leave a store
//! between two layouts.

use super::fixture::{keys_of, named, receipt, run, serials};
use super::graph::Text;
use crate::schema::MAIN_LAYOUT;
use crate::{Batch, GcOptions, Keep, RunFilter, Store, StoreError};
use ipvm_ipld::{Block, Cid, codec, unixfs};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

fn main_db(home: &Path) -> PathBuf {
    home.join("store").join("main.db")
}

fn layout(home: &Path) -> i64 {
    let conn = Connection::open(main_db(home)).unwrap();
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

/// Takes a store back to layout 3, in which the tables of layout 5 are not there; layout 4 is a number alone.
fn to_layout_3(home: &Path) {
    let conn = Connection::open(main_db(home)).unwrap();
    conn.execute_batch(
        "DROP TABLE intent; DROP TABLE recipe; DROP TABLE kv; DROP TABLE setting; PRAGMA user_version=3;",
    )
    .unwrap();
}

/// Takes a store back to layout 2, in which the tables of layout 3 are not there either.
fn to_layout_2(home: &Path) {
    to_layout_3(home);
    let conn = Connection::open(main_db(home)).unwrap();
    conn.execute_batch(
        "DROP TABLE token; DROP TABLE accepted; DROP TABLE name; DROP TABLE former; PRAGMA user_version=2;",
    )
    .unwrap();
}

/// Takes a store back to layout 1, in which the tables of layout 2 are not there either.
fn to_layout_1(home: &Path) {
    to_layout_2(home);
    let conn = Connection::open(main_db(home)).unwrap();
    conn.execute_batch(
        "DROP TABLE pin; DROP TABLE dropped; DROP TABLE evicted; DROP TABLE fact; PRAGMA user_version=1;",
    )
    .unwrap();
}

/// A store of layout 1 with receipts, blocks, a run and an added file. Its root and an unrelated block.
fn old_store(home: &Path) -> (Cid, Cid) {
    let store = Store::open(home, keys_of).unwrap();
    let (root, blocks) = unixfs::import(&vec![5; 3 << 20]);
    let alone = Block::new(codec::RAW, b"alone".to_vec());
    let cid = *alone.cid();
    let mut batch = Batch::new();
    blocks.into_iter().chain([alone]).for_each(|block| {
        batch.block(block);
    });
    (0..50).for_each(|n| {
        batch.receipt(receipt(n, 1 + n % 3, n));
    });
    batch.run(run(store.new_run_id(), 1));
    store.commit(batch).unwrap();
    store.warm_up().unwrap();
    drop(store);
    to_layout_1(home);
    (root, cid)
}

fn assert_all_there(store: &Store, cids: &[Cid]) {
    (0..50).for_each(|n| assert_eq!(serials(store, n), [n]));
    assert_eq!(store.receipts_by_computation(&named(1)).unwrap().len(), 17);
    assert_eq!(store.runs(&RunFilter::All, None, 9).unwrap().len(), 1);
    cids.iter().for_each(|cid| assert!(store.has(cid).unwrap()));
    let summary = store.verify(&mut |_| ()).unwrap();
    assert_eq!((summary.damage, summary.receipts), (0, 50));
}

#[test]
fn a_reader_reads_the_first_layout_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let (root, alone) = old_store(home.path());
    let reader = Store::open_read_only(home.path(), keys_of).unwrap();
    assert_all_there(&reader, &[root, alone]);
    assert_eq!(reader.pins(None, 9).unwrap(), []);
    assert_eq!(reader.limit().unwrap(), None);
    assert_eq!(reader.stat().unwrap().blocks, 3);
    assert_eq!(layout(home.path()), 1, "a reader changes nothing");
}

#[test]
fn a_writer_brings_the_first_layout_to_the_newest() {
    let home = tempfile::tempdir().unwrap();
    let (root, alone) = old_store(home.path());
    let reader = Store::open_read_only(home.path(), keys_of).unwrap();
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(layout(home.path()), MAIN_LAYOUT);
    assert_all_there(&store, &[root, alone]);
    // A reader from before goes on.
    assert_all_there(&reader, &[root, alone]);
    assert_eq!(store.new_run_id().0, 2);
    drop(store);
    assert_all_there(&Store::open(home.path(), keys_of).unwrap(), &[root, alone]);
}

/// A store of layout 2 has its pins, and no rights or names, whoever opens it.
#[test]
fn the_second_layout_is_read_and_brought_to_the_newest() {
    let home = tempfile::tempdir().unwrap();
    let (root, alone) = old_store(home.path());
    let store = Store::open(home.path(), keys_of).unwrap();
    let mut batch = Batch::new();
    batch.pin(crate::Pin {
        cid: root,
        kind: crate::PinKind::Public,
        since: 5,
    });
    store.commit(batch).unwrap();
    drop(store);
    to_layout_2(home.path());
    let reader = Store::open_read_only(home.path(), keys_of).unwrap();
    assert_all_there(&reader, &[root, alone]);
    assert_eq!(reader.pins(None, 9).unwrap().len(), 1);
    assert_eq!(reader.tokens(0, 9).unwrap(), []);
    assert_eq!(reader.names().unwrap(), []);
    assert_eq!(layout(home.path()), 2, "a reader changes nothing");
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(layout(home.path()), MAIN_LAYOUT);
    assert_all_there(&store, &[root, alone]);
    assert_eq!(store.pins(None, 9).unwrap().len(), 1);
    assert_eq!(store.former().unwrap(), []);
}

/// A store of layout 3 has its rights and names, nothing sealed, and nothing about effects. Without the number of layout 4,
/// what knows no sealed blocks would read what is.
#[test]
fn the_third_layout_is_read_and_brought_to_the_newest() {
    let home = tempfile::tempdir().unwrap();
    let (root, alone) = old_store(home.path());
    let store = Store::open(home.path(), keys_of).unwrap();
    let mut batch = Batch::new();
    batch.name(crate::Name {
        name: "bob".to_owned(),
        did: "did:key:b".to_owned(),
        since: 5,
    });
    store.commit(batch).unwrap();
    drop(store);
    to_layout_3(home.path());
    let reader = Store::open_read_only(home.path(), keys_of).unwrap();
    assert_all_there(&reader, &[root, alone]);
    assert_eq!(reader.names().unwrap().len(), 1);
    assert!(!reader.has_sealed().unwrap());
    assert_eq!(reader.intents(9).unwrap(), []);
    assert_eq!(reader.latest_of_recipe(&root).unwrap(), None);
    assert_eq!(layout(home.path()), 3, "a reader changes nothing");
    let store = Store::open(home.path(), keys_of).unwrap();
    assert_eq!(layout(home.path()), MAIN_LAYOUT);
    assert_all_there(&store, &[root, alone]);
    assert_eq!(store.names().unwrap().len(), 1);
    assert_eq!(store.settings().unwrap(), []);
}

/// What was added before there were pins has no root; it is pinned, whole files by their root, and not collected.
#[test]
fn content_from_before_pins_is_adopted_once() {
    let home = tempfile::tempdir().unwrap();
    let (root, alone) = old_store(home.path());
    let mut store = Store::open(home.path(), keys_of).unwrap();
    let later = super::fixture::put_block(&store, b"later, and pinned by nobody");
    let options = GcOptions {
        keep: Keep::All,
        dry_run: false,
        now: 77,
    };
    let report = store.gc(&options, &Text, &mut |_, _| ()).unwrap();
    assert_eq!((report.pinned, report.blocks), (2, 1));
    assert!(!store.has(&later).unwrap());
    let pins = store.pins(None, 9).unwrap();
    let mut pinned: Vec<Cid> = pins.iter().map(|pin| pin.cid).collect();
    pinned.sort_unstable();
    let mut expect = [root, alone];
    expect.sort_unstable();
    assert_eq!(pinned, expect);
    assert!(pins.iter().all(|pin| pin.since == 77));
    // Once let go, it is gone for good.
    let mut batch = Batch::new();
    batch.unpin(root).unpin(alone);
    store.commit(batch).unwrap();
    let report = store.gc(&options, &Text, &mut |_, _| ()).unwrap();
    assert_eq!((report.pinned, report.blocks_kept), (0, 0));
}

/// A migration that cannot be finished, like one that a crash ends, leaves the layout before it.
#[test]
fn a_migration_is_whole_or_did_not_happen() {
    let home = tempfile::tempdir().unwrap();
    let (root, alone) = old_store(home.path());
    let conn = Connection::open(main_db(home.path())).unwrap();
    conn.execute_batch("CREATE TABLE fact(in_the_way)").unwrap();
    let error = Store::open(home.path(), keys_of).err().unwrap();
    assert!(error.to_string().contains("newest layout"), "{error}");
    assert_eq!(layout(home.path()), 1);
    let tables: i64 = conn
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('pin', 'dropped')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(tables, 0, "nothing of it is left");
    conn.execute_batch("DROP TABLE fact").unwrap();
    assert_all_there(&Store::open(home.path(), keys_of).unwrap(), &[root, alone]);
}

#[test]
fn only_the_holder_of_the_lock_migrates() {
    let home = tempfile::tempdir().unwrap();
    old_store(home.path());
    let lock = crate::lock::HomeLock::take(home.path()).unwrap();
    let error = Store::open(home.path(), keys_of).err().unwrap();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert_eq!(layout(home.path()), 1);
    drop(lock);
}

/// One way leads to each layout: an old store that was migrated and a new one have the same tables.
#[test]
fn a_migrated_store_is_like_a_new_one() {
    let old = tempfile::tempdir().unwrap();
    old_store(old.path());
    drop(Store::open(old.path(), keys_of).unwrap());
    let new = tempfile::tempdir().unwrap();
    drop(Store::open(new.path(), keys_of).unwrap());
    let tables = |home: &Path| -> Vec<String> {
        let conn = Connection::open(main_db(home)).unwrap();
        let mut select = conn
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    };
    assert_eq!(tables(old.path()), tables(new.path()));
    assert_eq!(
        MAIN_LAYOUT, 5,
        "a new layout needs a store of the one before it in the tests"
    );
}
