//! Equal computations that are wanted at the same time, in one run or in several, are executed once: the others wait
//! until the result is on record, and find it there.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use ipvm_ipld::Cid;
use ipvm_scheduler::RunId;
use ipvm_workflow::{Class, Limits};

use super::Order;
use crate::memo::Args;

/// A step of which no receipt was found: all that is needed to execute it.
pub(crate) struct Work {
    pub(crate) run: RunId,
    pub(crate) step: u32,
    pub(crate) order: Arc<Order>,
    /// The task's CID.
    pub(crate) ran: Cid,
    /// The arguments with every promise resolved.
    pub(crate) args: Args,
    pub(crate) computation: Cid,
    /// What equal work has in common: the computation, of secret work a name for it, of an effect the task.
    pub(crate) key: Cid,
    pub(crate) limits: Limits,
    pub(crate) class: Class,
    /// How many computations had landed when the look-up for this one began.
    pub(crate) landed: u64,
}

/// What follows when nothing was found for a step.
pub(crate) enum Departure {
    /// Execute it now.
    Execute(Box<Work>),
    /// An equal computation has ended since the look-up began: look again.
    LookAgain(Box<Work>),
    /// Something else is to be done: an equal computation is under way, or the run is over.
    Later,
}

/// Computations that have landed lately and are remembered: more than can land while one look-up goes on.
const REMEMBERED: usize = 4_096;

/// The computations that are being executed. There are no more of them, and of those that wait, than the scheduler
/// keeps under way.
#[derive(Default)]
pub(super) struct Flights {
    under_way: HashMap<Cid, Flight>,
    /// Which computation a step executes.
    by_step: HashMap<(RunId, u32), Departed>,
    /// How many have landed, and when the latest of them did.
    landed: u64,
    latest: HashMap<u64, u64>,
    order: VecDeque<u64>,
    /// Names computations in `latest` and `order`, small: two that have the same name are looked up once more in vain.
    names: RandomState,
}

/// What a step executes.
struct Departed {
    key: Cid,
    class: Class,
}

#[derive(Default)]
struct Flight {
    waiting: Vec<Work>,
}

impl Flights {
    /// How many computations have landed so far.
    pub(super) fn landed(&self) -> u64 {
        self.landed
    }

    /// Begins a computation, or keeps the work if an equal one is under way. Work that may not use what others have
    /// computed is always begun.
    pub(super) fn depart(&mut self, mut work: Box<Work>) -> Departure {
        // What one task does to the world it does once, whatever is remembered.
        if !work.order.memo && work.class == Class::Pure {
            return Departure::Execute(work);
        }
        if let Some(flight) = self.under_way.get_mut(&work.key) {
            flight.waiting.push(*work);
            return Departure::Later;
        }
        // One that landed between the look-up and now has left a receipt that the look-up could not see.
        let latest = self.latest.get(&self.names.hash_one(work.key));
        let forgotten = self.landed.saturating_sub(work.landed) > REMEMBERED as u64;
        if forgotten || latest.is_some_and(|latest| *latest > work.landed) {
            work.landed = self.landed;
            return Departure::LookAgain(work);
        }
        self.under_way.insert(work.key, Flight::default());
        let departed = Departed {
            key: work.key,
            class: work.class,
        };
        self.by_step.insert((work.run, work.step), departed);
        Departure::Execute(work)
    }

    /// A step has ended, or was given up: what waited for its computation, to look again.
    pub(super) fn land(&mut self, run: RunId, step: u32) -> Vec<Work> {
        let Some(departed) = self.by_step.remove(&(run, step)) else {
            return Vec::new();
        };
        let computation = departed.key;
        self.landed += 1;
        let name = self.names.hash_one(computation);
        self.latest.insert(name, self.landed);
        self.order.push_back(name);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
            && self
                .latest
                .get(&oldest)
                .is_some_and(|latest| latest + REMEMBERED as u64 <= self.landed)
        {
            self.latest.remove(&oldest);
        }
        let flight = self.under_way.remove(&computation);
        let mut waiting = flight.map(|flight| flight.waiting).unwrap_or_default();
        for work in &mut waiting {
            work.landed = self.landed;
        }
        waiting
    }

    /// Takes out the steps of a run that wait.
    pub(super) fn remove_waiting(&mut self, run: RunId) -> Vec<u32> {
        let mut steps = Vec::new();
        for flight in self.under_way.values_mut() {
            flight.waiting.retain(|work| {
                let stays = work.run != run;
                if !stays {
                    steps.push(work.step);
                }
                stays
            });
        }
        steps
    }

    /// Whether a task's effect is under way.
    pub(super) fn is_under_way(&self, key: &Cid) -> bool {
        self.under_way.contains_key(key)
    }

    /// A run has failed: what waited for computations of its steps. An effect that has left lands when it is known what
    /// came of it: nobody else may begin it meanwhile.
    pub(super) fn land_all(&mut self, run: RunId) -> Vec<Work> {
        let of_run = self.by_step.iter().filter(|((of, _), _)| *of == run);
        let steps = of_run.filter(|(_, departed)| departed.class == Class::Pure);
        let steps: Vec<u32> = steps.map(|((_, step), _)| *step).collect();
        steps
            .into_iter()
            .flat_map(|step| self.land(run, step))
            .collect()
    }
}
