//! Effects, carried to their ends: what an [`Effort`] decides is done, and what has happened is told to it.

use ipvm_scheduler::Event as Told;
use ipvm_scheduler::effort::{Action, Attempt, Effort, Happened, Probed};
use ipvm_workflow::Class;

use crate::far::{ACCOUNTS, ARRIVAL, Request, result_of};
use crate::faults::Fault;
use crate::flights::Key;
use crate::invariants;
use crate::plan::Far;
use crate::queue::Time;
use crate::store::{Batch, Kind, Outcome, Receipt, Then, Write};
use crate::world::{At, Event, Flow, World};
use crate::wrong::Wrong;

/// Microseconds after which an answer is not waited for any more.
const LIMIT: Time = 5_000_000;

/// Where an effort stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// About to leave: it can still be held back.
    Connecting,
    /// The note is to say with whom, before it leaves.
    Noting,
    /// With the far side.
    Away,
    Probing,
    Waiting,
    Ending,
}

/// An effect under way.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) run: usize,
    step: u32,
    pub(crate) task: u64,
    far: Far,
    /// Which of its kind is asked.
    account: u8,
    /// Which of them the note names.
    noted: Option<u8>,
    pub(crate) key: Key,
    pub(crate) effort: Effort,
    pub(crate) stage: Stage,
    /// Counts what was decided, so that an answer finds its question or nobody.
    turn: u64,
    latest: Option<Outcome>,
    /// Whether an earlier process left a note.
    pub(crate) left: bool,
    /// Whether the outcome of an attempt is not known.
    pub(crate) unknown: bool,
    /// Milliseconds.
    pub(crate) began: u64,
}

/// What comes back from a far side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    attempt: Attempt,
    outcome: Option<Outcome>,
    /// It came before.
    again: bool,
}

impl Reply {
    /// Whether the far side has said something.
    pub(crate) fn is_answer(&self) -> bool {
        self.outcome.is_some()
    }

    fn without(attempt: Attempt) -> Self {
        Self {
            attempt,
            outcome: None,
            again: false,
        }
    }
}

impl World {
    pub(crate) fn begin_effort(&mut self, at: At, far: Far, task: u64) -> Flow {
        let (run, step) = self.place(at);
        let class = far.class();
        let noted = self.store.durable.notes.get(&task).copied();
        let left = noted.is_some();
        if left {
            self.faults.hit(Fault::NoteLeft);
        }
        let account = match self.is(Wrong::ForgetsAccount) {
            true => 0,
            false => noted.unwrap_or_default(),
        };
        let now = self.effort_clock();
        let mut effort = Effort::new(class, self.plans[run].patience, left);
        let action = effort.begin(now);
        let carried = Carried {
            run,
            step,
            task,
            far,
            account,
            noted,
            key: Key::Task(task),
            effort,
            stage: Stage::Connecting,
            turn: 0,
            latest: None,
            left,
            unknown: false,
            began: now,
        };
        self.process().efforts.insert(at, carried);
        self.act(at, action)
    }

    /// Does what an effort has decided.
    fn act(&mut self, at: At, action: Action) -> Flow {
        self.note(format_args!("  ~ {at:?} {action:?}"));
        match action {
            Action::Perform => {
                let now = self.effort_clock();
                let carried = &self.process.as_ref().expect("it decided this").efforts[&at];
                let plan = &self.plans[carried.run];
                invariants::efforts_keep_to_their_patience(carried, plan, now)?;
                self.perform(at)
            }
            Action::Probe => {
                self.step(Fault::CrashBeforeProbe)?;
                let turn = self.enter(at, Stage::Probing);
                self.soon((1_000, 50_000), Event::Probed(at, turn));
                Ok(())
            }
            Action::Wait(milliseconds) => {
                let turn = self.enter(at, Stage::Waiting);
                self.later(milliseconds * 1_000, Event::Waited(at, turn));
                Ok(())
            }
            Action::End => self.end_effort(at, None),
            Action::GiveUp if self.is(Wrong::DoubtsTooMuch) => self.doubt(at),
            Action::GiveUp => self.give_up(at),
            Action::Doubt if self.is(Wrong::HidesDoubt) || self.is(Wrong::KeepsDoubtQuiet) => {
                self.end_effort(at, Some(Outcome::error(Kind::Fault)))
            }
            Action::Doubt if self.is(Wrong::BelievesInSuccess) => {
                let task = self.carried(at).task;
                self.end_effort(at, Some(result_of(task)))
            }
            Action::Doubt => self.doubt(at),
        }
    }

