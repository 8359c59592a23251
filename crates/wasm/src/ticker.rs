//! The clock that lets running guests be interrupted: a thread that raises the engine's epoch.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two ticks. A call notices that it has to stop after at most two.
const TICK: Duration = Duration::from_millis(10);
/// Ticks without any call after which the thread sleeps until the next call.
const IDLE_TICKS: u32 = 100;

/// Raises an engine's epoch while calls run. The thread starts with the first call and ends with the engine.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    engine: wasmtime::Engine,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Calls that are running.
    calls: usize,
    started: bool,
    asleep: bool,
    closed: bool,
}

/// A running call; the epoch rises until it is dropped.
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    pub(crate) fn new(engine: wasmtime::Engine) -> Self {
        Self {
            shared: Arc::default(),
            engine,
        }
    }

    /// Has the epoch rise from now on.
    ///
    /// # Errors
    /// If the machine gives no thread.
    pub(crate) fn run(&self) -> std::io::Result<Running<'_>> {
        let mut state = self.shared.state();
        if !state.started {
            let (shared, engine) = (Arc::clone(&self.shared), self.engine.clone());
            std::thread::Builder::new()
                .name("ipvm-epoch".to_owned())
                .spawn(move || shared.tick(&engine))?;
            state.started = true;
        }
        state.calls += 1;
        if state.asleep {
            self.shared.changed.notify_one();
        }
        Ok(Running(&self.shared))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.state().calls -= 1;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self, engine: &wasmtime::Engine) {
        let mut idle = 0;
        let mut state = self.state();
        while !state.closed {
            idle = if state.calls == 0 { idle + 1 } else { 0 };
            state = if idle > IDLE_TICKS {
                self.sleep(state)
            } else {
                self.changed
                    .wait_timeout(state, TICK)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            };
            engine.increment_epoch();
        }
    }

    /// Waits for a call.
    fn sleep<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.asleep = true;
        while !state.closed && state.calls == 0 {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.asleep = false;
        state
    }
}
