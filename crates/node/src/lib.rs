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
mod archive;
mod arguments;
mod audit;
mod authority;
mod awaited;
mod cache;
mod car;
mod check;
mod content;
mod crew;
mod effects;
mod error;
mod explain;
mod export;
mod folder;
mod history;
mod home;
mod housekeeping;
mod import;
mod keys;
mod log;
mod memo;
mod modules;
mod node;
mod prepare;
mod record;
mod remake;
mod report;
mod run;
mod scribe;
mod secret;
mod sources;
mod tokens;
mod trace;
mod vault;
mod worker;

pub use add::{AddOptions, Added};
pub use authority::{
    Answer, Asking, Bounds, Brought, DOCUMENT_LIFE, Document, Foreign, Given, Giving, HeldToken,
    Named, RESERVED_NAMES, Revoking, Rotated, State, Subject, Taken, TokenFile, WhichKey, cache_of,
};
pub use awaited::awaited_by;
pub use car::{Exported, Imported};
#[cfg(test)]
mod crash;

pub use check::{Again, Verified};
pub use effects::{AccountInfo, Doubt, Serving, Settlement};
pub use error::{NodeError, OverLimit, PrepareError};
pub use explain::{Difference, Explanation, Why};
pub use export::Archived;
pub use folder::{Item, Listed, Located, MAX_PATH_DEPTH};
pub use housekeeping::{Collected, GivenUp, Keep, LIMIT_BYTES_MIN, Usage};
pub use import::import_home;
pub use ipvm_effects::{
    Account, DnsAccount, FileAccount, HttpAccount, HttpAuth, IpfsAccount, Kind as AccountKind,
    Secret as AccountSecret, SmtpAccount, SmtpTls, TsigAlgorithm,
};
pub use ipvm_store::{GcPart, Pin, PinKind};
pub use ipvm_wasm::{Cancel, Log, Stream};
pub use keys::AskPassphrase;
pub use node::{Access, Clock, Node};
pub use prepare::{CallRequest, FileRequest, Group, Prepared};
pub use report::{Progress, RunInfo, RunReport, RunState, Status, StepReport, Steps};
pub use run::RunOptions;
pub use trace::{Trace, TraceInput};
