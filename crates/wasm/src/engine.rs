//! The engine: its settings, and modules loaded into it.

use crate::binary::{self, Kind, Part};
use crate::cache::{DiskCache, Found};
use crate::compiler::{self, Code, Compiled, Compiler, Settings};
use crate::core_module::{self, CoreModuleError};
use crate::module::{Granted, Module};
use crate::modules::Modules;
use crate::ticker::Ticker;
use crate::unsafe_code;
use crate::world::World;
use ipvm_ipld::Cid;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::component::Component;
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Stack that a guest may use, in bytes. Fixed, as a task that overflows it has to overflow it everywhere. A
/// thread that calls functions needs as much again for itself: Rust's default of 2 MiB is enough.
pub const STACK_BYTES: usize = 1 << 20;
/// Most elements that all tables of one call may have together.
pub const MAX_TABLE_ELEMENTS: usize = 100_000;
/// Largest memory that a guest can have at all, in bytes: what 32 bits can address. Calls set lower limits.
const MAX_MEMORY_BYTES: usize = 1 << 32;
/// Memories, tables and components that can be alive at once. They are address space until used.
const SLOTS: u32 = 128;
/// Most core modules inside one component; those from languages with their own linking have a few dozen.
const MAX_CORE_INSTANCES: u32 = 128;
/// Most memories, and most tables, inside one component.
const MAX_PER_COMPONENT: u32 = 16;
/// Largest bookkeeping of one core instance, in bytes: grows with its functions and globals.
const MAX_INSTANCE_BYTES: usize = 4 << 20;
/// Slots that stay set up for a module used before, to be taken up faster by it.
const WARM_SLOTS: u32 = 16;
/// The processor that the interpreter is (Pulley, of the engine's project).
const INTERPRETER: &str = "pulley64";
/// Memory of a finished call that stays with its slot, in bytes: cheaper to clear than to ask for again.
const KEPT_BYTES: usize = 64 << 10;

/// A Wasm engine with the settings that make results the same on every machine.
///
/// Clones share everything. Making one takes about a millisecond and no memory to speak of, but also installs
/// signal handlers: make one when the first function has to run, and no other.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: wasmtime::Engine,
    world: World,
    ticker: Arc<Ticker>,
    modules: Modules,
    disk: Option<DiskCache>,
    compiler: Compiler,
    code: Code,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    compiled: AtomicU64,
    from_disk: AtomicU64,
    from_memory: AtomicU64,
    damaged: AtomicU64,
    unwritten: AtomicU64,
}

/// What an engine did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Modules compiled.
    pub compiled: u64,
    /// Modules loaded from the folder of compiled modules.
    pub from_disk: u64,
    /// Modules that were still loaded.
    pub from_memory: u64,
    /// Files in the folder of compiled modules that were not what was written, and not used.
    pub damaged: u64,
    /// Compiled modules that could not be kept on disk.
    pub unwritten: u64,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The machine cannot run one.
    #[error("the Wasm engine cannot start on this machine: {message}")]
    Unavailable {
        /// The engine's reason.
        message: String,
    },
}

