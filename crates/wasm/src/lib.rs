//! Running Wasm components: deterministic, limited, isolated, with IPLD in and out.
//!
//! The only crate that knows the Wasm engine. [`Engine`] loads a component by its CID into a [`Module`], whose
//! functions are called with IPLD arguments under [`Limits`]. What a component's functions are, and whether
//! arguments fit them, is an [`Interface`], which needs no engine and can be kept as IPLD.
//!
//! A function gets its arguments and nothing of the machine: no files, no network, and a clock and randomness that
//! follow from the call. What it prints is kept as a [`Log`]. The same call gives the same bytes on every machine, or
//! is ended by a limit.
//!
//! ```
//! use ipvm_ipld::{Ipld, cid_of, codec};
//! use ipvm_wasm::{Call, Cancel, Engine, Limits, NoContent, Settings};
//! use std::time::Duration;
//!
//! let wasm = wat::parse_str(
//!     r#"(component
//!       (core module $m (func (export "add") (param i32 i32) (result i32)
//!         (i32.add (local.get 0) (local.get 1))))
//!       (core instance $i (instantiate $m))
//!       (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add"))))"#,
//! )?;
//! let engine = Engine::new(&Settings::default())?;
//! let module = engine.load(&cid_of(codec::RAW, &wasm), &mut || Ok::<_, std::io::Error>(wasm.clone()))?;
//! let add = module.interface().find("add")?;
//! assert_eq!(add.to_string(), "add: func(a: u32, b: u32) -> u32");
//!
//! let args = [Ipld::Integer(2), Ipld::Integer(3)];
//! add.check(&args)?;
//! let limits =
//!     Limits { fuel: 1_000_000, memory: 1 << 20, time: Duration::from_secs(1), output: 1 << 20, log: 1 << 16 };
//! let call =
//!     Call { function: "add", args: &args, limits, content: &NoContent, cancel: &Cancel::new(), seed: [0; 32] };
//! assert_eq!(module.call(&call)?.out, Ok(Ipld::Integer(5)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod binary;
mod cache;
mod codec;
mod compiler;
mod content;
mod core_module;
mod engine;
mod error;
mod example;
mod fault;
mod guest_types;
mod interface;
mod introspect;
mod layout;
mod lift;
mod lower;
mod module;
mod modules;
mod path;
mod shape;
mod ticker;
mod types;
mod unsafe_code;
mod watch;
mod world;

pub use binary::{MAX_MODULE_BYTES, Part};
pub use codec::InterfaceError;
pub use compiler::{Code, CompileLimits, Compiler, CompilerProcess, Settings, compile_child};
pub use content::{Content, ContentError, NoContent};
pub use core_module::CoreModuleError;
pub use engine::{Engine, EngineError, LoadError, MAX_TABLE_ELEMENTS, STACK_BYTES, Stats};
pub use error::{CallError, Failed};
pub use interface::{ArgError, FindError, Function, Interface};
pub use lift::VALUE_COST;
pub use module::{Call, Done, Limits, Module};
pub use path::Path;
pub use types::{Names, Record, ResultType, Tuple, Type, Variant};
pub use watch::Cancel;
pub use world::{Log, SWITCH_COST, Stream};
