//! On whose authority a run's steps are done, and what is asked of their arguments directly before.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipvm_ipld::Cid;
use ipvm_ucan::{Delegation, Invocation};

use super::gate::Condition;
use super::readable::{Readable, args_value, links_in};
use crate::memo::Args;
use crate::{Node, NodeError};

/// On whose authority a run is carried out.
#[derive(Debug)]
pub(crate) enum Mandate {
    /// The owner's, by the delegation from owner to agent; and a warrant for each step on the resources of another, who
    /// delegated that to the owner.
    Owner(BTreeMap<u32, Warrant>),
    /// Another's, who asked for it: a warrant for each step.
    Request(Vec<Warrant>),
}

/// What a step is done on.
#[derive(Clone, Debug)]
pub(crate) struct Warrant {
    /// The request for this very task; without, the agent signs one with the proofs.
    pub(crate) invocation: Option<Invocation>,
    /// The delegations from the task's subject to the agent, root first.
    pub(crate) proofs: Vec<Delegation>,
    /// Why there are none, where there should be: the step is refused.
    pub(crate) refusal: Option<String>,
    /// What they ask of arguments.
    pub(crate) conditions: Vec<Condition>,
    /// What content whoever asked may use.
    pub(crate) readable: Arc<Readable>,
}

impl Mandate {
    /// Whether it is a request by another.
    pub(crate) fn is_request(&self) -> bool {
        matches!(self, Self::Request(_))
    }

    /// The warrant of a step; none where the owner's authority is enough.
    pub(crate) fn warrant(&self, step: u32) -> Option<&Warrant> {
        match self {
            Self::Owner(warrants) => warrants.get(&step),
            Self::Request(warrants) => warrants.get(step as usize),
        }
    }
}

impl Warrant {
    /// Requires that a task may be done with these arguments, in which promises for `awaited` are replaced: policies (step 9), and
    /// that whoever asked may use the content they name. Content that awaited tasks made belongs to their results.
    pub(crate) fn check(&self, node: &Node, awaited: &[Cid], args: &Args) -> Result<(), NodeError> {
        let value = args_value(args);
        for condition in &self.conditions {
            condition.check(&value)?;
        }
        let mut made: Vec<Cid> = Vec::new();
        for task in awaited {
            if let Some((_, receipt)) = node.find_by_task(task)? {
                made.extend(node.made_content(&receipt)?);
            }
        }
        self.readable.check(node, links_in(&value), &made)
    }
}
