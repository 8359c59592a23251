//! The scheduler: a state machine that decides which task is next, and does nothing else.
//!
//! It never performs I/O, reads a clock or draws a random number. What happened comes in as an
//! [`Event`]; what it wants done leaves as a [`Command`]. The same code runs in the node and
//! under a simulator.
//!
//! Parallelism comes from data dependencies alone: a step is ready once each step it awaits has
//! ended with a result on record. A step whose input ended on the other branch than the one it
//! awaits can never run; it is settled at once, and so are, in turn, the steps that await it.
//! Branches that do not depend on a failure go on.
//!
//! A result is first *computed* (known, its commit under way) and then *ended* (durable). Steps that
//! the graph calls [eager](Dag::eager) start on computed inputs, so that a chain of them shares
//! commits; all others, every settlement and the verdict wait for what is durable.
//!
//! ```
//! use ipvm_scheduler::{Bounds, Command, Dag, Ending, Event, RunId, Scheduler};
//! use ipvm_ucan::promise::Branch;
//!
//! let mut scheduler = Scheduler::new(Bounds { under_way: 64, volatile: 256 });
//! let run = RunId(1);
//! let dag = Dag::new(&[vec![], vec![(0, Branch::Ok)]])?;
//! let commands = scheduler.handle(Event::Submitted { run, dag, ended: vec![] })?;
//! assert_eq!(commands, [Command::LookUp { run, step: 0 }]);
//! let commands = scheduler.handle(Event::Missed { run, step: 0 })?;
//! assert_eq!(commands, [Command::Execute { run, step: 0 }]);
//! let commands = scheduler.handle(Event::Ended { run, step: 0, ending: Ending::Ok })?;
//! assert_eq!(commands, [Command::LookUp { run, step: 1 }]);
//! # Ok::<(), ipvm_scheduler::SchedulerError>(())
//! ```

mod dag;
pub mod effort;
mod machine;
mod run;

pub use dag::{Dag, MAX_STEPS};
pub use machine::{Bounds, Scheduler};

/// Names one run within one scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// The branch on which a step ended, as its receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The receipt carries `ok`.
    Ok,
    /// The receipt carries `error`.
    Error,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every step has a receipt, each `ok`.
    Ok,
    /// Every step has a receipt, at least one `error`.
    Error,
    /// Of some step it is not known whether it was done, and nothing else can go on.
    InDoubt,
    /// The run was stopped; steps without a receipt remain.
    Stopped,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A run is to be carried out. `ended` lists the steps whose receipts are already on record.
    Submitted {
        /// The new run.
        run: RunId,
        /// Which step awaits which.
        dag: Dag,
        /// Steps that need not be looked at again, with the branch each ended on.
        ended: Vec<(u32, Ending)>,
    },
    /// A look-up found nothing to reuse.
    Missed {
        /// The run.
        run: RunId,
        /// The step that was looked up.
        step: u32,
    },
    /// A step's result is known, and what makes it durable is under way: [`Event::Ended`] or [`Event::Failed`]
    /// follows. May be left out.
    Computed {
        /// The run.
        run: RunId,
        /// The step.
        step: u32,
        /// Its branch.
        ending: Ending,
    },
    /// A step's receipt is durable, wherever it came from: memory, execution or settlement.
    Ended {
        /// The run.
        run: RunId,
        /// The step.
        step: u32,
        /// Its branch.
        ending: Ending,
    },
    /// Whether a step that was under way has had its effect is not known: it has no receipt, and what awaits it waits on.
    Doubted {
        /// The run.
        run: RunId,
        /// The step.
        step: u32,
    },
    /// No further step of this run is to be started; what is under way reports in first.
    Stop {
        /// The run.
        run: RunId,
    },
    /// A step that was under way was given up without a receipt (only after [`Event::Stop`]).
    Abandoned {
        /// The run.
        run: RunId,
        /// The step.
        step: u32,
    },
    /// The run cannot go on, for instance because a commit failed. It is forgotten, without a verdict; what is
    /// still under way of it reports no more.
    Failed {
        /// The run.
        run: RunId,
    },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Find a receipt to reuse; answer with [`Event::Missed`], or with [`Event::Computed`] and [`Event::Ended`].
    LookUp {
        /// The run.
        run: RunId,
        /// The step, all of whose promises are met.
        step: u32,
    },
    /// Do the work; answer with [`Event::Computed`] and [`Event::Ended`], [`Event::Doubted`] or, after a stop, [`Event::Abandoned`].
    Execute {
        /// The run.
        run: RunId,
        /// The step.
        step: u32,
    },
    /// Write the receipt of a step that can never run; answer as to [`Command::Execute`].
    Settle {
        /// The run.
        run: RunId,
        /// The step.
        step: u32,
        /// The step it awaits that ended on the other branch.
        because: u32,
    },
    /// The run is over.
    Finish {
        /// The run.
        run: RunId,
        /// How it ended.
        verdict: Verdict,
    },
}

/// A misuse of the scheduler by its driver: never caused by user input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchedulerError {
    /// A graph with more steps than [`MAX_STEPS`].
    #[error("a run may have at most {MAX_STEPS} steps, this one has {0}")]
    TooManySteps(usize),
    /// An edge to a step that does not exist.
    #[error("step {step} awaits step {on}, but there are only {steps} steps")]
    NoSuchStep {
        /// The awaiting step.
        step: u32,
        /// The missing step.
        on: u32,
        /// How many steps the run has.
        steps: usize,
    },
    /// The graph has a cycle.
    #[error("step {0} awaits itself through a cycle")]
    Cycle(u32),
    /// The run is already known.
    #[error("run {0:?} was submitted twice")]
    DuplicateRun(RunId),
    /// The run is not known, or is over.
    #[error("run {0:?} is not under way")]
    UnknownRun(RunId),
    /// An answer to a question that was not asked.
    #[error("step {step} of run {run:?} is {state}, so it cannot be {event}")]
    Unexpected {
        /// The run.
        run: RunId,
        /// The step.
        step: u32,
        /// Its present state.
        state: &'static str,
        /// What was reported.
        event: &'static str,
    },
}
