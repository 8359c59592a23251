//! People: they ask for runs, stop them, have them go on, and say what was done where nothing else can tell.
//!
//! They tell the truth: a person who says "it was not done" has waited until nothing that was sent can still arrive.

use std::collections::{BTreeMap, BTreeSet};

use ipvm_scheduler::{Event as Told, Verdict};

use crate::driver::Doing;
use crate::far::result_of;
use crate::faults::Fault;
use crate::flights::Key;
use crate::store::{Batch, Receipt, Then, Write};
use crate::world::{Event, Flow, World};
use crate::wrong::Wrong;

/// How often a run is asked to go on.
const MAX_TIMES: u32 = 5;
/// How often a person tries to settle one doubt.
const MAX_TRIES: u32 = 5;

/// What people know and want.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// Runs that were asked for, and of which nobody has said that they are accepted.
    asking: BTreeSet<usize>,
    verdicts: BTreeMap<usize, Verdict>,
    /// Runs that are to go on if they end in doubt.
    again: BTreeSet<usize>,
    times: BTreeMap<usize, u32>,
    tries: BTreeMap<u64, u32>,
}

impl People {
    pub(crate) fn asking(&self) -> Vec<usize> {
        self.asking.iter().copied().collect()
    }

    /// Runs of which nobody has told how they ended.
    pub(crate) fn waiting(&self, runs: usize) -> Vec<usize> {
        (0..runs)
            .filter(|run| !self.verdicts.contains_key(run))
            .collect()
    }

    pub(crate) fn verdicts(&self) -> &BTreeMap<usize, Verdict> {
        &self.verdicts
    }

    pub(crate) fn started(&mut self, run: usize) {
        self.asking.remove(&run);
        self.verdicts.remove(&run);
    }

    pub(crate) fn told(&mut self, run: usize, verdict: Verdict) {
        self.verdicts.insert(run, verdict);
    }

    /// Counts, and says whether it is enough.
    fn may_go_on(&mut self, run: usize) -> bool {
        let times = self.times.entry(run).or_default();
        *times += 1;
        *times <= MAX_TIMES
    }
}

impl World {
    /// A run is to be carried out, or to go on. Asked by somebody who asks again until it is accepted.
    pub(crate) fn ask(&mut self, run: usize) -> Flow {
        if self
            .process
            .as_ref()
            .is_some_and(|process| process.active(run).is_some())
        {
            self.people.asking.remove(&run);
            return Ok(());
        }
        self.people.asking.insert(run);
        if self.process.is_none() {
            return Ok(());
        }
        self.submit(Batch {
            writes: vec![Write::Run(run)],
            then: Then::Accepted(run),
        })
    }

    pub(crate) fn accepted(&mut self, run: usize) -> Flow {
        match &self.process {
            Some(process) if process.active(run).is_none() => self.start(run),
            _ => Ok(()),
        }
    }

    pub(crate) fn stop(&mut self, run: usize) -> Flow {
        let Some(id) = self
            .process
            .as_ref()
            .and_then(|process| process.active(run))
        else {
            return Ok(());
        };
        let doing = self.process().stop(id);
        self.tell(Told::Stop { run: id })?;
        let parked = self.process().flights.leave(id);
        for step in parked {
            self.faults.hit(Fault::StopWhileParked);
            self.abandon((id, step))?;
        }
        for (step, doing) in doing {
            let at = (id, step);
            match doing {
                Doing::LookingUp { .. } | Doing::Settling if self.chance.percent(50) => {
                    self.abandon(at)?;
                }
                Doing::Executing(key) if self.chance.percent(70) => {
                    self.faults.hit(Fault::StopWhileExecuting);
                    self.abandon(at)?;
                    self.land(key);
                }
                Doing::Effort => self.stop_effort(at)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Somebody hears of a doubt, and says what was done, or has the run go on without, or leaves it.
    pub(crate) fn hear_doubt(&mut self, run: usize, task: u64) {
        let choice = self.chance.below(10);
        if choice < 6 {
            self.soon((1_000, 3_000_000), Event::Say(task));
        }
        if (4..8).contains(&choice) {
            self.faults.hit(Fault::DoubtTriedAgain);
            self.people.again.insert(run);
        }
        if choice >= 8 {
            self.faults.hit(Fault::DoubtLeft);
        }
    }

    /// A person says whether a task was done.
    pub(crate) fn say(&mut self, task: u64) -> Flow {
        let tries = self.people.tries.entry(task).or_default();
        *tries += 1;
        if *tries > MAX_TRIES || !self.store.durable.notes.contains_key(&task) {
            return Ok(());
        }
        let is_clear = !self.far.is_in_air(task);
        let under_way = self.is(Wrong::SettlesUnderWay);
        let takes = |world: &mut Self| world.process().flights.take(Key::Task(task)) || under_way;
        if self.process.is_none() || !is_clear || !takes(self) {
            if self.process.is_some() && is_clear {
                self.faults.hit(Fault::SettledTooSoon);
            }
            self.soon((10_000, 1_000_000), Event::Say(task));
            return Ok(());
        }
        let mut writes = vec![Write::TakeBack(task)];
        if self.far.done(task) > 0 {
            self.faults.hit(Fault::SettledDone);
            let started = self.time_of_day();
            let id = self.number();
            let receipt = Receipt {
                task,
                computation: None,
                outcome: result_of(task),
                started,
            };
            writes.push(Write::Receipt(id, receipt));
        } else {
            self.faults.hit(Fault::SettledNotDone);
        }
        self.submit(Batch {
            writes,
            then: Then::Settled(task),
        })
    }

    /// A person's word is on record: the runs that were in doubt about it go on.
    pub(crate) fn settled(&mut self, task: u64) {
        self.land(Key::Task(task));
        for run in 0..self.plans.len() {
            if self.plans[run].find(task).next().is_none() {
                continue;
            }
            match self.people.verdicts.get(&run).copied() {
                Some(Verdict::InDoubt) if self.people.may_go_on(run) => {
                    self.soon((0, 10_000), Event::Ask(run));
                }
                Some(_) => {}
                None => {
                    self.people.again.insert(run);
                }
            }
        }
    }

    /// A run is over: somebody may want it to go on.
    pub(crate) fn hear_verdict(&mut self, run: usize, verdict: Verdict) {
        let wants = match verdict {
            Verdict::InDoubt => self.people.again.remove(&run),
            Verdict::Stopped => self.chance.percent(60),
            Verdict::Ok | Verdict::Error => false,
        };
        if wants && self.people.may_go_on(run) {
            if verdict == Verdict::Stopped {
                self.faults.hit(Fault::StoppedResumed);
            }
            self.soon((1_000, 1_000_000), Event::Ask(run));
        }
    }
}
