//! Finding proofs: the shortest valid chain from a subject to an invoker, among the delegations of a store.

use crate::command::Command;
use crate::delegation::Delegation;
use crate::did::Did;
use crate::policy::MAX_POLICY_STEPS;
use crate::time::utc;
use crate::verify::Context;
use crate::{MAX_CHAIN, Verifier};
use ipvm_ipld::{Cid, Ipld};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Most delegations that one search looks at; each costs a signature at most.
pub const MAX_SEARCH: usize = 4096;
/// Steps that every policy of a search may take, however many others took before: what is reasonable takes a few hundred.
const LEAST_STEPS: u32 = 4096;
/// Most reasons that a failed search gives.
const MAX_REASONS: usize = 8;

/// Where delegations are looked up.
pub trait DelegationStore {
    /// The delegations to an audience about a subject, or about whatever subject the chain is about (powerlines). What is
    /// no longer valid may be among them.
    fn delegations(&self, audience: &Did, subject: &Did) -> Vec<Delegation>;
}

/// What is to be proven.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Who will invoke.
    pub invoker: &'a Did,
    /// On whose resources.
    pub subject: &'a Did,
    /// What.
    pub cmd: &'a Command,
    /// With what; may hold promises.
    pub args: &'a BTreeMap<String, Ipld>,
}

/// Why no chain was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChain {
    /// There is none.
    #[error("no delegations lead from {subject} to {invoker} for {cmd}{}", .reasons.iter().map(|r| format!("; {r}")).collect::<String>())]
    None {
        /// The subject.
        subject: String,
        /// The invoker.
        invoker: String,
        /// The command.
        cmd: String,
        /// Why delegations that came near do not count; the first few.
        reasons: Vec<String>,
    },
    /// The search was given up.
    #[error("no chain was found among the {MAX_SEARCH} nearest delegations")]
    GivenUp,
}

/// Finds the shortest chain of delegations, root first, with which `wanted` will be verified under these circumstances; an
/// empty one if the invoker is the subject. Among chains of equal length, the one whose delegations the store gave first.
///
/// ```
/// use ipvm_ucan::{Context, DelegationBuilder, Keypair, MemoryStore, Wanted, find_chain};
///
/// let keys: Vec<_> = (1..=3).map(|i| Keypair::from_seed(&[i; 32])).collect();
/// let mut store = MemoryStore::default();
/// let subject = keys[0].did();
/// for pair in keys.windows(2) {
///     let link = DelegationBuilder::new(&pair[0], pair[1].did(), "/crud".parse()?)
///         .subject(subject)
///         .expires(1_900_000_000)
///         .sign([7; 12])?;
///     store.insert(link);
/// }
/// let (cmd, args) = ("/crud/read".parse()?, Default::default());
/// let wanted = Wanted { invoker: keys[2].did(), subject, cmd: &cmd, args: &args };
/// let chain = find_chain(&store, &wanted, &Context::at(1_800_000_000))?;
/// assert_eq!(chain.len(), 2);
/// assert_eq!(chain[0].payload().iss, *subject);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// See [`NoChain`].
pub fn find_chain(
    store: &dyn DelegationStore,
    wanted: &Wanted<'_>,
    context: &Context<'_>,
) -> Result<Vec<Delegation>, NoChain> {
    if wanted.invoker == wanted.subject {
        return Ok(vec![]);
    }
    Search {
        store,
        wanted,
        context,
        args: Ipld::Map(wanted.args.clone()),
        nodes: vec![],
        examined: 0,
        steps: MAX_POLICY_STEPS,
        reasons: vec![],
    }
    .run()
}

/// A delegation that may be part of the chain, and the one after it, nearer to the invoker.
struct Node {
    link: Delegation,
    next: Option<usize>,
}

struct Search<'a> {
    store: &'a dyn DelegationStore,
    wanted: &'a Wanted<'a>,
    context: &'a Context<'a>,
    args: Ipld,
    /// From the invoker upwards, nearest first.
    nodes: Vec<Node>,
    examined: usize,
    /// Steps that policies may take together, beside [`LEAST_STEPS`] each.
    steps: u32,
    reasons: Vec<String>,
}

