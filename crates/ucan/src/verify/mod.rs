//! Verification of an invocation and its chain of delegations (wire-formats, "Validation", steps 1 to 7).
//!
//! Nothing here asks the network, a clock or a store: proofs, revocations, DID documents and time are passed in.

mod capability;
mod verifier;

pub use capability::Capability;
pub use verifier::{MAX_CACHED_PROOFS, Verifier};

use crate::delegation::Delegation;
use crate::did::{DidKeyOnly, KeyResolver};
use crate::error::{Malformed, SignatureError};
use crate::invocation::Invocation;
use crate::policy::Truth;
use crate::revocation::Revocations;
use crate::time::utc;
use ipvm_ipld::{Cid, Ipld};
use std::fmt;

/// By how many seconds clocks may differ, where nothing else is said.
pub const DEFAULT_SKEW: i64 = 60;

/// The kind of a refusal: the names that the official test vectors use, and some more.
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
    /// A delegation was taken back by an issuer at or above it.
    Revoked,
    /// The keys of an issuer stand in a DID document that is not there, or too old.
    UnavailableKey,
    /// The task was done already; its receipt is the answer.
    Replayed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::InvalidClaim,
        Self::UnavailableProof,
        Self::Expired,
        Self::TooEarly,
        Self::InvalidAudience,
        Self::InvalidSubject,
        Self::InvalidSignature,
        Self::MatchError,
        Self::Malformed,
        Self::TooLarge,
        Self::Unsupported,
        Self::Revoked,
        Self::UnavailableKey,
        Self::Replayed,
    ];

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
            Self::Revoked => "Revoked",
            Self::UnavailableKey => "UnavailableKey",
            Self::Replayed => "Replayed",
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
    /// The CID of the token it is about, as far as there is one.
    pub cid: Option<Box<Cid>>,
    /// The field that decided, if one did.
    pub field: Option<&'static str>,
    /// What is wrong, and where.
    pub message: String,
}

impl Refusal {
    /// A refusal of an invocation itself.
    pub(crate) fn new(kind: Kind, field: Option<&'static str>, message: String) -> Self {
        Self {
            kind,
            link: None,
            cid: None,
            field,
            message,
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        Self::new(error.kind(), error.field(), error.to_string())
    }
}

/// The circumstances of a verification: when, and what is known besides the tokens.
///
/// ```
/// use ipvm_ucan::{Context, Revocations};
///
/// let revocations = Revocations::new();
/// let context = Context::at(1_800_000_000).skew(5).revocations(&revocations);
/// assert_eq!(context.now(), 1_800_000_000);
/// ```
#[derive(Clone, Copy)]
pub struct Context<'a> {
    at: i64,
    skew: i64,
    revocations: Option<&'a Revocations>,
    resolver: &'a dyn KeyResolver,
}

impl<'a> Context<'a> {
    /// At a time in seconds since the epoch; with [`DEFAULT_SKEW`], no revocations, and `did:key` principals only.
    #[must_use]
    pub fn at(at: i64) -> Self {
        Self {
            at,
            skew: DEFAULT_SKEW,
            revocations: None,
            resolver: &DidKeyOnly,
        }
    }

    /// Clocks may differ by so many seconds; negative values count as 0.
    #[must_use]
    pub fn skew(mut self, seconds: i64) -> Self {
        self.skew = seconds.max(0);
        self
    }

    /// With these revocations.
    #[must_use]
    pub fn revocations(mut self, revocations: &'a Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// With the keys that this resolver knows.
    #[must_use]
    pub fn resolver(mut self, resolver: &'a dyn KeyResolver) -> Self {
        self.resolver = resolver;
        self
    }

    /// The time, in seconds since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.at
    }

    pub(crate) fn known_revocations(&self) -> Option<&'a Revocations> {
        self.revocations
            .filter(|revocations| !revocations.is_empty())
    }

    pub(crate) fn known_resolver(&self) -> &'a dyn KeyResolver {
        self.resolver
    }

    /// Whether a time before which something is not valid is still to come.
    pub(crate) fn is_early(&self, nbf: i64) -> bool {
        nbf.saturating_sub(self.skew) > self.at
    }

    /// Whether a time after which something is not valid is over.
    pub(crate) fn is_late(&self, exp: i64) -> bool {
        exp.saturating_add(self.skew) < self.at
    }
}

