//! The simulated world: what is to happen, one after the other; crashes and restarts; and the end.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use ipvm_scheduler::RunId;

use crate::carry::Reply;
use crate::chance::{Chance, mix};
use crate::driver::Process;
use crate::far::{ACCOUNTS, FarSides, Request};
use crate::faults::{Fault, Faults};
use crate::invariants::{self, Told};
use crate::people::People;
use crate::plan::{self, Far, Plan};
use crate::queue::{Queue, Time};
use crate::store::{Outcome, Store, TimeOfDay};
use crate::trace::Trace;
use crate::violation::{Broken, Violation};
use crate::wrong::Wrong;
use crate::{Options, Seen};

/// More than any simulation takes: one that has not ended by then never will.
const MAX_EVENTS: u64 = 100_000;
/// Microseconds that a process is away after a crash, at least: longer than a request takes to the far side.
const AWAY: Time = crate::far::ARRIVAL + 5_000;

/// Names an effect that is carried out: a submission of a run, and a step of it.
pub(crate) type At = (RunId, u32);

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A worker looks for a receipt.
    LookUp(At),
    /// It found none.
    Depart(At),
    /// A pure step has been executed.
    Executed(At),
    /// The scheduler hears of a result before it is durable.
    Computed(At, Outcome),
    /// A step that can never run is written off.
    Settle(At),
    /// The writer takes what waits.
    Write,
    /// The disk is done.
    Written,
    /// An effect's turn of this number: a request leaves the process.
    Leave(At, u64),
    /// … an answer comes.
    Answer(At, u64, Reply),
    /// … the far side has told what it knows.
    Probed(At, u64),
    /// … the wait is over.
    Waited(At, u64),
    /// A request comes to the far side, whose answer comes so often after so long.
    Arrive(Request, Option<(u32, At, u64)>, Vec<Time>),
    Reachable(Far, u8, bool),
    Restart,
    /// A person wants a run to be carried out, or to go on.
    Ask(usize),
    Stop(usize),
    /// A person says whether a task was done.
    Say(u64),
}

impl Event {
    /// Whether it dies with the process that laid it out.
    fn is_internal(&self) -> bool {
        !matches!(
            self,
            Self::Arrive(..)
                | Self::Reachable(..)
                | Self::Restart
                | Self::Ask(_)
                | Self::Stop(_)
                | Self::Say(_)
        )
    }
}

/// Why an event was not handled to its end.
#[derive(Debug)]
pub(crate) enum Halt {
    Crash,
    Broken(Broken),
}

impl From<Broken> for Halt {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

pub(crate) type Flow<T = ()> = Result<T, Halt>;

/// How rough it is, by seed.
#[derive(Debug)]
pub(crate) struct Weather {
    /// Of 100 attempts, how many something is wrong with.
    pub(crate) trouble: u64,
    /// One of so many steps crashes; 0 for none.
    crash: u64,
    crashes: u64,
    /// Of 100 commits, how many fail.
    pub(crate) failing_commits: u64,
    /// How many batches share a commit, at most.
    pub(crate) group: u64,
}

/// All there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    seed: u64,
    pub(crate) chance: Chance,
    /// Of the time of day alone, so that it can be left out and nothing else changes.
    clock_chance: Chance,
    /// Milliseconds to be added to the time since the beginning.
    clock: i64,
    times_of_day: u64,
    last_time_of_day: i64,
    queue: Queue<(u32, Event)>,
    pub(crate) weather: Weather,
    pub(crate) plans: Vec<Plan>,
    pub(crate) store: Store,
    pub(crate) far: FarSides,
    pub(crate) people: People,
    pub(crate) told: Told,
    pub(crate) process: Option<Process>,
    /// How many processes there were before.
    pub(crate) epoch: u32,
    /// Numbers that are never given twice: of submissions, requests and receipts.
    numbers: u64,
    steps: u64,
    events: u64,
    pub(crate) faults: Faults,
    trace: Trace,
}

