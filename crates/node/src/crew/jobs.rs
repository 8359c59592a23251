//! Jobs that wait for a worker: one row for each run, and the runs in turn.

use std::collections::{BTreeMap, VecDeque};

use ipvm_scheduler::RunId;

use super::flights::Work;

/// A step that waits for a worker.
pub(super) enum Task {
    /// It is to be looked up.
    LookUp(u32),
    /// It was looked up, and waited for an equal computation.
    Again(Box<Work>),
    /// It can never run.
    Settle { step: u32, because: u32 },
}

impl Task {
    pub(super) fn step(&self) -> u32 {
        match self {
            Self::LookUp(step) | Self::Settle { step, .. } => *step,
            Self::Again(work) => work.step,
        }
    }
}

/// What waits. The scheduler bounds how much of it there is.
#[derive(Default)]
pub(super) struct Jobs {
    /// Runs of which something waits, each once.
    turns: VecDeque<RunId>,
    rows: BTreeMap<RunId, VecDeque<Task>>,
    len: usize,
}

impl Jobs {
    pub(super) fn push(&mut self, run: RunId, task: Task) {
        let row = self.rows.entry(run).or_default();
        if row.is_empty() {
            self.turns.push_back(run);
        }
        row.push_back(task);
        self.len += 1;
    }

    /// The next job of the run whose turn it is: long tasks of one run in a row must not keep another's waiting.
    pub(super) fn pop(&mut self) -> Option<(RunId, Task)> {
        let run = self.turns.pop_front()?;
        let row = self.rows.get_mut(&run)?;
        let task = row.pop_front()?;
        if row.is_empty() {
            self.rows.remove(&run);
        } else {
            self.turns.push_back(run);
        }
        self.len -= 1;
        Some((run, task))
    }

    /// Takes out all that waits of a run.
    pub(super) fn remove(&mut self, run: RunId) -> VecDeque<Task> {
        let row = self.rows.remove(&run).unwrap_or_default();
        self.turns.retain(|other| *other != run);
        self.len -= row.len();
        row
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    //! Without this, the tasks of a small run wait behind all those of a wide one.
    use super::*;

    #[test]
    fn runs_take_turns_and_can_be_taken_out() {
        let mut jobs = Jobs::default();
        let (a, b) = (RunId(1), RunId(2));
        for step in 0..4 {
            jobs.push(a, Task::LookUp(step));
        }
        jobs.push(b, Task::LookUp(10));
        jobs.push(
            b,
            Task::Settle {
                step: 11,
                because: 10,
            },
        );
        let pop = |jobs: &mut Jobs| jobs.pop().map(|(_, task)| task.step());
        assert_eq!(
            [pop(&mut jobs), pop(&mut jobs), pop(&mut jobs)],
            [Some(0), Some(10), Some(1)]
        );
        assert_eq!(jobs.remove(a).len(), 2);
        assert_eq!(
            (pop(&mut jobs), pop(&mut jobs), jobs.len()),
            (Some(11), None, 0)
        );
        jobs.push(a, Task::LookUp(5));
        assert_eq!(pop(&mut jobs), Some(5));
    }
}
