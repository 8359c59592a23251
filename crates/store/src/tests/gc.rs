//! Collection and eviction. Without these: something could be deleted that a root reaches, an answer could be lost, a
//! crash in the middle could leave a store that is not sound or that never becomes smaller.

use super::graph::{Plan, Stored, Text, keys_of, plan};
use crate::options::Tuning;
use crate::{Evicted, GcOptions, GcPart, GcReport, Keep, RunFilter, Store, VerifyEvent};
use proptest::prelude::*;
use std::path::Path;
use std::process::Command;

fn open(home: &Path) -> Store {
    let tuning = Tuning {
        sweep_rows: 5,
        merge_rows_min: 2,
        merge_rows_max: 4,
        ..Tuning::default()
    };
    Store::open_tuned(home, keys_of, tuning).unwrap()
}

fn options(keep: Keep) -> GcOptions {
    GcOptions {
        keep,
        dry_run: false,
        now: 1_000,
    }
}

fn gc(store: &mut Store, keep: Keep) -> GcReport {
    store.gc(&options(keep), &Text, &mut |_, _| ()).unwrap()
}

/// Sound as far as it can be said, and its counts are right.
fn assert_sound(store: &Store) {
    let mut findings = Vec::new();
    let summary = store.verify_with(&Text, &mut |event| {
        if let VerifyEvent::Finding(finding) = event {
            findings.push(finding);
        }
    });
    let summary = summary.unwrap();
    assert_eq!(summary.damage, 0, "{findings:?}");
    let stat = store.stat().unwrap();
    assert_eq!(
        (stat.receipts, stat.blocks, stat.runs),
        (summary.receipts, summary.blocks, summary.runs)
    );
}

