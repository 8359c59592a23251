//! How a call can fail.

use crate::content::ContentError;
use crate::engine::{MAX_TABLE_ELEMENTS, STACK_BYTES};
use crate::fault::{Fault, Stop};
use crate::interface::{ArgError, FindError, Function};
use crate::module::Limits;
use crate::path::{Path, Step};
use crate::world::Log;
use ipvm_ipld::Cid;
use std::time::Duration;
use wasmtime::{OutOfMemory, PoolConcurrencyLimitError, Trap};

/// A call that did not end by itself, or whose result has no form.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    /// Why.
    #[source]
    pub error: CallError,
    /// Fuel used until then.
    pub fuel: u64,
    /// What it printed until then.
    pub log: Log,
}

/// Why a call failed. The texts are the same on every machine and do not depend on the engine's version, except
/// for [`CallError::Machine`] and [`CallError::Content`].
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no such function.
    #[error(transparent)]
    Function(#[from] FindError),
    /// The function takes or returns what has no form as content.
    #[error("the function {function:?} cannot be called: {ty} has no form as content")]
    Unsupported {
        /// Its full name.
        function: String,
        /// The type that has no form.
        ty: String,
    },
    /// An argument does not fit.
    #[error(transparent)]
    Argument(#[from] ArgError),
    /// The content of a link in the arguments is not to be had.
    #[error("argument {}{path} ({cid}): {error}", .index + 1)]
    Content {
        /// Position of the argument, from 0.
        index: usize,
        /// Place inside it.
        path: Path,
        /// The link.
        cid: Box<Cid>,
        /// Why.
        error: ContentError,
    },
    /// Out of fuel.
    #[error("out of fuel: the limit is {limit}")]
    Fuel {
        /// The limit.
        limit: u64,
    },
    /// Memory grew over its limit.
    #[error("over the memory limit of {limit} bytes")]
    Memory {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Tables grew over their limit.
    #[error("over the limit of {limit} table elements")]
    Table {
        /// The limit, in elements.
        limit: usize,
    },
    /// Functions called each other too deeply.
    #[error("stack overflow: the limit is {limit} bytes")]
    Stack {
        /// The limit, in bytes.
        limit: usize,
    },
    /// Out of time.
    #[error("out of time: the limit is {} ms", .limit.as_millis())]
    Time {
        /// The limit.
        limit: Duration,
    },
    /// The result is too large.
    #[error("the result is over the limit of {limit} bytes")]
    Output {
        /// The limit, in bytes.
        limit: u64,
    },
    /// It printed too much.
    #[error("what it printed is over the limit of {limit} bytes")]
    Log {
        /// The limit, in bytes.
        limit: u64,
    },
    /// Stopped by its [`Cancel`](crate::Cancel).
    #[error("cancelled")]
    Cancelled,
    /// The guest trapped, or broke the calling convention.
    #[error("trap: {message}")]
    Trap {
        /// What happened.
        message: String,
    },
    /// The guest returned NaN or an infinity.
    #[error("the result{path} is not a finite number; IPLD has no NaN and no infinities")]
    NotANumber {
        /// Place inside the result.
        path: Path,
    },
    /// The guest returned a map with a key twice.
    #[error("the result{path} has the key {key:?} twice")]
    DuplicateKey {
        /// Place inside the result.
        path: Path,
        /// The key.
        key: String,
    },
    /// The guest returned a `cid` whose bytes are not exactly one CID.
    #[error("the result{path} is not a link: its bytes are not exactly one CID in binary form")]
    NotACid {
        /// Place inside the result.
        path: Path,
    },
    /// The machine failed, not the function: another attempt may succeed.
    #[error("this machine could not run the function: {0}")]
    Machine(String),
}

impl CallError {
    pub(crate) fn from_stop(stop: Stop, limits: &Limits) -> Self {
        match stop {
            Stop::Time => Self::Time { limit: limits.time },
            Stop::Cancelled => Self::Cancelled,
            Stop::Memory => Self::Memory {
                limit: limits.memory,
            },
            Stop::Table => Self::Table {
                limit: MAX_TABLE_ELEMENTS,
            },
            Stop::Log => Self::Log { limit: limits.log },
            Stop::Machine(message) => Self::Machine(message),
        }
    }

    /// What an error means that came through the engine.
    pub(crate) fn from_engine(
        error: wasmtime::Error,
        limits: &Limits,
        function: Option<&Function>,
    ) -> Self {
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return Self::from_trap(*trap, limits);
        }
        if let Some(stop) = error.downcast_ref::<Stop>() {
            return Self::from_stop(stop.clone(), limits);
        }
        match error.downcast::<Fault>() {
            Ok(fault) => Self::from_fault(fault, limits, function),
            Err(error) if is_machines(&error) => Self::Machine(format!("{error:#}")),
            // The engine's own words change from one version to the next.
            Err(_) => Self::Trap {
                message: "the guest broke a rule of the component model".to_owned(),
            },
        }
    }

    fn from_trap(trap: Trap, limits: &Limits) -> Self {
        let message = match trap {
            Trap::OutOfFuel => return Self::Fuel { limit: limits.fuel },
            Trap::StackOverflow => return Self::Stack { limit: STACK_BYTES },
            Trap::UnreachableCodeReached => "the guest gave up (unreachable)",
            Trap::MemoryOutOfBounds => "memory access out of bounds",
            Trap::TableOutOfBounds => "table access out of bounds",
            Trap::IndirectCallToNull => "call of an empty table element",
            Trap::BadSignature => "indirect call of a function of another type",
            Trap::IntegerOverflow => "integer overflow",
            Trap::IntegerDivisionByZero => "integer division by zero",
            Trap::BadConversionToInteger => "conversion of a float that is no integer",
            Trap::CannotEnterComponent => "a component was entered while it was running",
            Trap::CannotLeaveComponent => "a component was left where it may not be",
            other => {
                let text = other.to_string();
                let message = text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned();
                return Self::Trap { message };
            }
        };
        Self::Trap {
            message: message.to_owned(),
        }
    }

    fn from_fault(fault: Fault, limits: &Limits, function: Option<&Function>) -> Self {
        match fault {
            Fault::Mismatch { path, message } => {
                let (index, path) = argument(path);
                Self::Argument(match function {
                    Some(function) => function.arg_error(index, path, message),
                    None => ArgError {
                        index,
                        param: None,
                        path,
                        message,
                    },
                })
            }
            Fault::Content { path, cid, error } => {
                let (index, path) = argument(path);
                Self::Content {
                    index,
                    path,
                    cid,
                    error,
                }
            }
            Fault::Output => Self::Output {
                limit: limits.output,
            },
            Fault::NotANumber { path } => Self::NotANumber { path },
            Fault::DuplicateKey { path, key } => Self::DuplicateKey { path, key },
            Fault::NotACid { path } => Self::NotACid { path },
            Fault::Abi(message) => Self::Trap {
                message: message.to_owned(),
            },
            Fault::Refused(message) => Self::Trap { message },
            Fault::Stop(stop) => Self::from_stop(stop, limits),
            Fault::Guest(error) => Self::from_engine(error, limits, function),
        }
    }
}

/// Whether an error is the machine's, and another attempt may go better: no free slot, no memory. What else
/// the engine reports without a kind is the guest's, for example a handle that it made up.
fn is_machines(error: &wasmtime::Error) -> bool {
    error.is::<PoolConcurrencyLimitError>()
        || error.is::<OutOfMemory>()
        || error.chain().any(|cause| cause.is::<std::io::Error>())
}

/// Splits the position of an argument off the place of a fault.
fn argument(mut path: Path) -> (usize, Path) {
    match path.leave() {
        Some(Step::Index(index)) => (index, path),
        _ => (0, path),
    }
}