impl Search<'_> {
    fn run(mut self) -> Result<Vec<Delegation>, NoChain> {
        // Whether a link counts depends on itself alone, so one way to each principal is enough; but whether a revocation
        // counts depends on who is above, so with revocations all ways are tried.
        let one_way = self.context.known_revocations().is_none();
        let mut reached: HashSet<Did> = HashSet::from([self.wanted.invoker.clone()]);
        let mut frontier: Vec<Option<usize>> = vec![None];
        for _length in 1..=MAX_CHAIN {
            let mut next = Vec::new();
            for from in frontier {
                let audience = match from.and_then(|i| self.nodes.get(i)) {
                    Some(node) => node.link.payload().iss.clone(),
                    None => self.wanted.invoker.clone(),
                };
                for link in self.store.delegations(&audience, self.wanted.subject) {
                    self.examined += 1;
                    if self.examined > MAX_SEARCH {
                        return Err(NoChain::GivenUp);
                    }
                    let iss = link.payload().iss.clone();
                    let root = iss == *self.wanted.subject && link.payload().sub.is_some();
                    if !self.counts(&link, &audience)
                        || one_way && !root && reached.contains(&iss)
                        || !one_way && self.is_on_the_way(from, &iss)
                    {
                        continue;
                    }
                    self.nodes.push(Node { link, next: from });
                    let at = self.nodes.len() - 1;
                    if root && let Some(chain) = self.chain(at) {
                        return Ok(chain);
                    }
                    reached.insert(iss);
                    next.push(Some(at));
                }
            }
            frontier = next;
        }
        let Wanted {
            subject,
            invoker,
            cmd,
            ..
        } = self.wanted;
        Err(NoChain::None {
            subject: subject.to_string(),
            invoker: invoker.to_string(),
            cmd: cmd.to_string(),
            reasons: self.reasons,
        })
    }

    /// Whether a link is valid by itself for what is wanted.
    fn counts(&mut self, link: &Delegation, audience: &Did) -> bool {
        let payload = link.payload();
        let about = |sub: &Did| sub == self.wanted.subject;
        if payload.aud != *audience || !payload.sub.as_ref().is_none_or(about) {
            return false; // the store gave what was not asked for
        }
        let wrong = if !payload.cmd.covers(self.wanted.cmd) {
            Some(format!("gives the right to {} only", payload.cmd))
        } else if let Some(exp) = payload.exp.filter(|exp| self.context.is_late(*exp)) {
            Some(format!("expired at {}", utc(exp)))
        } else if let Some(nbf) = payload.nbf.filter(|nbf| self.context.is_early(*nbf)) {
            Some(format!("is valid only from {} on", utc(nbf)))
        } else if let Err(not_met) = self.allows(link) {
            Some(not_met)
        } else {
            let (resolver, at) = (self.context.known_resolver(), self.context.now());
            let signature = link.verify_signature_with(resolver, at);
            signature.err().map(|error| error.to_string())
        };
        match wrong {
            None => true,
            Some(wrong) => {
                self.reason(link, &wrong);
                false
            }
        }
    }

    /// Whether a link's policy allows the args. Whoever may put delegations into the store must not make a search take for
    /// ever.
    fn allows(&mut self, link: &Delegation) -> Result<(), String> {
        let steps = self.steps.max(LEAST_STEPS);
        let (result, left) = link.payload().pol.check_within(&self.args, steps);
        self.steps = self.steps.saturating_sub(steps - left);
        match result {
            Ok(_) => Ok(()),
            Err(not_met) if not_met.too_large => {
                Err("has a policy that takes too long to check".to_owned())
            }
            Err(not_met) => Err(format!("does not allow these args: {not_met}")),
        }
    }

    fn reason(&mut self, link: &Delegation, wrong: &str) {
        if self.reasons.len() < MAX_REASONS {
            let iss = &link.payload().iss;
            let reason = format!("the delegation {} by {iss} {wrong}", link.cid());
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
    }

    /// Whether a principal is already on the way from a node to the invoker.
    fn is_on_the_way(&self, from: Option<usize>, iss: &Did) -> bool {
        if iss == self.wanted.invoker {
            return true;
        }
        let mut at = from;
        while let Some(node) = at.and_then(|i| self.nodes.get(i)) {
            if node.link.payload().iss == *iss {
                return true;
            }
            at = node.next;
        }
        false
    }

    /// The chain that begins with a node, unless a link is revoked.
    fn chain(&mut self, root: usize) -> Option<Vec<Delegation>> {
        let mut chain = Vec::new();
        let mut at = Some(root);
        while let Some(node) = at.and_then(|i| self.nodes.get(i)) {
            chain.push(node.link.clone());
            at = node.next;
        }
        let revoked = self
            .context
            .known_revocations()
            .and_then(|known| known.find(&chain));
        match revoked.and_then(|(i, token)| Some((chain.get(i)?.clone(), token))) {
            None => Some(chain),
            Some((link, token)) => {
                self.reason(&link, &format!("was revoked by {token}"));
                None
            }
        }
    }
}

/// Delegations in memory, by audience.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    by_audience: HashMap<Did, Vec<Delegation>>,
    by_cid: HashMap<Cid, Delegation>,
}

impl MemoryStore {
    /// Takes in a delegation; whether it is new.
    pub fn insert(&mut self, delegation: Delegation) -> bool {
        if self.by_cid.contains_key(&delegation.cid()) {
            return false;
        }
        self.by_cid.insert(delegation.cid(), delegation.clone());
        let audience = delegation.payload().aud.clone();
        self.by_audience
            .entry(audience)
            .or_default()
            .push(delegation);
        true
    }

    /// Reads a delegation with a verifier and takes it in.
    ///
    /// # Errors
    /// See [`crate::Malformed`].
    pub fn read(&mut self, verifier: &Verifier, bytes: &[u8]) -> Result<bool, crate::Malformed> {
        Ok(self.insert(verifier.delegation(bytes)?))
    }

    /// The delegations to an audience, whatever they are about.
    #[must_use]
    pub fn given_to(&self, audience: &Did) -> &[Delegation] {
        self.by_audience.get(audience).map_or(&[], Vec::as_slice)
    }

    /// A delegation by its CID.
    #[must_use]
    pub fn get(&self, cid: &Cid) -> Option<Delegation> {
        self.by_cid.get(cid).cloned()
    }

    /// How many delegations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_cid.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_cid.is_empty()
    }
}

impl DelegationStore for MemoryStore {
    fn delegations(&self, audience: &Did, subject: &Did) -> Vec<Delegation> {
        let all = self.by_audience.get(audience).into_iter().flatten();
        let about = |link: &&Delegation| {
            let sub = link.payload().sub.as_ref();
            sub.is_none_or(|sub| sub == subject)
        };
        all.filter(about).cloned().collect()
    }
}
