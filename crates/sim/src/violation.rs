//! A promise that was broken, and how to see it again.

use std::fmt;

use crate::queue::Time;

/// A broken promise, as the function that checks it says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) promise: &'static str,
    pub(crate) what: String,
}

impl Broken {
    pub(crate) fn new(promise: &'static str, what: String) -> Self {
        Self { promise, what }
    }
}

/// A seed that breaks a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The promise: the name of the function in `invariants` that found it.
    pub promise: &'static str,
    /// What was seen.
    pub what: String,
    /// The seed.
    pub seed: u64,
    /// Microseconds of virtual time; none if it shows only when all is over.
    pub time: Option<Time>,
    /// What happened until then, where the trace was kept.
    pub lines: Vec<String>,
}

impl Violation {
    pub(crate) fn at_the_end(seed: u64, broken: Broken) -> Self {
        Self {
            promise: broken.promise,
            what: broken.what,
            seed,
            time: None,
            lines: Vec::new(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            promise,
            what,
            seed,
            ..
        } = self;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        write!(f, "seed {seed} breaks `{promise}`")?;
        if let Some(time) = self.time {
            write!(f, " at {:.6} s", time as f64 / 1e6)?;
        }
        write!(
            f,
            ": {what}\n  replay: IPVM_SIM_SEED={seed} cargo test -p ipvm-sim --test it seeds -- --nocapture"
        )
    }
}

impl std::error::Error for Violation {}
