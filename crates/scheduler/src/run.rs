//! The state of one run: which steps wait, which are under way, which have ended.

use std::collections::VecDeque;

use ipvm_ucan::promise::Branch;

use crate::{Dag, Ending, Verdict};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Some input has not ended.
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
    /// Its receipt is on record.
    Ended(Ending),
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
            Self::Ended(_) => "ended",
            Self::Abandoned => "abandoned",
        }
    }
}

/// One run under way.
#[derive(Debug)]
pub(crate) struct Run {
    dag: Dag,
    states: Vec<State>,
    /// For each step, how many of its inputs have not ended.
    missing: Vec<u32>,
    /// Steps that are ready or doomed, in the order in which they became so.
    queue: VecDeque<u32>,
    pub(crate) under_way: u32,
    ended: usize,
    errors: usize,
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
            ended: 0,
            errors: 0,
            stopped: false,
        };
        // Marked first, so that a step that ended is not queued when its inputs are counted.
        for (step, ending) in ended {
            run.mark_ended(*step, *ending);
        }
        for (step, ending) in ended {
            run.release_dependents(*step, *ending);
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

    /// Records the end of a step and makes ready, or dooms, what awaited it.
    pub(crate) fn end(&mut self, step: u32, ending: Ending) {
        self.mark_ended(step, ending);
        self.release_dependents(step, ending);
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
        (self.stopped && self.under_way == 0).then_some(Verdict::Stopped)
    }

    fn mark_ended(&mut self, step: u32, ending: Ending) {
        self.set(step, State::Ended(ending));
        self.ended += 1;
        self.errors += usize::from(ending == Ending::Error);
    }

    fn release_dependents(&mut self, step: u32, ending: Ending) {
        for index in 0..self.dag.dependents(step).len() {
            let Some((dependent, branch)) = self.dag.dependents(step).get(index).copied() else {
                continue;
            };
            if let Some(count) = self.missing.get_mut(dependent as usize) {
                *count = count.saturating_sub(1);
            }
            if self.state(dependent) != Some(State::Waiting) {
                continue;
            }
            if !satisfies(ending, branch) {
                self.enqueue(dependent, State::Doomed(step));
            } else if self.is_free(dependent) {
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

fn satisfies(ending: Ending, branch: Branch) -> bool {
    match branch {
        Branch::Any => true,
        Branch::Ok => ending == Ending::Ok,
        Branch::Error => ending == Ending::Error,
    }
}
