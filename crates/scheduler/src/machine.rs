//! The machine itself: events in, commands out, fair between runs.

use std::collections::{BTreeMap, VecDeque};

use crate::run::{Run, State};
use crate::{Command, Event, RunId, SchedulerError};

/// Decides what is done next in every run under way.
///
/// At most `in_flight` steps are under way at once. Runs with something to start take turns, one
/// step each, so a wide run does not keep a small one waiting.
#[derive(Debug)]
pub struct Scheduler {
    in_flight: u32,
    under_way: u32,
    runs: BTreeMap<RunId, Run>,
    /// Runs that have something to start, each once, in turn.
    turns: VecDeque<RunId>,
}

impl Scheduler {
    /// A scheduler that keeps at most `in_flight` steps under way (at least one).
    pub fn new(in_flight: u32) -> Self {
        Self {
            in_flight: in_flight.max(1),
            under_way: 0,
            runs: BTreeMap::new(),
            turns: VecDeque::new(),
        }
    }

    /// Takes one event and says what to do next.
    ///
    /// # Errors
    /// An event that contradicts what the scheduler asked for: a fault of the driver. The state
    /// is unchanged then.
    pub fn handle(&mut self, event: Event) -> Result<Vec<Command>, SchedulerError> {
        let mut commands = Vec::new();
        match event {
            Event::Submitted { run, dag, ended } => {
                if self.runs.contains_key(&run) {
                    return Err(SchedulerError::DuplicateRun(run));
                }
                self.runs.insert(run, Run::new(dag, &ended));
                self.take_turn(run);
                self.finish_if_over(run, &mut commands);
            }
            Event::Missed { run, step } => {
                self.expect(run, step, "missed", |state| state == State::LookingUp)?;
                commands.extend(self.after_miss(run, step));
            }
            Event::Ended { run, step, ending } => {
                self.expect(run, step, "ended", is_under_way)?;
                self.leave(run);
                self.run_mut(run)?.end(step, ending);
                self.take_turn(run);
                self.finish_if_over(run, &mut commands);
            }
            Event::Abandoned { run, step } => {
                let stopped = self.run_mut(run)?.stopped;
                self.expect(run, step, "abandoned", |state| {
                    stopped && is_under_way(state)
                })?;
                self.leave(run);
                self.run_mut(run)?.set(step, State::Abandoned);
                self.finish_if_over(run, &mut commands);
            }
            Event::Stop { run } => {
                self.run_mut(run)?.stopped = true;
                self.finish_if_over(run, &mut commands);
            }
        }
        self.start(&mut commands);
        Ok(commands)
    }

    /// How many steps are under way, over all runs.
    pub fn under_way(&self) -> u32 {
        self.under_way
    }

    /// A miss leads to execution, unless the run was stopped in between.
    fn after_miss(&mut self, run: RunId, step: u32) -> Vec<Command> {
        let mut commands = Vec::new();
        let Some(state) = self.runs.get_mut(&run) else {
            return commands;
        };
        if state.stopped {
            state.set(step, State::Abandoned);
            self.leave(run);
            self.finish_if_over(run, &mut commands);
        } else {
            state.set(step, State::Executing);
            commands.push(Command::Execute { run, step });
        }
        commands
    }

    fn start(&mut self, commands: &mut Vec<Command>) {
        while self.under_way < self.in_flight {
            let Some(id) = self.turns.pop_front() else {
                return;
            };
            let Some(run) = self.runs.get_mut(&id) else {
                continue;
            };
            let Some((step, state)) = run.next() else {
                continue;
            };
            run.under_way += 1;
            self.under_way += 1;
            if let State::Doomed(because) = state {
                run.set(step, State::Settling);
                commands.push(Command::Settle {
                    run: id,
                    step,
                    because,
                });
            } else {
                run.set(step, State::LookingUp);
                commands.push(Command::LookUp { run: id, step });
            }
            self.take_turn(id);
        }
    }

    /// Puts a run into the row of those that have something to start, once.
    fn take_turn(&mut self, run: RunId) {
        let wants = self.runs.get(&run).is_some_and(Run::has_next);
        if wants && !self.turns.contains(&run) {
            self.turns.push_back(run);
        }
    }

    fn leave(&mut self, run: RunId) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.under_way = run.under_way.saturating_sub(1);
            self.under_way = self.under_way.saturating_sub(1);
        }
    }

    fn finish_if_over(&mut self, id: RunId, commands: &mut Vec<Command>) {
        if let Some(verdict) = self.runs.get(&id).and_then(Run::verdict) {
            self.runs.remove(&id);
            commands.push(Command::Finish { run: id, verdict });
        }
    }

    fn run_mut(&mut self, run: RunId) -> Result<&mut Run, SchedulerError> {
        self.runs
            .get_mut(&run)
            .ok_or(SchedulerError::UnknownRun(run))
    }

    fn expect(
        &mut self,
        run: RunId,
        step: u32,
        event: &'static str,
        allowed: impl Fn(State) -> bool,
    ) -> Result<(), SchedulerError> {
        let state = self.run_mut(run)?.state(step);
        match state {
            Some(state) if allowed(state) => Ok(()),
            other => Err(SchedulerError::Unexpected {
                run,
                step,
                state: other.map_or("not part of the run", State::name),
                event,
            }),
        }
    }
}

fn is_under_way(state: State) -> bool {
    matches!(state, State::LookingUp | State::Executing | State::Settling)
}