    /// Tells an effort what has happened, and does what follows.
    fn after(&mut self, at: At, happened: Happened) -> Flow {
        let (now, jitter) = (self.effort_clock(), self.chance.next() as u32);
        let action = self.carried(at).effort.after(happened, now, jitter);
        self.act(at, action)
    }

    fn carried(&mut self, at: At) -> &mut Carried {
        let carried = self.process().efforts.get_mut(&at);
        carried.expect("an effort that is told of is under way")
    }

    /// A new stage, whose number answers come with.
    fn enter(&mut self, at: At, stage: Stage) -> u64 {
        let carried = self.carried(at);
        carried.stage = stage;
        carried.turn += 1;
        carried.turn
    }

    fn is_turn(&mut self, at: At, turn: u64) -> bool {
        let carried = self.process().efforts.get(&at);
        carried.is_some_and(|carried| carried.turn == turn)
    }

    fn write_note(&mut self, at: At) -> Flow {
        self.enter(at, Stage::Noting);
        let carried = self.carried(at);
        let writes = vec![Write::Note(carried.task, carried.account)];
        self.submit(Batch {
            writes,
            then: Then::Noted(at),
        })
    }

    pub(crate) fn noted(&mut self, at: At) -> Flow {
        let carried = self.carried(at);
        carried.noted = Some(carried.account);
        self.step(Fault::CrashBeforeAttempt)?;
        self.hand_over(at)
    }

    pub(crate) fn waited(&mut self, at: At, turn: u64) -> Flow {
        if self.is_turn(at, turn) {
            return self.after(at, Happened::Waited);
        }
        Ok(())
    }

    fn perform(&mut self, at: At) -> Flow {
        if self.process().is_stopped(at.0) {
            return self.after(at, Happened::Attempted(Attempt::Cancelled));
        }
        self.check_inputs(at)?;
        let turn = self.enter(at, Stage::Connecting);
        self.soon((200, 5_000), Event::Leave(at, turn));
        Ok(())
    }

    /// A connection is made: nothing has left that the far side may act on, and the note comes first.
    pub(crate) fn leave(&mut self, at: At, turn: u64) -> Flow {
        if !self.is_turn(at, turn) {
            return Ok(());
        }
        self.step(Fault::CrashWhileConnecting)?;
        let carried = self.carried(at);
        let is_named = carried.noted == Some(carried.account);
        let needs_note = carried.effort.needs_note() && !is_named;
        if !needs_note || self.is(Wrong::SkipsNote) {
            return self.hand_over(at);
        }
        if self.is(Wrong::NotesTooLate) {
            return self.note_behind(at);
        }
        self.write_note(at)
    }

    /// Lets the request go, and has the note written meanwhile.
    fn note_behind(&mut self, at: At) -> Flow {
        let carried = self.carried(at);
        carried.noted = Some(carried.account);
        let writes = vec![Write::Note(carried.task, carried.account)];
        self.submit(Batch {
            writes,
            then: Then::Nothing,
        })?;
        self.hand_over(at)
    }

