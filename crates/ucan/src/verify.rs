//! Verification of an invocation and its chain of delegations (wire-formats, "Validation", steps 1 to 5).
//!
//! Nothing here asks the network, a clock or a store: proofs and time are passed in.

use crate::command::Command;
use crate::delegation::Delegation;
use crate::did::Did;
use crate::error::{Malformed, SignatureError};
use crate::invocation::Invocation;
use std::fmt;

/// The kind of a refusal: the names that the official test vectors use, and three more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The claim contradicts itself or has no ground: no proofs, no root, a command that is not covered.
    InvalidClaim,
    /// A delegation that the invocation names is not there.
    UnavailableProof,
    /// A token is no longer valid.
    Expired,
    /// A token is not valid yet.
    TooEarly,
    /// A delegation is for somebody else than the one who uses it.
    InvalidAudience,
    /// A delegation is about another subject.
    InvalidSubject,
    /// A signature is wrong.
    InvalidSignature,
    /// The args break a policy.
    MatchError,
    /// Not a token at all, or not canonical.
    Malformed,
    /// Over a limit.
    TooLarge,
    /// Well-formed, but with something that is not supported here.
    Unsupported,
}

impl Kind {
    /// The name, as scripts may rely on it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidClaim => "InvalidClaim",
            Self::UnavailableProof => "UnavailableProof",
            Self::Expired => "Expired",
            Self::TooEarly => "TooEarly",
            Self::InvalidAudience => "InvalidAudience",
            Self::InvalidSubject => "InvalidSubject",
            Self::InvalidSignature => "InvalidSignature",
            Self::MatchError => "MatchError",
            Self::Malformed => "Malformed",
            Self::TooLarge => "TooLarge",
            Self::Unsupported => "Unsupported",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an invocation is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Refusal {
    /// The kind.
    pub kind: Kind,
    /// The delegation it is about, by its position in `prf` (0 = root); `None`: the invocation itself.
    pub link: Option<usize>,
    /// What is wrong, and where.
    pub message: String,
}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        Self {
            kind: error.kind(),
            link: None,
            message: error.to_string(),
        }
    }
}

/// What a verified invocation has the right to: exactly what it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The command.
    pub cmd: Command,
    /// On whose resources.
    pub sub: Did,
    /// Who asks.
    pub iss: Did,
    /// Who is asked.
    pub aud: Did,
    /// When the right ends, in seconds since the epoch: the earliest end of the chain. `None`: never.
    pub exp: Option<i64>,
}

/// Verifies an invocation at a time.
///
/// `proofs` gives the delegations by CID; `at` is the time in seconds since the epoch; `skew` is by how many seconds
/// clocks may differ (60 is usual).
///
/// # Errors
/// The first refusal, in the order of the steps: signatures, chain, command, time, policies (a policy that is not empty
/// is refused as unsupported, never passed over).
pub fn verify(
    invocation: &Invocation,
    proofs: &dyn Fn(&ipvm_ipld::Cid) -> Option<Delegation>,
    at: i64,
    skew: i64,
) -> Result<Capability, Refusal> {
    let chain = collect(invocation, proofs)?;
    signatures(invocation, &chain)?;
    principals(invocation, &chain)?;
    commands(invocation, &chain)?;
    let exp = times(invocation, &chain, at, skew)?;
    policies(&chain)?;
    let payload = invocation.payload();
    Ok(Capability {
        cmd: payload.cmd.clone(),
        sub: payload.sub.clone(),
        iss: payload.iss.clone(),
        aud: payload.audience().clone(),
        exp,
    })
}

fn refuse<T>(kind: Kind, link: Option<usize>, message: String) -> Result<T, Refusal> {
    Err(Refusal {
        kind,
        link,
        message,
    })
}

/// How messages name a token of the chain.
fn name(link: Option<usize>) -> String {
    link.map_or_else(
        || "the invocation".to_owned(),
        |i| format!("delegation {i} of the chain"),
    )
}

/// The delegations that the invocation names, root first.
fn collect(
    invocation: &Invocation,
    proofs: &dyn Fn(&ipvm_ipld::Cid) -> Option<Delegation>,
) -> Result<Vec<Delegation>, Refusal> {
    let each = invocation.payload().prf.iter().enumerate();
    each.map(|(i, cid)| match proofs(cid) {
        Some(delegation) if delegation.cid() == *cid => Ok(delegation),
        _ => refuse(
            Kind::UnavailableProof,
            Some(i),
            format!("{}, {cid}, is not available", name(Some(i))),
        ),
    })
    .collect()
}