/// Why a module was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its bytes are not to be had.
    #[error("the module cannot be read: {0}")]
    Fetch(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is over [`binary::MAX_MODULE_BYTES`](crate::MAX_MODULE_BYTES).
    #[error(
        "the module has {bytes} bytes; at most {limit} are accepted. Build it for size, without debug information"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It is something else.
    #[error("this is not WebAssembly but {found}; a component is expected (a .wasm file)")]
    NotWasm {
        /// What it looks like.
        found: String,
    },
    /// It is cut off.
    #[error(
        "the module is cut off: what begins at byte {at} is incomplete. Copy or build it again"
    )]
    Truncated {
        /// Offset of the incomplete section.
        at: usize,
    },
    /// It is a core module without functions that can be called.
    #[error("this core WebAssembly module cannot be used: {0}")]
    CoreModule(#[from] CoreModuleError),
    /// It asks for something that functions do not get.
    #[error(
        "the module imports {}, which functions do not get. They get the parts of WASI 0.2 that need no machine: see \
         docs/wasi.md. Build it without the others",
        few(.names)
    )]
    UnknownImport {
        /// What it imports, by name.
        names: Vec<String>,
    },
    /// It has more of something than any honest module.
    #[error("the module has {found} {part}; at most {} are accepted", .part.limit())]
    TooMany {
        /// Of what.
        part: Part,
        /// How many it has at least.
        found: u64,
    },
    /// Compiling it takes too long.
    #[error(
        "the module takes longer than {} s to compile. Split what is large in it: functions, and tables of branches",
        .limit.as_secs_f32()
    )]
    CompileTime {
        /// The limit.
        limit: Duration,
    },
    /// Compiling it takes too much memory.
    #[error(
        "compiling the module takes more than {limit} bytes of memory. Split what is large in it"
    )]
    CompileMemory {
        /// The limit, in bytes.
        limit: u64,
    },
    /// It compiles to too much.
    #[error("the module compiles to more than {limit} bytes of machine code. Build it for size")]
    Artefact {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The compiler failed, and the module need not be the reason.
    #[error("the compiler failed: {message}")]
    Compiler {
        /// What is known.
        message: String,
    },
    /// It is no valid component, or uses a feature that is switched off.
    #[error("the module is not a valid component: {message}")]
    Invalid {
        /// What is wrong with it.
        message: String,
    },
}

impl Engine {
    /// Starts an engine.
    ///
    /// # Errors
    /// If the machine or its settings do not allow it.
    pub fn new(settings: &Settings) -> Result<Self, EngineError> {
        // Where address space is rationed, slots cannot be reserved; calls then only take longer. The code is the
        // same with and without.
        let start = |pooling| wasmtime::Engine::new(&config(settings.code, pooling)?);
        let engine =
            start(true)
                .or_else(|_| start(false))
                .map_err(|error| EngineError::Unavailable {
                    message: error.to_string(),
                })?;
        let inner = Inner {
            world: World::new(&engine).map_err(|error| EngineError::Unavailable {
                message: format!("{error:#}"),
            })?,
            ticker: Arc::new(Ticker::new(engine.clone())),
            modules: Modules::default(),
            disk: settings
                .cache
                .as_deref()
                .map(|folder| DiskCache::new(folder, compiler::compatible(&engine))),
            compiler: settings.compiler.clone(),
            code: settings.code,
            counters: Counters::default(),
            engine,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The module with this CID: still loaded, or compiled earlier, or fetched and compiled now.
    ///
    /// What `fetch` returns must be the content of the CID; it is not hashed again here.
    ///
    /// # Errors
    /// If it cannot be fetched, or is not a component that can run here.
    pub fn load<E>(
        &self,
        cid: &Cid,
        fetch: &mut dyn FnMut() -> Result<Vec<u8>, E>,
    ) -> Result<Module, LoadError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let slot = self.inner.modules.slot(cid);
        // Whoever asks for the same module meanwhile waits here, instead of compiling it too.
        let mut loaded = slot.lock();
        if let Some(module) = &*loaded {
            count(&self.inner.counters.from_memory);
            return Ok(module.clone());
        }
        let result = self.load_new(cid, fetch);
        match &result {
            Ok(module) => {
                *loaded = Some(module.clone());
                self.inner.modules.loaded(cid, module.code_bytes());
            }
            Err(_) => self.inner.modules.forget(cid),
        }
        result
    }

    /// What this engine did so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.inner.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            compiled: read(&counters.compiled),
            from_disk: read(&counters.from_disk),
            from_memory: read(&counters.from_memory),
            damaged: read(&counters.damaged),
            unwritten: read(&counters.unwritten),
        }
    }

    fn load_new<E>(
        &self,
        cid: &Cid,
        fetch: &mut dyn FnMut() -> Result<Vec<u8>, E>,
    ) -> Result<Module, LoadError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let component = match self.find_on_disk(cid) {
            Some(component) => component,
            None => {
                let bytes = fetch().map_err(|error| LoadError::Fetch(error.into()))?;
                self.keep(cid, &self.compile(bytes)?)?
            }
        };
        let granted = Granted {
            world: &self.inner.world,
            ticker: &self.inner.ticker,
        };
        Module::new(&component, &granted)
    }

    fn find_on_disk(&self, cid: &Cid) -> Option<Component> {
        let disk = self.inner.disk.as_ref()?;
        let component = match disk.get(cid) {
            Found::Nothing => return None,
            Found::Code(verified) => unsafe_code::map(&self.inner.engine, &verified).ok(),
            Found::Damaged => None,
        };
        if component.is_some() {
            count(&self.inner.counters.from_disk);
        } else {
            count(&self.inner.counters.damaged);
            disk.remove(cid);
        }
        component
    }

    fn compile(&self, bytes: Vec<u8>) -> Result<Compiled, LoadError> {
        // Nothing here takes longer than reading the bytes once or twice; the compiler gets what is left.
        let component = match binary::check(&bytes)? {
            Kind::Component => bytes,
            Kind::Core => core_module::wrap(&bytes)?,
        };
        count(&self.inner.counters.compiled);
        let Inner { engine, code, .. } = &*self.inner;
        self.inner.compiler.compile(engine, *code, component)
    }

    /// Loads compiled code, from the disk if that takes it.
    fn keep(&self, cid: &Cid, code: &Compiled) -> Result<Component, LoadError> {
        let engine = &self.inner.engine;
        if let Some(disk) = &self.inner.disk {
            if disk.put(cid, code).is_err() {
                count(&self.inner.counters.unwritten);
            } else if let Found::Code(verified) = disk.get(cid)
                && let Ok(component) = unsafe_code::map(engine, &verified)
            {
                return Ok(component);
            }
        }
        unsafe_code::deserialize(engine, code).map_err(|error| {
            // Code that finds no place here, as it needs more memories or tables than there are, never will.
            if let Some(disk) = &self.inner.disk {
                disk.remove(cid);
            }
            LoadError::Invalid {
                message: format!("{error:#}"),
            }
        })
    }
}

