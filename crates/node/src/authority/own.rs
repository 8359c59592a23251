//! The authority for a home's own runs on the resources of others: a chain from each subject to the owner, and one link
//! more to the agent, who acts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ipvm_ipld::{Cid, Ipld, Limits, cbor};
use ipvm_store::Batch;
use ipvm_ucan::{Command, Delegation, DelegationBuilder, Did, Wanted, find_chain};
use ipvm_workflow::{Class, Plan, TaskParts};

use super::gate::conditions_of;
use super::mandate::{Mandate, Warrant};
use super::readable::Readable;
use crate::home::nonce;
use crate::memo::Args;
use crate::scribe::token;
use crate::{Node, NodeError};

/// How long the owner's delegation to the agent for one subject lasts at most, in seconds.
const LIFE: i64 = 24 * 60 * 60;

/// What makes equal chains: whose resource, what for, and the last link above the owner.
type Way = (Did, Command, Option<Cid>);

impl Node {
    /// The authority on which each step of an own run is done: the owner's, and that of the delegations that this home
    /// keeps for steps on others' resources. What was signed for it is on record when this returns.
    ///
    /// # Errors
    /// [`NodeError::NoChain`] for a step that nothing here gives the right to; if `asked`, such a step is refused by its
    /// receipt instead: what asks for it can handle that.
    pub(crate) fn own_mandate(&self, plan: &Plan, asked: bool) -> Result<Mandate, NodeError> {
        let mut warrants = BTreeMap::new();
        let mut signed: HashMap<Way, Delegation> = HashMap::new();
        let mut batch = Batch::new();
        for step in 0..plan.len() as u32 {
            if plan.class(step) == Class::Pure {
                continue;
            }
            let missing = || NodeError::Internal(format!("step {step} is not in the workflow"));
            let task = plan.task(step).ok_or_else(missing)?;
            if task.sub == *self.owner() {
                continue;
            }
            let (proofs, refusal) = match self.own_proofs(&task, &mut signed) {
                Ok(proofs) => (proofs, None),
                Err(NodeError::NoChain(error)) if asked => (Vec::new(), Some(error.to_string())),
                Err(error) => return Err(error),
            };
            for proof in &proofs {
                batch.block(token(proof.bytes()));
            }
            let warrant = Warrant {
                invocation: None,
                conditions: conditions_of(&proofs),
                proofs,
                refusal,
                readable: Arc::new(Readable::all()),
            };
            warrants.insert(step, warrant);
        }
        if !batch.is_empty() {
            self.store().commit(batch)?;
        }
        Ok(Mandate::Owner(warrants))
    }

    /// The delegations by which the agent may do a task on the owner's behalf, root first.
    pub(crate) fn proofs_for(&self, task: &TaskParts<'_>) -> Result<Vec<Delegation>, NodeError> {
        match task.sub == *self.owner() {
            true => Ok(vec![self.keys().delegation.clone()]),
            false => self.own_proofs(task, &mut HashMap::new()),
        }
    }

    fn own_proofs(
        &self,
        task: &TaskParts<'_>,
        signed: &mut HashMap<Way, Delegation>,
    ) -> Result<Vec<Delegation>, NodeError> {
        if task.sub == *self.agent() {
            return Ok(Vec::new());
        }
        let args: Args = match cbor::decode(task.args, Limits::default())? {
            Ipld::Map(args) => args,
            _ => return Err(NodeError::Internal("arguments are not a map".into())),
        };
        let now = self.now();
        let wanted = Wanted {
            invoker: self.owner(),
            subject: &task.sub,
            cmd: &task.cmd,
            args: &args,
        };
        let mut chain =
            self.with_known(|known| Ok(find_chain(&known.pool, &wanted, &known.context(now))?))?;
        let way = (
            task.sub.clone(),
            task.cmd.clone(),
            chain.last().map(Delegation::cid),
        );
        let link = match signed.get(&way) {
            Some(link) => link.clone(),
            None => {
                let ends = chain.iter().filter_map(|link| link.payload().exp);
                let until = ends.chain([now.saturating_add(LIFE)]).min();
                let link =
                    DelegationBuilder::new(self.keys().owner()?, self.agent(), task.cmd.clone())
                        .subject(&task.sub)
                        .expires(until.unwrap_or(now))
                        .sign(nonce()?)?;
                signed.insert(way, link.clone());
                link
            }
        };
        chain.push(link);
        Ok(chain)
    }
}
