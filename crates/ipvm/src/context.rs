//! What every verb shares: the home, the streams, how much is said.

pub(crate) mod passphrase;

use crate::cli::COMPILE_VERB;
use crate::fault::Fault;
use crate::ui::term::{self, Out};
use anyhow::Context as _;
use etcetera::BaseStrategy;
use ipvm_node::{Access, Node, NodeError};
use ipvm_store::StoreError;
use ipvm_wasm::{CompileLimits, Compiler, CompilerProcess};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the variable that moves the home.
const HOME_VARIABLE: &str = "IPVM_HOME";
/// Name of the variable that limits the time for compiling one module, in seconds.
const COMPILE_VARIABLE: &str = "IPVM_COMPILE_SECONDS";

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
        open(&home()?, Access::Write)
    }

    /// The node for writing, or, while another process writes, for looking; true in the second case.
    pub(crate) fn writer_or_reader(&self) -> anyhow::Result<(Node, bool)> {
        let home = home()?;
        match open(&home, Access::Write) {
            Err(error) if is_locked(&error) => Ok((open(&home, Access::Read)?, true)),
            opened => Ok((opened?, false)),
        }
    }

    /// The node, for verbs that only look; works beside a running `ipvm run`. A first start makes home and
    /// keys, so that every verb works on a fresh machine.
    pub(crate) fn reader(&self) -> anyhow::Result<Node> {
        let home = home()?;
        match open(&home, Access::Read) {
            Err(error) if is_no_home(&error) => {
                drop(Node::open(&home, Access::Write)?);
                open(&home, Access::Read)
            }
            opened => opened,
        }
    }

    /// The node, to look at what it knows; none if there is no home, and none is made.
    pub(crate) fn reader_if_any(&self) -> anyhow::Result<Option<Node>> {
        let Ok(home) = home() else { return Ok(None) };
        match open(&home, Access::Read) {
            Err(error) if is_no_home(&error) => Ok(None),
            opened => opened.map(Some),
        }
    }
}

fn open(home: &Path, access: Access) -> anyhow::Result<Node> {
    with_compiler(Node::open_asking(home, access, passphrase::ask())?)
}

fn is_no_home(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(NodeError::NoHome(_)))
}

pub(crate) fn is_locked(error: &anyhow::Error) -> bool {
    let locked = error.downcast_ref();
    matches!(locked, Some(NodeError::Store(StoreError::Locked { .. })))
}

/// Modules are compiled by this same program in a process of its own: a compiler that is led astray takes nothing
/// with it.
fn with_compiler(node: Node) -> anyhow::Result<Node> {
    let program = std::env::current_exe().context("cannot find this program to start it again")?;
    let mut limits = CompileLimits::default();
    if let Some(time) = compile_time()? {
        limits.time = time;
    }
    Ok(node.compiling_with(Compiler::Process(CompilerProcess {
        program,
        args: vec![COMPILE_VERB.into()],
        limits,
    })))
}

/// `$IPVM_COMPILE_SECONDS`, if it is set.
fn compile_time() -> anyhow::Result<Option<Duration>> {
    let Some(text) = std::env::var_os(COMPILE_VARIABLE).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let seconds = text.to_str().and_then(|text| text.parse::<u32>().ok());
    match seconds.filter(|seconds| *seconds > 0) {
        Some(seconds) => Ok(Some(Duration::from_secs(seconds.into()))),
        None => Err(Fault::usage(
            format!("{COMPILE_VARIABLE} is {text:?}, which is no number of seconds"),
            format!("set it to a whole number from 1 on, or not at all: {COMPILE_VARIABLE}=300"),
        )
        .into()),
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
