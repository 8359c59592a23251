//! What can stop a call, as it travels from where it happens to where it is reported.

use crate::content::ContentError;
use crate::path::{Path, Step};
use ipvm_ipld::Cid;

/// Why a value did not get into or out of a guest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// A value does not fit its type.
    #[error("{path}: {message}")]
    Mismatch { path: Path, message: String },
    /// A linked value is not to be had.
    #[error("{path}: {cid}: {error}")]
    Content {
        path: Path,
        cid: Box<Cid>,
        error: ContentError,
    },
    /// The result is larger than allowed.
    #[error("the result is too large")]
    Output,
    /// The guest returned a float that IPLD cannot hold.
    #[error("{path}: not a finite number")]
    NotANumber { path: Path },
    /// The guest returned a map with a key twice.
    #[error("{path}: duplicate key {key:?}")]
    DuplicateKey { path: Path, key: String },
    /// The guest returned a cid whose bytes are none.
    #[error("{path}: not a CID")]
    NotACid { path: Path },
    /// The guest broke the calling convention.
    #[error("{0}")]
    Abi(&'static str),
    /// The guest asked its world for what it cannot have.
    #[error("{0}")]
    Refused(String),
    /// The call was stopped from outside the guest.
    #[error("{0}")]
    Stop(Stop),
    /// The guest trapped while memory was asked of it, or was stopped.
    #[error("{0}")]
    Guest(wasmtime::Error),
}

/// Why a call was stopped from outside the guest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("out of time")]
    Time,
    #[error("cancelled")]
    Cancelled,
    #[error("over the memory limit")]
    Memory,
    #[error("over the table limit")]
    Table,
    #[error("over the log limit")]
    Log,
    /// The machine failed, not the guest.
    #[error("the machine gave no memory: {0}")]
    Machine(String),
}

impl Fault {
    pub(crate) fn mismatch(message: impl Into<String>) -> Self {
        Self::Mismatch {
            path: Path::default(),
            message: message.into(),
        }
    }

    /// The same fault, seen from one step further out.
    pub(crate) fn inside(mut self, step: Step) -> Self {
        if let Self::Mismatch { path, .. }
        | Self::Content { path, .. }
        | Self::NotANumber { path }
        | Self::NotACid { path }
        | Self::DuplicateKey { path, .. } = &mut self
        {
            path.enter(step);
        }
        self
    }

    /// As an error that can pass through the engine and be found again by [`Fault::from_engine`].
    pub(crate) fn into_engine(self) -> wasmtime::Error {
        match self {
            Self::Guest(error) => error,
            Self::Stop(stop) => wasmtime::Error::new(stop),
            fault => wasmtime::Error::new(fault),
        }
    }
}
