//! Stopping a call from outside: its deadline and its cancellation.

use crate::fault::Stop;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A flag that stops calls: set once, from any thread. A running call notices it within about 20 ms.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Default)]
struct Flag {
    set: AtomicBool,
    /// Whom to tell when it is set: few, each while it waits.
    waiting: Mutex<Vec<Waiting>>,
}

/// Tells somebody who waits for other things too that the flag is set.
type Waiting = (u64, Box<dyn Fn() + Send>);

/// Ends [`Cancel::when_set`] when it is dropped.
#[derive(Debug)]
pub struct Told {
    cancel: Cancel,
    number: u64,
}

impl Cancel {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops every call that was given this flag, or will be.
    pub fn cancel(&self) {
        self.0.set.store(true, Ordering::SeqCst);
        for (_, tell) in self.0.waiting().iter() {
            tell();
        }
    }

    /// Has `tell` called when the flag is set, from the thread that sets it, until the value returned is dropped. Where
    /// it is set already, `tell` is called at once. `tell` must be quick and must not use this flag.
    pub fn when_set(&self, tell: impl Fn() + Send + 'static) -> Told {
        let mut waiting = self.0.waiting();
        let number = waiting.last().map_or(0, |(last, _)| last + 1);
        if self.is_cancelled() {
            tell();
        }
        waiting.push((number, Box::new(tell)));
        Told {
            cancel: self.clone(),
            number,
        }
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.set.load(Ordering::SeqCst)
    }
}

impl Flag {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Cancel")
            .field(&self.is_cancelled())
            .finish()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.cancel
            .0
            .waiting()
            .retain(|(number, _)| *number != self.number);
    }
}

/// When a call has to stop.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// `None` if it is too far away for the machine's clock.
    deadline: Option<Instant>,
    cancel: Cancel,
}

impl Watch {
    pub(crate) fn new(time: Duration, cancel: &Cancel) -> Self {
        Self {
            deadline: Instant::now().checked_add(time),
            cancel: cancel.clone(),
        }
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        if self.cancel.is_cancelled() {
            return Some(Stop::Cancelled);
        }
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
            .then_some(Stop::Time)
    }
}

#[cfg(test)]
mod tests {
    //! Without this, a run that waits for its tasks would not hear of the user's wish, or hear of it after its end.
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn whoever_waits_is_told_once_and_not_after_leaving() {
        let cancel = Cancel::new();
        let told = Arc::new(AtomicUsize::new(0));
        let tell = |told: &Arc<AtomicUsize>| {
            let told = Arc::clone(told);
            move || {
                told.fetch_add(1, Ordering::SeqCst);
            }
        };
        let leaves = cancel.when_set(tell(&told));
        let stays = cancel.when_set(tell(&told));
        drop(leaves);
        cancel.cancel();
        assert_eq!(told.load(Ordering::SeqCst), 1);
        let late = cancel.when_set(tell(&told));
        assert_eq!(told.load(Ordering::SeqCst), 2);
        drop((stays, late));
        cancel.cancel();
        assert_eq!(told.load(Ordering::SeqCst), 2);
    }
}
