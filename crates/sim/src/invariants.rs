//! What has to hold, whatever goes wrong: one function for each promise, named by it.

use std::collections::{BTreeMap, BTreeSet};

use ipvm_scheduler::{Ending, RunId, SchedulerError, Verdict};

use crate::Seen;
use crate::carry::Carried;
use crate::chance::mix;
use crate::far::FarSides;
use crate::plan::{Plan, Work, satisfies};
use crate::store::{Kind, Outcome, Receipt, Records};
use crate::violation::Broken;

pub(crate) type Held = Result<(), Broken>;

/// Breaks the promise that the calling function is named by, unless something holds.
macro_rules! hold {
    ($promise:ident: $holds:expr, $($what:tt)+) => {
        if $holds { Ok(()) } else { Err(Broken::new(stringify!($promise), format!($($what)+))) }
    };
}

/// What people outside have been told, which is never taken back.
#[derive(Debug, Default)]
pub(crate) struct Told {
    receipts: BTreeMap<(usize, u32), (u64, Receipt)>,
    verdicts: BTreeMap<usize, Verdict>,
}

impl Told {
    pub(crate) fn receipt(&mut self, at: (usize, u32), id: u64, receipt: Receipt) {
        self.receipts.entry(at).or_insert((id, receipt));
    }

    pub(crate) fn verdict(&mut self, run: usize, verdict: Verdict) {
        self.verdicts.insert(run, verdict);
    }
}

/// Protects whoever pays, mails or creates: the far side has done a mutation at most once.
pub(crate) fn mutations_are_done_once(far: &FarSides, task: u64) -> Held {
    let times = far.done(task);
    hold!(mutations_are_done_once: times <= 1, "task {task} was done {times} times")
}

/// Protects the next process: where a mutation has been done and has no receipt, a note is on record that says with whom.
pub(crate) fn mutations_are_noted_first(records: &Records, task: u64, account: u8) -> Held {
    let note = records.notes.get(&task);
    hold!(
        mutations_are_noted_first: note == Some(&account),
        "task {task} was done with account {account}, and the note on record says {note:?}"
    )
}

/// Protects whoever asks later: what was done has a result or a note, never silence or a failure.
pub(crate) fn what_was_done_is_on_record(
    plans: &[Plan],
    far: &FarSides,
    records: &Records,
) -> Held {
    let mutations: BTreeSet<u64> = mutations(plans).collect();
    let silent = far.all_done().find(|task| {
        let is_known = records.notes.contains_key(task)
            || records
                .result_of(*task)
                .is_some_and(|outcome| outcome.ending == Ending::Ok);
        mutations.contains(task) && !is_known
    });
    hold!(
        what_was_done_is_on_record: silent.is_none(),
        "task {silent:?} was done, and neither a result nor a note is on record"
    )
}

/// Protects the one who believes a failure: a receipt that says "not done" is not written for what was done.
pub(crate) fn failures_were_failures(far: &FarSides, receipt: &Receipt, work: Work) -> Held {
    let is_mutation =
        matches!(work, Work::Effect(far) if far.class() == ipvm_workflow::Class::Mutation);
    let says_not_done = is_mutation
        && receipt.outcome.ending == Ending::Error
        && receipt.outcome.kind != Kind::Settlement;
    hold!(
        failures_were_failures: !(says_not_done && far.done(receipt.task) > 0),
        "a failure is written for task {}, which was done", receipt.task
    )
}

/// Protects the one who believes a result: no receipt says "done" of what was not.
pub(crate) fn results_were_done(far: &FarSides, receipt: &Receipt, work: Work) -> Held {
    let changes = matches!(work, Work::Effect(far) if far.class() != ipvm_workflow::Class::Query);
    let says_done = changes && receipt.outcome.ending == Ending::Ok;
    hold!(
        results_were_done: !says_done || far.done(receipt.task) > 0,
        "a result is written for task {}, which was not done", receipt.task
    )
}

/// Protects everybody who was told: a receipt that was told is on record, unchanged, from before it was told.
pub(crate) fn told_receipts_stay(told: &Told, records: &Records) -> Held {
    let lost = told.receipts.iter().find(|(at, (id, receipt))| {
        records.steps.get(*at) != Some(id) || records.step(**at) != Some(receipt)
    });
    hold!(told_receipts_stay: lost.is_none(), "{lost:?} was told and is not on record")
}