    /// A request leaves the process; here is drawn what becomes of it.
    fn hand_over(&mut self, at: At) -> Flow {
        let turn = self.enter(at, Stage::Away);
        let number = self.number();
        let carried = self.carried(at);
        let (far, account, task) = (carried.far, carried.account, carried.task);
        let request = Request {
            far,
            account,
            task,
            key: if self.is(Wrong::DrawsKeys) {
                number
            } else {
                task
            },
            turned_away: false,
            number,
        };
        let fault = self.trouble(far, account);
        if let Some(fault) = fault {
            self.note(format_args!("  * {fault}"));
            // What comes twice counts when it does.
            if fault != Fault::AnswerTwice {
                self.faults.hit(fault);
            }
        }
        self.send(at, turn, request, fault);
        self.step(Fault::CrashAfterRequest)
    }

    /// What goes wrong with an attempt.
    fn trouble(&mut self, far: Far, account: u8) -> Option<Fault> {
        if !self.far.is_reachable(far, account) {
            return Some(Fault::Partitioned);
        }
        if !self.chance.percent(self.weather.trouble) {
            return None;
        }
        let fault = self.chance.pick(&[
            Fault::Refused,
            Fault::Busy,
            Fault::AnsweredWithError,
            Fault::AnswerSlow,
            Fault::AnswerLost,
            Fault::RequestLost,
            Fault::RequestLate,
            Fault::RequestTwice,
            Fault::AnswerTwice,
        ]);
        Some(match (fault, far) {
            // Nothing that can be asked after arrives late; and nothing that is not recognised, twice.
            (Fault::RequestLate, Far::Telling) => Fault::RequestLost,
            (Fault::RequestTwice, Far::Telling | Far::Mute) => Fault::AnswerTwice,
            (fault, _) => fault,
        })
    }

    fn send(&mut self, at: At, turn: u64, mut request: Request, fault: Option<Fault>) {
        let way = self.chance.between(500, ARRIVAL);
        let back = self.chance.between(500, 20_000);
        let to = Some((self.epoch, at, turn));
        let unknown = Event::Answer(at, turn, Reply::without(Attempt::Unknown));
        match fault {
            Some(Fault::Partitioned | Fault::Refused) => self.refuse(at, turn, 0),
            Some(Fault::Busy) => {
                let wait = self.chance.pick(&[100, 3_000, 20_000]);
                self.refuse(at, turn, wait);
            }
            Some(Fault::AnswerLost) => {
                self.set_out(way, request, None, vec![]);
                self.later(LIMIT, unknown);
            }
            Some(Fault::RequestLost) => self.later(LIMIT, unknown),
            Some(Fault::RequestLate) => {
                let late = self.chance.between(1_000, 2_000_000);
                self.set_out(LIMIT + late, request, None, vec![]);
                self.later(LIMIT, unknown);
            }
            Some(Fault::RequestTwice) => {
                self.set_out(way, request, to, vec![back]);
                self.set_out(way + 20 * back, request, None, vec![]);
            }
            Some(Fault::AnswerTwice) => self.set_out(way, request, to, vec![back, 3 * back]),
            Some(Fault::AnswerSlow) => self.set_out(way, request, to, vec![100 * back]),
            other => {
                request.turned_away = other == Some(Fault::AnsweredWithError);
                self.set_out(way, request, to, vec![back]);
            }
        }
    }

    fn refuse(&mut self, at: At, turn: u64, wait: u64) {
        let reply = Reply::without(Attempt::NotDone { wait });
        self.soon((200, 20_000), Event::Answer(at, turn, reply));
    }

    fn set_out(
        &mut self,
        way: Time,
        request: Request,
        to: Option<(u32, At, u64)>,
        back: Vec<Time>,
    ) {
        self.far.leaves(request.task);
        self.later(way, Event::Arrive(request, to, back));
    }

