//! Admission: what an executor asks beyond verification before it does something (wire-formats, "Validation", steps 8 to
//! 11). Pure functions; storing what was done is the caller's.
//!
//! ```
//! use ipvm_ucan::admission::{Work, admit};
//! use ipvm_ucan::{Container, Context, DelegationBuilder, Encoding, InvocationBuilder, Keypair, Verifier};
//!
//! let (owner, agent) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
//! let machine = Keypair::from_seed(&[3; 32]);
//! let delegation = DelegationBuilder::new(&owner, agent.did(), "/msg".parse()?)
//!     .policy(r#"all .to: . like "*@example.com""#.parse()?)
//!     .expires(1_900_000_000)
//!     .sign([7; 12])?;
//! let invocation = InvocationBuilder::new(&agent, "/msg/send".parse()?)
//!     .with_proofs(&[delegation.clone()])
//!     .audience(machine.did())
//!     .arg("to", vec![ipvm_ipld::Ipld::from("bob@example.com")])
//!     .expires(1_800_000_600)
//!     .sign([1; 12])?;
//! let mut container = Container::new();
//! container.insert(delegation.bytes().to_vec());
//! container.insert(invocation.bytes().to_vec());
//! let wire = container.encode(Encoding::Raw)?;
//!
//! // At the machine:
//! let verifier = Verifier::new();
//! let tokens = verifier.tokens(&Container::decode(&wire)?)?;
//! let (scope, invocations) = ipvm_ucan::admission::Scope::of(tokens);
//! let context = Context::at(1_800_000_000);
//! let admitted = admit(&invocations[0], &scope, &context, machine.did(), Work::Mutation)?;
//! // Look up `admitted.task` among what was done; resolve promises; then, directly before doing it:
//! admitted.capability.recheck(&ipvm_ipld::Ipld::Map(invocations[0].payload().args.clone()))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::container::Token;
use crate::delegation::Delegation;
use crate::did::Did;
use crate::invocation::{Invocation, InvocationPayload};
use crate::verify::{Capability, Context, Kind, Refusal, verify_in};
use ipvm_ipld::Cid;
use std::collections::HashMap;

/// What doing a command twice means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// It may be done again: pure or idempotent.
    Repeatable,
    /// It changes something, and must be done at most once.
    Mutation,
}

/// The proofs that came with one request: only these count for it, so that an executor is nobody's deputy for anything
/// else (step 11).
#[derive(Clone, Debug, Default)]
pub struct Scope(HashMap<Cid, Delegation>);

impl Scope {
    /// Sorts the tokens of one container: the delegations are the scope of the invocations.
    #[must_use]
    pub fn of(tokens: impl IntoIterator<Item = Token>) -> (Self, Vec<Invocation>) {
        let (mut scope, mut invocations) = (Self::default(), Vec::new());
        for token in tokens {
            match token {
                Token::Delegation(delegation) => {
                    scope.0.insert(delegation.cid(), delegation);
                }
                Token::Invocation(invocation) => invocations.push(invocation),
            }
        }
        (scope, invocations)
    }

    /// A delegation by its CID, if it came along.
    #[must_use]
    pub fn get(&self, cid: &Cid) -> Option<Delegation> {
        self.0.get(cid).cloned()
    }

    /// How many delegations came along.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none came along.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is admitted.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The right; its policies must be checked again on resolved args ([`Capability::recheck`], step 9).
    pub capability: Capability,
    /// The CID of the task: by it, a mutation is done at most once (step 10).
    pub task: Cid,
}

/// Verifies an invocation with the proofs that came along, and asks what an executor must ask: that it is meant (step 8),
/// that a mutation has an end (step 10), and that no other proofs are used (step 11). What remains is the caller's: whether
/// the task was done already ([`require_new`]), and the policies on resolved args.
///
/// # Errors
/// The first refusal.
pub fn admit(
    invocation: &Invocation,
    scope: &Scope,
    context: &Context<'_>,
    agent: &Did,
    work: Work,
) -> Result<Admitted, Refusal> {
    let capability = verify_in(invocation, &|cid| scope.get(cid), context)?;
    let payload = invocation.payload();
    let about = |refusal: Refusal| Refusal {
        cid: Some(Box::new(invocation.cid())),
        ..refusal
    };
    require_audience(payload, agent, work).map_err(about)?;
    require_end(payload, work).map_err(about)?;
    let args = ipvm_ipld::Ipld::Map(payload.args.clone());
    crate::promise::awaits(&args)
        .map_err(|e| about(Refusal::new(Kind::Malformed, Some("args"), e.to_string())))?;
    let task = payload
        .task()
        .map_err(|e| about(Refusal::new(Kind::Malformed, Some("args"), e.to_string())))?;
    Ok(Admitted { capability, task })
}

/// Requires that an invocation is addressed to this agent: by its audience, or else its subject. A mutation must name its
/// audience, or have the agent as its subject.
///
/// # Errors
/// If it is for another, or for anybody.
pub fn require_audience(
    payload: &InvocationPayload,
    agent: &Did,
    work: Work,
) -> Result<(), Refusal> {
    let audience = payload.audience();
    if audience == agent {
        return Ok(());
    }
    let message = match (&payload.aud, work) {
        (None, Work::Mutation) => format!(
            "the invocation changes something, so it must name its executor (aud); without, it is for {audience}, not for {agent}"
        ),
        _ => format!("the invocation is for {audience}, not for {agent}"),
    };
    Err(Refusal::new(Kind::InvalidAudience, Some("aud"), message))
}

/// Requires that the invocation of a mutation has an end: what is valid forever can be replayed forever.
///
/// # Errors
/// If it has none.
pub fn require_end(payload: &InvocationPayload, work: Work) -> Result<(), Refusal> {
    if work == Work::Mutation && payload.exp.is_none() {
        let message = format!(
            "{} changes something, so the invocation must have an end (exp), but that is null",
            payload.cmd
        );
        return Err(Refusal::new(Kind::InvalidClaim, Some("exp"), message));
    }
    Ok(())
}

/// Requires that a mutation was not done yet. `done` is the receipt of its task by this agent, whatever invocation asked.
///
/// # Errors
/// If it was: that receipt is the answer.
pub fn require_new(task: &Cid, work: Work, done: Option<&Cid>) -> Result<(), Refusal> {
    match done {
        Some(receipt) if work == Work::Mutation => {
            let message = format!("the task {task} was done already; its receipt is {receipt}");
            Err(Refusal::new(Kind::Replayed, Some("nonce"), message))
        }
        _ => Ok(()),
    }
}