/// Verifies an invocation at a time, with `did:key` principals and without revocations: [`verify_in`] has more.
///
/// `proofs` gives the delegations by CID; `at` is the time in seconds since the epoch; `skew` is by how many seconds
/// clocks may differ (60 is usual).
///
/// # Errors
/// As [`verify_in`].
pub fn verify(
    invocation: &Invocation,
    proofs: &dyn Fn(&Cid) -> Option<Delegation>,
    at: i64,
    skew: i64,
) -> Result<Capability, Refusal> {
    verify_in(invocation, proofs, &Context::at(at).skew(skew))
}

/// Verifies an invocation under given circumstances. `proofs` gives the delegations by CID.
///
/// Policies that depend on promises in the args pass; [`Capability::recheck`] checks them again on the resolved args, as it
/// must be done directly before execution.
///
/// # Errors
/// The first refusal, in the order of the steps: proofs at hand, signatures, chain, command, time, policies, revocations.
pub fn verify_in(
    invocation: &Invocation,
    proofs: &dyn Fn(&Cid) -> Option<Delegation>,
    context: &Context<'_>,
) -> Result<Capability, Refusal> {
    let chain = Chain {
        invocation,
        links: collect(invocation, proofs)?,
    };
    chain.signatures(context)?;
    chain.principals()?;
    chain.commands()?;
    let (nbf, exp) = chain.times(context)?;
    let pending = chain.policies()?;
    chain.revocations(context)?;
    Ok(Capability::new(invocation, &chain.links, nbf, exp, pending))
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
    proofs: &dyn Fn(&Cid) -> Option<Delegation>,
) -> Result<Vec<Delegation>, Refusal> {
    let each = invocation.payload().prf.iter().enumerate();
    each.map(|(i, cid)| match proofs(cid) {
        Some(delegation) if delegation.cid() == *cid => Ok(delegation),
        _ => Err(Refusal {
            kind: Kind::UnavailableProof,
            link: Some(i),
            cid: Some(Box::new(*cid)),
            field: Some("prf"),
            message: format!("{}, {cid}, is not available", name(Some(i))),
        }),
    })
    .collect()
}

/// An invocation and its delegations, root first.
struct Chain<'a> {
    invocation: &'a Invocation,
    links: Vec<Delegation>,
}

