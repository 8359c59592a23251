//! Random use against a model in memory. Without this: an interplay of merging, rebuilding, reopening and colliding
//! keys that no single test thought of could lose an answer.

use super::fixture::{keys_of, named, receipt, run, serial};
use crate::options::Tuning;
use crate::{Batch, RunId, RunStatus, RunUpdate, StepState, StepUpdate, Store};
use ipvm_ipld::{Block, codec};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Clone, Debug)]
enum Op {
    /// Commits these receipts, by task and computation, with a step for each.
    Receipts(Vec<(u64, u64)>),
    /// Commits blocks of these bytes.
    Blocks(Vec<u8>),
    /// Creates a run.
    Run,
    /// Ends the newest run.
    EndRun(bool),
    /// Merges the tail.
    Merge,
    /// Closes and opens again.
    Reopen,
    /// The same, the index deleted in between.
    LoseIndex,
    /// The same, the index torn in between.
    TearIndex,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => vec((0..12_u64, 0..6_u64), 1..8).prop_map(Op::Receipts),
        2 => vec(any::<u8>(), 1..4).prop_map(Op::Blocks),
        1 => Just(Op::Run),
        1 => any::<bool>().prop_map(Op::EndRun),
        1 => Just(Op::Merge),
        1 => Just(Op::Reopen),
        1 => Just(Op::LoseIndex),
        1 => Just(Op::TearIndex),
    ]
}

#[derive(Default)]
struct Model {
    /// Task and computation of each receipt; its place is its serial number.
    receipts: Vec<(u64, u64)>,
    blocks: Vec<u8>,
    runs: Vec<RunStatus>,
    /// By run and position: the receipt's serial number.
    steps: BTreeMap<(i64, u32), u64>,
}

fn open(home: &Path) -> Store {
    let tuning = Tuning {
        key_mask: 0b111,
        tail_rows_max: 24,
        merge_rows_min: 6,
        merge_rows_max: 10,
        ..Tuning::default()
    };
    Store::open_tuned(home, keys_of, tuning).unwrap()
}

impl Model {
    fn apply(&mut self, op: &Op, store: &mut Option<Store>, home: &Path) {
        let index = home.join("store").join("index.db");
        match op {
            Op::Receipts(receipts) => self.receipts(store.as_ref().unwrap(), receipts),
            Op::Blocks(bytes) => {
                let mut batch = Batch::new();
                bytes.iter().for_each(|byte| {
                    batch.block(Block::new(codec::RAW, vec![*byte; 100]));
                });
                store.as_ref().unwrap().commit(batch).unwrap();
                self.blocks.extend(bytes);
            }
            Op::Run => {
                let store = store.as_ref().unwrap();
                let id = store.new_run_id();
                let mut batch = Batch::new();
                batch.run(run(id, self.runs.len() as u64));
                store.commit(batch).unwrap();
                self.runs.push(RunStatus::Running);
                assert_eq!(id.0, self.runs.len() as i64);
            }
            Op::EndRun(ok) => {
                let status = if *ok { RunStatus::Ok } else { RunStatus::Error };
                let Some(newest) = self.runs.last_mut() else {
                    return;
                };
                *newest = status;
                let mut batch = Batch::new();
                batch.run_update(RunUpdate {
                    id: RunId(self.runs.len() as i64),
                    status,
                    finished: Some(1),
                });
                store.as_ref().unwrap().commit(batch).unwrap();
            }
            Op::Merge => store.as_ref().unwrap().index.merge(&mut || {}).unwrap(),
            Op::Reopen | Op::LoseIndex | Op::TearIndex => {
                *store = None;
                if matches!(op, Op::LoseIndex) {
                    let _ = std::fs::remove_file(&index);
                }
                if matches!(op, Op::TearIndex) && index.exists() {
                    std::fs::write(&index, [0x33; 4096]).unwrap();
                }
                *store = Some(open(home));
            }
        }
    }

    fn receipts(&mut self, store: &Store, receipts: &[(u64, u64)]) {
        let mut batch = Batch::new();
        for (position, (task, computation)) in receipts.iter().enumerate() {
            let serial = self.receipts.len() as u64;
            self.receipts.push((*task, *computation));
            let made = batch.receipt(receipt(*task, *computation, serial));
            if !self.runs.is_empty() {
                let (run, index) = (self.runs.len() as i64, position as u32);
                batch.step(StepUpdate {
                    run: RunId(run),
                    index,
                    state: StepState::Ok,
                    receipt: Some(made),
                });
                self.steps.insert((run, index), serial);
            }
        }
        store.commit(batch).unwrap();
    }

    fn check(&self, store: &Store) {
        let with = |wanted: &dyn Fn(&(u64, u64)) -> bool| -> Vec<u64> {
            (0..)
                .zip(&self.receipts)
                .filter(|(_, receipt)| wanted(receipt))
                .map(|(serial, _)| serial)
                .collect()
        };
        for task in 0..12 {
            let found: Vec<u64> = store
                .receipts_by_task(&named(task))
                .unwrap()
                .iter()
                .map(serial)
                .collect();
            assert_eq!(found, with(&|receipt| receipt.0 == task), "task {task}");
        }
        for computation in 1..6 {
            let found = store.receipts_by_computation(&named(computation)).unwrap();
            let found: Vec<u64> = found.iter().map(serial).collect();
            assert_eq!(
                found,
                with(&|receipt| receipt.1 == computation),
                "computation {computation}"
            );
        }
        for (serial, (task, computation)) in (0..).zip(&self.receipts) {
            let new = receipt(*task, *computation, serial);
            assert_eq!(
                store.get(new.block.cid()).unwrap().as_deref(),
                Some(new.block.data())
            );
        }
        for byte in &self.blocks {
            let block = Block::new(codec::RAW, vec![*byte; 100]);
            assert_eq!(
                store.get(block.cid()).unwrap().as_deref(),
                Some(block.data())
            );
        }
        for ((run, index), expect) in &self.steps {
            let steps = store.steps(RunId(*run)).unwrap();
            let step = steps.iter().find(|step| step.index == *index).unwrap();
            let stored = store.receipt_at(step.receipt.unwrap()).unwrap().unwrap();
            assert_eq!(serial(&stored), *expect);
        }
        for (id, status) in (1..).zip(&self.runs) {
            assert_eq!(store.run(RunId(id)).unwrap().unwrap().status, *status);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn random_use_agrees_with_the_model(ops in vec(op(), 1..25)) {
        let home = tempfile::tempdir().unwrap();
        let mut store = Some(open(home.path()));
        let mut model = Model::default();
        for op in &ops {
            model.apply(op, &mut store, home.path());
            model.check(store.as_ref().unwrap());
        }
        let mut findings = Vec::new();
        let summary = store.as_ref().unwrap().verify(&mut |event| findings.push(event)).unwrap();
        prop_assert_eq!(summary.damage, 0, "{:?}", findings);
        prop_assert_eq!(summary.receipts, model.receipts.len() as u64);
    }
}
