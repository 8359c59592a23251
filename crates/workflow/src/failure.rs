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
    /// An effect was not allowed: by a capability, by the account that serves its subject, or by what was granted.
    #[error("refused ({kind}): {message}")]
    Refused {
        /// The kind of the refusal, in stable words.
        kind: String,
        /// What is missing, and what to do about it.
        message: String,
    },
    /// An effect was tried and certainly not done.
    #[error("not done after {attempts} attempt{}: {message}", plural(*.attempts))]
    NotDone {
        /// Why the last attempt failed, in stable words.
        cause: String,
        /// The same for people.
        message: String,
        /// How often it was tried.
        attempts: u64,
    },
    /// An effect that may be repeated was tried, and nobody answered.
    #[error("no answer after {attempts} attempt{}: {message}", plural(*.attempts))]
    NoAnswer {
        /// Why the last attempt failed, in stable words.
        cause: String,
        /// The same for people.
        message: String,
        /// How often it was tried.
        attempts: u64,
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

/// The value of a receipt's `error` in words: the system's own failures, text, and what an effect or a function explains
/// with `reason` and `message`. `None` of other data.
#[must_use]
pub fn error_in_words(value: &Ipld) -> Option<String> {
    if let Some(failure) = Failure::from_ipld(value) {
        return Some(failure.to_string());
    }
    match value {
        Ipld::String(text) => Some(text.clone()),
        Ipld::Map(map) => match (map.get("reason"), map.get("message")) {
            (Some(Ipld::String(_)), Some(Ipld::String(message))) => Some(message.clone()),
            _ => None,
        },
        _ => None,
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
        let reason = Some(Ipld::String(self.reason().to_owned()));
        wire::map([("reason", reason)].into_iter().chain(self.details()))
    }

    /// What there is to say beside the reason.
    fn details(&self) -> Vec<(&'static str, Option<Ipld>)> {
        let text = |text: &str| Some(Ipld::String(cut(text).to_owned()));
        let link = |cid: &Cid| Some(Ipld::Link(*cid));
        let number = |number: u64| Some(wire::integer(number));
        match self {
            Self::BranchMismatch {
                expected,
                got,
                from,
            } => vec![
                ("expected", text(branch_name(*expected))),
                ("got", text(branch_name(*got))),
                ("from", link(from)),
            ],
            Self::InputFailed { task, message } => {
                vec![("task", link(task)), ("message", text(message))]
            }
            Self::Limit { limit, allowed } => vec![
                ("limit", text(limit.as_str())),
                ("allowed", number(*allowed)),
            ],
            Self::TooLarge { bytes, allowed } => {
                vec![("bytes", number(*bytes)), ("allowed", number(*allowed))]
            }
            Self::Cancelled => Vec::new(),
            Self::Trap { message }
            | Self::Crash { message }
            | Self::BadResult { message }
            | Self::NotOffered { message } => vec![("message", text(message))],
            Self::BadArgument { index, message } => vec![
                ("index", index.map(wire::integer)),
                ("message", text(message)),
            ],
            Self::BadModule { module, message } => {
                vec![("mod", link(module)), ("message", text(message))]
            }
            Self::UnknownFunction {
                module,
                function,
                message,
            } => vec![
                ("mod", link(module)),
                ("fun", text(function)),
                ("message", text(message)),
            ],
            Self::MissingContent { content, message } => {
                vec![("content", link(content)), ("message", text(message))]
            }
            Self::Refused { kind, message } => {
                vec![("kind", text(kind)), ("message", text(message))]
            }
            Self::NotDone {
                cause,
                message,
                attempts,
            }
            | Self::NoAnswer {
                cause,
                message,
                attempts,
            } => vec![
                ("cause", text(cause)),
                ("message", text(message)),
                ("attempts", number(*attempts)),
            ],
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
            Self::Refused { .. } => "refused",
            Self::NotDone { .. } => "not done",
            Self::NoAnswer { .. } => "no answer",
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
            other => Self::read_effect(other, &mut map)?,
        };
        map.finish()?;
        Ok(failure)
    }

    /// The failures of effects.
    fn read_effect(reason: &str, map: &mut Fields) -> Result<Self, WireError> {
        let text = |map: &mut Fields, key| map.get(key, fields::as_string);
        let attempts = |map: &mut Fields| map.get("attempts", fields::as_unsigned);
        Ok(match reason {
            "refused" => Self::Refused {
                kind: text(map, "kind")?,
                message: message(map)?,
            },
            "not done" => Self::NotDone {
                cause: text(map, "cause")?,
                message: message(map)?,
                attempts: attempts(map)?,
            },
            "no answer" => Self::NoAnswer {
                cause: text(map, "cause")?,
                message: message(map)?,
                attempts: attempts(map)?,
            },
            other => {
                return Err(WireError::value(
                    "error.reason",
                    format!("unknown reason {other:?}"),
                ));
            }
        })
    }
}

fn message(map: &mut Fields) -> Result<String, WireError> {
    Ok(map.get("message", fields::as_string)?)
}

fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
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
