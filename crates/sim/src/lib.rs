//! The simulator: the real [`Scheduler`](ipvm_scheduler::Scheduler) and the real
//! [`Effort`](ipvm_scheduler::effort::Effort) under models of store, far sides, people and clocks, on one virtual thread.
//!
//! A seed makes everything: the workflows, how long each thing takes, which of two comes first, and what goes wrong
//! ([`Fault`]). The process crashes at any of its steps and is started again with nothing but what the store has made
//! durable. What has to hold all the time is written down as functions, one for each promise (`invariants`); a seed
//! that breaks one is a [`Violation`], which names the promise and prints the command that replays it.
//!
//! The models are no part of the product, and so is the driver that turns the scheduler's commands into their events: it
//! stands for the one in `node`, and shows what such a driver has to do. Drivers that do it [wrong](Wrong) on purpose are
//! caught, each by the promise that it breaks.
//!
//! ```
//! let seen = ipvm_sim::simulate(1, &ipvm_sim::Options::default()).unwrap();
//! let again = ipvm_sim::simulate(1, &ipvm_sim::Options::default()).unwrap();
//! assert_eq!(seen.trace, again.trace);
//! ```
#![allow(
    clippy::expect_used,
    reason = "for tests only: what cannot be is a fault of the simulator, and ends it"
)]

mod carry;
mod chance;
mod commit;
mod driver;
mod far;
mod faults;
mod flights;
mod invariants;
mod people;
mod plan;
mod queue;
mod store;
mod trace;
mod violation;
mod world;
mod wrong;

pub use faults::{Fault, Faults};
pub use violation::Violation;
pub use wrong::Wrong;

use std::fmt;

use violation::Broken;
use world::World;

/// How a seed is simulated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What the driver does wrong.
    pub wrong: Option<Wrong>,
    /// The time of day does not jump.
    pub steady_clock: bool,
    /// Crash once, at the step of this number, instead of by chance; 0 for not at all.
    pub crash_at: Option<u64>,
    /// Keep the trace as text.
    pub keep_trace: bool,
}

/// What a simulation saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// A number of all that happened, in order, the time of day left out.
    pub trace: u64,
    /// A number of the time of day in all receipts.
    pub times_of_day: u64,
    /// What went wrong.
    pub faults: Faults,
    /// How many steps there were at which the process may crash.
    pub steps: u64,
    /// How many events there were.
    pub events: u64,
    /// How many mutations the far sides did.
    pub mutations: u64,
    /// The trace as text, where it was kept.
    pub lines: Vec<String>,
}

/// What the seeds of a sweep saw together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many there were.
    pub seeds: u64,
    /// As [`Seen::events`].
    pub events: u64,
    /// As [`Seen::steps`].
    pub steps: u64,
    /// As [`Seen::mutations`].
    pub mutations: u64,
    /// As [`Seen::faults`].
    pub faults: Faults,
}

impl Swept {
    fn see(&mut self, seen: &Seen) {
        self.seeds += 1;
        self.events += seen.events;
        self.steps += seen.steps;
        self.mutations += seen.mutations;
        self.faults.add(&seen.faults);
    }

    /// Counts those of another sweep in.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.steps += other.steps;
        self.mutations += other.mutations;
        self.faults.add(&other.faults);
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seeds,
            events,
            steps,
            mutations,
            faults,
        } = self;
        writeln!(
            f,
            "{seeds} seeds keep all promises: {events} events, {steps} steps to crash at, {mutations} mutations done; faults:"
        )?;
        write!(f, "{faults}")
    }
}

/// [Checks](check) seeds, one after another.
///
/// # Errors
/// The first promise that was broken.
pub fn sweep(seeds: impl IntoIterator<Item = u64>) -> Result<Swept, Box<Violation>> {
    let mut swept = Swept::default();
    for seed in seeds {
        swept.see(&check(seed, &Options::default())?);
    }
    Ok(swept)
}

/// Simulates one seed once.
///
/// # Errors
/// The promise that was broken.
pub fn simulate(seed: u64, options: &Options) -> Result<Seen, Box<Violation>> {
    World::new(seed, *options).run()
}

/// Simulates one seed twice, and once more with a time of day that does not jump: all three have to go the same way.
///
/// # Errors
/// The promise that was broken.
pub fn check(seed: u64, options: &Options) -> Result<Seen, Box<Violation>> {
    let seen = simulate(seed, options)?;
    let again = simulate(seed, options)?;
    let steady = Options {
        steady_clock: true,
        ..*options
    };
    let steady = simulate(seed, &steady)?;
    let at_the_end = |broken: Broken| Box::new(Violation::at_the_end(seed, broken));
    invariants::equal_seeds_have_equal_traces(&seen, &again).map_err(at_the_end)?;
    invariants::the_time_of_day_decides_nothing(&seen, &steady).map_err(at_the_end)?;
    Ok(seen)
}
