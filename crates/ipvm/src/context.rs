//! What every verb shares: the home, the streams, how much is said.

use crate::fault::Fault;
use crate::ui::term::{self, Out};
use anyhow::Context as _;
use etcetera::BaseStrategy;
use ipvm_node::{Access, Node, NodeError};
use ipvm_store::StoreError;
use std::io::Write;
use std::path::PathBuf;

/// Name of the variable that moves the home.
const HOME_VARIABLE: &str = "IPVM_HOME";

/// What every verb shares.
pub(crate) struct Context {
    pub(crate) quiet: bool,
    pub(crate) out: Out,
}

impl Context {
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            out: Out::new(),
        }
    }

    /// Says something on stderr, unless asked to be quiet.
    pub(crate) fn note(&self, line: &str) {
        if !self.quiet {
            term::note(line);
        }
    }

    /// Writes out what is buffered for stdout.
    pub(crate) fn finish(&mut self) -> anyhow::Result<()> {
        self.out.flush().context("cannot write to standard output")
    }

    /// The node, for verbs that compute or store. A first start makes home and keys.
    pub(crate) fn writer(&self) -> anyhow::Result<Node> {
        Ok(Node::open(&home()?, Access::Write)?)
    }

    /// The node for writing, or, while another process writes, for looking; true in the second case.
    pub(crate) fn writer_or_reader(&self) -> anyhow::Result<(Node, bool)> {
        let home = home()?;
        match Node::open(&home, Access::Write) {
            Err(NodeError::Store(StoreError::Locked { .. })) => {
                Ok((Node::open(&home, Access::Read)?, true))
            }
            opened => Ok((opened?, false)),
        }
    }

    /// The node, for verbs that only look; works beside a running `ipvm run`. A first start makes home and
    /// keys, so that every verb works on a fresh machine.
    pub(crate) fn reader(&self) -> anyhow::Result<Node> {
        let home = home()?;
        match Node::open(&home, Access::Read) {
            Err(NodeError::NoHome(_)) => {
                drop(Node::open(&home, Access::Write)?);
                Ok(Node::open(&home, Access::Read)?)
            }
            opened => Ok(opened?),
        }
    }
}

/// `$IPVM_HOME`, else the folder `ipvm` in the platform's data folder.
pub(crate) fn home() -> anyhow::Result<PathBuf> {
    match std::env::var_os(HOME_VARIABLE) {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => match etcetera::choose_base_strategy() {
            Ok(strategy) => Ok(strategy.data_dir().join("ipvm")),
            Err(error) => Err(Fault::usage(
                format!("there is no home folder: {error}"),
                format!("set {HOME_VARIABLE} to a folder"),
            )
            .into()),
        },
    }
}
