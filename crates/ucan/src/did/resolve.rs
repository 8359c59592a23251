//! Where the keys of a principal come from. Nothing here asks anybody: documents and times are passed in.

use super::{Did, DidDocument, DocumentError, PublicKey, Purpose};
use std::collections::HashMap;

/// Most documents that a [`DocumentCache`] keeps.
pub const MAX_CACHED_DOCUMENTS: usize = 4096;

/// Knows the keys of principals that do not name their key themselves. It is asked for `did:web` only.
pub trait KeyResolver {
    /// The keys that may act for a principal at a time, in seconds since the epoch.
    ///
    /// # Errors
    /// See [`ResolveError`].
    fn keys(&self, did: &Did, purpose: Purpose, at: i64) -> Result<&[PublicKey], ResolveError>;
}

/// Why the keys of a principal are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nobody is there to ask.
    #[error(
        "the keys of {0} stand in its DID document, and only did:key principals are accepted here"
    )]
    Unsupported(String),
    /// The document was not supplied.
    #[error("the DID document of {did} is not there; fetch {url}")]
    Missing {
        /// The principal.
        did: String,
        /// Where its document is.
        url: String,
    },
    /// The document is too old.
    #[error(
        "the DID document of {did} was fetched at {fetched}, more than {max_age} s ago; fetch {url} again"
    )]
    Stale {
        /// The principal.
        did: String,
        /// Where its document is.
        url: String,
        /// When it was fetched, in seconds since the epoch.
        fetched: i64,
        /// How old it may be, in seconds.
        max_age: i64,
    },
}

/// Accepts `did:key` principals only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DidKeyOnly;

impl KeyResolver for DidKeyOnly {
    fn keys(&self, did: &Did, _: Purpose, _: i64) -> Result<&[PublicKey], ResolveError> {
        Err(ResolveError::Unsupported(did.to_string()))
    }
}

/// DID documents that the caller fetched, with the time of fetching. When it is full, the oldest goes.
///
/// ```
/// use ipvm_ucan::{Did, DocumentCache, KeyResolver, Purpose, ResolveError};
///
/// let did: Did = "did:web:example.com".parse()?;
/// let mut cache = DocumentCache::new(3600);
/// // Not known: the error names what to fetch.
/// let missing = cache.keys(&did, Purpose::Invoke, 1_800_000_000).unwrap_err();
/// assert!(missing.to_string().contains("https://example.com/.well-known/did.json"));
///
/// let document = br##"{"id": "did:web:example.com", "authentication": [{"id": "#one", "type": "Multikey",
///     "controller": "did:web:example.com",
///     "publicKeyMultibase": "z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX"}]}"##;
/// cache.insert(&did, document, 1_800_000_000)?;
/// assert_eq!(cache.keys(&did, Purpose::Invoke, 1_800_003_600)?.len(), 1);
/// assert!(cache.keys(&did, Purpose::Invoke, 1_800_003_601).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DocumentCache {
    max_age: i64,
    documents: HashMap<Did, (i64, DidDocument)>,
}

impl DocumentCache {
    /// An empty cache whose documents are good for `max_age` seconds.
    #[must_use]
    pub fn new(max_age: i64) -> Self {
        Self {
            max_age: max_age.max(0),
            documents: HashMap::new(),
        }
    }

    /// Takes in the document of a principal, fetched from its [`Did::document_url`] at a time in seconds since the
    /// epoch.
    ///
    /// # Errors
    /// If the bytes are not that principal's document; a document that was there before stays.
    pub fn insert(&mut self, did: &Did, bytes: &[u8], fetched: i64) -> Result<(), DocumentError> {
        let document = DidDocument::parse(did, bytes)?;
        if self.documents.len() >= MAX_CACHED_DOCUMENTS && !self.documents.contains_key(did) {
            let oldest = self
                .documents
                .iter()
                .min_by_key(|(_, (fetched, _))| *fetched);
            if let Some(oldest) = oldest.map(|(did, _)| did.clone()) {
                self.documents.remove(&oldest);
            }
        }
        self.documents.insert(did.clone(), (fetched, document));
        Ok(())
    }

    /// Forgets a principal's document, for one that rotated its keys.
    pub fn remove(&mut self, did: &Did) {
        self.documents.remove(did);
    }

    /// How many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }
}

impl KeyResolver for DocumentCache {
    fn keys(&self, did: &Did, purpose: Purpose, at: i64) -> Result<&[PublicKey], ResolveError> {
        let url = || did.document_url().unwrap_or_default();
        let Some((fetched, document)) = self.documents.get(did) else {
            return Err(ResolveError::Missing {
                did: did.to_string(),
                url: url(),
            });
        };
        if fetched.saturating_add(self.max_age) < at {
            return Err(ResolveError::Stale {
                did: did.to_string(),
                url: url(),
                fetched: *fetched,
                max_age: self.max_age,
            });
        }
        Ok(document.keys(purpose))
    }
}
