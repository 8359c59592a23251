//! What a caller learns of a run: while it goes on, and at its end.

use std::collections::HashMap;
use std::sync::Arc;

use ipvm_ipld::Cid;
use ipvm_scheduler::Ending;
use ipvm_workflow::{Class, Plan};

use crate::Prepared;
use crate::record::Record;

/// Where a step stands, as a user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its receipt carries `ok`.
    Ok,
    /// Its receipt carries `error`.
    Error,
    /// It has no receipt yet.
    Pending,
    /// It is not known whether it was done.
    InDoubt,
}

impl Status {
    /// The word used in JSON and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Pending => "pending",
            Self::InDoubt => "in-doubt",
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Under way, or left unfinished by a process that is gone.
    Running,
    /// Every step ended `ok`.
    Ok,
    /// Every step ended, at least one with `error`.
    Error,
    /// Stopped by its user.
    Cancelled,
    /// Of some step it is not known whether it was done; the rest is done, or waits for it.
    InDoubt,
}

impl RunState {
    /// The word used in JSON and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::InDoubt => "in-doubt",
        }
    }
}

/// What happens during a run, in order. Nothing is told before it is durable.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// The run is on record and starts. Steps that an earlier, unfinished or equal, run ended
    /// are told next, each as [`Progress::Ended`] from memory.
    Began {
        /// What is run.
        prepared: &'a Prepared,
    },
    /// A step was not in memory and is being executed.
    Started {
        /// Its index.
        step: u32,
    },
    /// It is not known whether a step was done; this is on record.
    Doubted {
        /// Its index.
        step: u32,
        /// Why it is not known.
        reason: String,
    },
    /// A step has a durable receipt.
    Ended {
        /// Its index.
        step: u32,
        /// The receipt.
        receipt: Cid,
        /// Its branch.
        status: Status,
        /// Whether the result was reused instead of computed.
        memo: bool,
        /// Time this took now, in microseconds; of a reused result, zero.
        took_us: u64,
        /// Time the reused result took when it was computed, in microseconds.
        saved_us: u64,
        /// The step whose failure kept this one from running.
        because: Option<u32>,
        /// The error in one line, if it ended in one.
        error: Option<String>,
    },
}

/// One step of a run.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Its label.
    pub label: String,
    /// Its Task CID.
    pub task: Cid,
    /// Its receipt, once it has one.
    pub receipt: Option<Cid>,
    /// Where it stands.
    pub status: Status,
    /// Whether its result was reused instead of computed.
    pub memo: bool,
    /// The class of its command.
    pub class: Class,
    /// Whether it is secret.
    pub secret: bool,
    /// Fuel its execution used, whenever that was.
    pub fuel: u64,
    /// Time its execution took, whenever that was, in microseconds.
    pub took_us: u64,
    /// Label of the step whose failure kept this one from running.
    pub because: Option<String>,
}

/// A run, finished or not.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The workflow.
    pub workflow: Cid,
    /// The signed request that started it: the identity of the run.
    pub run: Cid,
    /// The workflow's name.
    pub name: String,
    /// Whether the run is kept sealed, because a step of it is secret.
    pub secret: bool,
    /// How it ended.
    pub status: RunState,
    /// Steps executed now.
    pub executed: u64,
    /// Steps answered from memory.
    pub reused: u64,
    /// Time the reused results took when they were computed, in microseconds.
    pub saved_us: u64,
    /// Time since the run was started, in microseconds.
    pub took_us: u64,
    /// Every step, by index: byte order of labels.
    pub steps: Steps,
}

/// The steps of a run. What is told of a step is put together when it is asked for: all at once would take more memory
/// than the run itself.
#[derive(Clone, Debug)]
pub struct Steps {
    pub(crate) plan: Arc<Plan>,
    /// By step index.
    pub(crate) records: Vec<Option<Record>>,
    /// For each settled step, the step whose end kept it from running.
    pub(crate) because: HashMap<u32, u32>,
    /// Steps of which it is not known whether they were done, and why.
    pub(crate) doubts: HashMap<u32, String>,
    /// Of a run that is kept sealed, the steps that are not secret, ascending; of another all are open.
    pub(crate) open: Option<Vec<u32>>,
}

impl RunReport {
    /// Has the report tell of secret steps as of the others.
    pub fn reveal(&mut self) {
        self.secret = false;
        self.steps.open = None;
    }
}

impl Steps {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none; there is always one.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The step at `index`.
    pub fn get(&self, index: u32) -> Option<StepReport> {
        let record = self.records.get(index as usize)?.as_ref();
        let label = |step: u32| self.plan.label(step).unwrap_or_default().to_owned();
        Some(StepReport {
            label: label(index),
            task: self.plan.graph().task(index).unwrap_or_default(),
            receipt: record.map(Record::receipt),
            status: self.status(index, record),
            memo: record.is_some_and(|record| record.memo),
            class: self.plan.class(index),
            secret: self.is_secret(index),
            fuel: record.map_or(0, |record| record.fuel),
            took_us: record.map_or(0, |record| record.took_us),
            because: self.because.get(&index).copied().map(label),
        })
    }

    /// Whether the step at `index` is secret.
    fn is_secret(&self, index: u32) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| open.binary_search(&index).is_err())
    }

    /// How many are secret.
    pub fn secret(&self) -> usize {
        let open = self.open.as_ref();
        open.map_or(0, |open| self.len().saturating_sub(open.len()))
    }

    /// The first step.
    pub fn first(&self) -> Option<StepReport> {
        self.get(0)
    }

    /// The step with this label.
    pub fn find(&self, label: &str) -> Option<StepReport> {
        self.get(self.plan.find(label)?)
    }

    /// All steps in their order.
    pub fn iter(&self) -> impl Iterator<Item = StepReport> + Clone + '_ {
        (0..self.records.len() as u32).filter_map(|index| self.get(index))
    }

    /// How many have this status.
    pub fn count(&self, status: Status) -> usize {
        let records = (0..).zip(&self.records);
        let statuses = records.map(|(step, record)| self.status(step, record.as_ref()));
        statuses.filter(|other| *other == status).count()
    }

    fn status(&self, step: u32, record: Option<&Record>) -> Status {
        match record.map(Record::ending) {
            None if self.doubts.contains_key(&step) => Status::InDoubt,
            None => Status::Pending,
            Some(Ending::Ok) => Status::Ok,
            Some(Ending::Error) => Status::Error,
        }
    }
}

/// A line of the list of runs.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// The workflow.
    pub workflow: Cid,
    /// The signed request that started it.
    pub run: Cid,
    /// The workflow's name; of a secret run, `secret-` and a number.
    pub name: String,
    /// Whether it is kept sealed, because a step of it is secret: then the CIDs are names that only this home knows.
    pub secret: bool,
    /// How it stands.
    pub status: RunState,
    /// When it was first asked for, in seconds since the epoch.
    pub started: i64,
    /// How many steps it has.
    pub tasks: u64,
    /// How many of them have a receipt.
    pub done: u64,
    /// The store's number of this run.
    pub(crate) id: ipvm_store::RunId,
}