impl Chain<'_> {
    fn refuse<T>(
        &self,
        kind: Kind,
        link: Option<usize>,
        field: &'static str,
        message: String,
    ) -> Result<T, Refusal> {
        let cid = match link {
            Some(i) => self.links.get(i).map(Delegation::cid),
            None => Some(self.invocation.cid()),
        };
        Err(Refusal {
            kind,
            link,
            cid: cid.map(Box::new),
            field: Some(field),
            message,
        })
    }

    /// Step 2.
    fn signatures(&self, context: &Context<'_>) -> Result<(), Refusal> {
        let check = |link, result: Result<(), SignatureError>| {
            result.or_else(|error| {
                let kind = match error {
                    SignatureError::Unresolved(_) => Kind::UnavailableKey,
                    SignatureError::Unsupported(_) => Kind::Unsupported,
                    _ => Kind::InvalidSignature,
                };
                self.refuse(kind, link, "iss", format!("{}: {error}", name(link)))
            })
        };
        let (resolver, at) = (context.resolver, context.at);
        check(None, self.invocation.verify_signature_with(resolver, at))?;
        self.links
            .iter()
            .enumerate()
            .try_for_each(|(i, link)| check(Some(i), link.verify_signature_with(resolver, at)))
    }

    /// Step 3: from the subject to the invoker without a gap.
    fn principals(&self) -> Result<(), Refusal> {
        let payload = self.invocation.payload();
        let (sub, invoker) = (&payload.sub, &payload.iss);
        let Some(root) = self.links.first() else {
            if invoker == sub {
                return Ok(());
            }
            let message = format!("{invoker} invokes on behalf of {sub} without any proof");
            return self.refuse(Kind::InvalidClaim, None, "prf", message);
        };
        if invoker == sub {
            let message = format!("{sub} invokes on its own behalf, but names proofs");
            return self.refuse(Kind::InvalidClaim, None, "prf", message);
        }
        if root.payload().sub.is_none() {
            let message = "the root delegation must name its subject, but that is null".to_owned();
            return self.refuse(Kind::InvalidClaim, Some(0), "sub", message);
        }
        for (i, link) in self.links.iter().enumerate() {
            if let Some(other) = link.payload().sub.as_ref().filter(|other| *other != sub) {
                let message = format!("{} is about {other}, not about {sub}", name(Some(i)));
                return self.refuse(Kind::InvalidSubject, Some(i), "sub", message);
            }
        }
        if root.payload().iss != *sub {
            let message = format!(
                "the root delegation is issued by {}, not by the subject {sub}",
                root.payload().iss
            );
            return self.refuse(Kind::InvalidClaim, Some(0), "iss", message);
        }
        let users = self
            .links
            .iter()
            .skip(1)
            .map(|next| &next.payload().iss)
            .chain([invoker]);
        for (i, (link, user)) in self.links.iter().zip(users).enumerate() {
            let aud = &link.payload().aud;
            if aud != user {
                let message = format!("{} is for {aud}, but {user} uses it", name(Some(i)));
                return self.refuse(Kind::InvalidAudience, Some(i), "aud", message);
            }
        }
        Ok(())
    }

    /// Step 4: every delegation covers the command that is invoked.
    fn commands(&self) -> Result<(), Refusal> {
        let cmd = &self.invocation.payload().cmd;
        for (i, link) in self.links.iter().enumerate() {
            let right = &link.payload().cmd;
            if !right.covers(cmd) {
                let message = format!(
                    "{} gives the right to {right}, which does not cover {cmd}",
                    name(Some(i))
                );
                return self.refuse(Kind::InvalidClaim, Some(i), "cmd", message);
            }
        }
        Ok(())
    }

    /// Step 5. Gives the latest beginning and the earliest end.
    fn times(&self, context: &Context<'_>) -> Result<(Option<i64>, Option<i64>), Refusal> {
        let clock = || format!("it is {}, give or take {} s", utc(context.at), context.skew);
        let delegated = self
            .links
            .iter()
            .enumerate()
            .map(|(i, d)| (Some(i), d.payload().nbf, d.payload().exp));
        let (mut begin, mut end) = (None, None);
        for (link, nbf, exp) in delegated.chain([(None, None, self.invocation.payload().exp)]) {
            if let Some(nbf) = nbf.filter(|nbf| context.is_early(*nbf)) {
                let (name, nbf) = (name(link), utc(nbf));
                let message = format!("{name} is valid only from {nbf} on ({})", clock());
                return self.refuse(Kind::TooEarly, link, "nbf", message);
            }
            if let Some(exp) = exp.filter(|exp| context.is_late(*exp)) {
                let (name, exp) = (name(link), utc(exp));
                let message = format!("{name} expired at {exp} ({})", clock());
                return self.refuse(Kind::Expired, link, "exp", message);
            }
            begin = begin.max(nbf);
            end = [end, exp].into_iter().flatten().min();
        }
        Ok((begin, end))
    }

    /// Step 6. Gives whether some of it waits for promises.
    fn policies(&self) -> Result<bool, Refusal> {
        if self.links.iter().all(|link| link.payload().pol.is_empty()) {
            return Ok(false);
        }
        let args = Ipld::Map(self.invocation.payload().args.clone());
        let mut pending = false;
        for (i, link) in self.links.iter().enumerate() {
            match link.payload().pol.check(&args) {
                Ok(truth) => pending |= truth == Truth::Unknown,
                Err(not_met) => {
                    let message = format!("{}: {not_met}", name(Some(i)));
                    let kind = if not_met.too_large {
                        Kind::TooLarge
                    } else {
                        Kind::MatchError
                    };
                    return self.refuse(kind, Some(i), "pol", message);
                }
            }
        }
        Ok(pending)
    }

    /// Step 7.
    fn revocations(&self, context: &Context<'_>) -> Result<(), Refusal> {
        let found = context
            .known_revocations()
            .and_then(|known| known.find(&self.links));
        match found {
            None => Ok(()),
            Some((i, token)) => {
                let message = format!("{} was revoked by {token}", name(Some(i)));
                self.refuse(Kind::Revoked, Some(i), "prf", message)
            }
        }
    }
}
