//! The state of one run: which steps wait, which are under way, which have ended.

use std::collections::VecDeque;

use ipvm_ucan::promise::Branch;

use crate::{Dag, Ending, Verdict};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Some input is not there yet.
    Waiting,
    /// All inputs ended as awaited; not yet started.
    Ready,
    /// An input ended on the other branch; not yet settled. Carries that input.
    Doomed(u32),
    /// A look-up is under way.
    LookingUp,
    /// It is being executed.
    Executing,
    /// Its settlement is being written.
    Settling,
    /// Its result is known; the commit is under way.
    Computed(Ending),
    /// Its receipt is on record.
    Ended(Ending),
    /// Whether it was done is not known.
    Doubted,
    /// Given up after a stop.
    Abandoned,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Doomed(_) => "doomed",
            Self::LookingUp => "being looked up",
            Self::Executing => "being executed",
            Self::Settling => "being settled",
            Self::Computed(_) => "computed",
            Self::Ended(_) => "ended",
            Self::Doubted => "in doubt",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A place in one of the rows of runs that have something to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) number: u64,
    /// In the row of those that go first.
    pub(crate) first: bool,
}

/// One run under way.
#[derive(Debug)]
pub(crate) struct Run {
    dag: Dag,
    states: Vec<State>,
    /// For each step, how many of its inputs it still waits for: to be known if it is eager, else to be durable.
    missing: Vec<u32>,
    /// Steps that are ready or doomed, in the order in which they became so.
    queue: VecDeque<u32>,
    /// Steps that are looked up, executed or settled.
    pub(crate) under_way: u32,
    /// Steps whose result is known and not yet durable.
    pub(crate) volatile: u32,
    /// Its place among the runs that take turns, if it stands there.
    pub(crate) ticket: Option<Ticket>,
    ended: usize,
    errors: usize,
    doubts: usize,
    pub(crate) stopped: bool,
}

impl Run {
    pub(crate) fn new(dag: Dag, ended: &[(u32, Ending)]) -> Self {
        let missing = dag.awaits().to_vec();
        let steps = dag.len();
        let mut run = Self {
            dag,
            states: vec![State::Waiting; steps],
            missing,
            queue: VecDeque::new(),
            under_way: 0,
            volatile: 0,
            ticket: None,
            ended: 0,
            errors: 0,
            doubts: 0,
            stopped: false,
        };
        // Marked first, so that a step that ended is not queued when its inputs are counted.
        for (step, ending) in ended {
            run.mark_ended(*step, *ending);
        }
        for (step, ending) in ended {
            run.inform_dependents(*step, *ending, None);
        }
        for step in 0..steps as u32 {
            if run.state(step) == Some(State::Waiting) && run.is_free(step) {
                run.enqueue(step, State::Ready);
            }
        }
        run
    }

    pub(crate) fn state(&self, step: u32) -> Option<State> {
        self.states.get(step as usize).copied()
    }

    pub(crate) fn set(&mut self, step: u32, state: State) {
        if let Some(slot) = self.states.get_mut(step as usize) {
            *slot = state;
        }
    }

    /// The next step to start and its state, [`State::Ready`] or [`State::Doomed`].
    pub(crate) fn next(&mut self) -> Option<(u32, State)> {
        if self.stopped {
            return None;
        }
        let step = self.queue.pop_front()?;
        self.state(step).map(|state| (step, state))
    }

    pub(crate) fn has_next(&self) -> bool {
        !self.stopped && !self.queue.is_empty()
    }

    /// Records that a step's result is known, and makes ready what may start on it.
    pub(crate) fn compute(&mut self, step: u32, ending: Ending) {
        self.set(step, State::Computed(ending));
        self.inform_dependents(step, ending, Some(Told::Eager));
    }

    /// Records that a step's result is durable, and makes ready, or dooms, what awaited it.
    pub(crate) fn end(&mut self, step: u32, ending: Ending) {
        let was_computed = matches!(self.state(step), Some(State::Computed(_)));
        self.mark_ended(step, ending);
        self.inform_dependents(step, ending, was_computed.then_some(Told::Others));
    }

    /// The verdict, once nothing is under way and nothing can be started.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        if self.ended == self.states.len() {
            return Some(if self.errors == 0 {
                Verdict::Ok
            } else {
                Verdict::Error
            });
        }
        let at_rest = self.under_way == 0 && self.volatile == 0;
        match at_rest {
            true if self.stopped => Some(Verdict::Stopped),
            true if self.doubts > 0 && self.queue.is_empty() => Some(Verdict::InDoubt),
            _ => None,
        }
    }

    /// Records that it is not known whether a step was done.
    pub(crate) fn doubt(&mut self, step: u32) {
        self.set(step, State::Doubted);
        self.doubts += 1;
    }

    fn mark_ended(&mut self, step: u32, ending: Ending) {
        self.set(step, State::Ended(ending));
        self.ended += 1;
        self.errors += usize::from(ending == Ending::Error);
    }

    /// Counts a result off in the steps that await it: in those that are `told` of now, or in all.
    fn inform_dependents(&mut self, step: u32, ending: Ending, told: Option<Told>) {
        for index in 0..self.dag.dependents(step).len() {
            let Some((dependent, branch)) = self.dag.dependents(step).get(index).copied() else {
                continue;
            };
            if !satisfies(ending, branch) {
                // The receipt of a settlement names the receipt of its cause, which must be on record.
                if told != Some(Told::Eager) && self.state(dependent) == Some(State::Waiting) {
                    self.enqueue(dependent, State::Doomed(step));
                }
                continue;
            }
            let now = told.is_none_or(|told| (told == Told::Eager) == self.dag.is_eager(dependent));
            if !now {
                continue;
            }
            if let Some(count) = self.missing.get_mut(dependent as usize) {
                *count = count.saturating_sub(1);
            }
            if self.state(dependent) == Some(State::Waiting) && self.is_free(dependent) {
                self.enqueue(dependent, State::Ready);
            }
        }
    }

    fn is_free(&self, step: u32) -> bool {
        self.missing.get(step as usize) == Some(&0)
    }

    fn enqueue(&mut self, step: u32, state: State) {
        self.set(step, state);
        self.queue.push_back(step);
    }
}

/// Which of the steps that await a result are told of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Those that may start on a result that is not durable.
    Eager,
    /// Those that may not.
    Others,
}

fn satisfies(ending: Ending, branch: Branch) -> bool {
    match branch {
        Branch::Any => true,
        Branch::Ok => ending == Ending::Ok,
        Branch::Error => ending == Ending::Error,
    }
}