/// Protects what depends on a step: it starts when what it awaits has ended as awaited, on record; or, for work that may
/// run ahead of the disk, is known.
pub(crate) fn inputs_come_first(
    plan: &Plan,
    (run, step): (usize, u32),
    records: &Records,
    volatile: impl Fn(u32) -> Option<Ending>,
) -> Held {
    let missing = plan.steps[step as usize]
        .awaits()
        .into_iter()
        .find(|(on, branch)| {
            let durable = records
                .step((run, *on))
                .map(|receipt| receipt.outcome.ending);
            let ahead = volatile(*on).filter(|_| plan.is_eager(step));
            !durable
                .or(ahead)
                .is_some_and(|ending| satisfies(ending, *branch))
        });
    hold!(
        inputs_come_first: missing.is_none(),
        "step {run}.{step} started before {missing:?}"
    )
}

/// Protects a step from being written off: it is settled only if what it awaits ended otherwise, on record.
pub(crate) fn settlements_have_a_cause(
    plan: &Plan,
    (run, step): (usize, u32),
    because: u32,
    records: &Records,
) -> Held {
    let ending = records
        .step((run, because))
        .map(|receipt| receipt.outcome.ending);
    let doomed = plan.steps[step as usize]
        .awaits()
        .into_iter()
        .any(|(on, branch)| {
            on == because && ending.is_some_and(|ending| !satisfies(ending, branch))
        });
    hold!(
        settlements_have_a_cause: doomed,
        "step {run}.{step} is settled because of step {because}, which ended {ending:?}"
    )
}

/// Protects those who wait: when nothing more is to happen, every run has been told how it ended, and nothing is kept
/// for it.
pub(crate) fn every_run_ends(waiting: &[usize], left: &str) -> Held {
    hold!(every_run_ends: waiting.is_empty() && left.is_empty(), "runs {waiting:?} never end {left}")
}

/// Protects the reader of a verdict: it says what is on record, and what was final stays so.
pub(crate) fn verdicts_fit_the_record(
    told: &Told,
    plan: &Plan,
    run: usize,
    verdict: Verdict,
    records: &Records,
    (doubted, stopped): (usize, bool),
) -> Held {
    let steps = plan.steps.len();
    let endings: Vec<Ending> = (0..steps as u32)
        .filter_map(|step| Some(records.step((run, step))?.outcome.ending))
        .collect();
    let has_errors = endings.contains(&Ending::Error);
    let fits = match verdict {
        Verdict::Ok => endings.len() == steps && !has_errors,
        Verdict::Error => endings.len() == steps && has_errors,
        Verdict::InDoubt => endings.len() < steps && doubted > 0,
        Verdict::Stopped => endings.len() < steps && stopped,
    };
    let before = told
        .verdicts
        .get(&run)
        .filter(|before| matches!(before, Verdict::Ok | Verdict::Error));
    hold!(
        verdicts_fit_the_record: fits && before.is_none_or(|before| *before == verdict),
        "run {run} ends as {verdict:?} with {endings:?} of {steps} steps and {doubted} doubts; told before: {before:?}"
    )
}

/// Protects people's time: they are asked only about what may have been done.
pub(crate) fn doubts_have_a_reason(carried: &Carried) -> Held {
    hold!(
        doubts_have_a_reason: carried.left || carried.unknown,
        "task {} is in doubt, and nothing was left open", carried.task
    )
}

/// Protects people from a question that nobody asks them: where a note is left when all is over, a run said so.
pub(crate) fn doubts_are_told(
    plans: &[Plan],
    verdicts: &BTreeMap<usize, Verdict>,
    records: &Records,
) -> Held {
    let open = records.notes.keys().find(|task| {
        !(0..).zip(plans).any(|(run, plan)| {
            let says = matches!(
                verdicts.get(&run),
                Some(Verdict::InDoubt | Verdict::Stopped)
            );
            says && plan
                .find(**task)
                .any(|step| records.step((run, step)).is_none())
        })
    });
    hold!(doubts_are_told: open.is_none(), "a note of task {open:?} is left, and no run says so")
}

