//! A loaded module, and calls of its functions.

use crate::content::Content;
use crate::engine::LoadError;
use crate::error::{CallError, Failed};
use crate::interface::{Asking, FindError, Function, Interface};
use crate::introspect;
use crate::ticker::Ticker;
use crate::types::Type;
use crate::unsafe_code::{self, Arguments, Expected};
use crate::watch::{Cancel, Watch};
use crate::world::{Exit, Log, MAX_HANDLES_ALL, MIN_HOSTCALL_BYTES, State, World};
use ipvm_ipld::Ipld;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};
use wasmtime::{Store, UpdateDeadline};

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
    pub(crate) world: &'a World,
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
    /// What all randomness of the call follows from. Two calls that are the same have the same.
    pub seed: [u8; 32],
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
    /// What it prints: the bytes of both streams together, and [`SWITCH_COST`](crate::SWITCH_COST) for each
    /// switch from one to the other, in bytes.
    pub log: u64,
}

/// A call that ended by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The function's value, or its own error if its type is `result<T, E>`.
    pub out: Result<Ipld, Ipld>,
    /// What it asks for: the record `effects` of `ipvm:guest/effects`, in IPLD. None of a function that cannot ask.
    pub effects: Option<Ipld>,
    /// Fuel used.
    pub fuel: u64,
    /// What it printed.
    pub log: Log,
}

impl Module {
    pub(crate) fn new(component: &Component, granted: &Granted<'_>) -> Result<Self, LoadError> {
        let pre = granted.world.link(component)?;
        let (interface, exports) = introspect::exports(component)?;
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
        let refused = |error| Failed {
            error,
            fuel: 0,
            log: Log::default(),
        };
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
        let mut store = self.store(call, &watch).map_err(refused)?;
        let result = self.run(&mut store, position, export, call, &watch);
        let left = store.get_fuel().unwrap_or_default();
        let fuel = call.limits.fuel.saturating_sub(left);
        let log = store.data_mut().take_log();
        let function = self.inner.interface.functions.get(position);
        let out = result.or_else(|error| match error.downcast_ref::<Exit>() {
            Some(exit) => exited(*exit, function),
            None => Err(CallError::from_engine(error, &call.limits, function)),
        });
        match out {
            Ok(out) => {
                let asking = function.map_or(Asking::Nothing, Function::asking);
                let (out, effects) = take_effects(out, asking);
                Ok(Done {
                    out,
                    effects,
                    fuel,
                    log,
                })
            }
            Err(error) => Err(Failed { error, fuel, log }),
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

    fn store(&self, call: &Call<'_>, watch: &Watch) -> Result<Store<State>, CallError> {
        let mut store = Store::new(self.inner.pre.engine(), State::new(call, watch));
        store.limiter(|state| state);
        store
            .set_fuel(call.limits.fuel)
            .map_err(|error| CallError::Machine(error.to_string()))?;
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().check()?;
            Ok(UpdateDeadline::Continue(1))
        });
        store.set_max_component_handles(MAX_HANDLES_ALL);
        // What the engine copies out of the guest: strings of the result, which have a budget of their own and
        // may be of two bytes a character, and what it hands over when it calls the world.
        let copied = usize::try_from(call.limits.output.saturating_mul(2)).unwrap_or(usize::MAX);
        store.set_hostcall_fuel(copied.max(MIN_HOSTCALL_BYTES));
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

/// Parts what a function asks for from its value.
fn take_effects(out: Result<Ipld, Ipld>, asking: Asking) -> (Result<Ipld, Ipld>, Option<Ipld>) {
    match (asking, out) {
        (Asking::Whole, Ok(effects)) => (Ok(Ipld::Null), Some(effects)),
        (Asking::Second, Ok(Ipld::List(pair))) => {
            let mut pair = pair.into_iter();
            let (own, effects) = (pair.next().unwrap_or(Ipld::Null), pair.next());
            (Ok(own), effects)
        }
        (_, out) => (out, None),
    }
}

/// What it means that a function ended the program instead of returning. Where success and failure are all that a
/// function has to say, as with the main function of a program, the exit code says it.
fn exited(
    Exit { code }: Exit,
    function: Option<&Function>,
) -> Result<Result<Ipld, Ipld>, CallError> {
    let is_ok = code == 0;
    match function.and_then(|function| function.result.as_ref()) {
        None if is_ok => Ok(Ok(Ipld::Null)),
        Some(Type::Result(sides)) if sides.ok().is_none() && sides.error().is_none() => {
            Ok(if is_ok {
                Ok(Ipld::Null)
            } else {
                Err(Ipld::Null)
            })
        }
        _ => Err(CallError::Trap {
            message: format!(
                "the function ended its program with exit code {code} and has no result"
            ),
        }),
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("interface", &self.inner.interface)
            .finish_non_exhaustive()
    }
}
