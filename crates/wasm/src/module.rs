//! A loaded module, and calls of its functions.

use crate::content::Content;
use crate::engine::{LoadError, MAX_TABLE_ELEMENTS};
use crate::error::{CallError, Failed};
use crate::fault::Stop;
use crate::interface::{FindError, Interface};
use crate::introspect;
use crate::ticker::Ticker;
use crate::unsafe_code::{self, Arguments, Expected};
use crate::watch::{Cancel, Watch};
use ipvm_ipld::Ipld;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

/// Most core instances, memories and tables that one call may make.
const MAX_PARTS: usize = 128;

/// A component that is ready to be called. Clones share it.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
}

struct Inner {
    pre: InstancePre<State>,
    interface: Arc<Interface>,
    /// Where each function of the interface is.
    exports: Vec<ComponentExportIndex>,
    ticker: Arc<Ticker>,
    code_bytes: usize,
}

/// What an engine gives to its modules.
pub(crate) struct Granted<'a> {
    pub(crate) linker: &'a Linker<State>,
    pub(crate) ticker: &'a Arc<Ticker>,
}

/// One call.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The function: full name, or short name if only one function has it.
    pub function: &'a str,
    /// The arguments, with all promises resolved: a map like `{"await/ok": …}` is plain data here.
    pub args: &'a [Ipld],
    /// What it may use.
    pub limits: Limits,
    /// Where the links in the arguments lead.
    pub content: &'a dyn Content,
    /// Stops it from outside.
    pub cancel: &'a Cancel,
}

/// What a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Fuel: about one unit an instruction, the same on every machine.
    pub fuel: u64,
    /// Memory of the guest, all its linear memories together, in bytes.
    pub memory: u64,
    /// Time by the clock.
    pub time: Duration,
    /// The result: its bytes and strings, and [`VALUE_COST`](crate::VALUE_COST) for each value in it, in bytes.
    pub output: u64,
}

/// A call that ended by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The function's value, or its own error if its type is `result<T, E>`.
    pub out: Result<Ipld, Ipld>,
    /// Fuel used.
    pub fuel: u64,
}

impl Module {
    pub(crate) fn new(component: &Component, granted: &Granted<'_>) -> Result<Self, LoadError> {
        introspect::refuse_imports(component)?;
        let (interface, exports) = introspect::exports(component)?;
        let pre = granted.linker.instantiate_pre(component);
        let pre = pre.map_err(|error| LoadError::Invalid {
            message: format!("{error:#}"),
        })?;
        let code = component.image_range();
        let inner = Inner {
            pre,
            interface: Arc::new(interface),
            exports,
            ticker: Arc::clone(granted.ticker),
            code_bytes: code.end.addr() - code.start.addr(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The functions of this module.
    #[must_use]
    pub fn interface(&self) -> &Interface {
        &self.inner.interface
    }

    pub(crate) fn code_bytes(&self) -> usize {
        self.inner.code_bytes
    }

    /// Calls a function in a fresh instance, which is gone afterwards.
    ///
    /// # Errors
    /// If the arguments do not fit, a limit is reached, the guest traps, or its result has no form in IPLD. The
    /// function's own error is no error here, see [`Done`].
    pub fn call(&self, call: &Call<'_>) -> Result<Done, Failed> {
        let refused = |error| Failed { error, fuel: 0 };
        let (position, export) = self.find(call).map_err(refused)?;
        let watch = Watch::new(call.limits.time, call.cancel);
        if let Some(stop) = watch.stopped() {
            return Err(refused(CallError::from_stop(stop, &call.limits)));
        }
        let _running = self
            .inner
            .ticker
            .run()
            .map_err(|error| refused(CallError::Machine(error.to_string())))?;
        let mut store = self.store(&call.limits, &watch).map_err(refused)?;
        let result = self.run(&mut store, position, export, call, &watch);
        let left = store.get_fuel().unwrap_or_default();
        let fuel = call.limits.fuel.saturating_sub(left);
        match result {
            Ok(out) => Ok(Done { out, fuel }),
            Err(error) => {
                let function = self.inner.interface.functions.get(position);
                Err(Failed {
                    error: CallError::from_engine(error, &call.limits, function),
                    fuel,
                })
            }
        }
    }

    fn find(&self, call: &Call<'_>) -> Result<(usize, &ComponentExportIndex), CallError> {
        let position = self.inner.interface.position(call.function)?;
        let (Some(function), Some(export)) = (
            self.inner.interface.functions.get(position),
            self.inner.exports.get(position),
        ) else {
            let (name, available) = (call.function.to_owned(), Vec::new());
            return Err(FindError::Unknown {
                name,
                suggestion: None,
                available,
            }
            .into());
        };
        if let Some(ty) = function.unsupported() {
            return Err(CallError::Unsupported {
                function: function.name.clone(),
                ty: ty.to_owned(),
            });
        }
        function.check_count(call.args)?;
        Ok((position, export))
    }

    fn store(&self, limits: &Limits, watch: &Watch) -> Result<Store<State>, CallError> {
        let mut store = Store::new(self.inner.pre.engine(), State::new(limits, watch));
        store.limiter(|state| state);
        store
            .set_fuel(limits.fuel)
            .map_err(|error| CallError::Machine(error.to_string()))?;
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| match store.data().watch.stopped() {
            Some(stop) => Err(wasmtime::Error::new(stop)),
            None => Ok(UpdateDeadline::Continue(1)),
        });
        // The result is bounded by a budget of its own.
        store.set_hostcall_fuel(usize::MAX);
        Ok(store)
    }

    fn run(
        &self,
        store: &mut Store<State>,
        function: usize,
        export: &ComponentExportIndex,
        call: &Call<'_>,
        watch: &Watch,
    ) -> wasmtime::Result<Result<Ipld, Ipld>> {
        let instance = self.inner.pre.instantiate(&mut *store)?;
        let entry = instance.get_func(&mut *store, export);
        let entry = entry
            .ok_or_else(|| wasmtime::format_err!("the function is missing from its instance"))?;
        let params = self
            .inner
            .interface
            .functions
            .get(function)
            .map_or(&[][..], |function| &function.params);
        let arguments = Arguments {
            params,
            args: call.args,
            content: call.content,
            watch,
        };
        let interface = Arc::clone(&self.inner.interface);
        let expected = Expected {
            interface,
            function,
            budget: call.limits.output,
        };
        unsafe_code::call(store, entry, arguments, expected)
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("interface", &self.inner.interface)
            .finish_non_exhaustive()
    }
}

/// What a running call has used, and when it has to stop.
pub(crate) struct State {
    watch: Watch,
    memory_limit: u64,
    /// Bytes of all memories together.
    memory: u64,
    /// Elements of all tables together.
    elements: usize,
    /// Whether the growth that is being tried was allowed here.
    allowed: bool,
}

impl State {
    fn new(limits: &Limits, watch: &Watch) -> Self {
        Self {
            watch: watch.clone(),
            memory_limit: limits.memory,
            memory: 0,
            elements: 0,
            allowed: false,
        }
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
