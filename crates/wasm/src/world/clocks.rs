//! Clocks that move only when the guest sleeps (`wasi:clocks`).

use super::define::Definer;
use super::io::Pollable;
use wasmtime::component::{ComponentType, Lower};

/// When every call begins, in seconds since 1970: 2000-01-01T00:00:00Z.
const START: u64 = 946_684_800;
const NANOSECONDS: u64 = 1_000_000_000;
/// What both clocks say about their steps, in nanoseconds.
const RESOLUTION: u32 = 1;

/// The time inside a call.
#[derive(Default)]
pub(super) struct Clock {
    /// Nanoseconds since the call began, all of them slept.
    now: u64,
}

impl Clock {
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// Lets time pass, at once. It never goes back.
    pub(super) fn sleep_until(&mut self, wake: u64) {
        self.now = self.now.max(wake);
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

pub(super) fn define(definer: &mut Definer<'_>) -> wasmtime::Result<()> {
    let mut monotonic = definer.interface("wasi:clocks/monotonic-clock")?;
    monotonic.function("now", |caller, ()| Ok((caller.data().clock.now(),)))?;
    monotonic.function("resolution", |_, ()| Ok((u64::from(RESOLUTION),)))?;
    monotonic.function("subscribe-instant", |caller, (instant,): (u64,)| {
        Ok((caller.data_mut().resource(Pollable(instant))?,))
    })?;
    monotonic.function("subscribe-duration", |caller, (duration,): (u64,)| {
        let instant = caller.data().clock.now().saturating_add(duration);
        Ok((caller.data_mut().resource(Pollable(instant))?,))
    })?;

    let mut wall = definer.interface("wasi:clocks/wall-clock")?;
    wall.function("now", |caller, ()| {
        let slept = caller.data().clock.now();
        let nanoseconds = u32::try_from(slept % NANOSECONDS)?;
        Ok((Datetime {
            seconds: START.saturating_add(slept / NANOSECONDS),
            nanoseconds,
        },))
    })?;
    wall.function("resolution", |_, ()| {
        Ok((Datetime {
            seconds: 0,
            nanoseconds: RESOLUTION,
        },))
    })
}
