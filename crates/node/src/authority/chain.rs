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
                if is_root {
                    return Ok(downwards(&links, at));
                }
                next.push(Some(at));
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

/// The delegations from a root to this one, which is the last; none if they are not all known.
pub(crate) fn path_of(
    known: &Known,
    more: &MemoryStore,
    delegation: &Delegation,
) -> Option<Vec<Delegation>> {
    let mut links = vec![Link {
        delegation: delegation.clone(),
        below: None,
    }];
    let mut met = HashSet::from([delegation.cid()]);
    let mut at = 0;
    while let Some(link) = links.get(at).map(|link| link.delegation.clone()) {
        let payload = link.payload();
        if payload.sub.as_ref() == Some(&payload.iss) {
            return Some(downwards(&links, at));
        }
        let known_ones = known.delegations.iter().map(|(known, _)| known.clone());
        let brought = payload.sub.iter();
        let brought = brought.flat_map(|sub| more.delegations(&payload.iss, sub));
        for above in known_ones.chain(brought) {
            let upper = above.payload();
            let is_about = match (&upper.sub, &payload.sub) {
                (Some(upper), Some(lower)) => upper == lower,
                _ => true,
            };
            let fits = upper.aud == payload.iss && is_about && upper.cmd.covers(&payload.cmd);
            if fits && links.len() < MAX_SEARCH && met.insert(above.cid()) {
                links.push(Link {
                    delegation: above,
                    below: Some(at),
                });
            }
        }
        at += 1;
    }
    None
}
