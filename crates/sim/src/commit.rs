//! Commits: batches wait, are written together, and are told of when they are durable, in order.

use crate::faults::Fault;
use crate::flights::Key;
use crate::store::{Batch, Then};
use crate::world::{Event, Flow, World};

impl World {
    /// Hands a batch to the store.
    pub(crate) fn submit(&mut self, batch: Batch) -> Flow {
        self.step(Fault::CrashBeforeSubmit)?;
        self.note(format_args!("  + {batch:?}"));
        if self.store.submit(batch) {
            self.soon((0, 5_000), Event::Write);
        }
        Ok(())
    }

    pub(crate) fn begin_commit(&mut self) {
        self.store.begin(self.weather.group as usize);
        let slow = self.chance.percent(1);
        if slow {
            self.faults.hit(Fault::CommitSlow);
        }
        let times = if slow { 100 } else { 1 };
        self.soon((500 * times, 10_000 * times), Event::Written);
    }

    /// The disk is done with a commit, well or not.
    pub(crate) fn end_commit(&mut self) -> Flow {
        self.step(Fault::CrashInCommit)?;
        if self.chance.percent(self.weather.failing_commits) {
            self.faults.hit(Fault::CommitFailed);
            for batch in self.store.fail() {
                self.failed(batch.then)?;
            }
        } else {
            let group = self.store.finish();
            self.check_records()?;
            for (index, batch) in group.into_iter().enumerate() {
                self.step(match index {
                    0 => Fault::CrashBeforeAcknowledging,
                    _ => Fault::CrashBetweenAcknowledgements,
                })?;
                self.durable(batch.then)?;
            }
        }
        if self.store.goes_on() {
            self.soon((0, 1_000), Event::Write);
        }
        Ok(())
    }

    fn durable(&mut self, then: Then) -> Flow {
        self.note(format_args!("  = {then:?}"));
        match then {
            Then::Nothing => Ok(()),
            Then::Accepted(run) => self.accepted(run),
            Then::Noted(at) => self.noted(at),
            Then::Ended { at, receipt, key } => self.ended(at, receipt, key),
            Then::GivenUp(at) => self.given_up(at),
            Then::Settled(task) => {
                self.settled(task);
                Ok(())
            }
        }
    }

    fn failed(&mut self, then: Then) -> Flow {
        self.note(format_args!("  ! {then:?}"));
        match then {
            // That a run is over is found out again by whoever takes it up again.
            Then::Nothing => {}
            Then::Accepted(run) => self.soon((1_000, 50_000), Event::Ask(run)),
            Then::Noted(at) | Then::GivenUp(at) => {
                let carried = self.process().efforts.remove(&at);
                self.fail(at.0)?;
                if let Some(carried) = carried {
                    self.land(carried.key);
                }
            }
            Then::Ended { at, key, .. } => {
                self.process().efforts.remove(&at);
                self.fail(at.0)?;
                if let Some(key) = key {
                    self.land(key);
                }
            }
            Then::Settled(task) => {
                self.land(Key::Task(task));
                self.soon((1_000, 50_000), Event::Say(task));
            }
        }
        Ok(())
    }
}
