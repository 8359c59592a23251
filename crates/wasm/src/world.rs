//! The virtual world: what a guest finds when it asks the system that it runs on.
//!
//! Programs built for WASI 0.2 expect a system. They get one that is the same on every machine and every day: no
//! arguments, no environment, no files, an input that is at its end, a clock that moves only when the guest
//! sleeps, randomness that follows from the call, and two outputs, which are the call's [`Log`]. None of it comes
//! from the machine, so there is nothing here to break out of, and nothing that could make two results differ.
//!
//! The interfaces are those of WASI 0.2 (`wasi:cli`, `wasi:clocks`, `wasi:filesystem`, `wasi:io`, `wasi:random`);
//! `docs/wasi.md` has the list. Those for networks may be imported, as default builds of some languages do, but
//! not called.

mod cli;
mod clocks;
mod define;
mod filesystem;
mod imports;
mod io;
mod log;
mod random;
mod state;

pub use log::{Log, SWITCH_COST, Stream};

pub(crate) use cli::Exit;
pub(crate) use state::State;

use crate::engine::LoadError;
use define::Definer;
use imports::Known;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

/// Most resources (streams and pollables) that a guest may hold at once.
const MAX_HANDLES: usize = 10_000;
/// Most handles of any kind in one call, those of a component's own resources included. Lending a resource for
/// the time of a call counts as another handle.
pub(crate) const MAX_HANDLES_ALL: usize = 3 * MAX_HANDLES;
/// Bytes that a guest can hand over in one call of the world, at the least.
pub(crate) const MIN_HOSTCALL_BYTES: usize = 1 << 20;

/// What modules are linked to.
pub(crate) struct World {
    linker: Linker<State>,
    known: Known,
}

impl World {
    /// The world, for modules of this engine.
    ///
    /// # Errors
    /// If the engine does not take a definition, which is a mistake in this crate.
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut world = Self {
            linker: Linker::new(engine),
            known: Known::default(),
        };
        let mut definer = Definer {
            linker: &mut world.linker,
            known: &mut world.known,
        };
        io::define(&mut definer)?;
        clocks::define(&mut definer)?;
        random::define(&mut definer)?;
        cli::define(&mut definer)?;
        filesystem::define(&mut definer)?;
        Ok(world)
    }

    /// Links a component, after a look at what it imports.
    ///
    /// # Errors
    /// The names of what is not to be had, or what else keeps it from being linked.
    pub(crate) fn link(&self, component: &Component) -> Result<InstancePre<State>, LoadError> {
        let invalid = |error: wasmtime::Error| LoadError::Invalid {
            message: format!("{error:#}"),
        };
        let denied = imports::check(component, &self.known)?;
        if denied.is_empty() {
            return self.linker.instantiate_pre(component).map_err(invalid);
        }
        let mut linker = self.linker.clone();
        imports::link_denied(&mut linker, denied)
            .and_then(|()| linker.instantiate_pre(component))
            .map_err(invalid)
    }
}