    /// A request comes to the far side.
    pub(crate) fn arrive(
        &mut self,
        request: &Request,
        to: Option<(u32, At, u64)>,
        back: &[Time],
    ) -> Flow {
        if self.far.is_overtaken(request) {
            self.faults.hit(Fault::RequestsReordered);
        }
        let before = self.far.done(request.task);
        let outcome = self.far.arrive(request);
        self.note(format_args!("  . {outcome:?}"));
        if request.far.class() == Class::Mutation && self.far.done(request.task) > before {
            invariants::mutations_are_done_once(&self.far, request.task)?;
            let (records, account) = (&self.store.durable, request.account);
            invariants::mutations_are_noted_first(records, request.task, account)?;
        }
        let Some((epoch, at, turn)) = to else {
            return Ok(());
        };
        for (index, after) in back.iter().enumerate() {
            let reply = Reply {
                attempt: self.attempt_of(request),
                outcome: Some(outcome),
                again: index > 0,
            };
            self.later_for(epoch, *after, Event::Answer(at, turn, reply));
        }
        Ok(())
    }

    fn attempt_of(&self, request: &Request) -> Attempt {
        match request.turned_away && !self.is(Wrong::BelievesErrors) {
            true => Attempt::Failed,
            false => Attempt::Answered,
        }
    }

    /// An answer comes to the process, or the attempt is given up.
    pub(crate) fn answer(&mut self, at: At, turn: u64, reply: Reply) -> Flow {
        if reply.again {
            self.faults.hit(Fault::AnswerTwice);
        }
        let hears = self.is(Wrong::HearsTwice) && self.process().efforts.contains_key(&at);
        if !self.is_turn(at, turn) && !hears {
            return Ok(());
        }
        self.step(Fault::CrashOnAnswer)?;
        let (far, account) = (self.carried(at).far, self.carried(at).account);
        let mut attempt = reply.attempt;
        let mut outcome = reply.outcome;
        if outcome.is_some() && !self.far.is_reachable(far, account) {
            self.faults.hit(Fault::PartitionCut);
            (attempt, outcome) = (Attempt::Unknown, None);
        }
        let moves_on = self.is(Wrong::MovesOn);
        let carried = self.carried(at);
        carried.latest = outcome;
        carried.unknown |= attempt == Attempt::Unknown;
        let may_move = moves_on || carried.effort.may_move();
        if matches!(attempt, Attempt::NotDone { .. }) && may_move {
            carried.account = (account + 1) % ACCOUNTS;
            self.faults.hit(Fault::MovedOn);
        }
        if attempt == Attempt::Unknown && self.is(Wrong::RetriesUnknown) {
            attempt = Attempt::NotDone { wait: 0 };
        }
        self.after(at, Happened::Attempted(attempt))
    }

    /// The far side has told what it knows, or could not be asked.
    pub(crate) fn probed(&mut self, at: At, turn: u64) -> Flow {
        if !self.is_turn(at, turn) {
            return Ok(());
        }
        self.step(Fault::CrashAfterProbe)?;
        let carried = self.carried(at);
        let (far, account, task) = (carried.far, carried.account, carried.task);
        let fails = self.chance.percent(self.weather.trouble / 2);
        let (probed, outcome) = if fails || !self.far.is_reachable(far, account) {
            self.faults.hit(Fault::ProbeFailed);
            (Probed::Unreachable, None)
        } else {
            self.far.probe(far, account, task)
        };
        if probed == Probed::Unknown && far == Far::Mute {
            self.faults.hit(Fault::ProbeUnknown);
        }
        if outcome.is_some() {
            self.carried(at).latest = outcome;
        }
        self.after(at, Happened::Probed(probed))
    }