/// Protects people from being asked twice: what has a result has no note.
pub(crate) fn results_take_notes_back(records: &Records) -> Held {
    let both = records
        .notes
        .keys()
        .find(|task| records.result_of(**task).is_some());
    hold!(results_take_notes_back: both.is_none(), "task {both:?} has a result and a note")
}

/// Protects the value of every result: what memory answers is what the work would have given.
pub(crate) fn memory_answers_its_own_work(
    receipt: &Receipt,
    task: u64,
    work: Work,
    inputs: &[Outcome],
) -> Held {
    let own = match work {
        Work::Pure(function) => receipt.outcome == pure(function, inputs),
        Work::Effect(_) => receipt.task == task,
    };
    hold!(
        memory_answers_its_own_work: own,
        "task {task}, {work:?} on {inputs:?}, is answered by {receipt:?}"
    )
}

/// Protects whoever asks for an effect: only its very task answers it, never one that asks for the same.
pub(crate) fn effects_are_answered_by_task(receipt: &Receipt, task: u64, work: Work) -> Held {
    let is_pure = matches!(work, Work::Pure(_));
    hold!(
        effects_are_answered_by_task: is_pure || receipt.task == task,
        "effect {task} is answered by the receipt of task {}", receipt.task
    )
}

/// Protects the far side, and whoever waits: no more attempts than allowed, and none begun too late.
pub(crate) fn efforts_keep_to_their_patience(carried: &Carried, plan: &Plan, now: u64) -> Held {
    let attempts = carried.effort.attempts();
    let took = now.saturating_sub(carried.began);
    let allowed =
        attempts <= plan.patience.retries + 1 && (attempts == 1 || took <= plan.patience.deadline);
    hold!(
        efforts_keep_to_their_patience: allowed,
        "attempt {attempts} at task {} after {took} ms, with {:?}", carried.task, plan.patience
    )
}

/// Protects the rules above: the driver reports only what the scheduler has asked for.
pub(crate) fn driver_and_scheduler_agree<T>(
    run: RunId,
    answer: Result<T, SchedulerError>,
) -> Result<T, Broken> {
    answer.map_err(|error| Broken::new("driver_and_scheduler_agree", format!("{run:?}: {error}")))
}

/// Protects whoever looks for a fault: a seed can be replayed.
pub(crate) fn equal_seeds_have_equal_traces(one: &Seen, other: &Seen) -> Held {
    hold!(
        equal_seeds_have_equal_traces: one == other,
        "{} events with trace {:x}, and again {} events with trace {:x}", one.events, one.trace, other.events, other.trace
    )
}

/// Protects whoever's clock is set: the time of day stands in receipts and decides nothing.
pub(crate) fn the_time_of_day_decides_nothing(jumping: &Seen, steady: &Seen) -> Held {
    hold!(
        the_time_of_day_decides_nothing: jumping.trace == steady.trace,
        "{} events with a clock that jumps, {} with one that does not", jumping.events, steady.events
    )
}

/// What a function gives for its inputs. Few different values, so that different work often has equal inputs.
pub(crate) fn pure(function: u64, inputs: &[Outcome]) -> Outcome {
    let value = computation(function, inputs) % 7;
    Outcome {
        ending: if value == 6 {
            Ending::Error
        } else {
            Ending::Ok
        },
        value,
        kind: Kind::Result,
    }
}

/// The name of a computation: the function and what it is given.
pub(crate) fn computation(function: u64, inputs: &[Outcome]) -> u64 {
    let given = inputs
        .iter()
        .map(|input| mix(&[input.ending as u64, input.value]));
    let parts: Vec<u64> = std::iter::once(function).chain(given).collect();
    mix(&parts)
}

fn mutations(plans: &[Plan]) -> impl Iterator<Item = u64> + '_ {
    let steps = plans.iter().flat_map(|plan| &plan.steps);
    steps
        .filter(|step| matches!(step.work, Work::Effect(far) if far.class() == ipvm_workflow::Class::Mutation))
        .map(|step| step.task)
}
