//! Running Wasm components: deterministic, limited, isolated, with IPLD in and out.
//!
//! The only crate that knows the Wasm engine. [`Engine`] loads a component by its CID into a [`Module`], whose
//! functions are called with IPLD arguments under [`Limits`]. What a component's functions are, and whether
//! arguments fit them, is an [`Interface`], which needs no engine and can be kept as IPLD.
//!
//! A function gets its arguments and nothing else: no clock, no randomness, no files, no network. The same call
//! gives the same bytes on every machine, or is ended by a limit.

mod binary;
mod cache;
mod codec;
mod content;
mod engine;
mod error;
mod fault;
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

pub use binary::MAX_MODULE_BYTES;
pub use codec::InterfaceError;
pub use content::{Content, ContentError, NoContent};
pub use engine::{Engine, EngineError, LoadError, MAX_TABLE_ELEMENTS, STACK_BYTES, Stats};
pub use error::{CallError, Failed};
pub use interface::{ArgError, FindError, Function, Interface};
pub use lift::VALUE_COST;
pub use module::{Call, Done, Limits, Module};
pub use path::Path;
pub use types::{Names, Record, ResultType, Tuple, Type, Variant};
pub use watch::Cancel;