    /// Writes the latest result, or the latest fault, and takes back the note with it.
    fn end_effort(&mut self, at: At, instead: Option<Outcome>) -> Flow {
        self.enter(at, Stage::Ending);
        let carried = self.carried(at);
        let (run, step, task, key) = (carried.run, carried.step, carried.task, carried.key);
        let latest = carried.latest.unwrap_or(Outcome::error(Kind::Fault));
        let is_mutation = carried.far.class() == Class::Mutation;
        let work = self.plans[run].steps[step as usize].clone();
        let started = self.time_of_day();
        let receipt = Receipt {
            task,
            computation: self.computation(&work, &[]),
            outcome: instead.unwrap_or(latest),
            started,
        };
        invariants::failures_were_failures(&self.far, &receipt, work.work)?;
        invariants::results_were_done(&self.far, &receipt, work.work)?;
        let quiet = instead.is_some() && self.is(Wrong::KeepsDoubtQuiet);
        let id = self.number();
        let mut writes = vec![Write::Receipt(id, receipt)];
        if is_mutation && self.is(Wrong::TakesNoteBackFirst) {
            self.submit(Batch {
                writes: vec![Write::TakeBack(task)],
                then: Then::Nothing,
            })?;
        } else if is_mutation && !(quiet || self.is(Wrong::LeavesNotes)) {
            writes.push(Write::TakeBack(task));
        }
        if self.process().courses.contains_key(&at.0) {
            return self.end(at, id, receipt, writes, Some(key));
        }
        // Of a run that failed: whoever takes it up again finds the receipt.
        self.submit(Batch {
            writes,
            then: Then::Ended {
                at,
                receipt: id,
                key: Some(key),
            },
        })
    }

    /// Nothing was done: takes back the note, if there is one. Equal work waits until that is durable, or it would find
    /// a question where there is none.
    fn give_up(&mut self, at: At) -> Flow {
        self.enter(at, Stage::Ending);
        let carried = self.carried(at);
        if carried.noted.is_none() {
            return self.given_up(at);
        }
        let writes = vec![Write::TakeBack(carried.task)];
        self.submit(Batch {
            writes,
            then: Then::GivenUp(at),
        })
    }

    pub(crate) fn given_up(&mut self, at: At) -> Flow {
        let Some(carried) = self.process().efforts.remove(&at) else {
            return Ok(());
        };
        self.abandon(at)?;
        self.land(carried.key);
        Ok(())
    }

    /// Leaves the note, and says that it is not known whether this was done.
    fn doubt(&mut self, at: At) -> Flow {
        let Some(carried) = self.process().efforts.remove(&at) else {
            return Ok(());
        };
        invariants::doubts_have_a_reason(&carried)?;
        let (run, step) = at;
        if let Some(course) = self.process().courses.get_mut(&run) {
            course.doubts += 1;
            course.doing.remove(&step);
            self.hear_doubt(carried.run, carried.task);
            self.tell(Told::Doubted { run, step })?;
        }
        self.land(carried.key);
        Ok(())
    }

    /// The run is stopped. What has left reports in first.
    pub(crate) fn stop_effort(&mut self, at: At) -> Flow {
        match self.stage(at) {
            Some(Stage::Waiting) => self.faults.hit(Fault::StopWhileWaiting),
            Some(Stage::Connecting) => self.faults.hit(Fault::StopWhileConnecting),
            Some(Stage::Away) => self.faults.hit(Fault::StopWhileAttempting),
            _ => {}
        }
        self.break_off(at)
    }

    /// The run has failed. Equal work goes on waiting for this effort, an attempt of which may be under way.
    pub(crate) fn fail_effort(&mut self, at: At) -> Flow {
        if self.stage(at) == Some(Stage::Away) {
            self.faults.hit(Fault::FailedWhileAttempting);
            if self.is(Wrong::LandsFailedEffects) {
                let key = self.carried(at).key;
                self.land(key);
            }
        }
        self.break_off(at)
    }

    fn stage(&mut self, at: At) -> Option<Stage> {
        Some(self.process().efforts.get(&at)?.stage)
    }

    fn break_off(&mut self, at: At) -> Flow {
        match self.stage(at) {
            Some(Stage::Waiting) => self.after(at, Happened::Stopped),
            Some(Stage::Connecting) => self.after(at, Happened::Attempted(Attempt::Cancelled)),
            _ => Ok(()),
        }
    }
}
