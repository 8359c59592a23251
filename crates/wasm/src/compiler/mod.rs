//! Compiling modules: here, or in a process of its own that is limited.
//!
//! Compiling what a stranger wrote is outside of what the Wasm engine promises to be safe, and a module of a few
//! kilobytes can take a compiler minutes or gigabytes. So `ipvm` compiles in another process of itself, which
//! has nothing but two pipes, and which ends at its limits without taking anything with it.

mod child;
mod process;
mod protocol;

use crate::engine::{self, LoadError};
use ipvm_ipld::{Cid, cid_of, codec};
use std::ffi::OsString;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;
use wasmtime::OutOfMemory;

pub use child::compile_child;

/// Time for one module. The largest in use, 12 MB from `componentize-js` and 18 MB from `componentize-py`, take 10
/// to 40 s on two cores, depending on what else they do, and small machines are several times slower.
const COMPILE_TIME: Duration = Duration::from_secs(120);
/// Address space of the compiling process, in bytes. Those modules need about 0.5 GiB of it on two cores, and each
/// further thread 72 MiB.
const COMPILE_MEMORY: u64 = 2 << 30;
/// Largest machine code of one module, in bytes. It is two to four times the module.
const ARTEFACT: u64 = 1 << 30;

/// How an [`Engine`](crate::Engine) works. The default keeps nothing, compiles in this process, and for speed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Folder of compiled modules, which is made when needed; `None` compiles again each time. Code found there
    /// is run: nobody else may be able to write to it.
    pub cache: Option<PathBuf>,
    /// Where modules are compiled.
    pub compiler: Compiler,
    /// What they are compiled to.
    pub code: Code,
}

/// Where modules are compiled.
#[derive(Clone, Debug, Default)]
pub enum Compiler {
    /// In this process, without limits: for modules of people one knows.
    #[default]
    InProcess,
    /// In another one, with limits.
    Process(CompilerProcess),
}

/// A program that compiles: one that calls [`compile_child`] with its standard input and output.
#[derive(Clone, Debug)]
pub struct CompilerProcess {
    /// The program. It gets no environment variables but a few that its libraries read.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// What it may use.
    pub limits: CompileLimits,
}

/// What compiling one module may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Time by the clock.
    pub time: Duration,
    /// Address space on Linux, data on other systems, in bytes.
    pub memory: u64,
    /// Machine code, in bytes.
    pub artefact: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            time: COMPILE_TIME,
            memory: COMPILE_MEMORY,
            artefact: ARTEFACT,
        }
    }
}

/// What modules are compiled to. Values, errors and fuel are the same with each; only a stack overflow is a
/// matter of the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Code {
    /// Optimised machine code.
    #[default]
    Fast,
    /// Machine code without optimisation.
    Plain,
    /// Code for an interpreter, many times slower: another implementation to compare with.
    Interpreted,
}

/// Code of a module in the engine's own form, as it came from the compiler.
pub(crate) struct Compiled(Vec<u8>);

impl Compiled {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why compiling failed, as far as the compiler can tell.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Failure {
    /// The module is at fault.
    #[error("{0}")]
    Invalid(String),
    #[error("there is no memory left")]
    Memory,
    #[error("more machine code than allowed")]
    Artefact,
    /// The compiler is at fault.
    #[error("{0}")]
    Other(String),
}

impl Compiler {
    /// Compiles a component that passed all checks before.
    ///
    /// # Errors
    /// The same for the same module, wherever it is compiled, except where a limit is reached.
    pub(crate) fn compile(
        &self,
        engine: &wasmtime::Engine,
        code: Code,
        module: Vec<u8>,
    ) -> Result<Compiled, LoadError> {
        match self {
            Self::InProcess => compile(engine, code, &module).map_err(|failure| match failure {
                Failure::Invalid(message) => LoadError::Invalid { message },
                failure => LoadError::Compiler {
                    message: failure.to_string(),
                },
            }),
            Self::Process(process) => process.compile(&compatible(engine), code, module),
        }
    }
}

/// Digest of everything that compiled code depends on: the engine's version, its settings, the processor.
pub(crate) fn compatible(engine: &wasmtime::Engine) -> Cid {
    let mut bytes = Collected(Vec::new());
    engine.precompile_compatibility_hash().hash(&mut bytes);
    cid_of(codec::RAW, &bytes.0)
}

/// An engine that compiles and never runs anything.
fn compiling_engine(code: Code, parallel: bool) -> Result<wasmtime::Engine, Failure> {
    engine::config(code, false)
        .and_then(|mut config| wasmtime::Engine::new(config.parallel_compilation(parallel)))
        .map_err(|error| Failure::of(&error))
}

fn compile(engine: &wasmtime::Engine, code: Code, module: &[u8]) -> Result<Compiled, Failure> {
    let compiled = precompile(engine, module);
    if let Err(Failure::Invalid(_)) = compiled {
        // Of several wrong functions, threads find any one first. What a receipt says must not depend on it.
        return precompile(&compiling_engine(code, false)?, module);
    }
    compiled
}

fn precompile(engine: &wasmtime::Engine, module: &[u8]) -> Result<Compiled, Failure> {
    engine
        .precompile_component(module)
        .map(Compiled)
        .map_err(|error| Failure::of(&error))
}

impl Failure {
    fn of(error: &wasmtime::Error) -> Self {
        let no_memory =
            error.is::<OutOfMemory>() || error.chain().any(|cause| cause.is::<std::io::Error>());
        if no_memory {
            Self::Memory
        } else {
            Self::Invalid(format!("{error:#}"))
        }
    }

    fn into_load_error(self, limits: &CompileLimits) -> LoadError {
        match self {
            Self::Invalid(message) => LoadError::Invalid { message },
            Self::Memory => LoadError::CompileMemory {
                limit: limits.memory,
            },
            Self::Artefact => LoadError::Artefact {
                limit: limits.artefact,
            },
            Self::Other(message) => LoadError::Compiler { message },
        }
    }
}

/// Collects what is hashed, to be hashed with a digest that stays the same from one build to the next.
struct Collected(Vec<u8>);

impl Hasher for Collected {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
