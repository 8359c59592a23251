//! Equal work that is wanted at the same time is done once; the rest waits for it and looks again.
//!
//! This is the simulated driver's part, as `node` has its own: the scheduler does not know what work is equal.

use std::collections::BTreeMap;

use ipvm_scheduler::RunId;

/// What makes work equal: the computation of a pure step, the task of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Computation(u64),
    Task(u64),
}

/// What follows when nothing was found for a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It is the step's to do.
    Begin,
    /// Equal work is under way: the step waits.
    Park,
    /// Equal work ended since the step was looked up.
    LookAgain,
}

/// Work under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    under_way: BTreeMap<Key, Vec<(RunId, u32)>>,
    landed: u64,
    latest: BTreeMap<Key, u64>,
}

impl Flights {
    /// How much work has ended so far.
    pub(crate) fn landed(&self) -> u64 {
        self.landed
    }

    pub(crate) fn is_under_way(&self, key: Key) -> bool {
        self.under_way.contains_key(&key)
    }

    /// A step that was looked up when so much had landed wants to begin.
    pub(crate) fn depart(&mut self, key: Key, who: (RunId, u32), looked_up: u64) -> Departure {
        if let Some(waiting) = self.under_way.get_mut(&key) {
            waiting.push(who);
            return Departure::Park;
        }
        if self
            .latest
            .get(&key)
            .is_some_and(|latest| *latest > looked_up)
        {
            return Departure::LookAgain;
        }
        self.under_way.insert(key, Vec::new());
        Departure::Begin
    }

    /// Takes the work without a step, unless it is under way.
    pub(crate) fn take(&mut self, key: Key) -> bool {
        let free = !self.is_under_way(key);
        self.under_way.entry(key).or_default();
        free
    }

    /// The work has ended, one way or the other. Gives the steps that waited for it.
    pub(crate) fn land(&mut self, key: Key) -> Vec<(RunId, u32)> {
        self.landed += 1;
        self.latest.insert(key, self.landed);
        self.under_way.remove(&key).unwrap_or_default()
    }

    /// Takes out the steps of a run that wait.
    pub(crate) fn leave(&mut self, run: RunId) -> Vec<u32> {
        let mut steps = Vec::new();
        for waiting in self.under_way.values_mut() {
            steps.extend(
                waiting
                    .iter()
                    .filter(|(of, _)| *of == run)
                    .map(|(_, step)| *step),
            );
            waiting.retain(|(of, _)| *of != run);
        }
        steps
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }
}
