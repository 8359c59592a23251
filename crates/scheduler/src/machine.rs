//! The machine itself: events in, commands out, fair between runs.

use std::collections::{BTreeMap, VecDeque};

use crate::run::{Run, State, Ticket};
use crate::{Command, Event, RunId, SchedulerError};

/// How much may be going on at once, over all runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most steps that are looked up, executed or settled. A run of which none is may have one more.
    pub under_way: u32,
    /// Steps whose result is known and not yet durable, above which nothing is started.
    pub volatile: u32,
}

/// Decides what is done next in every run under way.
///
/// Runs with something to start take turns, one step each, so a wide run does not keep a small one waiting; and a run
/// of which nothing is under way goes first, even where others fill all places with long steps.
#[derive(Debug)]
pub struct Scheduler {
    bounds: Bounds,
    under_way: u32,
    volatile: u32,
    runs: BTreeMap<RunId, Run>,
    /// Runs that have something to start, in turn. Each stands here once with a ticket that is valid.
    turns: VecDeque<(RunId, u64)>,
    /// Those of which nothing is under way.
    first: VecDeque<(RunId, u64)>,
    next_ticket: u64,
}

impl Scheduler {
    /// A scheduler that keeps within `bounds`, each of them at least one.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds: Bounds {
                under_way: bounds.under_way.max(1),
                volatile: bounds.volatile.max(1),
            },
            under_way: 0,
            volatile: 0,
            runs: BTreeMap::new(),
            turns: VecDeque::new(),
            first: VecDeque::new(),
            next_ticket: 0,
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
            Event::Computed { run, step, ending } => {
                self.expect(run, step, "computed", is_under_way)?;
                self.leave(run);
                self.volatile += 1;
                let of_run = self.run_mut(run)?;
                of_run.volatile += 1;
                of_run.compute(step, ending);
                self.take_turn(run);
            }
            Event::Ended { run, step, ending } => {
                self.expect(run, step, "ended", |state| {
                    is_under_way(state) || state == State::Computed(ending)
                })?;
                self.rest(run, step);
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
            Event::Doubted { run, step } => {
                self.expect(run, step, "doubted", is_under_way)?;
                self.leave(run);
                self.run_mut(run)?.doubt(step);
                self.take_turn(run);
                self.finish_if_over(run, &mut commands);
            }
            Event::Stop { run } => {
                self.run_mut(run)?.stopped = true;
                self.finish_if_over(run, &mut commands);
            }
            Event::Failed { run } => {
                self.run_mut(run)?;
                self.forget(run);
            }
        }
        self.start(&mut commands);
        Ok(commands)
    }

    /// How many steps are looked up, executed or settled, over all runs.
    pub fn under_way(&self) -> u32 {
        self.under_way
    }

    /// How many steps have a result that is known and not yet durable, over all runs.
    pub fn volatile(&self) -> u32 {
        self.volatile
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
        while self.volatile < self.bounds.volatile {
            let Some(id) = self.next_run() else { return };
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

    /// The run whose turn it is to start a step, if there is one and a place for it.
    fn next_run(&mut self) -> Option<RunId> {
        loop {
            let row = if !self.first.is_empty() {
                &mut self.first
            } else if self.under_way < self.bounds.under_way {
                &mut self.turns
            } else {
                return None;
            };
            let (id, ticket) = row.pop_front()?;
            if let Some(run) = self.runs.get_mut(&id)
                && run.ticket.is_some_and(|valid| valid.number == ticket)
            {
                run.ticket = None;
                return Some(id);
            }
        }
    }

    /// Puts a run into the row of those that have something to start, once.
    fn take_turn(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(&id) else {
            return;
        };
        let first = run.under_way == 0;
        // One that waits in turn goes first once nothing of it is under way any more; its old ticket is void then.
        let stays = run.ticket.is_some_and(|ticket| ticket.first || !first);
        if stays || !run.has_next() {
            return;
        }
        self.next_ticket += 1;
        let number = self.next_ticket;
        run.ticket = Some(Ticket { number, first });
        let row = if first {
            &mut self.first
        } else {
            &mut self.turns
        };
        row.push_back((id, number));
    }

    /// One step less is under way.
    fn leave(&mut self, run: RunId) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.under_way = run.under_way.saturating_sub(1);
            self.under_way = self.under_way.saturating_sub(1);
        }
    }

    /// A step that is under way, or computed, is so no longer.
    fn rest(&mut self, id: RunId, step: u32) {
        let Some(run) = self.runs.get_mut(&id) else {
            return;
        };
        if matches!(run.state(step), Some(State::Computed(_))) {
            run.volatile = run.volatile.saturating_sub(1);
            self.volatile = self.volatile.saturating_sub(1);
        } else {
            self.leave(id);
        }
    }

    fn finish_if_over(&mut self, id: RunId, commands: &mut Vec<Command>) {
        if let Some(verdict) = self.runs.get(&id).and_then(Run::verdict) {
            self.forget(id);
            commands.push(Command::Finish { run: id, verdict });
        }
    }

    /// Gives back the places of a run that is over.
    fn forget(&mut self, id: RunId) {
        if let Some(run) = self.runs.remove(&id) {
            self.under_way = self.under_way.saturating_sub(run.under_way);
            self.volatile = self.volatile.saturating_sub(run.volatile);
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
