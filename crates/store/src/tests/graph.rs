//! Random graphs of blocks, receipts, runs and pins, and what is kept of them by a naive reading of the rules.
//!
//! A stand-in receipt here is text: `G task computation serial reusable | rests on… | receipts… | made…`.

use crate::{
    Batch, Keep, NewReceipt, NewRun, Pin, PinKind, ReceiptKeys, ReceiptRefs, RunStatus, RunUpdate,
    StepState, StepUpdate, Store, Tokens,
};
use ipvm_ipld::{Block, Cid, Ipld, cbor, codec};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

use super::fixture::named;

/// A block: which earlier blocks it links to, and whether it is large enough to be a file.
#[derive(Clone, Debug)]
pub(crate) struct BlockPlan {
    pub(crate) links: Vec<usize>,
    pub(crate) large: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct ReceiptPlan {
    pub(crate) task: u64,
    pub(crate) reusable: bool,
    pub(crate) rests_on: Vec<usize>,
    pub(crate) made: Vec<usize>,
    /// An earlier receipt that it repeats.
    pub(crate) repeats: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct RunPlan {
    /// A block.
    pub(crate) workflow: usize,
    pub(crate) receipts: Vec<usize>,
    /// When it ended.
    pub(crate) finished: Option<i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) blocks: Vec<BlockPlan>,
    pub(crate) receipts: Vec<ReceiptPlan>,
    pub(crate) runs: Vec<RunPlan>,
    /// Blocks that are pinned.
    pub(crate) pins: Vec<usize>,
    /// Receipts that are pinned.
    pub(crate) pinned_receipts: Vec<usize>,
}

fn some(most: usize) -> impl Strategy<Value = Vec<usize>> {
    vec(0..1_000_usize, 0..most)
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    let block =
        (some(4), prop::bool::weighted(0.1)).prop_map(|(links, large)| BlockPlan { links, large });
    let receipt = (
        0..9_u64,
        any::<bool>(),
        some(3),
        some(3),
        prop::option::weighted(0.3, 0..1_000_usize),
    )
        .prop_map(|(task, reusable, rests_on, made, repeats)| ReceiptPlan {
            task,
            reusable,
            rests_on,
            made,
            repeats,
        });
    let run = (
        0..1_000_usize,
        some(4),
        prop::option::weighted(0.8, 0..100_i64),
    )
        .prop_map(|(workflow, receipts, finished)| RunPlan {
            workflow,
            receipts,
            finished,
        });
    (
        vec(block, 1..30),
        vec(receipt, 1..14),
        vec(run, 0..6),
        some(3),
        some(2),
    )
        .prop_map(|(blocks, receipts, runs, pins, pinned_receipts)| Plan {
            blocks,
            receipts,
            runs,
            pins,
            pinned_receipts,
        })
}

/// What was stored, by the numbers of the plan.
pub(crate) struct Stored {
    pub(crate) blocks: Vec<Block>,
    pub(crate) receipts: Vec<NewReceipt>,
}

impl Plan {
    fn block(&self, index: usize) -> usize {
        index % self.blocks.len()
    }

    /// An earlier block; `None` for the first.
    fn earlier(&self, of: usize, index: usize) -> Option<usize> {
        index.checked_rem(of)
    }

    fn receipt(&self, index: usize) -> usize {
        index % self.receipts.len()
    }

    fn make(&self) -> Stored {
        let mut blocks: Vec<Block> = Vec::new();
        for (number, plan) in self.blocks.iter().enumerate() {
            let links = plan
                .links
                .iter()
                .filter_map(|link| self.earlier(number, *link));
            let links: Vec<Ipld> = links.map(|link| Ipld::Link(*blocks[link].cid())).collect();
            let padding = if plan.large { 70_000 } else { 10 };
            let value = Ipld::List(vec![
                Ipld::Integer(number as i128),
                Ipld::List(links),
                Ipld::Bytes(vec![0; padding]),
            ]);
            blocks.push(cbor::encode_block(&value).unwrap());
        }
        let mut receipts: Vec<NewReceipt> = Vec::new();
        for (serial, plan) in self.receipts.iter().enumerate() {
            let cids = |indices: &[usize]| -> String {
                let names = indices
                    .iter()
                    .map(|index| blocks[self.block(*index)].cid().to_string());
                names.collect::<Vec<_>>().join(" ")
            };
            let repeats = plan.repeats.and_then(|index| self.earlier(serial, index));
            let repeats = repeats.map_or(String::new(), |index| {
                receipts[index].block.cid().to_string()
            });
            let text = format!(
                "G {} {} {serial} {} | {} | {repeats} | {}",
                plan.task,
                plan.task % 4,
                u8::from(plan.reusable),
                cids(&plan.rests_on),
                cids(&plan.made)
            );
            let block = Block::new(codec::DAG_CBOR, text.into_bytes());
            let keys = keys_of(block.data()).unwrap();
            receipts.push(NewReceipt { block, keys });
        }
        Stored { blocks, receipts }
    }

