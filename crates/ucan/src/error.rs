//! What can be wrong with tokens.

use crate::command::CommandError;
use crate::did::{DidError, ResolveError};
use crate::policy::{NotMet, PolicyError};
use crate::varsig::{Algorithm, VarsigError};
use crate::verify::Kind;
use ipvm_ipld::cbor;
use ipvm_ipld::fields::FieldError;

/// Why bytes are not a token of the kind that was asked for (validation, step 1 and 2 without the signature).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than the limit.
    #[error("the token is {bytes} bytes long; at most {limit} are accepted")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Not strict DAG-CBOR.
    #[error("the token is not strict DAG-CBOR: {0}")]
    Encoding(#[from] cbor::DecodeError),
    /// Not the form of an envelope.
    #[error("the token is not a UCAN envelope: {0}")]
    Envelope(&'static str),
    /// An envelope around something else.
    #[error("the token carries {found:?}, not {expected:?}")]
    Tag {
        /// What was asked for.
        expected: &'static str,
        /// What there is.
        found: String,
    },
    /// A signature of another kind.
    #[error("h: {0}; those with Ed25519, P-256 and secp256k1 over DAG-CBOR are")]
    Varsig(#[from] VarsigError),
    /// A field is missing, unknown or of the wrong kind.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A principal that is not known.
    #[error("{field}: {source}")]
    Did {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        source: DidError,
    },
    /// Not a command.
    #[error("cmd: {0}")]
    Command(#[from] CommandError),
    /// Not a policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Too many proofs.
    #[error("the invocation names {found} proofs; at most {limit} are accepted")]
    Chain {
        /// How many there are.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// An invocation that is not the receipt it should be.
    #[error("the invocation is not a receipt: {0}")]
    Receipt(&'static str),
    /// An invocation that is not the revocation it should be.
    #[error("the invocation is not a revocation: {0}")]
    Revocation(&'static str),
}

impl Malformed {
    /// The kind of refusal that this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::TooLarge { .. } | Self::Chain { .. } => Kind::TooLarge,
            Self::Encoding(
                cbor::DecodeError::TooLarge { .. }
                | cbor::DecodeError::TooDeep { .. }
                | cbor::DecodeError::TooMany { .. },
            ) => Kind::TooLarge,
            Self::Varsig(VarsigError::Form(_)) => Kind::Malformed,
            Self::Varsig(_) => Kind::Unsupported,
            Self::Policy(error) if error.is_limit() => Kind::TooLarge,
            Self::Did {
                source: DidError::Method(_) | DidError::KeyType { .. },
                ..
            } => Kind::Unsupported,
            // The other kind of token: well-formed, but no claim to what was asked.
            Self::Tag { found, .. } if crate::is_known_tag(found) => Kind::InvalidClaim,
            Self::Tag { found, .. } if found.starts_with("ucan/") => Kind::Unsupported,
            _ => Kind::Malformed,
        }
    }
}

impl Malformed {
    /// The field of the token that is wrong, if it is one.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Did { field, .. } => Some(field),
            Self::Command(_) => Some("cmd"),
            Self::Policy(_) => Some("pol"),
            Self::Chain { .. } => Some("prf"),
            Self::Varsig(_) => Some("h"),
            _ => None,
        }
    }
}

/// Why a payload cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// It has no DAG-CBOR encoding.
    #[error(transparent)]
    Encoding(#[from] cbor::EncodeError),
    /// The token would be longer than the limit.
    #[error(
        "the token would be {bytes} bytes long; at most {limit} are accepted: put large values in blocks and link to them"
    )]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The payload names another issuer than the key that is to sign.
    #[error("the issuer is {issuer}, but the key is that of {signer}")]
    Issuer {
        /// The issuer of the payload.
        issuer: String,
        /// The owner of the key.
        signer: String,
    },
    /// An integer beyond ±(2^53 − 1).
    #[error("{field} is {value}, outside ±(2^53 − 1)")]
    Range {
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
    /// Not a policy that could be read again.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Something that nobody would accept.
    #[error("{0}")]
    Form(&'static str),
    /// Args that misuse a key of promises.
    #[error("args: {0}")]
    Promise(#[from] crate::promise::PromiseError),
    /// Args that a policy of the proofs forbids.
    #[error("a proof does not allow these args: {0}")]
    NotMet(#[from] NotMet),
    /// Too many proofs.
    #[error("the invocation would name {found} proofs; at most {limit} are accepted")]
    Chain {
        /// How many there are.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

/// Why a signature is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It has not 64 bytes.
    #[error("the signature is {bytes} bytes long; those of Ed25519, P-256 and secp256k1 have 64")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// The issuer has a key of another type than the header says.
    #[error("the header says {header}, but the issuer has a key of another type, {key}")]
    OtherKeyType {
        /// What the header says.
        header: Algorithm,
        /// What the issuer has.
        key: Algorithm,
    },
    /// The issuer has a key with which nothing can be signed here.
    #[error("the issuer has a key of the type {0}, and such signatures are not supported")]
    Unsupported(&'static str),
    /// The issuer's key is not a point of the curve.
    #[error("the issuer's DID does not name a valid {0} key")]
    NotAKey(&'static str),
    /// The second form of an ECDSA signature, which others can make without the key.
    #[error("the signature has a high s; only the form with the low s is accepted")]
    HighS,
    /// The issuer's document has no key for this.
    #[error("the DID document of {did} has no {algorithm} key under {relationship}")]
    NoKey {
        /// The issuer.
        did: String,
        /// The relationship that was looked under.
        relationship: &'static str,
        /// The algorithm that the header names.
        algorithm: Algorithm,
    },
    /// The issuer's keys are not known.
    #[error(transparent)]
    Unresolved(#[from] ResolveError),
    /// It is not the issuer's signature of these bytes.
    #[error("the signature is not that of the issuer over these bytes")]
    Wrong,
}
