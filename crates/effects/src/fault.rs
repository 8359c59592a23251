//! Why an effect has no result, and what may follow.

use ipvm_ipld::Ipld;
use ipvm_ucan::Command;
use std::collections::BTreeMap;
use std::time::Duration;

/// What went wrong, for programs and people.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Stable words that programs may compare: `"http status"`, `"private address"`, `"timeout"`, …
    pub reason: &'static str,
    /// What happened, where, and what to do about it. Never holds a secret of the account.
    pub message: String,
    /// More, by name: `status`, `body`, `code`, … depending on `reason`.
    pub details: BTreeMap<String, Ipld>,
}

impl Problem {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            details: BTreeMap::new(),
        }
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<Ipld>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn bad_arguments(message: impl Into<String>) -> Self {
        Self::new("bad arguments", message)
    }

    pub(crate) fn too_large(what: impl std::fmt::Display, allowed: u64) -> Self {
        Self::new(
            "too large",
            format!("{what} has more than the allowed {allowed} bytes"),
        )
        .with("allowed", i128::from(allowed))
    }

    pub(crate) fn not_offered(command: &Command) -> Self {
        Self::new(
            "not offered",
            format!("the command {command} is not offered here"),
        )
    }

    pub(crate) fn wrong_account(wanted: crate::Kind, found: crate::Kind) -> Self {
        Self::new(
            "wrong account",
            format!("an account of kind {wanted} is needed, and this one is of kind {found}"),
        )
    }

    /// The problem as an IPLD map: `reason`, `message`, and the details beside them.
    #[must_use]
    pub fn to_ipld(&self) -> Ipld {
        let mut map = self.details.clone();
        map.insert("reason".to_owned(), self.reason.into());
        map.insert("message".to_owned(), self.message.clone().into());
        Ipld::Map(map)
    }
}

/// Why an effect has no result. What may follow depends on which it is.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Not done, and never will be as it was asked for: bad arguments, an address that is not granted, an account that does
    /// not fit.
    #[error("refused: {0}")]
    Refused(Problem),
    /// Certainly not done; another attempt may work, after at least the given time if there is one.
    #[error("not done: {0}")]
    NotDone(Problem, Option<Duration>),
    /// Perhaps done: time ran out, or the connection broke, after the request had left.
    #[error("perhaps done: {0}")]
    Unknown(Problem),
    /// The far side answered, with an error: that is the result.
    #[error("{0}")]
    Failed(Problem),
    /// Stopped by the caller before anything had left.
    #[error("cancelled before anything was sent")]
    Cancelled,
}

impl Fault {
    /// What went wrong; none of [`Fault::Cancelled`].
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem)
            | Self::NotDone(problem, _)
            | Self::Unknown(problem)
            | Self::Failed(problem) => Some(problem),
            Self::Cancelled => None,
        }
    }

    /// Not done, and may be tried again at once.
    pub(crate) fn not_done(reason: &'static str, message: impl Into<String>) -> Self {
        Self::NotDone(Problem::new(reason, message), None)
    }

    pub(crate) fn bad_arguments(message: impl Into<String>) -> Self {
        Self::Refused(Problem::bad_arguments(message))
    }
}

/// What a probe found out about an attempt of unknown outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// It was done; this is its result.
    Done(Ipld),
    /// It was not done, or repeating it is safe, since the far side recognises it.
    NotDone,
    /// That cannot be found out.
    Unknown,
}
