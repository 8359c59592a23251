//! The chain of delegations behind a right, whatever arguments it will be used with.

use std::cmp::Reverse;
use std::collections::HashSet;

use ipvm_ucan::{
    Command, Delegation, DelegationStore, Did, MAX_CHAIN, MAX_SEARCH, MemoryStore, NoChain,
};

use super::known::{Both, Known, State};
use crate::NodeError;

/// Most reasons that a failed search gives.
const MAX_REASONS: usize = 8;

/// On whose resources a right is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One principal's.
    Of(Did),
    /// Whatever the chain is about: all that was and will be delegated to the issuer.
    Powerline,
}

/// A right that is looked for.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a> {
    pub(crate) holder: &'a Did,
    pub(crate) subject: &'a Did,
    pub(crate) cmd: &'a Command,
}

struct Link {
    delegation: Delegation,
    /// The one below it, nearer to the holder.
    below: Option<usize>,
}

/// The shortest chain that gives a right at a time, root first; among equally long ones, that whose links ask least of
/// arguments and last longest. Empty if the holder is the subject.
pub(crate) fn chain_of(
    known: &Known,
    more: &MemoryStore,
    right: Right<'_>,
    at: i64,
) -> Result<Vec<Delegation>, NodeError> {
    if right.holder == right.subject {
        return Ok(Vec::new());
    }
    let pool = Both(more, &known.pool);
    let mut links: Vec<Link> = Vec::new();
    let mut reasons = Vec::new();
    let mut met = HashSet::new();
    let mut frontier: Vec<Option<usize>> = vec![None];
    for _ in 0..MAX_CHAIN {
        let mut next = Vec::new();
        for below in frontier {
            let audience = match below.and_then(|at| links.get(at)) {
                Some(link) => link.delegation.payload().iss.clone(),
                None => right.holder.clone(),
            };
            let mut found = pool.delegations(&audience, right.subject);
            found.sort_by_key(|link| {
                let payload = link.payload();
                (
                    payload.pol.statements().len(),
                    Reverse(payload.exp.unwrap_or(i64::MAX)),
                )
            });
            for delegation in found {
                if !met.insert(delegation.cid()) {
                    continue;
                }
                if met.len() > MAX_SEARCH {
                    return Err(NoChain::GivenUp.into());
                }
                if let Some(wrong) = wrong_with(known, &delegation, right.cmd, at) {
                    if reasons.len() < MAX_REASONS {
                        let (cid, iss) = (delegation.cid(), &delegation.payload().iss);
                        reasons.push(format!("the delegation {cid} by {iss} {wrong}"));
                    }
                    continue;
                }
                let payload = delegation.payload();
                let is_root = payload.iss == *right.subject && payload.sub.is_some();
                links.push(Link { delegation, below });
                let at = links.len() - 1;
                if !is_root {
                    next.push(Some(at));
                    continue;
                }
                let chain = downwards(&links, at);
                match revoked_in(known, &chain) {
                    None => return Ok(chain),
                    Some(reason) if reasons.len() < MAX_REASONS => reasons.push(reason),
                    Some(_) => {}
                }
            }
        }
        frontier = next;
    }
    Err(NoChain::None {
        subject: right.subject.to_string(),
        invoker: right.holder.to_string(),
        cmd: right.cmd.to_string(),
        reasons,
    }
    .into())
}

/// Who took a link of a chain back, if somebody at or above it did: that shows when the whole chain is there.
fn revoked_in(known: &Known, chain: &[Delegation]) -> Option<String> {
    let (link, by) = known.revocations.find(chain)?;
    let link = chain.get(link)?.cid();
    Some(format!("the delegation {link} was revoked by {by}"))
}

fn wrong_with(known: &Known, link: &Delegation, cmd: &Command, at: i64) -> Option<String> {
    let payload = link.payload();
    if !payload.cmd.covers(cmd) {
        return Some(format!("gives the right to {} only", payload.cmd));
    }
    match known.state(link, at) {
        // Why keys are not known, the signature's check says.
        State::Valid | State::NoKeys => {}
        state => return Some(format!("is {}", state.as_str())),
    }
    let signature = link.verify_signature_with(&known.documents, at);
    signature
        .err()
        .map(|error| format!("cannot be verified: {error}"))
}

fn downwards(links: &[Link], root: usize) -> Vec<Delegation> {
    let mut chain = Vec::new();
    let mut at = Some(root);
    while let Some(link) = at.and_then(|at| links.get(at)) {
        chain.push(link.delegation.clone());
        at = link.below;
    }
    chain
}

/// The delegations from a root to this one, which is the last, without those that `avoid` names; none if there is no such
/// way, as far as it is known.
pub(crate) fn path_of(
    known: &Known,
    more: &MemoryStore,
    delegation: &Delegation,
    avoid: &dyn Fn(&Delegation) -> bool,
) -> Option<Vec<Delegation>> {
    let first = Link {
        delegation: delegation.clone(),
        below: None,
    };
    // Beside each link, whom the path is about: a powerline is about whoever the ones above it say.
    let mut links = vec![first];
    let mut about = vec![delegation.payload().sub.clone()];
    let mut met = HashSet::from([(delegation.cid(), delegation.payload().sub.clone())]);
    let mut at = 0;
    while let (Some(link), Some(subject)) = (links.get(at), about.get(at).cloned()) {
        let payload = link.delegation.payload().clone();
        if payload.sub.as_ref() == Some(&payload.iss) {
            return Some(downwards(&links, at));
        }
        let pools = [&known.pool, more].into_iter();
        for above in pools.flat_map(|pool| pool.given_to(&payload.iss)) {
            let upper = above.payload();
            let is_about = match (&upper.sub, &subject) {
                (Some(upper), Some(subject)) => upper == subject,
                _ => true,
            };
            if !is_about || !upper.cmd.covers(&payload.cmd) || avoid(above) {
                continue;
            }
            let subject = subject.clone().or_else(|| upper.sub.clone());
            if links.len() < MAX_SEARCH && met.insert((above.cid(), subject.clone())) {
                links.push(Link {
                    delegation: above.clone(),
                    below: Some(at),
                });
                about.push(subject);
            }
        }
        at += 1;
    }
    None
}