/// Exactly what the model keeps is there, and is found by every key.
fn assert_kept(store: &Store, plan: &Plan, stored: &Stored, keep: Keep) {
    let (blocks, receipts) = plan.kept(keep);
    for (number, block) in stored.blocks.iter().enumerate() {
        let expect = blocks.contains_key(&number);
        assert_eq!(store.has(block.cid()).unwrap(), expect, "block {number}");
        if expect {
            assert_eq!(
                store.get(block.cid()).unwrap().as_deref(),
                Some(block.data())
            );
        }
    }
    for (serial, receipt) in stored.receipts.iter().enumerate() {
        let expect = receipts.contains(&serial);
        let cid = *receipt.block.cid();
        assert_eq!(
            store.receipt(&cid).unwrap().is_some(),
            expect,
            "receipt {serial}"
        );
        let by_task = store.receipts_by_task(&receipt.keys.task).unwrap();
        assert_eq!(
            by_task.iter().any(|found| found.cid == cid),
            expect,
            "receipt {serial} by its task"
        );
        if let Some(computation) = receipt.keys.computation {
            let found = store.receipts_by_computation(&computation).unwrap();
            assert_eq!(
                found.iter().any(|found| found.cid == cid),
                expect,
                "receipt {serial} by its computation"
            );
        }
    }
    let runs = store.runs(&RunFilter::All, None, 100).unwrap();
    let runs: Vec<usize> = runs.iter().map(|run| run.id.0 as usize - 1).collect();
    assert_eq!(runs, plan.kept_runs(keep));
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![
        2 => Just(Keep::All),
        1 => (0..4_u64).prop_map(Keep::Runs),
        1 => (0..100_i64).prop_map(Keep::Since),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_is_what_a_naive_reading_of_the_rules_keeps(plan in plan(), keep in keep(), reopen in any::<bool>()) {
        let home = tempfile::tempdir().unwrap();
        let mut store = open(home.path());
        let stored = plan.store(&store);
        let mut dry = options(keep);
        dry.dry_run = true;
        let expect = store.gc(&dry, &Text, &mut |_, _| ()).unwrap();
        for block in &stored.blocks {
            prop_assert!(store.has(block.cid()).unwrap(), "a dry run deletes nothing");
        }
        let report = gc(&mut store, keep);
        prop_assert_eq!(GcReport { freed: 0, ..report }, expect, "a dry run says what will be done");
        assert_kept(&store, &plan, &stored, keep);
        assert_sound(&store);
        if reopen {
            drop(store);
            store = open(home.path());
        }
        let again = gc(&mut store, keep);
        prop_assert_eq!((again.runs, again.receipts, again.blocks), (0, 0, 0));
        // Numbers go on where they were.
        let last = plan.runs.len() as i64;
        prop_assert_eq!(store.new_run_id().0, last + 1);
        let new = Plan { runs: Vec::new(), ..plan.clone() };
        let _ = new.store(&store);
        let newest = store.recent_receipts(None, 1).unwrap();
        prop_assert_eq!(newest[0].id.0, 2 * plan.receipts.len() as i64);
        assert_sound(&store);
    }

    #[test]
    fn only_what_can_be_made_again_is_evicted(plan in plan(), percent in 0..101_u64) {
        let home = tempfile::tempdir().unwrap();
        let mut store = open(home.path());
        let stored = plan.store(&store);
        let (blocks, _) = plan.kept(Keep::All);
        let candidates: Vec<usize> = blocks.iter().filter(|(_, needed)| !**needed).map(|(number, _)| *number).collect();
        let bytes: u64 = candidates.iter().map(|number| stored.blocks[*number].data().len() as u64).sum();
        let mut asked = 0;
        let mut goal = |found| {
            asked = found;
            found * percent / 100
        };
        let evicted = store.evict(&mut goal, &Text, &mut |_, _| ()).unwrap();
        prop_assert_eq!(asked, bytes);
        prop_assert!(evicted.bytes >= bytes * percent / 100);
        // Oldest first.
        let (gone, left) = candidates.split_at(evicted.blocks as usize);
        for number in gone {
            let cid = stored.blocks[*number].cid();
            prop_assert!(!store.has(cid).unwrap() && store.is_evicted(cid).unwrap());
            prop_assert!(!store.is_whole(vec![*cid]).unwrap());
        }
        for number in left.iter().copied().chain((0..stored.blocks.len()).filter(|number| !candidates.contains(number))) {
            prop_assert!(store.has(stored.blocks[number].cid()).unwrap(), "block {}", number);
        }
        assert_sound(&store);
        // Made again, it is as if it had never been away.
        let mut batch = crate::Batch::new();
        gone.iter().for_each(|number| {
            batch.block(stored.blocks[*number].clone());
        });
        store.commit(batch).unwrap();
        for block in &stored.blocks {
            prop_assert!(store.is_whole(vec![*block.cid()]).unwrap());
        }
        gc(&mut store, Keep::All);
        assert_kept(&store, &plan, &stored, Keep::All);
        assert_sound(&store);
        let none = store.evict(&mut |_| 0, &Text, &mut |_, _| ()).unwrap();
        prop_assert_eq!(none, Evicted::default());
    }
}

const HOME: &str = "IPVM_STORE_TEST_GC_HOME";
const STEP: &str = "IPVM_STORE_TEST_GC_STEP";
const EVICT: &str = "IPVM_STORE_TEST_GC_EVICT";

/// A store in which a collection that keeps one run has something of everything to do.
fn busy_plan() -> Plan {
    use super::graph::{BlockPlan, ReceiptPlan, RunPlan};
    let block = |number: usize| BlockPlan {
        links: if number.is_multiple_of(3) {
            Vec::new()
        } else {
            vec![number - 1]
        },
        large: number.is_multiple_of(4),
    };
    let receipt = |serial: usize| ReceiptPlan {
        task: serial as u64,
        reusable: serial.is_multiple_of(2),
        rests_on: vec![serial],
        made: vec![serial + 20],
        repeats: None,
    };
    let run = |position: usize| RunPlan {
        workflow: position,
        receipts: vec![position, position + 5],
        finished: Some(position as i64),
    };
    Plan {
        blocks: (0..40).map(block).collect(),
        receipts: (0..16).map(receipt).collect(),
        runs: (0..6).map(run).collect(),
        pins: vec![35],
        pinned_receipts: vec![],
    }
}

/// Not a test of its own: collects, and ends without warning when it comes to a step.
#[test]
fn other_process() {
    let (Ok(home), Ok(last)) = (std::env::var(HOME), std::env::var(STEP)) else {
        return;
    };
    let last: u32 = last.parse().unwrap();
    let mut step = 0;
    let mut tell = |_: GcPart, _: u64| {
        step += 1;
        if step == last {
            std::process::abort();
        }
    };
    let mut store = open(Path::new(&home));
    if std::env::var(EVICT).is_ok() {
        store.evict(&mut |bytes| bytes, &Text, &mut tell).unwrap();
    } else {
        store.gc(&options(Keep::Runs(1)), &Text, &mut tell).unwrap();
    }
}

/// Runs it in another process until step `last`; false if it ended before.
fn crash_at(home: &Path, last: u32, evict: bool) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::gc::other_process", "--test-threads=1"]);
    command.env(HOME, home).env(STEP, last.to_string());
    if evict {
        command.env(EVICT, "1");
    }
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(text.contains("running 1 test"), "{text}");
    !done.status.success()
}