/// Step 2.
fn signatures(invocation: &Invocation, chain: &[Delegation]) -> Result<(), Refusal> {
    let check = |link, result: Result<(), SignatureError>| match result {
        Ok(()) => Ok(()),
        Err(error) => refuse(
            Kind::InvalidSignature,
            link,
            format!("{}: {error}", name(link)),
        ),
    };
    check(None, invocation.verify_signature())?;
    chain
        .iter()
        .enumerate()
        .try_for_each(|(i, delegation)| check(Some(i), delegation.verify_signature()))
}

/// Step 3: from the subject to the invoker without a gap.
fn principals(invocation: &Invocation, chain: &[Delegation]) -> Result<(), Refusal> {
    let payload = invocation.payload();
    let (sub, invoker) = (&payload.sub, &payload.iss);
    let Some(root) = chain.first() else {
        if invoker == sub {
            return Ok(());
        }
        let message = format!("{invoker} invokes on behalf of {sub} without any proof");
        return refuse(Kind::InvalidClaim, None, message);
    };
    if invoker == sub {
        return refuse(
            Kind::InvalidClaim,
            None,
            format!("{sub} invokes on its own behalf, but names proofs"),
        );
    }
    if root.payload().sub.is_none() {
        let message = "the root delegation must name its subject, but that is null".to_owned();
        return refuse(Kind::InvalidClaim, Some(0), message);
    }
    for (i, delegation) in chain.iter().enumerate() {
        if let Some(other) = delegation
            .payload()
            .sub
            .as_ref()
            .filter(|other| *other != sub)
        {
            let message = format!("{} is about {other}, not about {sub}", name(Some(i)));
            return refuse(Kind::InvalidSubject, Some(i), message);
        }
    }
    if root.payload().iss != *sub {
        let message = format!(
            "the root delegation is issued by {}, not by the subject {sub}",
            root.payload().iss
        );
        return refuse(Kind::InvalidClaim, Some(0), message);
    }
    let users = chain
        .iter()
        .skip(1)
        .map(|next| &next.payload().iss)
        .chain([invoker]);
    for (i, (delegation, user)) in chain.iter().zip(users).enumerate() {
        let aud = &delegation.payload().aud;
        if aud != user {
            let message = format!("{} is for {aud}, but {user} uses it", name(Some(i)));
            return refuse(Kind::InvalidAudience, Some(i), message);
        }
    }
    Ok(())
}

/// Step 4: every delegation covers the command that is invoked.
fn commands(invocation: &Invocation, chain: &[Delegation]) -> Result<(), Refusal> {
    let cmd = &invocation.payload().cmd;
    for (i, delegation) in chain.iter().enumerate() {
        let right = &delegation.payload().cmd;
        if !right.covers(cmd) {
            let message = format!(
                "{} gives the right to {right}, which does not cover {cmd}",
                name(Some(i))
            );
            return refuse(Kind::InvalidClaim, Some(i), message);
        }
    }
    Ok(())
}

/// Step 5. Gives the earliest end.
fn times(
    invocation: &Invocation,
    chain: &[Delegation],
    at: i64,
    skew: i64,
) -> Result<Option<i64>, Refusal> {
    let delegated = chain
        .iter()
        .enumerate()
        .map(|(i, d)| (Some(i), d.payload().nbf, d.payload().exp));
    let mut end = None;
    for (link, nbf, exp) in delegated.chain([(None, None, invocation.payload().exp)]) {
        if let Some(nbf) = nbf.filter(|nbf| nbf.saturating_sub(skew) > at) {
            let message = format!(
                "{} is valid only from {nbf} on (it is {at}, skew {skew} s)",
                name(link)
            );
            return refuse(Kind::TooEarly, link, message);
        }
        if let Some(exp) = exp.filter(|exp| exp.saturating_add(skew) < at) {
            let message = format!(
                "{} expired at {exp} (it is {at}, skew {skew} s)",
                name(link)
            );
            return refuse(Kind::Expired, link, message);
        }
        end = [end, exp].into_iter().flatten().min();
    }
    Ok(end)
}

/// Step 6, as far as it goes here: a condition that cannot be checked is never taken as met.
fn policies(chain: &[Delegation]) -> Result<(), Refusal> {
    match chain
        .iter()
        .position(|delegation| !delegation.payload().pol.is_empty())
    {
        None => Ok(()),
        Some(i) => {
            let message = format!(
                "{} has a policy (pol), and policies are not supported",
                name(Some(i))
            );
            refuse(Kind::Unsupported, Some(i), message)
        }
    }
}
