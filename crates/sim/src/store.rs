//! A model of the store: batches that wait, batches that are being written together, and what is durable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use ipvm_scheduler::{Ending, Verdict};

use crate::flights::Key;
use crate::world::At;

/// What came of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) ending: Ending,
    pub(crate) value: u64,
    pub(crate) kind: Kind,
}

/// Where an outcome comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The work itself.
    Result,
    /// It ended at a limit: another time it may not.
    Limit,
    /// The last fault of an effect that was not done.
    Fault,
    /// It could never run.
    Settlement,
}

impl Outcome {
    pub(crate) fn error(kind: Kind) -> Self {
        Self {
            ending: Ending::Error,
            value: 0,
            kind,
        }
    }

    /// Whether it may stand for later runs of the same work.
    pub(crate) fn is_reusable(&self) -> bool {
        self.kind == Kind::Result
    }
}

/// A receipt: the outcome and what it is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) task: u64,
    pub(crate) computation: Option<u64>,
    pub(crate) outcome: Outcome,
    /// Which nothing is decided by.
    pub(crate) started: TimeOfDay,
}

/// Milliseconds since the epoch, as a clock on the wall says it. Not part of a trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeOfDay(pub(crate) i64);

impl fmt::Debug for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// One row to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Write {
    /// A run is to be carried out, or is to go on.
    Run(usize),
    Verdict(usize, Verdict),
    Receipt(u64, Receipt),
    /// A step of a run ended with a receipt.
    Step((usize, u32), u64),
    /// The intent to do a task, with this account.
    Note(u64, u8),
    TakeBack(u64),
}

/// What is told when a batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// A run may begin.
    Accepted(usize),
    /// Nobody waits for it.
    Nothing,
    /// An effort may begin.
    Noted(At),
    /// A step has ended; what waited for its work looks again.
    Ended {
        at: At,
        receipt: u64,
        key: Option<Key>,
    },
    /// An effort was given up with nothing done.
    GivenUp(At),
    /// A person's word on a task is on record.
    Settled(u64),
}

/// What becomes durable together.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) writes: Vec<Write>,
    pub(crate) then: Then,
}

/// What is durable.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) runs: BTreeSet<usize>,
    pub(crate) verdicts: BTreeMap<usize, Verdict>,
    pub(crate) steps: BTreeMap<(usize, u32), u64>,
    pub(crate) receipts: BTreeMap<u64, Receipt>,
    by_task: BTreeMap<u64, Vec<u64>>,
    by_computation: BTreeMap<u64, Vec<u64>>,
    /// Tasks that may have been begun, and with which account.
    pub(crate) notes: BTreeMap<u64, u8>,
}

impl Records {
    fn apply(&mut self, write: Write) {
        match write {
            Write::Run(run) => {
                self.runs.insert(run);
                self.verdicts.remove(&run);
            }
            Write::Verdict(run, verdict) => {
                self.verdicts.insert(run, verdict);
            }
            Write::Receipt(id, receipt) => {
                self.receipts.insert(id, receipt);
                self.by_task.entry(receipt.task).or_default().push(id);
                if let Some(computation) = receipt.computation {
                    self.by_computation.entry(computation).or_default().push(id);
                }
            }
            Write::Step(at, receipt) => {
                self.steps.insert(at, receipt);
            }
            Write::Note(task, account) => {
                self.notes.insert(task, account);
            }
            Write::TakeBack(task) => {
                self.notes.remove(&task);
            }
        }
    }

    /// The receipt a step of a run ended with.
    pub(crate) fn step(&self, at: (usize, u32)) -> Option<&Receipt> {
        self.receipts.get(self.steps.get(&at)?)
    }

    /// The receipts of this very task, the oldest first.
    pub(crate) fn by_task(&self, task: u64) -> impl Iterator<Item = u64> + '_ {
        self.by_task.get(&task).into_iter().flatten().copied()
    }

    /// The receipts of any task with this computation.
    pub(crate) fn by_computation(&self, computation: u64) -> impl Iterator<Item = u64> + '_ {
        let ids = self.by_computation.get(&computation);
        ids.into_iter().flatten().copied()
    }

    /// What a task has come to, where it has.
    pub(crate) fn result_of(&self, task: u64) -> Option<Outcome> {
        let outcomes = self.by_task(task).map(|id| self.receipts[&id].outcome);
        let mut outcomes = outcomes;
        outcomes.find(Outcome::is_reusable)
    }
}

/// What a crash did to the store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loss {
    pub(crate) queue: bool,
    pub(crate) commit: bool,
}

/// The store of one home.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) durable: Records,
    queue: VecDeque<Batch>,
    writing: Vec<Batch>,
    /// Whether the writer is at work, or about to be.
    awake: bool,
}

impl Store {
    /// Hands a batch over. Returns whether the writer has to be woken.
    pub(crate) fn submit(&mut self, batch: Batch) -> bool {
        self.queue.push_back(batch);
        !std::mem::replace(&mut self.awake, true)
    }

    /// Begins to write what waits, up to so many batches together.
    pub(crate) fn begin(&mut self, most: usize) {
        let count = most.min(self.queue.len());
        self.writing = self.queue.drain(..count).collect();
    }

    /// Whether the writer, done with a commit, has another to write; else it sleeps.
    pub(crate) fn goes_on(&mut self) -> bool {
        self.awake = !self.queue.is_empty();
        self.awake
    }

    /// What is being written is durable. Gives the batches, to be told of in order.
    pub(crate) fn finish(&mut self) -> Vec<Batch> {
        let group = std::mem::take(&mut self.writing);
        for write in group.iter().flat_map(|batch| &batch.writes) {
            self.durable.apply(*write);
        }
        group
    }

    /// What is being written could not be. Gives the batches.
    pub(crate) fn fail(&mut self) -> Vec<Batch> {
        std::mem::take(&mut self.writing)
    }

    /// The process ends. A commit under way may have reached the disk or not.
    pub(crate) fn crash(&mut self, written: bool) -> Loss {
        let loss = Loss {
            queue: !self.queue.is_empty(),
            commit: !self.writing.is_empty(),
        };
        self.queue.clear();
        self.awake = false;
        if written {
            self.finish();
        }
        self.writing.clear();
        loss
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.writing.is_empty()
    }
}
