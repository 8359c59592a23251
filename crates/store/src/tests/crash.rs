//! A crash after each step that the store makes. Without this, a crash between two of them could lose what was
//! acknowledged, leave half of a batch, or leave a store that does not open.
//!
//! The steps are read from the sources, so that a new one is tried as soon as it has a name.

use super::fixture::{keys_of, named, receipt_of, run, serial, serials};
use crate::limits::MERGE_IDLE_ROWS;
use crate::options::Tuning;
use crate::{
    Batch, Finding, INLINE_BYTES_MAX, RunFilter, RunId, StepState, StepUpdate, Store, StoreError,
    VerifyEvent,
};
use ipvm_ipld::{Block, codec};
use ipvm_testkit::failpoint::{self, Crash};
use std::collections::BTreeMap;
use std::path::Path;

const OTHER_PROCESS: &str = "tests::crash::other_process";
/// Receipts that the work stores, one by one and in groups.
const RECEIPTS: u64 = 48;
/// Bytes that make a receipt so long that the WAL is copied, bounded and emptied on the way.
const PADDING: usize = 120_000;
const RUN: RunId = RunId(1);
/// Small receipts that are stored at once, so many that closing merges them. Of other tasks, without steps.
const MANY: u64 = MERGE_IDLE_ROWS as u64;
const MANY_TASK: u64 = 99;
/// Said before the work tears its own index.
const TORN: &str = "torn";

fn tuning() -> Tuning {
    Tuning {
        tail_rows_max: 20,
        merge_rows_min: 4,
        merge_rows_max: 8,
        rebuild_rows: 16,
        wal_pages_max: 300,
        ..Tuning::default()
    }
}

fn open(home: &Path) -> Store {
    Store::open_tuned(home, keys_of, tuning()).unwrap()
}

/// Block `n`: a file for every sixth.
fn block(n: u64) -> Block {
    let size = if n.is_multiple_of(6) {
        INLINE_BYTES_MAX + 1
    } else {
        100
    };
    let mut data = vec![7; size];
    data.splice(..8, n.to_be_bytes());
    Block::new(codec::RAW, data)
}

/// A receipt, its step and its block, which belong together.
fn batch(n: u64) -> Batch {
    let mut batch = Batch::new();
    let receipt = batch.receipt(receipt_of(n, 1 + n % 5, n, PADDING));
    batch.step(StepUpdate {
        run: RUN,
        index: n as u32,
        state: StepState::Ok,
        receipt: Some(receipt),
    });
    batch.block(block(n));
    batch
}

/// Not a test of its own: the work that is crashed. It goes on from whatever is there, and ends the same.
#[test]
fn other_process() {
    let Some(home) = failpoint::work() else {
        return;
    };
    let store = open(&home);
    if store.run(RUN).unwrap().is_none() {
        let mut batch = Batch::new();
        batch.run(run(RUN, 1));
        store.commit(batch).unwrap();
    }
    let done = store.steps(RUN).unwrap().len() as u64;
    for n in done..RECEIPTS {
        let told = move |durable: Result<(), StoreError>| {
            durable.unwrap();
            failpoint::say(&n.to_string());
        };
        store.submit(batch(n), Box::new(told));
        if n % 4 == 0 {
            // Waits for the group: else all would be one.
            store.commit(Batch::new()).unwrap();
            assert_eq!(serials(&store, n), [n]);
        }
    }
    drop(store);
    store_many(&home);
    let index = home.join("store").join("index.db");
    std::fs::remove_file(&index).unwrap_or_default();
    look_up_everything(&open(&home));
    // A torn index is thrown away when a look-up meets it.
    failpoint::say(TORN);
    tear(&index);
    let store = open(&home);
    store.warm_up().unwrap();
    look_up_everything(&store);
}

/// With the usual sizes, so that nothing is merged before the store closes.
fn store_many(home: &Path) {
    let store = Store::open(home, keys_of).unwrap();
    if serials(&store, MANY_TASK).is_empty() {
        let mut batch = Batch::new();
        for n in 0..MANY {
            batch.receipt(receipt_of(MANY_TASK, 0, n, 0));
        }
        store.commit(batch).unwrap();
    }
}

fn look_up_everything(store: &Store) {
    for n in 0..RECEIPTS {
        assert_eq!(serials(store, n), [n]);
    }
    store.index.merge(&mut || {}).unwrap();
}