#[test]
fn a_crash_at_any_step_leaves_a_sound_store_and_the_next_collection_goes_on() {
    let plan = busy_plan();
    for last in 1.. {
        let home = tempfile::tempdir().unwrap();
        let stored = plan.store(&open(home.path()));
        let crashed = crash_at(home.path(), last, false);
        let reader = Store::open_read_only(home.path(), keys_of).unwrap();
        assert_sound(&reader);
        drop(reader);
        let mut store = open(home.path());
        assert_sound(&store);
        gc(&mut store, Keep::Runs(1));
        assert_kept(&store, &plan, &stored, Keep::Runs(1));
        assert_sound(&store);
        let again = gc(&mut store, Keep::Runs(1));
        assert_eq!(again.stray_files, 0);
        if !crashed {
            assert!(last > 20, "there were only {last} steps to end in");
            return;
        }
    }
}

#[test]
fn a_crash_at_any_step_of_an_eviction_leaves_a_sound_store() {
    let plan = busy_plan();
    for last in 1.. {
        let home = tempfile::tempdir().unwrap();
        let stored = plan.store(&open(home.path()));
        let crashed = crash_at(home.path(), last, true);
        let mut store = open(home.path());
        assert_sound(&store);
        store
            .evict(&mut |bytes| bytes, &Text, &mut |_, _| ())
            .unwrap();
        let (blocks, _) = plan.kept(Keep::All);
        for (number, needed) in blocks {
            let cid = stored.blocks[number].cid();
            assert_eq!(store.has(cid).unwrap(), needed, "block {number}");
            assert_eq!(store.is_evicted(cid).unwrap(), !needed, "block {number}");
        }
        assert_sound(&store);
        if !crashed {
            assert!(last > 8, "there were only {last} steps to end in");
            return;
        }
    }
}

#[test]
fn files_that_belong_to_nothing_are_removed_and_space_is_returned() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    let mut batch = crate::Batch::new();
    for number in 0..2_000_u32 {
        let mut data = vec![7; 8_000];
        data.splice(..4, number.to_be_bytes());
        batch.block(ipvm_ipld::Block::new(ipvm_ipld::codec::RAW, data));
    }
    store.commit(batch).unwrap();
    let shard = home.path().join("blocks").join("aa");
    std::fs::create_dir_all(&shard).unwrap();
    std::fs::write(shard.join(".part-1-1"), b"cut short").unwrap();
    std::fs::write(shard.join("notes.txt"), b"mine").unwrap();
    let report = gc(&mut store, Keep::All);
    assert_eq!((report.blocks, report.stray_files), (2_000, 1));
    assert!(report.freed > 16_000_000, "{report:?}");
    assert!(store.stat().unwrap().main_bytes < 1 << 20);
    assert!(
        shard.join("notes.txt").exists(),
        "what somebody put there is not ours"
    );
    assert_sound(&store);
}

#[test]
fn a_damaged_store_is_not_collected() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    let mut plan = busy_plan();
    plan.pins = vec![37];
    let stored = plan.store(&store);
    // Pinned through block 37, and a file.
    let path = store.files.path(stored.blocks[36].cid());
    std::fs::remove_file(&path).unwrap();
    let before = store.stat().unwrap();
    let error = store
        .gc(&options(Keep::Runs(0)), &Text, &mut |_, _| ())
        .err();
    let error = error.unwrap();
    assert!(
        matches!(error, crate::StoreError::BlockDamaged { .. }),
        "{error}"
    );
    let after = store.stat().unwrap();
    assert_eq!(
        (before.blocks, before.receipts, before.runs),
        (after.blocks, after.receipts, after.runs)
    );
}

/// A module that is gone is named by every call of it; who reads the findings wants to know it once.
#[test]
fn what_is_missing_is_named_once() {
    let home = tempfile::tempdir().unwrap();
    let mut plan = busy_plan();
    plan.receipts
        .iter_mut()
        .for_each(|receipt| receipt.rests_on = vec![3]);
    let store = open(home.path());
    let stored = plan.store(&store);
    drop(store);
    let path = home.path().join("store").join("main.db");
    let conn = rusqlite::Connection::open(path).unwrap();
    let cid = stored.blocks[3].cid();
    let gone = conn.execute("DELETE FROM block WHERE cid = ?1", [cid.to_bytes()]);
    assert_eq!(gone.unwrap(), 1, "the fault happened");
    let mut findings = Vec::new();
    let store = open(home.path());
    let summary = store.verify_with(&Text, &mut |event| {
        if let VerifyEvent::Finding(finding) = event {
            findings.push(finding.to_string());
        }
    });
    assert_eq!(summary.unwrap().damage, 1, "{findings:?}");
    assert!(
        findings[0].contains(&cid.to_string()) && findings[0].contains("needed by"),
        "{findings:?}"
    );
}
