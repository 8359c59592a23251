//! The errors that the system itself puts into receipts, as values of their `error` branch.

use crate::wire::{self, WireError};
use ipvm_ipld::fields::{self, Fields};
use ipvm_ipld::{Cid, Ipld};
use ipvm_ucan::promise::Branch;
use std::fmt;

/// Longest message in a failure, in bytes; longer ones are cut.
pub const MAX_MESSAGE: usize = 4096;

/// Why a task ended without a result of its own.
///
/// On the wire a map with the key `reason`. A guest may return an error of the same form: such a value reads
/// as a failure, which only means that it is never reused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// An awaited task ended on the other branch.
    #[error("an awaited task was expected to end with {}, and ended with {}", branch_name(*.expected), branch_name(*.got))]
    BranchMismatch {
        /// The branch that the promise names.
        expected: Branch,
        /// The branch of the receipt.
        got: Branch,
        /// The awaited task's receipt.
        from: Cid,
    },
    /// An awaited task has no receipt and will have none.
    #[error("the awaited task {task} has no result: {message}")]
    InputFailed {
        /// The awaited task.
        task: Cid,
        /// Why it has none.
        message: String,
    },
    /// A limit was reached.
    #[error("the limit on {limit} was reached: {allowed} {}", .limit.unit())]
    Limit {
        /// Which limit.
        limit: LimitKind,
        /// What was allowed, in the limit's unit.
        allowed: u64,
    },
    /// The result is too large to be passed on as structured data.
    #[error("the result has {bytes} bytes of structured data, more than {allowed}; return bytes")]
    TooLarge {
        /// Its size, in bytes of DAG-CBOR.
        bytes: u64,
        /// What is allowed, in bytes.
        allowed: u64,
    },
    /// The guest trapped.
    #[error("the function crashed: {message}")]
    Trap {
        /// The trap.
        message: String,
    },
    /// The engine failed.
    #[error("the engine failed: {message}")]
    Crash {
        /// What is known.
        message: String,
    },
    /// The task was cancelled.
    #[error("the task was cancelled")]
    Cancelled,
    /// An argument does not fit the function's type.
    #[error("{}: {message}", argument_name(*.index))]
    BadArgument {
        /// Which one, from 0; absent if it is about all of them.
        index: Option<u64>,
        /// What is wrong.
        message: String,
    },
    /// The guest returned what IPLD does not have.
    #[error("the result cannot be expressed: {message}")]
    BadResult {
        /// What is wrong.
        message: String,
    },
    /// The module cannot be used.
    #[error("the module {module} cannot be used: {message}")]
    BadModule {
        /// The module.
        module: Cid,
        /// What is wrong.
        message: String,
    },
    /// The module has no such function.
    #[error("the module {module} has no function {function:?}: {message}")]
    UnknownFunction {
        /// The module.
        module: Cid,
        /// The name that was asked for.
        function: String,
        /// What it has.
        message: String,
    },
    /// Content that the task refers to is not to be had.
    #[error("the content {content} is not available: {message}")]
    MissingContent {
        /// Its CID.
        content: Cid,
        /// Why not.
        message: String,
    },
    /// The task asks for something that this engine does not do.
    #[error("not offered here: {message}")]
    NotOffered {
        /// What.
        message: String,
    },
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Fuel.
    Fuel,
    /// Memory of the guest, in bytes.
    Memory,
    /// Tables of the guest, in elements.
    Table,
    /// Wall-clock time, in milliseconds.
    Time,
    /// Disk, in bytes.
    Disk,
    /// The call stack, in bytes.
    Stack,
    /// Size of the result, in bytes.
    Output,
    /// What the guest prints, in bytes.
    Log,
}

impl LimitKind {
    const ALL: [Self; 8] = [
        Self::Fuel,
        Self::Memory,
        Self::Table,
        Self::Time,
        Self::Disk,
        Self::Stack,
        Self::Output,
        Self::Log,
    ];

