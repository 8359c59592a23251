//! Virtual time: what is to happen stands in a queue, and time is when the next of it happens.

use std::collections::BTreeMap;

use crate::chance::Chance;

/// Microseconds since the beginning of a run. It never goes back.
pub(crate) type Time = u64;

/// What is to happen, by time; of what happens at the same moment, chance says what is first.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    now: Time,
    entries: BTreeMap<(Time, u64, u64), T>,
    count: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            entries: BTreeMap::new(),
            count: 0,
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    pub(crate) fn push(&mut self, after: Time, chance: &mut Chance, what: T) {
        self.count += 1;
        let at = (self.now + after, chance.next(), self.count);
        self.entries.insert(at, what);
    }

    /// The next, to whose time the clock goes.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let ((time, _, _), what) = self.entries.pop_first()?;
        self.now = time;
        Some(what)
    }
}
