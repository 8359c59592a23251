//! Verification with a memory: tokens and principals that came before are not taken apart again.

use super::{Capability, Context, Kind, Refusal, verify_in};
use crate::bounded::{Bounded, lock};
use crate::container::{Container, ContainerError, Token};
use crate::delegation::Delegation;
use crate::envelope::{Reading, Versions};
use crate::error::Malformed;
use crate::invocation::Invocation;
use crate::principals::Principals;
use crate::receipt::Receipt;
use crate::revocation::{Revocation, VerifiedRevocation, require_path};
use ipvm_ipld::{Cid, cid_of, codec};
use std::fmt;
use std::sync::Mutex;

/// Most delegations that a [`Verifier`] remembers.
pub const MAX_CACHED_PROOFS: usize = 16_384;
/// Largest delegation that is remembered, in bytes: with [`MAX_CACHED_PROOFS`] that bounds the memory to about 100 MB, and in
/// practice, where delegations have some 400 bytes, to 30 MB.
const MAX_CACHED_PROOF_BYTES: usize = 2048;

/// Reads and verifies tokens, and remembers delegations by CID and principals by text: where the proofs are known, an
/// invocation costs one signature. It can be shared between threads.
///
/// What it remembers are facts about bytes (their content, whether the signature is right). It never adds a proof to a
/// chain: that is what the caller's `proofs` are for.
///
/// ```
/// use ipvm_ucan::{Context, DelegationBuilder, InvocationBuilder, Keypair, Verifier};
///
/// let (owner, agent) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
/// let delegation = DelegationBuilder::new(&owner, agent.did(), "/crud".parse()?)
///     .expires(1_900_000_000)
///     .sign([7; 12])?;
/// let invocation = InvocationBuilder::new(&agent, "/crud/read".parse()?)
///     .with_proofs(&[delegation.clone()])
///     .expires(1_800_000_600)
///     .sign(vec![])?;
///
/// let verifier = Verifier::new();
/// let proof = verifier.delegation(delegation.bytes())?;
/// let invocation = verifier.invocation(invocation.bytes())?;
/// let proofs = |cid: &_| (*cid == proof.cid()).then(|| proof.clone());
/// let capability = verifier.verify(&invocation, &proofs, &Context::at(1_800_000_000))?;
/// assert!(capability.in_words().contains("may do /crud/read on behalf of"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Verifier {
    versions: Versions,
    principals: Principals,
    proofs: Mutex<Bounded<Cid, Delegation>>,
}

impl Default for Verifier {
    fn default() -> Self {
        Self::for_versions(Versions::Stable)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proofs = lock(&self.proofs).len();
        write!(f, "Verifier({:?}, {proofs} proofs)", self.versions)
    }
}

impl Verifier {
    /// A verifier that remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Self::new`], for more versions of tokens.
    #[must_use]
    pub fn for_versions(versions: Versions) -> Self {
        Self {
            versions,
            principals: Principals::default(),
            proofs: Mutex::new(Bounded::new(MAX_CACHED_PROOFS)),
        }
    }

    fn reading(&self, cid: Option<Cid>) -> Reading<'_> {
        Reading {
            versions: self.versions,
            principals: Some(&self.principals),
            cid,
        }
    }

    /// Reads a delegation, unless it came before.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn delegation(&self, bytes: &[u8]) -> Result<Delegation, Malformed> {
        let cid = cid_of(codec::DAG_CBOR, bytes);
        if let Some(known) = lock(&self.proofs).get(&cid) {
            return Ok(known);
        }
        let delegation = Delegation::decode_in(bytes, &self.reading(Some(cid)))?;
        if bytes.len() <= MAX_CACHED_PROOF_BYTES {
            lock(&self.proofs).insert(cid, delegation.clone());
        }
        Ok(delegation)
    }

    /// Reads an invocation.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn invocation(&self, bytes: &[u8]) -> Result<Invocation, Malformed> {
        Invocation::decode_in(bytes, &self.reading(None))
    }

    /// Reads the tokens of a container; delegations that came before are not taken apart again.
    ///
    /// # Errors
    /// The first that is no token, with its position.
    pub fn tokens(&self, container: &Container) -> Result<Vec<Token>, ContainerError> {
        let each = container.iter().enumerate();
        each.map(|(position, bytes)| {
            let cid = cid_of(codec::DAG_CBOR, bytes);
            if let Some(known) = lock(&self.proofs).get(&cid) {
                return Ok(Token::Delegation(known));
            }
            let token = Token::decode_in(bytes, &self.reading(Some(cid))).map_err(|source| {
                ContainerError::Token {
                    position,
                    cid: Box::new(cid),
                    source: Box::new(source),
                }
            })?;
            if let Token::Delegation(delegation) = &token
                && bytes.len() <= MAX_CACHED_PROOF_BYTES
            {
                lock(&self.proofs).insert(cid, delegation.clone());
            }
            Ok(token)
        })
        .collect()
    }

    /// Verifies an invocation: see [`verify_in`].
    ///
    /// # Errors
    /// The first refusal, in the order of the steps.
    pub fn verify(
        &self,
        invocation: &Invocation,
        proofs: &dyn Fn(&Cid) -> Option<Delegation>,
        context: &Context<'_>,
    ) -> Result<Capability, Refusal> {
        verify_in(invocation, proofs, context)
    }

    /// Reads a receipt and verifies it: the signature, and for one by a delegate of the executor the chain of its proofs.
    ///
    /// # Errors
    /// What is not a receipt, or the first refusal.
    pub fn receipt(
        &self,
        bytes: &[u8],
        proofs: &dyn Fn(&Cid) -> Option<Delegation>,
        context: &Context<'_>,
    ) -> Result<Receipt, Refusal> {
        let receipt = Receipt::decode_any(bytes, &self.reading(None))?;
        verify_in(&self.invocation(bytes)?, proofs, context)?;
        Ok(receipt)
    }

    /// Verifies a revocation: signature, for one by a delegate of the revoker the chain of its proofs, and the path, as far
    /// as `proofs` has its delegations: revocations may come before them.
    ///
    /// # Errors
    /// The first refusal.
    pub fn revocation(
        &self,
        revocation: &Revocation,
        proofs: &dyn Fn(&Cid) -> Option<Delegation>,
        context: &Context<'_>,
    ) -> Result<VerifiedRevocation, Refusal> {
        verify_in(revocation.invocation(), proofs, context)?;
        let payload = revocation.payload();
        let path: Option<Vec<_>> = payload
            .path
            .iter()
            .map(|cid| proofs(cid).filter(|link| link.cid() == *cid))
            .collect();
        if let Some(path) = path {
            let wrong = |message: String| Refusal {
                cid: Some(Box::new(revocation.cid())),
                ..Refusal::new(Kind::InvalidClaim, Some("path"), message)
            };
            require_path(&path, &payload.revoker).map_err(|what| wrong(what.to_owned()))?;
            for (i, link) in path.iter().enumerate() {
                link.verify_signature_with(context.known_resolver(), context.now())
                    .map_err(|error| wrong(format!("delegation {i} of the path: {error}")))?;
            }
        }
        Ok(VerifiedRevocation(revocation.clone()))
    }

    /// How many delegations it remembers.
    #[must_use]
    pub fn remembered(&self) -> usize {
        lock(&self.proofs).len()
    }
}
