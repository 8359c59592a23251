//! The vocabulary of the system: tasks, configuration, workflows, failures, classes of commands, the rule for
//! large results, and the file format in which people write workflows.
//!
//! No I/O, clock or randomness: what has to be read comes through [`author::Sources`], what is drawn is passed
//! in. Wire types convert to and from IPLD by hand and are strict: exact keys, every field typed.

pub mod asked;
pub mod author;
mod class;
mod config;
pub mod content;
pub mod failure;
mod graph;
mod plan;
mod secrecy;
mod task;
mod wire;
mod workflow;

pub use class::{Class, class_of, is_pure, makes_secret};
pub use config::{
    Check, Config, DEFAULT_DISK, DEFAULT_FUEL, DEFAULT_LOG, DEFAULT_MEMORY, DEFAULT_OUTPUT,
    DEFAULT_RETRY, DEFAULT_TIME, Limits, MAX_AGENTS, MAX_RETRY,
};
pub use failure::{Failure, LimitKind, error_in_words};
pub use graph::{Graph, GraphError, MAX_AWAITS};
pub use plan::{Plan, TaskParts};
pub use secrecy::{NotOpen, Secrecy, Secrets, Taint};
pub use task::{Computation, NONCE_BYTES, Task, WASM_RUN, WasmCall, step_nonce};
pub use wire::WireError;
pub use workflow::{
    ASKED, CHUNK_BYTES, CHUNK_STEPS, DecodeError, Encoded, Handler, MAX_ARGS_DEPTH,
    MAX_LABEL_BYTES, MAX_NONCE_BYTES, MAX_ROLES, MAX_ROOT_BYTES, MAX_TASK_BYTES, MAX_TASKS,
    MAX_WORKFLOW_BYTES, Step, VERSION, Workflow, WorkflowError,
};
