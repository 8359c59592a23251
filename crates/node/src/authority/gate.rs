//! The gate: what a request must show before anything else reads it (wire-formats, "Validation", steps 1 to 8, 10, 11).

use ipvm_ipld::{Cid, Ipld};
use ipvm_store::Role;
use ipvm_ucan::admission::{self, Scope, Work};
use ipvm_ucan::{
    Capability, Container, ContainerError, Context, Did, DocumentCache, Invocation, Kind,
    MemoryStore, Policy, Refusal, Token, Versions, Wanted, find_chain,
};
use ipvm_workflow::{Class, Task, class_of};

use super::known::Known;
use super::limits::Budget;
use crate::{Node, NodeError};

/// The command of a receipt.
const ASSERT_RECEIPT: &str = "/ucan/assert/receipt";
/// The command of a revocation.
const REVOKE: &str = "/ucan/revoke";

/// A request that was let in.
pub(crate) struct Admitted {
    pub(crate) invocation: Invocation,
    pub(crate) task: Task,
    /// The task's CID.
    pub(crate) ran: Cid,
    pub(crate) capability: Capability,
    /// The delegations that came along: only these count for it.
    pub(crate) pool: MemoryStore,
}

/// A condition of a delegation, to be checked on arguments without promises.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) link: usize,
    pub(crate) cid: Cid,
    pub(crate) policy: Policy,
}

impl Condition {
    /// Step 9: a promise cannot bring in what a policy forbids.
    pub(crate) fn check(&self, args: &Ipld) -> Result<(), Refusal> {
        self.policy.check_resolved(args).map_err(|not_met| Refusal {
            kind: Kind::MatchError,
            link: Some(self.link),
            cid: Some(Box::new(self.cid)),
            field: Some("pol"),
            message: format!(
                "delegation {} ({} of the chain) does not allow these args, with promises resolved: {not_met}",
                self.cid, self.link
            ),
        })
    }
}

/// A refusal of a request itself.
pub(crate) fn refuse(kind: Kind, field: &'static str, message: String) -> Refusal {
    Refusal {
        kind,
        link: None,
        cid: None,
        field: Some(field),
        message,
    }
}

/// The bytes of a container or of one token, as they come from a file: text may end with a line break.
pub(crate) fn tokens_of(bytes: &[u8]) -> Result<Vec<Token>, Refusal> {
    let is_container = bytes.first().is_some_and(|first| b"@BCMOP".contains(first));
    if !is_container {
        return Ok(vec![Token::decode(bytes, Versions::Stable)?]);
    }
    let trimmed = match bytes.first() {
        Some(b'B' | b'C' | b'O' | b'P') => bytes.trim_ascii_end(),
        _ => bytes,
    };
    let tokens = Container::decode(trimmed).and_then(|container| container.tokens());
    tokens.map_err(|error: ContainerError| Refusal {
        kind: error.kind(),
        link: None,
        cid: None,
        field: None,
        message: error.to_string(),
    })
}

/// The one request among tokens, and the delegations that came with it. Receipts and revocations are none, unless there
/// is nothing else.
pub(crate) fn request_of(tokens: Vec<Token>) -> Result<(Invocation, MemoryStore), Refusal> {
    let (_, invocations) = Scope::of(tokens.iter().cloned());
    let mut pool = MemoryStore::default();
    for token in tokens {
        if let Token::Delegation(delegation) = token {
            pool.insert(delegation);
        }
    }
    let is_statement = |cmd: &str| cmd == ASSERT_RECEIPT || cmd == REVOKE;
    let requests: Vec<&Invocation> = invocations
        .iter()
        .filter(|invocation| !is_statement(invocation.payload().cmd.as_str()))
        .collect();
    match (requests.as_slice(), invocations.as_slice()) {
        ([one], _) => Ok(((*one).clone(), pool)),
        ([], [one]) => Ok((one.clone(), pool)),
        ([], []) => Err(refuse(
            Kind::InvalidClaim,
            "cmd",
            "there is no invocation, only delegations: nothing is asked for; look at them with `ipvm ucan inspect`"
                .into(),
        )),
        (several, all) => Err(refuse(
            Kind::InvalidClaim,
            "cmd",
            format!(
                "there are {} invocations, and only one can be meant",
                several.len().max(all.len())
            ),
        )),
    }
}

