//! Stopping a call from outside: its deadline and its cancellation.

use crate::fault::Stop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A flag that stops calls: set once, from any thread. A running call notices it within about 20 ms.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops every call that was given this flag, or will be.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
