//! Making tokens step by step: what is forgotten does not compile, and what nobody would accept is not signed.

use crate::command::Command;
use crate::delegation::{Delegation, DelegationPayload};
use crate::did::Did;
use crate::error::EncodeError;
use crate::invocation::{Invocation, InvocationPayload};
use crate::keypair::Keypair;
use crate::policy::Policy;
use ipvm_ipld::{Cid, Ipld};
use std::collections::BTreeMap;

/// Length of the nonce of a delegation, in bytes.
pub const NONCE_BYTES: usize = 12;

/// Of a builder whose token has no end yet: call `expires` or `never_expires`.
#[derive(Clone, Copy, Debug)]
pub struct NoEnd(());

/// Of a builder whose token has an end, or deliberately none.
#[derive(Clone, Copy, Debug)]
pub struct WithEnd(Option<i64>);

/// Makes a delegation.
///
/// ```
/// use ipvm_ucan::{DelegationBuilder, Keypair};
///
/// let (owner, agent) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
/// let delegation = DelegationBuilder::new(&owner, agent.did(), "/msg/send".parse()?)
///     .policy(r#"all .to: . like "*@example.com""#.parse()?)
///     .expires(1_900_000_000)
///     .sign([7; 12])?; // drawn from the operating system's randomness
/// assert_eq!(delegation.payload().sub.as_ref(), Some(owner.did()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Without an end it does not compile:
///
/// ```compile_fail
/// # use ipvm_ucan::{DelegationBuilder, Keypair};
/// # let (owner, agent) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
/// let delegation = DelegationBuilder::new(&owner, agent.did(), "/crud".parse().unwrap()).sign([7; 12]);
/// ```
#[must_use = "nothing is signed before `sign`"]
#[derive(Debug)]
pub struct DelegationBuilder<'k, End = NoEnd> {
    key: &'k Keypair,
    payload: DelegationPayload,
    end: End,
}

impl<'k> DelegationBuilder<'k> {
    /// From the owner of the key to another, on the owner's own resources.
    pub fn new(key: &'k Keypair, audience: &Did, cmd: Command) -> Self {
        let payload = DelegationPayload {
            iss: key.did().clone(),
            aud: audience.clone(),
            sub: Some(key.did().clone()),
            cmd,
            pol: Policy::none(),
            nonce: vec![],
            meta: None,
            nbf: None,
            exp: None,
        };
        Self {
            key,
            payload,
            end: NoEnd(()),
        }
    }

    /// Not valid after this time, in seconds since the epoch.
    pub fn expires(self, exp: i64) -> DelegationBuilder<'k, WithEnd> {
        self.ends(Some(exp))
    }

    /// Valid without an end; only a revocation ends it.
    pub fn never_expires(self) -> DelegationBuilder<'k, WithEnd> {
        self.ends(None)
    }

    fn ends(self, exp: Option<i64>) -> DelegationBuilder<'k, WithEnd> {
        DelegationBuilder {
            key: self.key,
            payload: self.payload,
            end: WithEnd(exp),
        }
    }
}

impl<End> DelegationBuilder<'_, End> {
    /// On the resources of another, who delegated them to the owner of the key.
    pub fn subject(mut self, subject: &Did) -> Self {
        self.payload.sub = Some(subject.clone());
        self
    }

    /// On the resources of whatever subject the chain is about (a powerline): all that was and will be delegated to the
    /// owner of the key. It cannot be the root of a chain.
    pub fn powerline(mut self) -> Self {
        self.payload.sub = None;
        self
    }

    /// Under these conditions on the args.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.payload.pol = policy;
        self
    }

    /// Not valid before this time, in seconds since the epoch.
    pub fn not_before(mut self, nbf: i64) -> Self {
        self.payload.nbf = Some(nbf);
        self
    }

    /// A fact beside the right, of no meaning for it.
    pub fn meta(mut self, key: impl Into<String>, value: Ipld) -> Self {
        self.payload
            .meta
            .get_or_insert_default()
            .insert(key.into(), value);
        self
    }
}

impl DelegationBuilder<'_, WithEnd> {
    /// Signs. The nonce makes delegations with otherwise equal content differ: draw it at random.
    ///
    /// # Errors
    /// If it would never be valid, or has no valid encoding.
    pub fn sign(self, nonce: [u8; NONCE_BYTES]) -> Result<Delegation, EncodeError> {
        let payload = DelegationPayload {
            nonce: nonce.to_vec(),
            exp: self.end.0,
            ..self.payload
        };
        if let (Some(nbf), Some(exp)) = (payload.nbf, payload.exp)
            && nbf > exp
        {
            return Err(EncodeError::Form("the delegation ends before it begins"));
        }
        Delegation::sign(self.key, payload)
    }
}

/// Makes an invocation.
///
/// ```
/// use ipvm_ucan::{InvocationBuilder, Keypair};
///
/// let owner = Keypair::from_seed(&[1; 32]);
/// let invocation = InvocationBuilder::new(&owner, "/crud/read".parse()?)
///     .arg("uri", "https://example.com/1")
///     .expires(1_800_000_600)
///     .sign(vec![])?; // an empty nonce: asking twice is asking once
/// assert_eq!(invocation.payload().sub, *owner.did());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is signed before `sign`"]
#[derive(Debug)]
pub struct InvocationBuilder<'k, End = NoEnd> {
    key: &'k Keypair,
    payload: InvocationPayload,
    chain: Vec<Delegation>,
    end: End,
}

