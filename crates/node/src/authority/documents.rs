//! DID documents of others: the keys of `did:web` principals, as the user gave them. Nothing is fetched here; what is
//! given counts for a time, since keys are replaced and nobody says so.

use std::collections::BTreeMap;

use ipvm_ipld::{Ipld, Limits, cbor, json};
use ipvm_store::{Batch, Setting};
use ipvm_ucan::{Did, DocumentCache, MAX_DOCUMENT_BYTES};

use super::known::Known;
use crate::{Node, NodeError};

/// For how long a document counts from the time at which it was given, in seconds: 30 days.
pub const DOCUMENT_LIFE: i64 = 30 * 24 * 60 * 60;
/// Most documents that a home keeps; the oldest goes.
const MAX_DOCUMENTS: usize = 256;
/// The setting under which they are kept.
const SETTING: &str = "did-documents";
/// Deepest nesting of a document, in levels.
const MAX_DEPTH: usize = 16;

/// The document of a `did:web`, read and found to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    did: Did,
    bytes: Vec<u8>,
}

impl Document {
    /// Reads a document; its `id` says whose it is.
    ///
    /// # Errors
    /// [`NodeError::Name`]: it is no DID document, or not that of a `did:web`.
    pub fn read(bytes: &[u8]) -> Result<Self, NodeError> {
        let wrong = |what: String| NodeError::Name(what);
        let limits = Limits {
            bytes: MAX_DOCUMENT_BYTES,
            depth: MAX_DEPTH,
        };
        let text = std::str::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let value = json::from_str(text, limits)
            .map_err(|error| wrong(format!("a DID document is JSON: {error}")))?;
        let did = match &value {
            Ipld::Map(map) => match map.get("id") {
                Some(Ipld::String(id)) => id.parse::<Did>(),
                _ => return Err(wrong("a DID document has an `id`, its principal".into())),
            },
            _ => return Err(wrong("a DID document is a JSON object".into())),
        };
        let did = did.map_err(|error| wrong(error.to_string()))?;
        if did.document_url().is_none() {
            return Err(wrong(format!(
                "{did} is its own key: only a did:web has a document"
            )));
        }
        let document = Self {
            did,
            bytes: bytes.to_vec(),
        };
        document.put_into(&mut DocumentCache::new(DOCUMENT_LIFE), 0)?;
        Ok(document)
    }

    /// Whose it is.
    #[must_use]
    pub fn did(&self) -> &Did {
        &self.did
    }

    fn put_into(&self, cache: &mut DocumentCache, given: i64) -> Result<(), NodeError> {
        let inserted = cache.insert(&self.did, &self.bytes, given);
        inserted.map_err(|error| NodeError::Name(error.to_string()))
    }
}

/// Documents given at a time, and no others.
///
/// # Errors
/// None that were read give any.
pub fn cache_of(documents: &[Document], given: i64) -> Result<DocumentCache, NodeError> {
    let mut cache = DocumentCache::new(DOCUMENT_LIFE);
    for document in documents {
        document.put_into(&mut cache, given)?;
    }
    Ok(cache)
}

impl Known {
    /// The documents that are known, and some more that were given at a time.
    pub(crate) fn documents_with(
        &self,
        documents: &[Document],
        given: i64,
    ) -> Result<DocumentCache, NodeError> {
        let mut cache = self.documents.clone();
        for document in documents {
            document.put_into(&mut cache, given)?;
        }
        Ok(cache)
    }
}

impl Node {
    /// The keys of `did:web` principals that count here, each for [`DOCUMENT_LIFE`] seconds, and those of some more
    /// documents that were given at a time.
    ///
    /// # Errors
    /// The store fails.
    pub fn documents_with(
        &self,
        documents: &[Document],
        given: i64,
    ) -> Result<DocumentCache, NodeError> {
        self.with_known(|known| known.documents_with(documents, given))
    }

    /// The documents that this home keeps, with the times at which they were given.
    pub(crate) fn load_documents(&self) -> Result<DocumentCache, NodeError> {
        let mut cache = DocumentCache::new(DOCUMENT_LIFE);
        for (given, document) in self.kept_documents()?.values() {
            document.put_into(&mut cache, *given)?;
        }
        Ok(cache)
    }

    /// Has documents kept with a batch, each in the place of the one before.
    pub(crate) fn put_documents(
        &self,
        documents: &[Document],
        given: i64,
        batch: &mut Batch,
    ) -> Result<(), NodeError> {
        if documents.is_empty() {
            return Ok(());
        }
        let mut kept = self.kept_documents()?;
        for document in documents {
            kept.insert(document.did.to_string(), (given, document.clone()));
        }
        while kept.len() > MAX_DOCUMENTS {
            let oldest = kept.iter().min_by_key(|(_, (given, _))| *given);
            let Some(oldest) = oldest.map(|(did, _)| did.clone()) else {
                break;
            };
            kept.remove(&oldest);
        }
        let each = kept.into_iter().map(|(did, (given, document))| {
            let entry = vec![Ipld::Integer(given.into()), Ipld::Bytes(document.bytes)];
            (did, Ipld::List(entry))
        });
        batch.set(Setting {
            name: SETTING.to_owned(),
            since: given,
            value: cbor::encode(&Ipld::Map(each.collect()))?,
        });
        Ok(())
    }

    fn kept_documents(&self) -> Result<BTreeMap<String, (i64, Document)>, NodeError> {
        let damaged = || NodeError::Authority("the DID documents of this home are damaged".into());
        let settings = self.store().settings()?;
        let Some(setting) = settings.into_iter().find(|kept| kept.name == SETTING) else {
            return Ok(BTreeMap::new());
        };
        let limits = Limits {
            bytes: MAX_DOCUMENTS * (MAX_DOCUMENT_BYTES + 1024),
            ..Limits::default()
        };
        let Ipld::Map(map) = cbor::decode(&setting.value, limits)? else {
            return Err(damaged());
        };
        let mut kept = BTreeMap::new();
        for (did, entry) in map {
            let Ipld::List(entry) = entry else {
                return Err(damaged());
            };
            let [Ipld::Integer(given), Ipld::Bytes(bytes)] = entry.as_slice() else {
                return Err(damaged());
            };
            let given = i64::try_from(*given).map_err(|_| damaged())?;
            kept.insert(did, (given, Document::read(bytes)?));
        }
        Ok(kept)
    }
}
