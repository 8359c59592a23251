//! Equal computations that are wanted at the same time, in one run or in several, are executed once: the others wait
//! until the result is on record, and find it there.

use std::collections::HashMap;
use std::sync::Arc;

use ipvm_ipld::Cid;
use ipvm_scheduler::RunId;
use ipvm_workflow::{Limits, Task};

use super::Order;
use crate::memo::Args;

/// A step of which no receipt was found: all that is needed to execute it.
pub(crate) struct Work {
    pub(crate) run: RunId,
    pub(crate) step: u32,
    pub(crate) order: Arc<Order>,
    pub(crate) task: Task,
    /// The task's CID.
    pub(crate) ran: Cid,
    /// The arguments with every promise resolved.
    pub(crate) args: Args,
    pub(crate) computation: Cid,
    pub(crate) limits: Limits,
}

/// The computations that are being executed. There are no more of them, and of those that wait, than the scheduler
/// keeps under way.
#[derive(Default)]
pub(super) struct Flights {
    under_way: HashMap<Cid, Flight>,
    /// Which computation a step executes.
    by_step: HashMap<(RunId, u32), Cid>,
}

#[derive(Default)]
struct Flight {
    waiting: Vec<Work>,
}

impl Flights {
    /// Begins a computation and gives the work back; or keeps it, if an equal one is under way. Work that may not use
    /// what others have computed is always begun.
    pub(super) fn depart(&mut self, work: Box<Work>) -> Option<Box<Work>> {
        match self.under_way.get_mut(&work.computation) {
            Some(flight) if work.order.memo => {
                flight.waiting.push(*work);
                None
            }
            Some(_) => Some(work),
            None => {
                self.under_way.insert(work.computation, Flight::default());
                self.by_step.insert((work.run, work.step), work.computation);
                Some(work)
            }
        }
    }

    /// A step has ended, or was given up: what waited for its computation.
    pub(super) fn land(&mut self, run: RunId, step: u32) -> Vec<Work> {
        let computation = self.by_step.remove(&(run, step));
        let flight = computation.and_then(|computation| self.under_way.remove(&computation));
        flight.map(|flight| flight.waiting).unwrap_or_default()
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

    /// A run has failed: what waited for computations of its steps.
    pub(super) fn land_all(&mut self, run: RunId) -> Vec<Work> {
        let steps = self.by_step.keys().filter(|(of, _)| *of == run);
        let steps: Vec<u32> = steps.map(|(_, step)| *step).collect();
        steps
            .into_iter()
            .flat_map(|step| self.land(run, step))
            .collect()
    }
}
