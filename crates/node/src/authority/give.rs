//! Passing on a right: a signed delegation, with the chain that stands behind it.

use ipvm_store::Batch;
use ipvm_ucan::{
    Command, Container, Delegation, DelegationBuilder, Did, Keypair, MemoryStore, Policy,
};

use super::chain::{Right, Subject, chain_of};
use crate::home::nonce;
use crate::{Node, NodeError};

/// Commands that are about a machine rather than a person.
const MACHINE: [&str; 2] = ["/wasm", "/workflow"];

/// A delegation to be made.
#[derive(Clone, Debug)]
pub struct Giving {
    /// To whom.
    pub to: Did,
    /// The right to what.
    pub cmd: Command,
    /// On whose resources; by default this home's agent for `/wasm` and `/workflow`, else its owner.
    pub subject: Option<Subject>,
    /// Under which conditions on the arguments.
    pub policy: Policy,
    /// Until when, in seconds since the epoch.
    pub expires: Option<i64>,
    /// From when, in seconds since the epoch.
    pub not_before: Option<i64>,
    /// Delegations that may stand behind it, beside those that this home keeps.
    pub proofs: Vec<Delegation>,
}

/// A delegation that was made.
#[derive(Clone, Debug)]
pub struct Given {
    /// The delegation.
    pub delegation: Delegation,
    /// It and those behind it, root first.
    pub chain: Vec<Delegation>,
    /// The same, to be handed over.
    pub container: Container,
}

impl Node {
    /// Signs a delegation and keeps it, to be found again for revoking.
    ///
    /// # Errors
    /// This home has not got the right itself, or the keys are locked.
    pub fn give(&self, giving: &Giving) -> Result<Given, NodeError> {
        let proofs = pool_of(&giving.proofs);
        let subject = giving
            .subject
            .clone()
            .unwrap_or_else(|| Subject::Of(self.usual_subject(&giving.cmd).clone()));
        let (key, mut chain) = match &subject {
            Subject::Powerline => (self.keys().owner()?, Vec::new()),
            Subject::Of(subject) => self.right_to(subject, &giving.cmd, &proofs)?,
        };
        let builder = DelegationBuilder::new(key, &giving.to, giving.cmd.clone());
        let builder = builder.policy(giving.policy.clone());
        let builder = match &subject {
            Subject::Powerline => builder.powerline(),
            Subject::Of(subject) => builder.subject(subject),
        };
        let builder = match giving.not_before {
            Some(time) => builder.not_before(time),
            None => builder,
        };
        let delegation = match giving.expires {
            Some(time) => builder.expires(time).sign(nonce()?)?,
            None => builder.never_expires().sign(nonce()?)?,
        };
        chain.push(delegation.clone());
        self.keep(&chain, &[], &[], Batch::new())?;
        Ok(Given {
            container: container_of(&chain),
            delegation,
            chain,
        })
    }

    /// Whose resources a command is about where nothing is said: the machine's for computing, else the person's.
    pub fn usual_subject(&self, cmd: &Command) -> &Did {
        let of_machine = |family: &&str| {
            let rest = cmd.as_str().strip_prefix(*family);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match MACHINE.iter().any(of_machine) {
            true => self.agent(),
            false => self.owner(),
        }
    }

    /// The key of this home that has a right, and the delegations by which it has it.
    pub(crate) fn right_to(
        &self,
        subject: &Did,
        cmd: &Command,
        proofs: &MemoryStore,
    ) -> Result<(&Keypair, Vec<Delegation>), NodeError> {
        if subject == self.agent() {
            return Ok((self.keys().agent()?, Vec::new()));
        }
        let chain = |holder: &Did| {
            let right = Right {
                holder,
                subject,
                cmd,
            };
            self.with_known(|known| chain_of(known, proofs, right, self.now()))
        };
        match chain(self.owner()) {
            Ok(chain) => Ok((self.keys().owner()?, chain)),
            Err(error) => match chain(self.agent()) {
                Ok(chain) => Ok((self.keys().agent()?, chain)),
                Err(_) => Err(error),
            },
        }
    }
}

/// Delegations, to be looked up.
pub(crate) fn pool_of(delegations: &[Delegation]) -> MemoryStore {
    let mut pool = MemoryStore::default();
    for delegation in delegations {
        pool.insert(delegation.clone());
    }
    pool
}

/// Delegations, to be handed over.
pub(crate) fn container_of(delegations: &[Delegation]) -> Container {
    let mut container = Container::new();
    for delegation in delegations {
        container.insert(delegation.bytes().to_vec());
    }
    container
}
