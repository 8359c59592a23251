//! What is sealed is kept, found, counted, collected and checked like the rest. Without these, secret work would be lost
//! by housekeeping, or damage to it not be noticed.

use crate::fixture::{keys_of, run};
use ipvm_ipld::sealed::{Head, Tag, name_of};
use ipvm_ipld::{Block, Cid};
use ipvm_store::{
    Batch, GcOptions, Keep, NewReceipt, NewRun, ReceiptKeys, ReceiptRefs, RunStatus, RunUpdate,
    StepState, StepUpdate, Store, Tokens,
};
use std::sync::atomic::{AtomicU64, Ordering};

fn tag(number: u8) -> Tag {
    [number; 32]
}

fn block(number: u8, body: &[u8], needs: &[Cid]) -> Block {
    let head = Head {
        name: tag(number),
        needs: needs.to_vec(),
        ..Head::default()
    };
    Block::seal(&head.to_bytes(), body).unwrap()
}

fn receipt(number: u8, needs: &[Cid]) -> NewReceipt {
    let head = Head {
        name: tag(number),
        task: Some(tag(number + 1)),
        computation: Some(tag(number + 2)),
        needs: needs.to_vec(),
        ..Head::default()
    };
    NewReceipt {
        block: Block::seal(&head.to_bytes(), b"sealed receipt").unwrap(),
        keys: ReceiptKeys {
            task: name_of(&tag(number + 1)),
            computation: Some(name_of(&tag(number + 2))),
        },
    }
}

/// Knows no token, and opens nothing; counts what it was asked about.
#[derive(Default)]
struct Nobody(AtomicU64);

impl Tokens for Nobody {
    fn refs(&self, _: &[u8]) -> Option<ReceiptRefs> {
        None
    }
    fn check_receipt(&self, _: &[u8]) -> Result<(), String> {
        Err("an open receipt".into())
    }
    fn check_block(&self, _: &[u8]) -> Result<bool, String> {
        Ok(false)
    }
    fn check_sealed(&self, _: &[u8]) -> Result<bool, String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(false)
    }
    fn sealed_content(&self, _: &[u8]) -> Vec<Cid> {
        Vec::new()
    }
}

/// A store with a sealed run: workflow 1 links to content 2; receipt 10 to result 3. Sealed 4 belongs to nothing.
fn store(home: &std::path::Path) -> Store {
    let store = Store::open(home, keys_of).unwrap();
    assert!(!store.has_sealed().unwrap());
    let id = store.new_run_id();
    let mut batch = Batch::new();
    batch
        .block(block(1, b"workflow", &[name_of(&tag(2))]))
        .block(block(2, &[7; 200_000], &[]))
        .block(block(3, b"result", &[]))
        .block(block(4, b"nobody's", &[]));
    let place = batch.receipt(receipt(10, &[name_of(&tag(3))]));
    batch
        .run(NewRun {
            workflow: name_of(&tag(1)),
            ..run(id, 0)
        })
        .step(StepUpdate {
            run: id,
            index: 0,
            state: StepState::Ok,
            receipt: Some(place),
        })
        .run_update(RunUpdate {
            id,
            status: RunStatus::Ok,
            finished: Some(5),
        });
    store.commit(batch).unwrap();
    assert!(store.has_sealed().unwrap());
    store
}

#[test]
fn sealed_things_are_found_by_their_tags() {
    let home = tempfile::tempdir().unwrap();
    drop(store(home.path()));
    let store = Store::open(home.path(), keys_of).unwrap();
    for number in 1..=4 {
        let name = name_of(&tag(number));
        let bytes = store.get(&name).unwrap().unwrap();
        assert_eq!(*Block::sealed(bytes).unwrap().cid(), name);
    }
    let found = store.receipt(&name_of(&tag(10))).unwrap().unwrap();
    assert_eq!(found.cid, name_of(&tag(10)));
    for other in [
        store.receipts_by_task(&name_of(&tag(11))).unwrap(),
        store.receipts_by_computation(&name_of(&tag(12))).unwrap(),
    ] {
        assert_eq!(other, std::slice::from_ref(&found));
    }
    // Nothing of it is offered to who only begins to write its name.
    let name = name_of(&tag(2)).to_string();
    assert_eq!(store.find_by_prefix(&name[..12]).unwrap(), []);
}

#[test]
fn a_collection_keeps_what_sealed_runs_need_without_the_key() {
    let home = tempfile::tempdir().unwrap();
    let mut store = store(home.path());
    let options = GcOptions {
        keep: Keep::All,
        dry_run: false,
        now: 9,
    };
    let report = store
        .gc(&options, &Nobody::default(), &mut |_, _| ())
        .unwrap();
    assert_eq!((report.blocks, report.blocks_kept), (1, 3));
    assert_eq!((report.receipts, report.receipts_kept), (0, 1));
    assert!(store.get(&name_of(&tag(4))).unwrap().is_none());
    let options = GcOptions {
        keep: Keep::Runs(0),
        ..options
    };
    let report = store
        .gc(&options, &Nobody::default(), &mut |_, _| ())
        .unwrap();
    assert_eq!((report.runs, report.receipts, report.blocks), (1, 1, 3));
    let files = walk(&home.path().join("blocks"));
    assert_eq!(files, 0, "the file of the large one is gone too");
}

fn walk(folder: &std::path::Path) -> usize {
    let shards = std::fs::read_dir(folder).unwrap();
    shards
        .map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count())
        .sum()
}

#[test]
fn damage_to_sealed_things_is_found() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    let nobody = Nobody::default();
    let summary = store.verify_with(&nobody, &mut |_| ()).unwrap();
    assert_eq!(
        (summary.damage, summary.blocks, summary.receipts),
        (0, 4, 1)
    );
    assert_eq!(
        nobody.0.load(Ordering::Relaxed),
        5,
        "each is shown to who may have the key"
    );
    let name = name_of(&tag(2));
    let path = Store::block_path(home.path(), &name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(store.verify(&mut |_| ()).unwrap().damage, 1);
    assert!(store.get(&name).is_err());
}
