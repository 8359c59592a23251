//! A whole node as a library: keys, store, engine and scheduler, assembled.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use ipvm_node::{Access, Cancel, FileRequest, Node, RunOptions};
//!
//! let node = Node::open(Path::new("/tmp/home"), Access::Write)?;
//! let request = FileRequest { file: "workflow.yaml".into(), ..FileRequest::default() };
//! let prepared = node.prepare(&request)?;
//! let report = node.run(&prepared, &RunOptions::default(), &Cancel::new(), &mut |_| ())?;
//! println!("{} executed, {} reused", report.executed, report.reused);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[macro_use]
mod failpoint;

mod add;
mod arguments;
mod audit;
mod car;
mod check;
mod content;
mod crew;
mod error;
mod explain;
mod folder;
mod history;
mod home;
mod log;
mod memo;
mod modules;
mod node;
mod prepare;
mod record;
mod report;
mod run;
mod scribe;
mod sources;
mod trace;
mod worker;

pub use add::{AddOptions, Added};
pub use car::{Exported, Imported};
#[cfg(test)]
mod crash;

pub use check::Verified;
pub use error::{NodeError, PrepareError};
pub use explain::{Difference, Explanation, Why};
pub use folder::{Item, Listed, Located, MAX_PATH_DEPTH};
pub use ipvm_wasm::{Cancel, Log, Stream};
pub use node::{Access, Clock, Node};
pub use prepare::{CallRequest, FileRequest, Group, Prepared};
pub use report::{Progress, RunInfo, RunReport, RunState, Status, StepReport};
pub use run::RunOptions;
pub use trace::{Trace, TraceInput};
