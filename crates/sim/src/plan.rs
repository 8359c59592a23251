//! Random workflows: steps of all classes, awaited on all branches, with equal work in and between them.

use ipvm_scheduler::effort::Patience;
use ipvm_scheduler::{Dag, Ending, SchedulerError};
use ipvm_ucan::promise::Branch;
use ipvm_workflow::Class;

use crate::chance::{Chance, mix};
use crate::queue::Time;

/// Most runs of one simulation.
const MAX_RUNS: u64 = 6;
/// Most steps of one run.
const MAX_STEPS: u64 = 16;
/// Different functions: few, so that equal computations are common.
const FUNCTIONS: u64 = 3;

/// Whom an effect is asked of, and what can be known of it afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Far {
    /// Something to read.
    Reading,
    /// A value to be set, to the same any number of times.
    Updating,
    /// A mutation that can be asked after. What was sent is done within [`ARRIVAL`](crate::far::ARRIVAL) or never: without
    /// that, "it was not done" is no answer to a probe.
    Telling,
    /// A mutation that is refused where its outcome is there already, as a DNS update with a prerequisite is.
    Conditional,
    /// A mutation that the far side recognises by a key.
    Keyed,
    /// A mutation of which nothing can be known, such as a mail.
    Mute,
}

impl Far {
    pub(crate) const ALL: [Self; 6] = [
        Self::Reading,
        Self::Updating,
        Self::Telling,
        Self::Conditional,
        Self::Keyed,
        Self::Mute,
    ];

    pub(crate) fn class(self) -> Class {
        match self {
            Self::Reading => Class::Query,
            Self::Updating => Class::Idempotent,
            Self::Telling | Self::Conditional | Self::Keyed | Self::Mute => Class::Mutation,
        }
    }
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Calls this function.
    Pure(u64),
    /// Asks this far side.
    Effect(Far),
}

/// One step.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) work: Work,
    /// Its name: equal for equal pure work on the results of equal tasks, else its own.
    pub(crate) task: u64,
    pub(crate) inputs: Vec<(u32, Branch)>,
    /// The first step of the run with the same task, if this is a later one.
    pub(crate) twin: Option<u32>,
}

/// One run, as it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) patience: Patience,
    /// When it is asked for.
    pub(crate) from: Time,
    /// When it is stopped.
    pub(crate) stop: Option<Time>,
    /// Whether pure steps may start on what is not durable.
    pub(crate) eager: bool,
}

impl Plan {
    /// The graph, in which a later step with the same task awaits the first.
    pub(crate) fn dag(&self) -> Result<Dag, SchedulerError> {
        let inputs: Vec<_> = self.steps.iter().map(Step::awaits).collect();
        let eager = |step: u32| self.is_eager(step);
        Ok(Dag::new(&inputs)?.eager(eager))
    }

    pub(crate) fn is_eager(&self, step: u32) -> bool {
        let step = &self.steps[step as usize];
        self.eager && step.twin.is_none() && matches!(step.work, Work::Pure(_))
    }

    pub(crate) fn find(&self, task: u64) -> impl Iterator<Item = u32> + '_ {
        (0..)
            .zip(&self.steps)
            .filter(move |(_, step)| step.task == task)
            .map(|(step, _)| step)
    }
}

impl Step {
    /// What it awaits, its twin included.
    pub(crate) fn awaits(&self) -> Vec<(u32, Branch)> {
        let twin = self.twin.map(|twin| (twin, Branch::Any));
        let mut all: Vec<_> = self.inputs.iter().copied().chain(twin).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Whether a step that awaits this branch may start on a result that ended so.
pub(crate) fn satisfies(ending: Ending, branch: Branch) -> bool {
    match branch {
        Branch::Any => true,
        Branch::Ok => ending == Ending::Ok,
        Branch::Error => ending == Ending::Error,
    }
}

/// The runs of one simulation.
pub(crate) fn plans(chance: &mut Chance) -> Vec<Plan> {
    let mut nonces = 0;
    let mut plans: Vec<Plan> = Vec::new();
    for _ in 0..chance.between(1, MAX_RUNS) {
        // The same workflow again: all its tasks are equal.
        let again = chance.percent(40) && !plans.is_empty();
        let steps = if again {
            let which = chance.below(plans.len() as u64) as usize;
            plans[which].steps.clone()
        } else {
            steps(chance, &mut nonces)
        };
        plans.push(Plan {
            steps,
            patience: Patience {
                retries: chance.below(5) as u32,
                deadline: chance.pick(&[500, 5_000, 60_000]),
            },
            from: chance.below(50_000),
            stop: chance
                .percent(35)
                .then(|| chance.pick(&[0, 100_000, 500_000, 3_000_000]) + chance.below(200_000)),
            eager: chance.percent(75),
        });
    }
    plans
}

fn steps(chance: &mut Chance, nonces: &mut u64) -> Vec<Step> {
    let count = chance.below(MAX_STEPS + 1);
    let effects = chance.between(20, 80);
    // Half of the workflows ask one kind of far side only, so that what is rare with one happens.
    let only = chance.percent(50).then(|| chance.pick(&Far::ALL));
    let mut steps: Vec<Step> = Vec::new();
    for step in 0..count {
        if step > 0 && chance.percent(6) {
            let twin = twin(&steps, chance.below(step) as u32);
            steps.push(twin);
            continue;
        }
        let inputs = inputs(chance, step);
        let work = if chance.percent(effects) {
            let any = chance.pick(&Far::ALL);
            Work::Effect(only.unwrap_or(any))
        } else {
            Work::Pure(chance.below(FUNCTIONS))
        };
        let task = match work {
            Work::Pure(function) => pure_task(function, &inputs, &steps),
            Work::Effect(_) => {
                *nonces += 1;
                *nonces
            }
        };
        let first = steps.iter().position(|earlier| earlier.task == task);
        let twin = first.map(|first| first as u32);
        steps.push(Step {
            work,
            task,
            inputs,
            twin,
        });
    }
    steps
}

/// The same task once more.
fn twin(steps: &[Step], of: u32) -> Step {
    let first = &steps[of as usize];
    Step {
        twin: Some(first.twin.unwrap_or(of)),
        ..first.clone()
    }
}

/// Up to three earlier steps, mostly on success.
fn inputs(chance: &mut Chance, step: u64) -> Vec<(u32, Branch)> {
    let mut inputs = Vec::new();
    for _ in 0..chance.below(4).min(step) {
        let branch = match chance.below(10) {
            0 => Branch::Error,
            1 | 2 => Branch::Any,
            _ => Branch::Ok,
        };
        inputs.push((chance.below(step) as u32, branch));
    }
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}

/// As a Task CID: of the function and of what is awaited. Above all nonces.
fn pure_task(function: u64, inputs: &[(u32, Branch)], steps: &[Step]) -> u64 {
    let awaited = inputs
        .iter()
        .map(|(on, branch)| mix(&[steps[*on as usize].task, *branch as u64]));
    let parts: Vec<u64> = std::iter::once(function).chain(awaited).collect();
    mix(&parts) | 1 << 63
}