    /// Puts it all into a store.
    pub(crate) fn store(&self, store: &Store) -> Stored {
        let stored = self.make();
        let mut batch = Batch::new();
        stored.blocks.iter().for_each(|block| {
            batch.block(block.clone());
        });
        let made: Vec<_> = stored
            .receipts
            .iter()
            .map(|receipt| batch.receipt(receipt.clone()))
            .collect();
        for plan in &self.runs {
            let id = store.new_run_id();
            batch.run(NewRun {
                id,
                workflow: *stored.blocks[self.block(plan.workflow)].cid(),
                name: None,
                source: None,
                invocation: None,
                started: 0,
                tasks: 4,
            });
            for (index, receipt) in (0..).zip(&plan.receipts) {
                batch.step(StepUpdate {
                    run: id,
                    index,
                    state: StepState::Ok,
                    receipt: Some(made[self.receipt(*receipt)]),
                });
            }
            if let Some(finished) = plan.finished {
                batch.run_update(RunUpdate {
                    id,
                    status: RunStatus::Ok,
                    finished: Some(finished),
                });
            }
        }
        let pinned = self
            .pins
            .iter()
            .map(|index| *stored.blocks[self.block(*index)].cid());
        let receipts = self.pinned_receipts.iter();
        let receipts = receipts.map(|index| *stored.receipts[self.receipt(*index)].block.cid());
        for cid in pinned.chain(receipts) {
            batch.pin(Pin {
                cid,
                kind: PinKind::Pinned,
                since: 1,
            });
        }
        store.commit(batch).unwrap();
        stored
    }

    /// The runs that are kept, by position.
    pub(crate) fn kept_runs(&self, keep: Keep) -> Vec<usize> {
        let mut newer = 0;
        let mut kept = Vec::new();
        for (position, run) in self.runs.iter().enumerate().rev() {
            let keeps = match (run.finished, keep) {
                (None, _) | (_, Keep::All) => true,
                (Some(_), Keep::Runs(most)) => newer < most,
                (Some(finished), Keep::Since(time)) => finished >= time,
            };
            newer += u64::from(run.finished.is_some());
            if keeps {
                kept.push(position);
            }
        }
        kept
    }

    /// What must be left, read naively from the rules: blocks with whether something needs them, and receipts.
    pub(crate) fn kept(&self, keep: Keep) -> (BTreeMap<usize, bool>, BTreeSet<usize>) {
        // Receipts with whether their results are needed.
        let mut receipts: BTreeMap<usize, bool> = BTreeMap::new();
        let mut blocks: BTreeMap<usize, bool> = BTreeMap::new();
        for position in self.kept_runs(keep) {
            let run = &self.runs[position];
            blocks.insert(self.block(run.workflow), true);
            for receipt in &run.receipts {
                *receipts.entry(self.receipt(*receipt)).or_default() |= run.finished.is_none();
            }
        }
        self.pins.iter().for_each(|index| {
            blocks.insert(self.block(*index), true);
        });
        self.pinned_receipts.iter().for_each(|index| {
            receipts.insert(self.receipt(*index), true);
        });
        if keep == Keep::All {
            for (serial, plan) in self.receipts.iter().enumerate() {
                if plan.reusable {
                    receipts.entry(serial).or_default();
                }
            }
        }
        loop {
            let before = (blocks.clone(), receipts.clone());
            for (serial, needed) in &before.1 {
                let plan = &self.receipts[*serial];
                if let Some(first) = plan.repeats.and_then(|index| self.earlier(*serial, index)) {
                    receipts.entry(first).or_default();
                }
                for index in &plan.rests_on {
                    blocks.insert(self.block(*index), true);
                }
                for index in &plan.made {
                    *blocks.entry(self.block(*index)).or_default() |= needed;
                }
            }
            for (number, needed) in &before.0 {
                for link in &self.blocks[*number].links {
                    if let Some(link) = self.earlier(*number, *link) {
                        *blocks.entry(link).or_default() |= needed;
                    }
                }
            }
            if before == (blocks.clone(), receipts.clone()) {
                return (blocks, receipts.into_keys().collect());
            }
        }
    }
}

pub(crate) fn keys_of(bytes: &[u8]) -> Option<ReceiptKeys> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut words = text.strip_prefix("G ")?.split(' ');
    let task = words.next()?.parse().ok()?;
    let computation: u64 = words.next()?.parse().ok()?;
    Some(ReceiptKeys {
        task: named(task),
        computation: (computation != 0).then(|| named(computation)),
    })
}

/// Reads the stand-ins.
pub(crate) struct Text;

impl Tokens for Text {
    fn refs(&self, receipt: &[u8]) -> Option<ReceiptRefs> {
        let text = std::str::from_utf8(receipt).ok()?;
        let parts: Vec<&str> = text.split(" | ").collect();
        let cids = |part: &str| -> Vec<Cid> {
            part.split(' ')
                .filter(|word| !word.is_empty())
                .map(|word| Cid::try_from(word).unwrap())
                .collect()
        };
        let [head, rests_on, receipts, made] = parts.as_slice() else {
            return None;
        };
        Some(ReceiptRefs {
            reusable: head.ends_with('1'),
            rests_on: cids(rests_on),
            receipts: cids(receipts),
            made: cids(made),
        })
    }

    fn check_receipt(&self, receipt: &[u8]) -> Result<(), String> {
        keys_of(receipt)
            .map(drop)
            .ok_or_else(|| "it is forged".into())
    }

    fn check_sealed(&self, _: &[u8]) -> Result<bool, String> {
        Ok(false)
    }

    fn sealed_content(&self, _: &[u8]) -> Vec<Cid> {
        Vec::new()
    }

    fn check_block(&self, _: &[u8]) -> Result<bool, String> {
        Ok(false)
    }
}