    /// The limit in one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Time => "time",
            Self::Disk => "disk",
            Self::Stack => "stack",
            Self::Output => "output",
            Self::Log => "log",
        }
    }

    /// The unit of the limit's amounts.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Fuel => "units",
            Self::Time => "ms",
            Self::Table => "elements",
            Self::Memory | Self::Disk | Self::Stack | Self::Output | Self::Log => "bytes",
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Failure {
    /// Whether a receipt with this failure may answer for the computation later. Only what follows from the
    /// computation alone may: limits, crashes, cancellations and failures of others say nothing about it
    /// (wire-formats, "Memo").
    #[must_use]
    pub fn memoisable(&self) -> bool {
        matches!(self, Self::BadResult { .. })
    }

    /// The failure as the value of a receipt's `error`.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        let text = |text: &str| Some(Ipld::String(cut(text).to_owned()));
        let link = |cid: &Cid| Some(Ipld::Link(*cid));
        let reason = ("reason", text(self.reason()));
        match self {
            Self::BranchMismatch {
                expected,
                got,
                from,
            } => wire::map([
                reason,
                ("expected", text(branch_name(*expected))),
                ("got", text(branch_name(*got))),
                ("from", link(from)),
            ]),
            Self::InputFailed { task, message } => {
                wire::map([reason, ("task", link(task)), ("message", text(message))])
            }
            Self::Limit { limit, allowed } => wire::map([
                reason,
                ("limit", text(limit.as_str())),
                ("allowed", Some(wire::integer(*allowed))),
            ]),
            Self::TooLarge { bytes, allowed } => wire::map([
                reason,
                ("bytes", Some(wire::integer(*bytes))),
                ("allowed", Some(wire::integer(*allowed))),
            ]),
            Self::Cancelled => wire::map([reason]),
            Self::Trap { message }
            | Self::Crash { message }
            | Self::BadResult { message }
            | Self::NotOffered { message } => wire::map([reason, ("message", text(message))]),
            Self::BadArgument { index, message } => wire::map([
                reason,
                ("index", index.map(wire::integer)),
                ("message", text(message)),
            ]),
            Self::BadModule { module, message } => {
                wire::map([reason, ("mod", link(module)), ("message", text(message))])
            }
            Self::UnknownFunction {
                module,
                function,
                message,
            } => wire::map([
                reason,
                ("mod", link(module)),
                ("fun", text(function)),
                ("message", text(message)),
            ]),
            Self::MissingContent { content, message } => wire::map([
                reason,
                ("content", link(content)),
                ("message", text(message)),
            ]),
        }
    }

    /// Reads a failure from the value of a receipt's `error`; `None` if it is a guest's own error.
    #[must_use]
    pub fn from_ipld(value: &Ipld) -> Option<Self> {
        let Ipld::Map(map) = value else { return None };
        let Some(Ipld::String(_)) = map.get("reason") else {
            return None;
        };
        Self::read(value.clone()).ok()
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::BranchMismatch { .. } => "branch mismatch",
            Self::InputFailed { .. } => "input failed",
            Self::Limit { .. } => "limit",
            Self::TooLarge { .. } => "too large",
            Self::Trap { .. } => "trap",
            Self::Crash { .. } => "crash",
            Self::Cancelled => "cancelled",
            Self::BadArgument { .. } => "bad argument",
            Self::BadResult { .. } => "bad result",
            Self::BadModule { .. } => "bad module",
            Self::UnknownFunction { .. } => "unknown function",
            Self::MissingContent { .. } => "missing content",
            Self::NotOffered { .. } => "not offered",
        }
    }

    fn read(value: Ipld) -> Result<Self, WireError> {
        let mut map = Fields::new(value, "error")?;
        let reason = map.get("reason", fields::as_string)?;
        let failure = match reason.as_str() {
            "branch mismatch" => Self::BranchMismatch {
                expected: branch(&map.get("expected", fields::as_string)?)?,
                got: branch(&map.get("got", fields::as_string)?)?,
                from: map.get("from", fields::as_link)?,
            },
            "input failed" => Self::InputFailed {
                task: map.get("task", fields::as_link)?,
                message: message(&mut map)?,
            },
            "limit" => Self::Limit {
                limit: limit(&map.get("limit", fields::as_string)?)?,
                allowed: map.get("allowed", fields::as_unsigned)?,
            },
            "too large" => Self::TooLarge {
                bytes: map.get("bytes", fields::as_unsigned)?,
                allowed: map.get("allowed", fields::as_unsigned)?,
            },
            "trap" => Self::Trap {
                message: message(&mut map)?,
            },
            "crash" => Self::Crash {
                message: message(&mut map)?,
            },
            "cancelled" => Self::Cancelled,
            "bad argument" => Self::BadArgument {
                index: map.get_optional("index", fields::as_unsigned)?,
                message: message(&mut map)?,
            },
            "bad result" => Self::BadResult {
                message: message(&mut map)?,
            },
            "bad module" => Self::BadModule {
                module: map.get("mod", fields::as_link)?,
                message: message(&mut map)?,
            },
            "unknown function" => Self::UnknownFunction {
                module: map.get("mod", fields::as_link)?,
                function: map.get("fun", fields::as_string)?,
                message: message(&mut map)?,
            },
            "missing content" => Self::MissingContent {
                content: map.get("content", fields::as_link)?,
                message: message(&mut map)?,
            },
            "not offered" => Self::NotOffered {
                message: message(&mut map)?,
            },
            other => {
                return Err(WireError::value(
                    "error.reason",
                    format!("unknown reason {other:?}"),
                ));
            }
        };
        map.finish()?;
        Ok(failure)
    }
}

fn message(map: &mut Fields) -> Result<String, WireError> {
    Ok(map.get("message", fields::as_string)?)
}

fn branch_name(branch: Branch) -> &'static str {
    match branch {
        Branch::Ok => "ok",
        Branch::Error => "error",
        Branch::Any => "*",
    }
}

fn branch(name: &str) -> Result<Branch, WireError> {
    Branch::ALL
        .into_iter()
        .find(|branch| branch_name(*branch) == name)
        .ok_or_else(|| WireError::value("error", format!("unknown branch {name:?}")))
}

fn limit(name: &str) -> Result<LimitKind, WireError> {
    LimitKind::ALL
        .into_iter()
        .find(|limit| limit.as_str() == name)
        .ok_or_else(|| WireError::value("error.limit", format!("unknown limit {name:?}")))
}

fn argument_name(index: Option<u64>) -> String {
    index.map_or_else(
        || "the arguments".into(),
        |index| format!("argument {index}"),
    )
}

/// At most [`MAX_MESSAGE`] bytes, cut between characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_MESSAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