/// Overwrites the trees of an index; its schema and its mark stay.
fn tear(index: &Path) {
    let conn = rusqlite::Connection::open(index).unwrap();
    let whole = "PRAGMA wal_checkpoint(TRUNCATE)";
    conn.query_row(whole, [], |_| Ok(())).unwrap();
    drop(conn);
    let mut bytes = std::fs::read(index).unwrap();
    let trees = bytes.get_mut(2 * 4_096..).unwrap();
    assert!(!trees.is_empty());
    trees.fill(0xa5);
    std::fs::write(index, bytes).unwrap();
}

/// Everything in a store, to be compared.
fn contents(store: &Store) -> BTreeMap<u64, (u32, Vec<u8>)> {
    let steps = store.steps(RUN).unwrap();
    let entry = |step: &crate::StepInfo| {
        let receipt = store.receipt_at(step.receipt.unwrap()).unwrap().unwrap();
        let n = serial(&receipt);
        assert_eq!(n, u64::from(step.index), "the step has its own receipt");
        let block = store.get(block(n).cid()).unwrap();
        (n, (step.index, block.expect("the block of the same batch")))
    };
    steps.iter().map(entry).collect()
}

/// What must hold right after a crash.
fn check(home: &Path, acknowledged: &[String], crash: &Crash) {
    let opened = Store::open_read_only_tuned(home, keys_of, tuning());
    // The first commits need the tables, so nothing was acknowledged before there are any.
    let is_new = matches!(
        opened,
        Err(StoreError::Absent { .. } | StoreError::NotAStore { .. })
    );
    assert!(
        is_new && acknowledged.is_empty() || opened.is_ok(),
        "{crash:?}: {:?}",
        opened.err()
    );
    let store = open(home);
    let (torn, acknowledged): (Vec<_>, Vec<_>) =
        acknowledged.iter().partition(|said| *said == TORN);
    let mut damage: Vec<Finding> = Vec::new();
    let summary = store.verify(&mut |event| match event {
        VerifyEvent::Finding(Finding::Index { .. }) if !torn.is_empty() => {}
        VerifyEvent::Finding(finding) if finding.is_damage() => damage.push(finding),
        _ => {}
    });
    summary.unwrap();
    assert!(damage.is_empty(), "{crash:?}: {damage:?}");
    let runs = store.runs(&RunFilter::All, None, 10).unwrap();
    let contents = if runs.is_empty() {
        BTreeMap::new()
    } else {
        contents(&store)
    };
    let receipts = store.stat().unwrap().receipts;
    let many = serials(&store, MANY_TASK).len() as u64;
    assert!(many == 0 || many == MANY, "{crash:?}: {many} of {MANY}");
    assert_eq!(
        contents.len() as u64 + many,
        receipts,
        "{crash:?}: no batch is there in part"
    );
    for n in acknowledged {
        let n: u64 = n.parse().unwrap();
        assert!(contents.contains_key(&n), "{crash:?}: {n} was acknowledged");
    }
    for n in contents.keys() {
        assert_eq!(serials(&store, *n), [*n], "{crash:?}: found by its task");
        let found = store.receipts_by_computation(&named(1 + n % 5)).unwrap();
        assert!(
            found.iter().any(|receipt| serial(receipt) == *n),
            "{crash:?}"
        );
    }
}

#[test]
fn a_crash_after_any_step_loses_nothing() {
    let undisturbed = failpoint::folder();
    let times = failpoint::count(OTHER_PROCESS, undisturbed.path());
    let expected = contents(&open(undisturbed.path()));
    assert_eq!(expected.len() as u64, RECEIPTS);
    let names = failpoint::names_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let reached: std::collections::BTreeSet<_> = times.keys().cloned().collect();
    assert_eq!(
        reached, names,
        "the work makes every step that the sources name"
    );

    let mut crashed: BTreeMap<String, u64> = BTreeMap::new();
    let (mut tried, mut acknowledged) = (0, 0);
    for crash in failpoint::crashes(&times) {
        let home = failpoint::folder();
        let life = failpoint::run(OTHER_PROCESS, home.path(), Some(&crash));
        tried += 1;
        // The background thread makes some steps more or less often.
        *crashed.entry(crash.name.clone()).or_default() += u64::from(life.crashed);
        acknowledged += life.said.len();
        check(home.path(), &life.said, &crash);
        failpoint::run(OTHER_PROCESS, home.path(), None);
        assert!(
            contents(&open(home.path())) == expected,
            "{crash:?}: another end"
        );
    }
    let crashes: u64 = crashed.values().sum();
    println!(
        "{crashes} of {tried} crashes at {} steps, {acknowledged} acknowledgements kept",
        crashed.len()
    );
    assert!(crashed.values().all(|times| *times > 0), "{crashed:?}");
}