impl Node {
    /// Lets a request in, or not. Reads nothing but the request, the delegations that came with it, and what this home
    /// knows of revocations; with the keys that are known at a time.
    pub(crate) fn admit_request(
        &self,
        invocation: Invocation,
        pool: MemoryStore,
        (at, keys): (i64, &DocumentCache),
    ) -> Result<Admitted, NodeError> {
        let payload = invocation.payload();
        self.require_current(&payload.iss)?;
        let work = match class_of(&payload.cmd) {
            Some(Class::Pure | Class::Idempotent | Class::Query) => Work::Repeatable,
            Some(Class::Mutation) | None => Work::Mutation,
        };
        // What was meant for a key that this home had before is meant for it.
        let audience = payload.audience();
        let agent = match self.is_own_agent(audience)? {
            true => audience,
            false => self.agent(),
        };
        let scope = scope_of(&pool, payload.prf.iter());
        let admitted = self.with_known(|known| {
            let context = known.context(at).resolver(keys);
            Ok(admission::admit(
                &invocation,
                &scope,
                &context,
                agent,
                work,
            )?)
        })?;
        let task = Task {
            sub: payload.sub.clone(),
            cmd: payload.cmd.clone(),
            args: payload.args.clone(),
            nonce: payload.nonce.clone(),
        };
        Ok(Admitted {
            task,
            ran: admitted.task,
            capability: admitted.capability,
            pool,
            invocation,
        })
    }

    /// A key that this home replaced asks for nothing any more: it may be in other hands.
    fn require_current(&self, invoker: &Did) -> Result<(), NodeError> {
        if invoker == self.owner() || invoker == self.agent() || !self.is_ours(invoker)? {
            return Ok(());
        }
        let message = format!("{invoker} was replaced by another key of this home");
        Err(refuse(Kind::InvalidClaim, "iss", message).into())
    }

    /// The delegations that give an invoker the right to use this machine for a task, root first; none where it is its
    /// own, or the request's own chain is about it.
    pub(crate) fn machine_right(
        &self,
        known: &Known,
        admitted: &Admitted,
        budget: Budget,
        context: &Context<'_>,
    ) -> Result<Vec<Condition>, NodeError> {
        let payload = admitted.invocation.payload();
        let invoker = &payload.iss;
        let machines = self.machines(known);
        if machines.contains(invoker) {
            return Ok(Vec::new());
        }
        let chain = |subject: &Did, cmd: &str, args: &crate::memo::Args| {
            let cmd = cmd.parse().ok()?;
            let wanted = Wanted {
                invoker,
                subject,
                cmd: &cmd,
                args,
            };
            find_chain(&admitted.pool, &wanted, context).ok()
        };
        let commands = [payload.cmd.as_str()];
        let whole = budget.args(admitted.ran, &commands);
        for machine in &machines {
            if chain(machine, crate::run::WORKFLOW_RUN, &whole).is_some() {
                return Ok(Vec::new());
            }
        }
        if machines.contains(&payload.sub) {
            budget.require_usual()?;
            return Ok(Vec::new());
        }
        for machine in &machines {
            if let Some(chain) = chain(machine, payload.cmd.as_str(), &payload.args) {
                budget.require_usual()?;
                return Ok(conditions_of(&chain));
            }
        }
        let message = format!(
            "no delegation that came along gives {invoker} the right to use this machine for it: {} or /workflow/run on {}",
            payload.cmd,
            self.agent()
        );
        Err(refuse(Kind::InvalidClaim, "prf", message).into())
    }

    /// Principals whose word about this machine counts: home and person, now and before.
    pub(crate) fn machines(&self, known: &Known) -> Vec<Did> {
        let former = known
            .former(Role::Agent)
            .chain(known.former(Role::Owner))
            .filter_map(|did| did.parse().ok());
        let now = [self.agent().clone(), self.owner().clone()];
        now.into_iter().chain(former).collect()
    }
}

fn scope_of<'a>(pool: &MemoryStore, proofs: impl Iterator<Item = &'a Cid>) -> Scope {
    let found = proofs.filter_map(|cid| pool.get(cid));
    Scope::of(found.map(Token::Delegation)).0
}

/// What a chain asks of arguments.
pub(crate) fn conditions_of(chain: &[ipvm_ucan::Delegation]) -> Vec<Condition> {
    let each = chain.iter().enumerate();
    each.filter(|(_, link)| !link.payload().pol.is_empty())
        .map(|(at, link)| Condition {
            link: at,
            cid: link.cid(),
            policy: link.payload().pol.clone(),
        })
        .collect()
}

/// What the chain of an admitted request asks of arguments.
pub(crate) fn conditions_in(capability: &Capability) -> Vec<Condition> {
    let each = capability.policies.iter();
    each.map(|(link, cid, policy)| Condition {
        link: *link,
        cid: *cid,
        policy: policy.clone(),
    })
    .collect()
}
