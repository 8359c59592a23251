//! Asking another for work: a signed invocation, with the delegations that give the right to it.

use std::collections::BTreeMap;

use ipvm_ipld::Ipld;
use ipvm_ucan::{
    Command, Container, Delegation, Did, InvocationBuilder, Keypair, MemoryStore, Wanted,
    find_chain,
};
use ipvm_workflow::{Class, WASM_RUN, class_of};

use super::chain::{Right, chain_of};
use super::give::{container_of, pool_of};
use super::known::Both;
use super::limits::{Bounds, META};
use crate::home::nonce;
use crate::{Node, NodeError};

/// A request to be made.
#[derive(Clone, Debug)]
pub struct Asking {
    /// What is to be done.
    pub cmd: Command,
    /// With what; may hold promises.
    pub args: BTreeMap<String, Ipld>,
    /// On whose resources; by default those of this home's owner.
    pub subject: Option<Did>,
    /// By whom; by default the subject itself.
    pub audience: Option<Did>,
    /// Until when, in seconds since the epoch.
    pub expires: Option<i64>,
    /// What tells this task from others with the same arguments: with the nonce of an earlier request the same task is asked
    /// for again, and done once. Drawn by default; pure tasks have none.
    pub nonce: Option<Vec<u8>>,
    /// How much the work may use at most; what is not said has the executor's usual limit.
    pub bounds: Bounds,
    /// Delegations that may give the right, beside those that this home keeps. Those that are not needed for the right
    /// to the work travel with it: one may give the right to the machine.
    pub proofs: Vec<Delegation>,
}

impl Node {
    /// Writes the function that arguments of `/wasm/run` name in full, where its short name was given: requests always
    /// have the full one. Whether it is known to be the full one: not if the module is not here.
    ///
    /// # Errors
    /// The module has no such function, or several of that short name.
    pub fn name_in_full(
        &self,
        cmd: &Command,
        args: &mut BTreeMap<String, Ipld>,
    ) -> Result<bool, NodeError> {
        if cmd.as_str() != WASM_RUN {
            return Ok(true);
        }
        // What is missing or of another kind, the executor refuses; a promise may become a module later.
        let (Some(Ipld::Link(module)), Some(Ipld::String(name))) =
            (args.get("mod"), args.get("fun"))
        else {
            return Ok(true);
        };
        if !self.store().has(module)? {
            return Ok(false);
        }
        let interface = self.interface_by_cid(module)?;
        let function = interface.find(name);
        let function = function.map_err(|error| NodeError::Name(error.to_string()))?;
        args.insert("fun".to_owned(), Ipld::String(function.name.clone()));
        Ok(true)
    }

    /// Signs a request: the invocation and all that gives the right to it, to be handed over.
    ///
    /// # Errors
    /// Nothing here gives the right, or the keys are locked.
    pub fn ask(&self, asking: &Asking) -> Result<Container, NodeError> {
        let proofs = pool_of(&asking.proofs);
        let subject = asking.subject.as_ref().unwrap_or_else(|| self.owner());
        let (key, chain) = self.right_to_ask(subject, asking, &proofs)?;
        let mut builder = InvocationBuilder::new(key, asking.cmd.clone())
            .with_proofs(&chain)
            .args(asking.args.clone());
        if let Some(audience) = &asking.audience {
            builder = builder.audience(audience);
        }
        if let Some(bounds) = asking.bounds.to_ipld() {
            builder = builder.meta(META, bounds);
        }
        let nonce = match class_of(&asking.cmd) {
            Some(Class::Pure) => Vec::new(),
            _ => match &asking.nonce {
                Some(nonce) => nonce.clone(),
                None => nonce()?.to_vec(),
            },
        };
        let invocation = match asking.expires {
            Some(time) => builder.expires(time).sign(nonce)?,
            None => builder.never_expires().sign(nonce)?,
        };
        let mut container = container_of(&chain);
        container.insert(invocation.bytes().to_vec());
        for more in asking.proofs.iter().chain(&self.machine_rights(asking)?) {
            container.insert(more.bytes().to_vec());
        }
        Ok(container)
    }

    /// The key that has a right to these very arguments, and the delegations by which it has it.
    fn right_to_ask(
        &self,
        subject: &Did,
        asking: &Asking,
        proofs: &MemoryStore,
    ) -> Result<(&Keypair, Vec<Delegation>), NodeError> {
        if subject == self.agent() {
            return Ok((self.keys().agent()?, Vec::new()));
        }
        let chain = |invoker: &Did| {
            let wanted = Wanted {
                invoker,
                subject,
                cmd: &asking.cmd,
                args: &asking.args,
            };
            self.with_known(|known| {
                let pool = Both(proofs, &known.pool);
                Ok(find_chain(&pool, &wanted, &known.context(self.now()))?)
            })
        };
        match chain(self.owner()) {
            Ok(chain) => Ok((self.keys().owner()?, chain)),
            Err(error) => match chain(self.agent()) {
                Ok(chain) => Ok((self.keys().agent()?, chain)),
                Err(_) => Err(error),
            },
        }
    }

    /// What this home keeps of rights to the machine that is asked, for work on own behalf.
    fn machine_rights(&self, asking: &Asking) -> Result<Vec<Delegation>, NodeError> {
        let (None, Some(machine)) = (&asking.subject, &asking.audience) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for cmd in [asking.cmd.clone(), crate::run::WORKFLOW_RUN.parse()?] {
            let right = Right {
                holder: self.owner(),
                subject: machine,
                cmd: &cmd,
            };
            let chain = self
                .with_known(|known| chain_of(known, &MemoryStore::default(), right, self.now()));
            found.extend(chain.unwrap_or_default());
        }
        Ok(found)
    }
}
