//! What a running call has used, and the state of its world.

use super::MAX_HANDLES;
use super::clocks::Clock;
use super::define::trap;
use super::log::{Log, Writer};
use super::random::Random;
use crate::engine::MAX_TABLE_ELEMENTS;
use crate::fault::Stop;
use crate::module::Call;
use crate::watch::Watch;
use wasmtime::ResourceLimiter;
use wasmtime::component::{Resource, ResourceTable};

/// Most core instances, memories and tables that one call may make.
const MAX_PARTS: usize = 128;

/// What a running call has used, when it has to stop, and its world.
pub(crate) struct State {
    watch: Watch,
    memory_limit: u64,
    /// Bytes of all memories together.
    memory: u64,
    /// Elements of all tables together.
    elements: usize,
    /// Whether the growth that is being tried was allowed here.
    allowed: bool,
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) log: Writer,
    /// Streams and pollables that the guest holds.
    pub(super) resources: ResourceTable,
}

impl State {
    /// The state before the guest runs. Takes no memory, as most guests never look at their world.
    pub(crate) fn new(call: &Call<'_>, watch: &Watch) -> Self {
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(MAX_HANDLES);
        Self {
            watch: watch.clone(),
            memory_limit: call.limits.memory,
            memory: 0,
            elements: 0,
            allowed: false,
            clock: Clock::default(),
            random: Random::new(call.seed),
            log: Writer::new(call.limits.log),
            resources,
        }
    }

    /// Whether the call may go on.
    ///
    /// # Errors
    /// If it has to stop.
    pub(crate) fn check(&self) -> wasmtime::Result<()> {
        match self.watch.stopped() {
            Some(stop) => Err(wasmtime::Error::new(stop)),
            None => Ok(()),
        }
    }

    /// What was printed so far. It is gone from here then.
    pub(crate) fn take_log(&mut self) -> Log {
        self.log.take()
    }

    /// Hands a resource to the guest.
    ///
    /// # Errors
    /// If it holds too many.
    pub(super) fn resource<T: Send + 'static>(
        &mut self,
        value: T,
    ) -> wasmtime::Result<Resource<T>> {
        self.resources.push(value).map_err(|_| {
            trap(format!(
                "more than {MAX_HANDLES} streams and pollables were held at once"
            ))
        })
    }

    /// A growth that was allowed and failed all the same is the machine's fault. The guest must not see it as
    /// −1, which another machine would not have returned.
    fn failed(&self, error: &wasmtime::Error) -> wasmtime::Result<()> {
        if self.allowed {
            Err(wasmtime::Error::new(Stop::Machine(error.to_string())))
        } else {
            Ok(())
        }
    }
}

/// Growth past a limit ends the task instead of returning −1, which would let a limit change an ok result. What
/// the guest's own declared maximum forbids is −1 whatever the limit, as the specification of Wasm says.
impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.allowed = false;
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let memory = self
            .memory
            .saturating_add(desired.saturating_sub(current) as u64);
        if memory > self.memory_limit {
            return Err(wasmtime::Error::new(Stop::Memory));
        }
        self.memory = memory;
        self.allowed = true;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.failed(&error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.allowed = false;
        // A maximum that is not below the limit may be the slot's and not the guest's.
        if maximum.is_some_and(|maximum| maximum < MAX_TABLE_ELEMENTS && desired > maximum) {
            return Ok(false);
        }
        let elements = self
            .elements
            .saturating_add(desired.saturating_sub(current));
        if elements > MAX_TABLE_ELEMENTS {
            return Err(wasmtime::Error::new(Stop::Table));
        }
        self.elements = elements;
        self.allowed = true;
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.failed(&error)
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}
