//! UCAN 1.0.0: who may ask for what, and who says what came of it.
//!
//! Principals ([`Did`], [`Keypair`]), signed tokens ([`Delegation`], [`Invocation`], [`Receipt`]), promises
//! ([`promise`]) and the verification of a chain of delegations ([`verify()`]). Tokens keep the bytes that came in:
//! signatures and CIDs are over them. The crate never does I/O, reads no clock and draws no random numbers.
//!
//! ```
//! use ipvm_ucan::{Delegation, DelegationPayload, Invocation, InvocationPayload, Keypair, Policy, verify};
//!
//! let owner = Keypair::from_seed(&[1; 32]); // draw seeds from the operating system's randomness
//! let agent = Keypair::from_seed(&[2; 32]);
//!
//! let delegation = Delegation::sign(
//!     &owner,
//!     DelegationPayload {
//!         iss: owner.did().clone(),
//!         aud: agent.did().clone(),
//!         sub: Some(owner.did().clone()),
//!         cmd: "/crud".parse()?,
//!         pol: Policy::none(),
//!         nonce: b"draw 12 too!".to_vec(),
//!         meta: None,
//!         nbf: None,
//!         exp: Some(1_900_000_000),
//!     },
//! )?;
//! let invocation = Invocation::sign(
//!     &agent,
//!     InvocationPayload {
//!         iss: agent.did().clone(),
//!         sub: owner.did().clone(),
//!         aud: None,
//!         cmd: "/crud/read".parse()?,
//!         args: Default::default(),
//!         prf: vec![delegation.cid()],
//!         nonce: vec![],
//!         exp: Some(1_800_000_000),
//!         iat: None,
//!         cause: None,
//!         meta: None,
//!     },
//! )?;
//!
//! // On the other side there are only bytes.
//! let proof = Delegation::decode(delegation.bytes())?;
//! let invocation = Invocation::decode(invocation.bytes())?;
//! let proofs = |cid: &_| (*cid == proof.cid()).then(|| proof.clone());
//! let capability = verify(&invocation, &proofs, 1_750_000_000, 60)?;
//! assert_eq!(capability.cmd.as_str(), "/crud/read");
//! assert_eq!(capability.exp, Some(1_800_000_000));
//!
//! assert!(verify(&invocation, &proofs, 1_850_000_000, 60).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod admission;
mod bounded;
mod builder;
mod command;
mod container;
mod delegation;
mod did;
mod effects;
mod envelope;
mod error;
mod find;
mod invocation;
mod keypair;
mod outcome;
pub mod policy;
mod principals;
pub mod promise;
mod receipt;
mod revocation;
mod signature;
mod time;
pub mod varsig;
mod verify;

pub use builder::{DelegationBuilder, InvocationBuilder, NONCE_BYTES, NoEnd, WithEnd};
pub use command::{Command, CommandError, MAX_COMMAND_BYTES};
pub use container::{
    Container, ContainerError, Encoding, MAX_CONTAINER_BYTES, MAX_CONTAINER_TOKENS, Token,
};
pub use delegation::{Delegation, DelegationPayload};
pub use did::{
    Did, DidDocument, DidError, DidKeyOnly, DocumentCache, DocumentError, KeyResolver,
    MAX_CACHED_DOCUMENTS, MAX_DID_BYTES, MAX_DOCUMENT_BYTES, MAX_DOCUMENT_KEYS, PublicKey, Purpose,
    ResolveError,
};
pub use effects::{Effects, MAX_EFFECTS, Request};
pub use envelope::Versions;
pub use error::{EncodeError, Malformed, SignatureError};
pub use find::{DelegationStore, MAX_SEARCH, MemoryStore, NoChain, Wanted, find_chain};
pub use invocation::{Invocation, InvocationPayload};
pub use ipvm_ipld::MAX_DEPTH;
pub use keypair::{KeyError, Keypair};
pub use outcome::Outcome;
pub use policy::Policy;
pub use receipt::{Receipt, ReceiptMeta, ReceiptPayload};
pub use revocation::{
    MAX_REVOCATIONS, MAX_REVOKERS, Revocation, RevocationPayload, Revocations, RevocationsError,
    VerifiedRevocation,
};
pub use varsig::{Algorithm, VarsigError};
pub use verify::{
    Capability, Context, DEFAULT_SKEW, Kind, MAX_CACHED_PROOFS, Refusal, Verifier, verify,
    verify_in,
};
pub use zeroize::Zeroizing;

/// Largest delegation, in bytes.
pub const MAX_DELEGATION_BYTES: usize = 64 << 10;
/// Largest invocation or receipt, in bytes: the args of a task that gathers 10,000 others name each of them.
pub const MAX_INVOCATION_BYTES: usize = 1 << 20;
/// Longest chain of delegations, in links.
pub const MAX_CHAIN: usize = 32;
/// Largest magnitude of times and other integers of the protocol itself, 2^53 − 1 (UCAN core 1.0.0, "Time bounds").
/// Args and results are data and have the integers of DAG-CBOR.
pub const MAX_SAFE_INT: i64 = (1 << 53) - 1;

/// Only the owner of a key can be the issuer of what it signs.
fn require_issuer(key: &Keypair, issuer: &Did) -> Result<(), EncodeError> {
    if key.did() == issuer {
        return Ok(());
    }
    Err(EncodeError::Issuer {
        issuer: issuer.to_string(),
        signer: key.did().to_string(),
    })
}

/// Whether a payload's key in the envelope is one that is read here.
fn is_known_tag(found: &str) -> bool {
    [envelope::Tag::Delegation, envelope::Tag::Invocation]
        .iter()
        .any(|tag| tag.key() == found)
}
