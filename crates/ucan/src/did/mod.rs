//! Principals: who issues, receives and is the subject of tokens.
//!
//! Two methods are known. A `did:key` is its public key: nothing has to be asked. A `did:web` is a name on the web whose
//! keys stand in a document; [`KeyResolver`] says where these come from, and [`DocumentCache`] is the usual answer.

mod document;
mod key;
mod resolve;
mod web;

pub use document::{DidDocument, DocumentError, MAX_DOCUMENT_BYTES, MAX_DOCUMENT_KEYS, Purpose};
pub use key::PublicKey;
pub use resolve::{DidKeyOnly, DocumentCache, KeyResolver, MAX_CACHED_DOCUMENTS, ResolveError};

use crate::signature::VerifyingKey;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// Longest DID that is read, in bytes; decoding base58 takes time that grows with the square of the length.
pub const MAX_DID_BYTES: usize = 256;

const KEY: &str = "did:key:";
const WEB: &str = "did:web:";

/// A principal: a well-formed `did:key` of a key type that is known here, or a `did:web`.
///
/// Principals are compared by their text; of a `did:key`, text and key determine each other. Copies share the text and,
/// once it was needed, the key in the form that checks signatures.
///
/// ```
/// use ipvm_ucan::Did;
///
/// let did: Did = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX".parse()?;
/// assert!(did.key().is_some());
///
/// let web: Did = "did:web:example.com:users:alice".parse()?;
/// assert!(web.key().is_none());
/// assert_eq!(web.document_url().as_deref(), Some("https://example.com/users/alice/did.json"));
///
/// assert!("did:plc:abc".parse::<Did>().is_err());
/// # Ok::<(), ipvm_ucan::DidError>(())
/// ```
#[derive(Clone)]
pub struct Did(Arc<Inner>);

struct Inner {
    text: Box<str>,
    /// Of a `did:key`.
    key: Option<Key>,
}

struct Key {
    key: PublicKey,
    /// Finding the point takes a tenth of a verification, so it is done once. `None`: not a point.
    verifying: OnceLock<Option<VerifyingKey>>,
}

/// Why a text is not a DID that is known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DidError {
    /// Longer than any that is accepted.
    #[error("the DID is {0} bytes long; at most {MAX_DID_BYTES} are accepted")]
    TooLong(usize),
    /// Another DID method, or no DID.
    #[error("{0:?} is not a did:key or did:web, the principals that are known")]
    Method(String),
    /// The part after `did:key:` is not base58btc.
    #[error("{0:?} is not a did:key: after `did:key:` comes `z` and base58 characters only")]
    Base(String),
    /// A key type that is not known.
    #[error("{did} names a key of the unsupported type {code}")]
    KeyType {
        /// The DID.
        did: String,
        /// The key type: its name, or its multicodec bytes.
        code: String,
    },
    /// The key has not the length of its type.
    #[error("{did} names a key of {found} bytes; its type has {expected}")]
    KeyLength {
        /// The DID.
        did: String,
        /// Bytes there are.
        found: usize,
        /// Bytes there must be.
        expected: usize,
    },
    /// Not a name as `did:web` has them.
    #[error("{did:?} is not a did:web: {what}")]
    Web {
        /// The DID.
        did: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Did {
    /// The DID of an Ed25519 public key.
    #[must_use]
    pub fn from_ed25519(key: [u8; 32]) -> Self {
        Self::from_key(PublicKey::Ed25519(key))
    }

    /// The `did:key` of a public key.
    #[must_use]
    pub fn from_key(key: PublicKey) -> Self {
        Self::new(format!("{KEY}{}", key.to_multikey()).into(), Some(key))
    }

    fn new(text: Box<str>, key: Option<PublicKey>) -> Self {
        let key = key.map(|key| Key {
            key,
            verifying: OnceLock::new(),
        });
        Self(Arc::new(Inner { text, key }))
    }

    /// The DID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The key that the DID itself names: that of a `did:key`.
    #[must_use]
    pub fn key(&self) -> Option<&PublicKey> {
        self.0.key.as_ref().map(|key| &key.key)
    }

    /// Where the document of a `did:web` is (did:web, "Read"); `None` for a `did:key`.
    #[must_use]
    pub fn document_url(&self) -> Option<String> {
        self.as_str().strip_prefix(WEB).map(web::url)
    }

    /// The key of a `did:key`, ready to check signatures. Inner `None`: it is no point of its curve, or of a curve
    /// without signatures here.
    pub(crate) fn verifying_key(&self) -> Option<Option<&VerifyingKey>> {
        let key = self.0.key.as_ref()?;
        let verifying = key
            .verifying
            .get_or_init(|| VerifyingKey::from_public(&key.key));
        Some(verifying.as_ref())
    }
}

impl FromStr for Did {
    type Err = DidError;

    fn from_str(text: &str) -> Result<Self, DidError> {
        if text.len() > MAX_DID_BYTES {
            return Err(DidError::TooLong(text.len()));
        }
        if let Some(multikey) = text.strip_prefix(KEY) {
            let key = PublicKey::from_multikey(multikey, text)?;
            return Ok(Self::new(text.into(), Some(key)));
        }
        if let Some(name) = text.strip_prefix(WEB) {
            web::check(name).map_err(|what| DidError::Web {
                did: text.to_owned(),
                what,
            })?;
            return Ok(Self::new(text.into(), None));
        }
        Err(DidError::Method(text.to_owned()))
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Did {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Did {}

impl PartialOrd for Did {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Did {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Did {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}
