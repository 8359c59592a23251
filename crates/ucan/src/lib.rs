//! UCAN 1.0.0: who may ask for what, and who says what came of it.
//!
//! A right that is written down and signed can be passed on, narrowed, checked by anybody, and taken back, without a
//! server that knows everyone. This crate is all of that as a library of its own: it does no I/O, reads no clock and draws
//! no random numbers; what it needs is passed in.
//!
//! # The parts
//!
//! | what | type |
//! |---|---|
//! | a principal: who issues, receives and is the subject of rights | [`Did`], with its [`Keypair`] |
//! | what can be done, as a path | [`Command`] |
//! | conditions on the arguments | [`Policy`] |
//! | a right, given by one principal to another | [`Delegation`] |
//! | a request to use it | [`Invocation`] |
//! | what came of the request | [`Receipt`], with [`Outcome`] and [`Effects`] |
//! | a right taken back | [`Revocation`], collected in [`Revocations`] |
//! | tokens that travel together | [`Container`] |
//! | the check | [`Verifier`], [`verify_in`]; beyond it, [`admission`] |
//!
//! # Giving a right
//!
//! A delegation says: *issuer* lets *audience* do *command* with what is *subject*'s, if the arguments are as the *policy*
//! says, until it *expires*. The first one of a chain is by the subject itself.
//!
//! ```
//! use ipvm_ucan::{Delegation, DelegationBuilder, Keypair};
//!
//! // Draw seeds and nonces from the operating system's randomness; these are for the example.
//! let owner = Keypair::from_seed(&[1; 32]);
//! let agent = Keypair::from_seed(&[2; 32]);
//!
//! let delegation = DelegationBuilder::new(&owner, agent.did(), "/msg".parse()?)
//!     .policy(r#".from == "alice@example.com"; all .to: . like "*@example.com""#.parse()?)
//!     .expires(1_900_000_000)
//!     .sign([7; 12])?;
//!
//! // On the other side there are only bytes. They are kept: signatures and CIDs are over them.
//! let read = Delegation::decode(delegation.bytes())?;
//! read.verify_signature()?;
//! assert_eq!(read.cid(), delegation.cid());
//! assert_eq!(
//!     read.payload().pol.in_words(),
//!     r#"from is "alice@example.com"; and every item of to ends with "@example.com""#
//! );
//! // A policy that says something else than it seems to is valid, but worth a word to its author.
//! assert_eq!(read.payload().pol.warnings().len(), 1); // `all` is also true of an empty list
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Passing it on
//!
//! The audience can give the right to others: all of it or less. Whatever it signs, the chain allows no more than each of
//! its links; trying to widen it is refused when the chain is checked, by name.
//!
//! # Using it
//!
//! An invocation names the chain that leads from the subject to the one who asks, root first. The builder refuses a chain
//! that does not lead there, and arguments that its policies forbid; without an end the code does not compile.
//!
//! ```
//! use ipvm_ucan::{Context, DelegationBuilder, InvocationBuilder, Keypair, Kind, Verifier};
//! use ipvm_ipld::Ipld;
//!
//! # let owner = Keypair::from_seed(&[1; 32]);
//! # let agent = Keypair::from_seed(&[2; 32]);
//! # let delegation = DelegationBuilder::new(&owner, agent.did(), "/msg".parse()?)
//! #     .policy(r#"all .to: . like "*@example.com""#.parse()?)
//! #     .expires(1_900_000_000)
//! #     .sign([7; 12])?;
//! let invocation = InvocationBuilder::new(&agent, "/msg/send".parse()?)
//!     .with_proofs(&[delegation.clone()])
//!     .arg("to", vec![Ipld::from("bob@example.com")])
//!     .expires(1_800_000_600)
//!     .sign([8; 12])?;
//!
//! // Checking it: the proofs, the time and whatever else is known come from the caller.
//! let verifier = Verifier::new();
//! let proof = verifier.delegation(delegation.bytes())?;
//! let invocation = verifier.invocation(invocation.bytes())?;
//! let proofs = |cid: &_| (*cid == proof.cid()).then(|| proof.clone());
//!
//! let capability = verifier.verify(&invocation, &proofs, &Context::at(1_800_000_000))?;
//! assert_eq!(capability.exp, Some(1_800_000_600)); // the earliest end of the chain
//! println!("{}", capability.in_words());
//!
//! // A refusal says its kind, the link of the chain by position and CID, the field, and what is wrong.
//! let refusal = verifier
//!     .verify(&invocation, &proofs, &Context::at(1_900_000_100))
//!     .unwrap_err();
//! assert_eq!((refusal.kind, refusal.link, refusal.field), (Kind::Expired, Some(0), Some("exp")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The order of the checks
//!
//! The first that fails is the one that is reported: (1) size, depth, canonical form, fields and types, when a token is
//! read; (2) signatures, strictly; (3) the chain of principals from the subject to the invoker; (4) commands, by whole
//! segments; (5) times, with a [skew](Context::skew); (6) policies; (7) revocations. An executor that is to *do* something
//! asks more, in [`admission`]: that it is meant, that the policies hold on what promises gave, that nothing is done
//! twice, and that only the proofs that came along count.
//!
//! # Taking it back
//!
//! Whoever issued a delegation, or one above it in the chain, can revoke it. A revocation cannot be taken back and may
//! arrive before what it is about.
//!
//! ```
//! use ipvm_ucan::{Context, DelegationBuilder, InvocationBuilder, Keypair, Kind};
//! use ipvm_ucan::{Revocation, Revocations, Verifier};
//!
//! # let owner = Keypair::from_seed(&[1; 32]);
//! # let agent = Keypair::from_seed(&[2; 32]);
//! # let delegation = DelegationBuilder::new(&owner, agent.did(), "/msg".parse()?)
//! #     .expires(1_900_000_000)
//! #     .sign([7; 12])?;
//! # let invocation = InvocationBuilder::new(&agent, "/msg/send".parse()?)
//! #     .with_proofs(&[delegation.clone()])
//! #     .expires(1_800_000_600)
//! #     .sign([8; 12])?;
//! let path = [delegation.clone()]; // from the root to what is revoked
//! let revocation = Revocation::sign(&owner, &path)?;
//!
//! let verifier = Verifier::new();
//! let proofs = |cid: &_| (*cid == delegation.cid()).then(|| delegation.clone());
//! let context = Context::at(1_800_000_000);
//! let mut revocations = Revocations::new(); // storing them is yours
//! revocations.insert(&verifier.revocation(&revocation, &proofs, &context)?)?;
//!
//! let refusal = verifier
//!     .verify(&invocation, &proofs, &context.revocations(&revocations))
//!     .unwrap_err();
//! assert_eq!(refusal.kind, Kind::Revoked);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Finding proofs, and sending them
//!
//! [`find_chain`] finds the shortest chain in a [`DelegationStore`] with which a request will be verified. A [`Container`]
//! carries it along, in bytes, or in text that fits in a header or a URL.
//!
//! # Keys
//!
//! Ed25519, P-256 and secp256k1 sign and are verified; no second form of a signature is accepted, so a token has one CID.
//! A `did:key` is its key. The keys of a `did:web` stand in a document: the caller fetches it
//! ([`Did::document_url`]) and puts it into a [`DocumentCache`], which a [`Context`] takes as its
//! [resolver](Context::resolver). P-384 and P-521 can be named as a principal, and are refused by name as signers.
//!
//! # Limits
//!
//! Each input has one: [`MAX_DELEGATION_BYTES`], [`MAX_INVOCATION_BYTES`], [`MAX_CONTAINER_BYTES`] (after unpacking),
//! [`MAX_CHAIN`], [`policy::MAX_POLICY_NODES`], [`policy::MAX_POLICY_DEPTH`], [`MAX_DEPTH`], [`MAX_SEARCH`]. Matching a
//! pattern takes time in proportion to its length and the text's.
//!
//! # Payloads by hand
//!
//! The builders are the short way. [`Delegation::sign`] and [`Invocation::sign`] take every field of a payload: whatever
//! they sign, `decode` reads.
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
    MAX_REVOCATIONS, Revocation, RevocationPayload, Revocations, RevocationsError,
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