/// Names, as many as one wants to read.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names.get(..SHOWN).unwrap_or(names).join(", ");
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The engine's settings. Those that results depend on are said even where they are the default (wire-formats,
/// "Determinism of Wasm").
///
/// # Errors
/// If the engine was built without the interpreter.
pub(crate) fn config(code: Code, pooling: bool) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_map(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .max_wasm_stack(STACK_BYTES)
        .consume_fuel(true)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .parallel_compilation(true)
        // Traps are reported by kind, not by place: what a receipt says must not depend on the engine's version.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false);
    match code {
        Code::Fast => config.cranelift_opt_level(OptLevel::Speed),
        Code::Plain => config.cranelift_opt_level(OptLevel::None),
        Code::Interpreted => config.target(INTERPRETER)?,
    };
    if pooling {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(SLOTS)
            .total_core_instances(SLOTS * MAX_CORE_INSTANCES)
            .total_memories(SLOTS)
            .total_tables(SLOTS)
            .max_core_instances_per_component(MAX_CORE_INSTANCES)
            .max_memories_per_component(MAX_PER_COMPONENT)
            .max_memories_per_module(MAX_PER_COMPONENT)
            .max_tables_per_component(MAX_PER_COMPONENT)
            .max_tables_per_module(MAX_PER_COMPONENT)
            .max_core_instance_size(MAX_INSTANCE_BYTES)
            .max_component_instance_size(MAX_INSTANCE_BYTES)
            .table_elements(MAX_TABLE_ELEMENTS)
            .max_memory_size(MAX_MEMORY_BYTES)
            .max_unused_warm_slots(WARM_SLOTS)
            .linear_memory_keep_resident(KEPT_BYTES)
            .table_keep_resident(KEPT_BYTES);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    Ok(config)
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
