//! The simulated driver: turns the scheduler's commands into what happens, and what has happened into its events.
//!
//! It keeps what a process keeps in memory, and loses it when the process crashes. Where it goes wrong on purpose, the
//! [`Wrong`] of that name says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ipvm_scheduler::{Bounds, Command, Ending, Event as Told, RunId, Scheduler, Verdict};

use crate::carry::Carried;
use crate::chance::Chance;
use crate::faults::Fault;
use crate::flights::{Departure, Flights, Key};
use crate::invariants;
use crate::plan::{Step, Work};
use crate::store::{Batch, Kind, Outcome, Receipt, Then, Write};
use crate::world::{At, Event, Flow, World};
use crate::wrong::Wrong;

/// What is being done about a step that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// A receipt is looked for; `first` until the scheduler has heard that there is none.
    LookingUp { first: bool },
    /// There is none, as of when so much work had landed.
    Departing { first: bool, landed: u64 },
    /// Equal work is under way.
    Parked,
    /// A pure step is being executed.
    Executing(Key),
    /// An effect is being carried out.
    Effort,
    /// It can never run, and that is to be written down.
    Settling,
    /// The receipt is with the store.
    Committing,
}

/// A run under way.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) run: usize,
    pub(crate) stopped: bool,
    pub(crate) doubts: usize,
    pub(crate) doing: BTreeMap<u32, Doing>,
}

/// What one process knows.
#[derive(Debug)]
pub(crate) struct Process {
    scheduler: Scheduler,
    pub(crate) courses: BTreeMap<RunId, Course>,
    pub(crate) flights: Flights,
    pub(crate) efforts: BTreeMap<At, Carried>,
    /// Results that are known and not durable.
    volatile: BTreeMap<At, Outcome>,
}

impl Process {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        Self {
            scheduler: Scheduler::new(Bounds {
                under_way: chance.between(1, 6) as u32,
                volatile: chance.between(1, 8) as u32,
            }),
            courses: BTreeMap::new(),
            flights: Flights::default(),
            efforts: BTreeMap::new(),
            volatile: BTreeMap::new(),
        }
    }

    /// The submission of a run that is under way.
    pub(crate) fn active(&self, run: usize) -> Option<RunId> {
        let mut all = self.courses.iter();
        all.find(|(_, course)| course.run == run).map(|(id, _)| *id)
    }

    /// No further effect of this run begins. Gives what is being done.
    pub(crate) fn stop(&mut self, id: RunId) -> BTreeMap<u32, Doing> {
        let course = self.courses.get_mut(&id);
        course.map_or_else(BTreeMap::new, |course| {
            course.stopped = true;
            course.doing.clone()
        })
    }

    pub(crate) fn is_stopped(&self, id: RunId) -> bool {
        self.courses.get(&id).is_none_or(|course| course.stopped)
    }

    pub(crate) fn doing(&self, (id, step): At) -> Option<Doing> {
        self.courses.get(&id)?.doing.get(&step).copied()
    }

    pub(crate) fn set_doing(&mut self, (id, step): At, doing: Option<Doing>) {
        if let Some(course) = self.courses.get_mut(&id) {
            match doing {
                Some(doing) => course.doing.insert(step, doing),
                None => course.doing.remove(&step),
            };
        }
    }

    /// What is kept although nothing is to happen any more, in words; nothing if all is well.
    pub(crate) fn left(&self) -> String {
        let mut left = String::new();
        let counts = [
            ("runs", self.courses.len()),
            ("efforts", self.efforts.len()),
            ("volatile results", self.volatile.len()),
            ("equal work", usize::from(!self.flights.is_empty())),
            ("steps under way", self.scheduler.under_way() as usize),
            ("volatile steps", self.scheduler.volatile() as usize),
        ];
        for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            write!(left, "({what}: {count})").expect("text takes text");
        }
        left
    }
}

