//! Effects: what a run asks of the world outside, done once.
//!
//! A step whose command is not pure comes here, on a thread of its own. What may follow a fault is decided by
//! [`Effort`](ipvm_scheduler::effort::Effort) from the command's class; here it is done.
//!
//! - [`drive`]: one effect from the question whether it is allowed to its receipt, or to a doubt.
//! - [`asked`]: what functions ask for, carried out as a run of its own.
//! - [`attempt`]: one attempt with the account that serves the subject, hedged where that is asked for.
//! - [`accounts`]: which accounts there are, sealed in the store.
//! - [`local`]: what needs nobody else: time, randomness, signing, secrets, values by key.
//! - [`doubts`]: what is not known to have been done, and settling it.
//! - [`refusals`]: whether a run failed for want of a right.

mod accounts;
mod asked;
mod attempt;
#[cfg(test)]
mod crash;
mod doubts;
mod drive;
mod local;
mod refusals;

pub use accounts::{AccountInfo, Serving};
pub(crate) use asked::{Asked, carry_out};
pub use doubts::{Doubt, Settlement};
pub(crate) use drive::perform;

use ipvm_workflow::{Class, class_of};

use ipvm_ipld::Ipld;
use ipvm_ucan::Command;

use crate::memo::Args;

/// Whether effects with this command are offered, as far as can be said while promises are open; why not, if they are
/// not.
pub(crate) fn offered(command: &Command, args: &Args) -> Result<(), String> {
    if local::is_local(command) {
        return Ok(());
    }
    if ipvm_effects::provider_for(command, args).is_some() {
        return Ok(());
    }
    let is_crud = command.as_str().starts_with("/crud/") && class_of(command).is_some();
    match (is_crud, args.get("uri")) {
        // A promise: known once it is met.
        (true, Some(Ipld::Map(_))) => Ok(()),
        (true, Some(Ipld::String(uri))) => Err(format!(
            "nothing here serves {uri:?}; offered are https:, http:, dns:, file: and ipfs:"
        )),
        (true, Some(_)) => Err("`uri` must be text".to_owned()),
        (true, None) => Err(format!("{command} needs the argument `uri`")),
        (false, _) => Err(format!(
            "the command {command} is not offered; it does /wasm/run, /crud/read|create|update|delete, /msg/send, \
             /kv/get|set|delete|list, /time/now, /random/bytes, /crypto/sign and /secret/get"
        )),
    }
}

/// Whether a class of commands is done by effects.
pub(crate) fn is_effect(class: Class) -> bool {
    class != Class::Pure
}