impl<'k> InvocationBuilder<'k> {
    /// By the owner of the key, on its own resources.
    pub fn new(key: &'k Keypair, cmd: Command) -> Self {
        let payload = InvocationPayload {
            iss: key.did().clone(),
            sub: key.did().clone(),
            aud: None,
            cmd,
            args: BTreeMap::new(),
            prf: vec![],
            nonce: vec![],
            exp: None,
            iat: None,
            cause: None,
            meta: None,
        };
        Self {
            key,
            payload,
            chain: vec![],
            end: NoEnd(()),
        }
    }

    /// Not valid after this time, in seconds since the epoch.
    pub fn expires(self, exp: i64) -> InvocationBuilder<'k, WithEnd> {
        self.ends(Some(exp))
    }

    /// Valid without an end: for work that may be repeated at will. Mutations need an end.
    pub fn never_expires(self) -> InvocationBuilder<'k, WithEnd> {
        self.ends(None)
    }

    fn ends(self, exp: Option<i64>) -> InvocationBuilder<'k, WithEnd> {
        InvocationBuilder {
            key: self.key,
            payload: self.payload,
            chain: self.chain,
            end: WithEnd(exp),
        }
    }
}

impl<End> InvocationBuilder<'_, End> {
    /// On behalf of the subject of these delegations: from it to the owner of the key, root first.
    pub fn with_proofs(mut self, chain: &[Delegation]) -> Self {
        self.chain = chain.to_vec();
        self
    }

    /// To be done by another than the subject.
    pub fn audience(mut self, audience: &Did) -> Self {
        self.payload.aud = Some(audience.clone());
        self
    }

    /// With this argument.
    pub fn arg(mut self, key: impl Into<String>, value: impl Into<Ipld>) -> Self {
        self.payload.args.insert(key.into(), value.into());
        self
    }

    /// With these arguments.
    pub fn args(mut self, args: BTreeMap<String, Ipld>) -> Self {
        self.payload.args.extend(args);
        self
    }

    /// Made at this time, in seconds since the epoch.
    pub fn issued_at(mut self, iat: i64) -> Self {
        self.payload.iat = Some(iat);
        self
    }

    /// Asked for by this receipt.
    pub fn cause(mut self, receipt: Cid) -> Self {
        self.payload.cause = Some(receipt);
        self
    }

    /// A fact beside the request.
    pub fn meta(mut self, key: impl Into<String>, value: Ipld) -> Self {
        self.payload
            .meta
            .get_or_insert_default()
            .insert(key.into(), value);
        self
    }
}

impl InvocationBuilder<'_, WithEnd> {
    /// Signs. An empty nonce says that asking twice is asking once; else draw it at random.
    ///
    /// # Errors
    /// If the proofs do not lead from a subject to the owner of the key, or do not cover the command, the args misuse a key
    /// of promises or break a policy of the proofs, or there is no valid encoding.
    pub fn sign(self, nonce: impl Into<Vec<u8>>) -> Result<Invocation, EncodeError> {
        let mut payload = InvocationPayload {
            nonce: nonce.into(),
            exp: self.end.0,
            prf: self.chain.iter().map(Delegation::cid).collect(),
            ..self.payload
        };
        if let Some(subject) = self.chain.first().map(|root| root.payload().sub.clone()) {
            payload.sub = subject.ok_or(EncodeError::Form(
                "the first proof must name its subject: a powerline is no root",
            ))?;
        }
        require_chain(&payload, &self.chain).map_err(EncodeError::Form)?;
        let args = Ipld::Map(payload.args.clone());
        crate::promise::awaits(&args)?;
        for link in &self.chain {
            link.payload().pol.check(&args)?;
        }
        Invocation::sign(self.key, payload)
    }
}

/// What verification will ask of the chain, but for time and signatures.
fn require_chain(payload: &InvocationPayload, chain: &[Delegation]) -> Result<(), &'static str> {
    let Some(root) = chain.first() else {
        return Ok(());
    };
    if payload.sub == payload.iss {
        return Err("who invokes on its own behalf names no proofs");
    }
    if root.payload().iss != payload.sub {
        return Err("the first proof must be issued by its subject");
    }
    let users = chain.iter().skip(1).map(|next| &next.payload().iss);
    let aligned = chain
        .iter()
        .zip(users.chain([&payload.iss]))
        .all(|(link, user)| link.payload().aud == *user);
    if !aligned {
        return Err(
            "each proof must be for the issuer of the next one, and the last for the invoker",
        );
    }
    let about = |link: &Delegation| {
        link.payload()
            .sub
            .as_ref()
            .is_none_or(|sub| *sub == payload.sub)
    };
    if !chain.iter().all(about) {
        return Err("the proofs are about different subjects");
    }
    if !chain
        .iter()
        .all(|link| link.payload().cmd.covers(&payload.cmd))
    {
        return Err("a proof does not cover the command");
    }
    Ok(())
}