impl World {
    /// The process, where there has to be one.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.process
            .as_mut()
            .expect("what a process does dies with it")
    }

    /// Gives a run to the scheduler, with what is on record of it.
    pub(crate) fn start(&mut self, run: usize) -> Flow {
        let id = RunId(self.number());
        self.people.started(run);
        let plan = &self.plans[run];
        let records = &self.store.durable;
        let ended: Vec<(u32, Ending)> = (0..plan.steps.len() as u32)
            .filter_map(|step| Some((step, records.step((run, step))?.outcome.ending)))
            .collect();
        let dag = invariants::driver_and_scheduler_agree(id, plan.dag())?;
        let course = Course {
            run,
            stopped: false,
            doubts: 0,
            doing: BTreeMap::new(),
        };
        self.process().courses.insert(id, course);
        self.tell(Told::Submitted {
            run: id,
            dag,
            ended,
        })
    }

    /// Has the scheduler decide, and does what it wants.
    pub(crate) fn tell(&mut self, event: Told) -> Flow {
        let id = run_of(&event);
        if !self.process().courses.contains_key(&id) {
            return Ok(());
        }
        self.note(format_args!("  > {event:?}"));
        let answer = self.process().scheduler.handle(event);
        for command in invariants::driver_and_scheduler_agree(id, answer)? {
            self.note(format_args!("  < {command:?}"));
            self.obey(command)?;
        }
        Ok(())
    }

    fn obey(&mut self, command: Command) -> Flow {
        match command {
            Command::LookUp { run, step } => {
                self.check_inputs((run, step))?;
                self.look((run, step), true);
            }
            Command::Execute { run, step } => return self.depart((run, step)),
            Command::Settle { run, step, because } => {
                let at = self.place((run, step));
                let plan = &self.plans[at.0];
                invariants::settlements_have_a_cause(plan, at, because, &self.store.durable)?;
                self.process().set_doing((run, step), Some(Doing::Settling));
                self.soon((50, 2_000), Event::Settle((run, step)));
            }
            Command::Finish { run, verdict } => return self.finish(run, verdict),
        }
        Ok(())
    }

    fn finish(&mut self, id: RunId, verdict: Verdict) -> Flow {
        let Some(course) = self.process().courses.remove(&id) else {
            return Ok(());
        };
        let run = course.run;
        let (plan, records) = (&self.plans[run], &self.store.durable);
        let marks = (course.doubts, course.stopped);
        invariants::verdicts_fit_the_record(&self.told, plan, run, verdict, records, marks)?;
        self.told.verdict(run, verdict);
        self.people.told(run, verdict);
        self.hear_verdict(run, verdict);
        self.submit(Batch {
            writes: vec![Write::Verdict(run, verdict)],
            then: Then::Nothing,
        })
    }

    /// A worker is to look for a receipt.
    fn look(&mut self, at: At, first: bool) {
        self.process()
            .set_doing(at, Some(Doing::LookingUp { first }));
        self.soon((50, 2_000), Event::LookUp(at));
    }

    /// The run of a submission, and the step.
    pub(crate) fn place(&self, (id, step): At) -> (usize, u32) {
        let course = self
            .process
            .as_ref()
            .and_then(|process| process.courses.get(&id));
        (course.map_or(usize::MAX, |course| course.run), step)
    }

    fn step_of(&self, at: At) -> Step {
        let (run, step) = self.place(at);
        self.plans[run].steps[step as usize].clone()
    }

    pub(crate) fn check_inputs(&self, at: At) -> invariants::Held {
        let place = self.place(at);
        let volatile = |on: u32| {
            let process = self.process.as_ref()?;
            Some(process.volatile.get(&(at.0, on))?.ending)
        };
        invariants::inputs_come_first(&self.plans[place.0], place, &self.store.durable, volatile)
    }

    /// The results that a step awaits, in the order of its inputs.
    fn inputs(&self, at: At) -> Vec<Outcome> {
        let (run, _) = self.place(at);
        let process = self.process.as_ref();
        let input = |on: u32| {
            let durable = self
                .store
                .durable
                .step((run, on))
                .map(|receipt| receipt.outcome);
            durable.or_else(|| process?.volatile.get(&(at.0, on)).copied())
        };
        let step = self.step_of(at);
        let inputs = step.inputs.iter().filter_map(|(on, _)| input(*on));
        inputs.collect()
    }

    /// Looks for a receipt to reuse.
    pub(crate) fn look_up(&mut self, at: At) -> Flow {
        let Some(Doing::LookingUp { first }) = self.process().doing(at) else {
            return Ok(());
        };
        self.step(Fault::CrashOnLookUp)?;
        let step = self.step_of(at);
        let inputs = self.inputs(at);
        let Some(id) = self.find(at, &step, &inputs) else {
            let landed = self.process().flights.landed();
            let doing = Doing::Departing { first, landed };
            self.process().set_doing(at, Some(doing));
            self.soon((0, 1_000), Event::Depart(at));
            return Ok(());
        };
        let receipt = self.store.durable.receipts[&id];
        invariants::effects_are_answered_by_task(&receipt, step.task, step.work)?;
        invariants::memory_answers_its_own_work(&receipt, step.task, step.work, &inputs)?;
        self.end(at, id, receipt, vec![], None)
    }

    /// The number of a receipt that answers: that of the step's twin, of the task, or of the computation.
    ///
    /// A pure task may have had other inputs before: ones that ended at a limit, or in a fault that has passed. So its
    /// receipt answers only where the computation is the same.
    fn find(&self, at: At, step: &Step, inputs: &[Outcome]) -> Option<u64> {
        let (run, _) = self.place(at);
        let records = &self.store.durable;
        let computation = self.computation(step, inputs);
        let of_twin = step.twin.and_then(|twin| records.steps.get(&(run, twin)));
        let answers = |id: &u64| {
            let receipt = &records.receipts[id];
            let same = receipt.computation == computation || self.is(Wrong::RemembersByTask);
            receipt.outcome.is_reusable() && same
        };
        let by_task = || records.by_task(step.task).find(answers);
        let by_computation = || records.by_computation(computation?).find(answers);
        let of_twin = of_twin.copied().filter(answers);
        of_twin.or_else(by_task).or_else(by_computation)
    }

    /// What a result is remembered by, if it is.
    pub(crate) fn computation(&self, step: &Step, inputs: &[Outcome]) -> Option<u64> {
        match step.work {
            Work::Pure(function) if self.is(Wrong::RemembersByFunction) => Some(function),
            Work::Pure(function) => Some(invariants::computation(function, inputs)),
            Work::Effect(far) if self.is(Wrong::RemembersEffects) => {
                Some(invariants::computation(100 + far as u64, inputs))
            }
            Work::Effect(_) => None,
        }
    }

    /// Nothing was found; has the scheduler decide, the first time.
    pub(crate) fn depart_first(&mut self, at: At) -> Flow {
        match self.process().doing(at) {
            Some(Doing::Departing {
                first: true,
                landed,
            }) => {
                let (run, step) = at;
                self.tell(Told::Missed { run, step })?;
                // Not to be executed: the run was stopped.
                let waits = Some(Doing::Departing {
                    first: true,
                    landed,
                });
                if self.process().doing(at) == waits {
                    self.process().set_doing(at, None);
                }
                Ok(())
            }
            Some(Doing::Departing { first: false, .. }) => self.depart(at),
            _ => Ok(()),
        }
    }

    /// Begins the work, unless equal work is under way or has just ended.
    fn depart(&mut self, at: At) -> Flow {
        let Some(Doing::Departing { landed, .. }) = self.process().doing(at) else {
            return Ok(());
        };
        let step = self.step_of(at);
        let inputs = self.inputs(at);
        let key = match step.work {
            Work::Pure(function) => Key::Computation(invariants::computation(function, &inputs)),
            Work::Effect(_) => Key::Task(step.task),
        };
        let alone = matches!(key, Key::Task(_)) && self.is(Wrong::IgnoresEqualEffects);
        let departure = match self.process().flights.depart(key, at, landed) {
            Departure::Park if alone => Departure::Begin,
            departure => departure,
        };
        match departure {
            Departure::Park => {
                self.faults.hit(Fault::EqualWorkWaited);
                self.process().set_doing(at, Some(Doing::Parked));
                Ok(())
            }
            Departure::LookAgain => {
                self.faults.hit(Fault::EqualWorkLanded);
                self.look(at, false);
                Ok(())
            }
            Departure::Begin => match step.work {
                Work::Pure(_) => {
                    self.process().set_doing(at, Some(Doing::Executing(key)));
                    self.soon((100, 20_000), Event::Executed(at));
                    Ok(())
                }
                Work::Effect(far) => {
                    self.process().set_doing(at, Some(Doing::Effort));
                    self.begin_effort(at, far, step.task)
                }
            },
        }
    }

    /// Work has ended, one way or the other: what waited for it looks again.
    pub(crate) fn land(&mut self, key: Key) {
        for at in self.process().flights.land(key) {
            if self.process().doing(at) == Some(Doing::Parked) && !self.is(Wrong::ForgetsParked) {
                self.look(at, false);
            }
        }
    }

    /// A pure step has a result.
    pub(crate) fn executed(&mut self, at: At) -> Flow {
        let Some(Doing::Executing(key)) = self.process().doing(at) else {
            return Ok(());
        };
        let step = self.step_of(at);
        let Work::Pure(function) = step.work else {
            return Ok(());
        };
        let inputs = self.inputs(at);
        let outcome = if self.chance.percent(4) {
            self.faults.hit(Fault::LimitReached);
            Outcome::error(Kind::Limit)
        } else {
            invariants::pure(function, &inputs)
        };
        let computation = self.computation(&step, &inputs);
        self.write_receipt(at, &step, computation, outcome, Some(key))
    }

    /// Writes off a step that can never run.
    pub(crate) fn settle(&mut self, at: At) -> Flow {
        if self.process().doing(at) != Some(Doing::Settling) {
            return Ok(());
        }
        let step = self.step_of(at);
        self.write_receipt(at, &step, None, Outcome::error(Kind::Settlement), None)
    }

    fn write_receipt(
        &mut self,
        at: At,
        step: &Step,
        computation: Option<u64>,
        outcome: Outcome,
        key: Option<Key>,
    ) -> Flow {
        let started = self.time_of_day();
        let receipt = Receipt {
            task: step.task,
            computation,
            outcome,
            started,
        };
        let id = self.number();
        self.end(at, id, receipt, vec![Write::Receipt(id, receipt)], key)
    }

    /// Hands a step's receipt to the store, and has the scheduler know of it before it is durable, or not.
    pub(crate) fn end(
        &mut self,
        at: At,
        receipt: u64,
        content: Receipt,
        mut writes: Vec<Write>,
        key: Option<Key>,
    ) -> Flow {
        let place = self.place(at);
        let ending = content.outcome.ending;
        writes.push(Write::Step(place, receipt));
        self.process().set_doing(at, Some(Doing::Committing));
        let (run, step) = at;
        self.submit(Batch {
            writes,
            then: Then::Ended { at, receipt, key },
        })?;
        if self.is(Wrong::TellsEarly) {
            self.told.receipt(place, receipt, content);
        }
        if self.is(Wrong::EndsEarly) {
            return self.tell(Told::Ended { run, step, ending });
        }
        match self.chance.below(4) {
            0 => Ok(()),
            1 => {
                self.soon((0, 20_000), Event::Computed(at, content.outcome));
                Ok(())
            }
            _ => self.computed(at, content.outcome),
        }
    }

    /// The scheduler hears of a result, unless the disk was faster.
    pub(crate) fn computed(&mut self, at: At, outcome: Outcome) -> Flow {
        if self.process().doing(at) != Some(Doing::Committing) {
            self.faults.hit(Fault::ComputedAfterEnded);
            return Ok(());
        }
        self.process().volatile.insert(at, outcome);
        let (run, step) = at;
        let ending = outcome.ending;
        self.tell(Told::Computed { run, step, ending })
    }

    /// A step's receipt is durable.
    pub(crate) fn ended(&mut self, at: At, receipt: u64, key: Option<Key>) -> Flow {
        let (run, step) = at;
        let content = self.store.durable.receipts[&receipt];
        let place = self.place(at);
        self.process().efforts.remove(&at);
        self.process().volatile.remove(&at);
        if self.process().courses.contains_key(&run) {
            self.told.receipt(place, receipt, content);
            invariants::told_receipts_stay(&self.told, &self.store.durable)?;
            self.process().set_doing(at, None);
            if !self.is(Wrong::EndsEarly) {
                let ending = content.outcome.ending;
                self.tell(Told::Ended { run, step, ending })?;
            }
        }
        if let Some(key) = key {
            self.land(key);
        }
        Ok(())
    }

    /// A step of a stopped run was given up.
    pub(crate) fn abandon(&mut self, at: At) -> Flow {
        self.process().set_doing(at, None);
        let (run, step) = at;
        self.tell(Told::Abandoned { run, step })
    }

    /// A run cannot go on, since a commit of it failed. Its effects are carried to their ends all the same: what has been
    /// asked of a far side cannot be taken back by forgetting it.
    pub(crate) fn fail(&mut self, id: RunId) -> Flow {
        if !self.process().courses.contains_key(&id) {
            return Ok(());
        }
        self.process().flights.leave(id);
        self.tell(Told::Failed { run: id })?;
        let Some(course) = self.process().courses.remove(&id) else {
            return Ok(());
        };
        self.process().volatile.retain(|(of, _), _| *of != id);
        for (step, doing) in course.doing {
            match doing {
                Doing::Executing(key) => self.land(key),
                Doing::Effort => self.fail_effort((id, step))?,
                _ => {}
            }
        }
        self.soon((0, 50_000), Event::Ask(course.run));
        Ok(())
    }
}

fn run_of(event: &Told) -> RunId {
    match event {
        Told::Submitted { run, .. }
        | Told::Missed { run, .. }
        | Told::Computed { run, .. }
        | Told::Ended { run, .. }
        | Told::Doubted { run, .. }
        | Told::Stop { run }
        | Told::Abandoned { run, .. }
        | Told::Failed { run } => *run,
    }
}
