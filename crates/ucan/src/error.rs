//! What can be wrong with tokens.

use crate::command::CommandError;
use crate::did::DidError;
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
    #[error("signatures {0} are not supported; the supported ones are Ed25519 over DAG-CBOR")]
    Algorithm(String),
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
            Self::Algorithm(_) => Kind::Unsupported,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It has not 64 bytes.
    #[error("the signature is {bytes} bytes long; those of Ed25519 have 64")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// The issuer has a key of another type than the header says.
    #[error("the header says Ed25519, but the issuer has a key of another type")]
    OtherKeyType,
    /// The issuer's DID is not a point of the curve.
    #[error("the issuer's DID does not name a valid Ed25519 key")]
    NotAKey,
    /// It is not the issuer's signature of these bytes.
    #[error("the signature is not that of the issuer over these bytes")]
    Wrong,
}
