//! What a caller learns of a run: while it goes on, and at its end.

use ipvm_ipld::Cid;
use ipvm_workflow::Class;

use crate::Prepared;

/// Where a step stands, as a user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its receipt carries `ok`.
    Ok,
    /// Its receipt carries `error`.
    Error,
    /// It has no receipt yet.
    Pending,
}

impl Status {
    /// The word used in JSON and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Pending => "pending",
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
}

impl RunState {
    /// The word used in JSON and on screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
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
    pub steps: Vec<StepReport>,
}

/// A line of the list of runs.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// The workflow.
    pub workflow: Cid,
    /// The signed request that started it.
    pub run: Cid,
    /// The workflow's name.
    pub name: String,
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