impl World {
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        let plans = plan::plans(&mut Chance::new(seed, "plans"));
        let mut chance = Chance::new(seed, "world");
        let weather = Weather {
            trouble: chance.pick(&[0, 10, 30, 60]),
            crash: chance.pick(&[0, 400, 100, 30]),
            crashes: chance.between(1, 4),
            failing_commits: chance.pick(&[0, 0, 2, 10]),
            group: chance.pick(&[1, 2, 8]),
        };
        let process = Process::new(&mut chance);
        let mut world = Self {
            options,
            seed,
            chance,
            clock_chance: Chance::new(seed, "clock"),
            clock: 1_700_000_000_000,
            times_of_day: 0,
            last_time_of_day: 0,
            queue: Queue::new(),
            weather,
            people: People::default(),
            plans,
            store: Store::default(),
            far: FarSides::default(),
            told: Told::default(),
            process: Some(process),
            epoch: 0,
            numbers: 0,
            steps: 0,
            events: 0,
            faults: Faults::default(),
            trace: Trace::new(options.keep_trace),
        };
        world.lay_out();
        world
    }

    /// What is to happen whatever the process does.
    fn lay_out(&mut self) {
        for run in 0..self.plans.len() {
            let plan = &self.plans[run];
            let (from, stop) = (plan.from, plan.stop);
            self.later(from, Event::Ask(run));
            if let Some(stop) = stop {
                self.later(stop, Event::Stop(run));
            }
        }
        for _ in 0..self.chance.below(12) {
            let far = self.chance.pick(&Far::ALL);
            let account = self.chance.below(u64::from(ACCOUNTS)) as u8;
            let from = self.chance.below(1_000_000);
            let lasts = self.chance.pick(&[10_000, 200_000, 10_000_000]);
            self.later(from, Event::Reachable(far, account, false));
            self.later(from + lasts, Event::Reachable(far, account, true));
        }
    }

    /// Goes on until nothing more is to happen.
    pub(crate) fn run(mut self) -> Result<Seen, Box<Violation>> {
        while let Some((epoch, event)) = self.queue.pop() {
            self.events += 1;
            self.move_clock();
            match self.happen(epoch, event) {
                Ok(()) => {}
                Err(Halt::Crash) => self.crash(),
                Err(Halt::Broken(broken)) => return Err(self.violation(broken)),
            }
            if self.events > MAX_EVENTS {
                let broken =
                    Broken::new("every_run_ends", format!("{MAX_EVENTS} events and no end"));
                return Err(self.violation(broken));
            }
        }
        if let Err(broken) = self.check_the_end() {
            return Err(self.violation(broken));
        }
        let mutations = self
            .far
            .all_done()
            .map(|task| u64::from(self.far.done(task)));
        Ok(Seen {
            mutations: mutations.sum(),
            trace: self.trace.hash(),
            times_of_day: self.times_of_day,
            faults: self.faults,
            steps: self.steps,
            events: self.events,
            lines: self.trace.into_lines(),
        })
    }

    fn happen(&mut self, epoch: u32, event: Event) -> Flow {
        let is_stale = epoch != self.epoch || self.process.is_none();
        if event.is_internal() && is_stale {
            if matches!(&event, Event::Answer(_, _, reply) if reply.is_answer()) {
                self.faults.hit(Fault::AnswerAfterCrash);
            }
            return Ok(());
        }
        self.note(format_args!("- {event:?}"));
        match event {
            Event::LookUp(at) => self.look_up(at),
            Event::Depart(at) => self.depart_first(at),
            Event::Executed(at) => self.executed(at),
            Event::Computed(at, outcome) => self.computed(at, outcome),
            Event::Settle(at) => self.settle(at),
            Event::Write => {
                self.begin_commit();
                Ok(())
            }
            Event::Written => self.end_commit(),
            Event::Leave(at, turn) => self.leave(at, turn),
            Event::Answer(at, turn, reply) => self.answer(at, turn, reply),
            Event::Probed(at, turn) => self.probed(at, turn),
            Event::Waited(at, turn) => self.waited(at, turn),
            Event::Arrive(request, to, after) => self.arrive(&request, to, &after),
            Event::Reachable(far, account, reachable) => {
                self.far.set_reachable(far, account, reachable);
                Ok(())
            }
            Event::Restart => self.restart(),
            Event::Ask(run) => self.ask(run),
            Event::Stop(run) => self.stop(run),
            Event::Say(task) => self.say(task),
        }
    }

    /// A step after which the process may be gone.
    pub(crate) fn step(&mut self, crash: Fault) -> Flow {
        self.steps += 1;
        let crashes = match self.options.crash_at {
            Some(at) => self.steps == at,
            None => {
                self.weather.crashes > 0
                    && self.weather.crash > 0
                    && self.chance.below(self.weather.crash) == 0
            }
        };
        if !crashes {
            return Ok(());
        }
        self.weather.crashes = self.weather.crashes.saturating_sub(1);
        self.faults.hit(crash);
        self.note(format_args!("* {crash}"));
        Err(Halt::Crash)
    }

    fn crash(&mut self) {
        self.process = None;
        self.epoch += 1;
        let written = self.chance.percent(50);
        let loss = self.store.crash(written);
        if loss.queue {
            self.faults.hit(Fault::QueueLost);
        }
        match (loss.commit, written) {
            (true, true) => self.faults.hit(Fault::CommitUnacknowledged),
            (true, false) => self.faults.hit(Fault::CommitLost),
            (false, _) => {}
        }
        let away = self.chance.between(AWAY, 20 * AWAY);
        self.later(away, Event::Restart);
    }

    /// A new process, which knows what is on record and nothing else.
    fn restart(&mut self) -> Flow {
        self.check_records()?;
        self.process = Some(Process::new(&mut self.chance));
        let runs: Vec<usize> = self.store.durable.runs.iter().copied().collect();
        for run in runs {
            if !self.store.durable.verdicts.contains_key(&run) {
                self.start(run)?;
                self.step(Fault::CrashOnRestart)?;
            }
        }
        // Those whose request was lost ask again.
        for run in self.people.asking() {
            let after = self.chance.below(10_000);
            self.later(after, Event::Ask(run));
        }
        Ok(())
    }

    /// What has to be on record at any moment.
    pub(crate) fn check_records(&self) -> invariants::Held {
        let records = &self.store.durable;
        invariants::told_receipts_stay(&self.told, records)?;
        invariants::what_was_done_is_on_record(&self.plans, &self.far, records)?;
        invariants::results_take_notes_back(records)
    }

    fn check_the_end(&self) -> invariants::Held {
        self.check_records()?;
        let waiting = self.people.waiting(self.plans.len());
        let left = match &self.process {
            None => "and no process is there".to_owned(),
            Some(process) if self.store.is_idle() => process.left(),
            Some(_) => "and a commit is under way".to_owned(),
        };
        invariants::every_run_ends(&waiting, &left)?;
        invariants::doubts_are_told(&self.plans, self.people.verdicts(), &self.store.durable)
    }

    /// The clock on the wall runs by itself, and is set now and then.
    fn move_clock(&mut self) {
        let is_set = self.clock_chance.percent(2);
        let by = self.clock_chance.below(7_200_000) as i64 - 3_600_000;
        if is_set && !self.options.steady_clock {
            self.clock += by;
        }
    }

    /// For a receipt.
    pub(crate) fn time_of_day(&mut self) -> TimeOfDay {
        let time = self.clock + self.milliseconds() as i64;
        self.times_of_day = mix(&[self.times_of_day, time as u64]);
        // An hour is more than a simulation takes between two receipts.
        let past = time - self.last_time_of_day;
        if past < 0 {
            self.faults.hit(Fault::ClockBack);
        } else if past > 600_000 && self.last_time_of_day > 0 {
            self.faults.hit(Fault::ClockForward);
        }
        self.last_time_of_day = time;
        TimeOfDay(time)
    }

    /// Milliseconds of a clock that never goes back.
    pub(crate) fn milliseconds(&self) -> u64 {
        self.queue.now() / 1_000
    }

    /// What an effort is told of time.
    pub(crate) fn effort_clock(&self) -> u64 {
        match self.options.wrong {
            Some(Wrong::WaitsByTimeOfDay) => {
                (self.clock + self.milliseconds() as i64).unsigned_abs()
            }
            _ => self.milliseconds(),
        }
    }

    /// Has something happen after so many microseconds.
    pub(crate) fn later(&mut self, after: Time, event: Event) {
        static ELSEWHERE: AtomicU64 = AtomicU64::new(0);
        let drawn = match self.options.wrong {
            Some(Wrong::DrawsFromElsewhere) => ELSEWHERE.fetch_add(1, Ordering::Relaxed) % 3,
            _ => 0,
        };
        self.later_for(self.epoch, after + drawn, event);
    }

    /// The same, for the process of that number.
    pub(crate) fn later_for(&mut self, epoch: u32, after: Time, event: Event) {
        self.queue.push(after, &mut self.chance, (epoch, event));
    }

    /// The same, after a time between these.
    pub(crate) fn soon(&mut self, (low, high): (Time, Time), event: Event) {
        let after = self.chance.between(low, high);
        self.later(after, event);
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn is(&self, wrong: Wrong) -> bool {
        self.options.wrong == Some(wrong)
    }

    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        let now = self.queue.now();
        self.trace.line(now, what);
    }

    fn violation(self, broken: Broken) -> Box<Violation> {
        Box::new(Violation {
            promise: broken.promise,
            what: broken.what,
            seed: self.seed,
            time: Some(self.queue.now()),
            lines: self.trace.into_lines(),
        })
    }
}
