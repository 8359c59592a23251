//! DID documents: which keys may act for a principal (DID core 1.0). Read strictly, from bytes that the caller fetched.

use super::{Did, PublicKey};
use crate::signature::compress;
use crate::varsig::Algorithm;
use data_encoding::BASE64URL_NOPAD;
use ipvm_ipld::{Ipld, Limits, json};
use std::collections::BTreeMap;

/// Largest DID document that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 10;
/// Most keys of one DID document; each costs a verification where a signature fits none.
pub const MAX_DOCUMENT_KEYS: usize = 16;
/// Deepest nesting of a DID document, in levels.
const MAX_DOCUMENT_DEPTH: usize = 16;

/// What a key is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To delegate (`capabilityDelegation`).
    Delegate,
    /// To invoke (`capabilityInvocation`); receipts and revocations are invocations.
    Invoke,
}

impl Purpose {
    /// The relationship of a DID document that allows it.
    #[must_use]
    pub fn relationship(self) -> &'static str {
        match self {
            Self::Delegate => "capabilityDelegation",
            Self::Invoke => "capabilityInvocation",
        }
    }
}

/// The relationship that stands in where the document does not have the one of the purpose.
const AUTHENTICATION: &str = "authentication";

/// The keys of a principal, as its document gives them.
///
/// A key counts for a purpose if the document lists it under the relationship of that purpose (`capabilityDelegation`,
/// `capabilityInvocation`), or, where the document has no such list, under `authentication`. Keys may be written as
/// `publicKeyMultibase` (Multikey) or `publicKeyJwk`. Keys of unknown types are passed over.
///
/// ```
/// use ipvm_ucan::{Did, DidDocument, Purpose};
///
/// let did: Did = "did:web:example.com".parse()?;
/// let document = DidDocument::parse(&did, br##"{
///     "id": "did:web:example.com",
///     "verificationMethod": [{
///         "id": "did:web:example.com#one",
///         "type": "Multikey",
///         "controller": "did:web:example.com",
///         "publicKeyMultibase": "z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX"
///     }],
///     "capabilityInvocation": ["#one"]
/// }"##)?;
/// assert_eq!(document.keys(Purpose::Invoke).len(), 1);
/// assert_eq!(document.keys(Purpose::Delegate).len(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DidDocument {
    delegate: Vec<PublicKey>,
    invoke: Vec<PublicKey>,
}

/// Why bytes are not the document of a principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Longer than the limit.
    #[error("the DID document is {0} bytes long; at most {MAX_DOCUMENT_BYTES} are accepted")]
    TooLarge(usize),
    /// Not JSON.
    #[error("the DID document is not JSON: {0}")]
    Json(String),
    /// Not the form of a document.
    #[error("the DID document is wrong at {at}: {what}")]
    Form {
        /// The place, as a path.
        at: String,
        /// What is wrong.
        what: String,
    },
    /// The document of somebody else.
    #[error("the DID document is that of {found}, not of {expected}")]
    Other {
        /// Whose was asked for.
        expected: String,
        /// Whose it is.
        found: String,
    },
    /// Too many keys.
    #[error("the DID document has {0} keys; at most {MAX_DOCUMENT_KEYS} are accepted")]
    TooMany(usize),
    /// It has a secret key in it.
    #[error("the DID document holds a private key at {0}: it is public now, and the key worthless")]
    Private(String),
}

/// A key and its identifier within the document.
type Method = (String, Option<PublicKey>);

impl DidDocument {
    /// Reads the document of a principal.
    ///
    /// # Errors
    /// See [`DocumentError`].
    pub fn parse(did: &Did, bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLarge(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|e| DocumentError::Json(e.to_string()))?;
        let limits = Limits {
            bytes: MAX_DOCUMENT_BYTES,
            depth: MAX_DOCUMENT_DEPTH,
        };
        let value = json::from_str(text, limits).map_err(|e| DocumentError::Json(e.to_string()))?;
        let Ipld::Map(map) = value else {
            return Err(form("/", "it is not an object"));
        };
        let id = text_of(&map, "id", "/id")?;
        if id != did.as_str() {
            return Err(DocumentError::Other {
                expected: did.to_string(),
                found: id.to_owned(),
            });
        }
        let mut methods = Vec::new();
        for (i, entry) in list_of(&map, "verificationMethod")?
            .unwrap_or_default()
            .iter()
            .enumerate()
        {
            methods.push(method(did, entry, &format!("/verificationMethod/{i}"))?);
        }
        if methods.len() > MAX_DOCUMENT_KEYS {
            return Err(DocumentError::TooMany(methods.len()));
        }
        Ok(Self {
            delegate: related(did, &map, &methods, Purpose::Delegate)?,
            invoke: related(did, &map, &methods, Purpose::Invoke)?,
        })
    }

    /// The keys for a purpose, in the document's order.
    #[must_use]
    pub fn keys(&self, purpose: Purpose) -> &[PublicKey] {
        match purpose {
            Purpose::Delegate => &self.delegate,
            Purpose::Invoke => &self.invoke,
        }
    }
}

/// The keys under the relationship of a purpose, or else under `authentication`.
fn related(
    did: &Did,
    map: &BTreeMap<String, Ipld>,
    methods: &[Method],
    purpose: Purpose,
) -> Result<Vec<PublicKey>, DocumentError> {
    let (name, list) = match list_of(map, purpose.relationship())? {
        Some(list) => (purpose.relationship(), list),
        None => (
            AUTHENTICATION,
            list_of(map, AUTHENTICATION)?.unwrap_or_default(),
        ),
    };
    if list.len() > MAX_DOCUMENT_KEYS {
        return Err(DocumentError::TooMany(list.len()));
    }
    let mut keys = Vec::new();
    for (i, entry) in list.iter().enumerate() {
        let at = format!("/{name}/{i}");
        let key = match entry {
            Ipld::String(id) => {
                let id = absolute(did, id);
                let found = methods.iter().find(|(known, _)| *known == id);
                found
                    .ok_or_else(|| form(&at, format!("no verificationMethod has the id {id}")))?
                    .1
            }
            embedded => method(did, embedded, &at)?.1,
        };
        keys.extend(key.filter(|key| key.algorithm().is_some() && !keys.contains(key)));
    }
    Ok(keys)
}

/// One verification method: its absolute id and its key; `None` where the key is of no use here.
fn method(did: &Did, entry: &Ipld, at: &str) -> Result<Method, DocumentError> {
    let Ipld::Map(map) = entry else {
        return Err(form(at, "it is not an object"));
    };
    let id = absolute(did, text_of(map, "id", at)?);
    if !id
        .strip_prefix(did.as_str())
        .is_some_and(|rest| rest.starts_with('#'))
    {
        return Err(form(at, format!("the id {id} is not one of {did}")));
    }
    let controller = text_of(map, "controller", at)?;
    let kind = text_of(map, "type", at)?;
    let key = match (map.get("publicKeyMultibase"), map.get("publicKeyJwk")) {
        (Some(_), Some(_)) => return Err(form(at, "it has two keys")),
        (Some(Ipld::String(key)), None) => multikey(kind, key, at)?,
        (None, Some(Ipld::Map(jwk))) => from_jwk(jwk, at)?,
        (None, None) => None,
        _ => return Err(form(at, "its key has the wrong kind")),
    };
    // A key that somebody else controls is not this principal's.
    Ok((id, key.filter(|_| controller == did.as_str())))
}

fn multikey(kind: &str, key: &str, at: &str) -> Result<Option<PublicKey>, DocumentError> {
    match kind {
        "Multikey" | "Ed25519VerificationKey2020" => match PublicKey::from_multikey(key, key) {
            Ok(key) if kind == "Multikey" || matches!(key, PublicKey::Ed25519(_)) => Ok(Some(key)),
            Ok(_) => Err(form(at, format!("the key is not of the type {kind}"))),
            Err(super::DidError::KeyType { .. }) => Ok(None),
            Err(error) => Err(form(at, error.to_string())),
        },
        _ => Ok(None),
    }
}

/// A JSON Web Key (RFC 7517, 8037).
fn from_jwk(jwk: &BTreeMap<String, Ipld>, at: &str) -> Result<Option<PublicKey>, DocumentError> {
    if jwk.contains_key("d") {
        return Err(DocumentError::Private(at.to_owned()));
    }
    if matches!(jwk.get("use"), Some(Ipld::String(usage)) if usage != "sig") {
        return Ok(None);
    }
    let part = |name: &str| -> Result<Vec<u8>, DocumentError> {
        let text = text_of(jwk, name, at)?;
        BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|e| form(at, format!("{name} is not base64url: {e}")))
    };
    let (kty, crv) = (text_of(jwk, "kty", at)?, jwk.get("crv"));
    let Some(Ipld::String(crv)) = crv else {
        return Ok(None); // RSA and others without a curve
    };
    let wrong = |what: &str| form(at, format!("{what} of a {crv} key"));
    match (kty, crv.as_str()) {
        ("OKP", "Ed25519") => {
            let key = part("x")?
                .try_into()
                .map_err(|_| wrong("x has not the length"))?;
            Ok(Some(PublicKey::Ed25519(key)))
        }
        ("EC", "P-256" | "secp256k1") => {
            let (algorithm, make): (_, fn([u8; 33]) -> PublicKey) = match crv.as_str() {
                "P-256" => (Algorithm::P256, PublicKey::P256),
                _ => (Algorithm::Secp256k1, PublicKey::Secp256k1),
            };
            let (x, y) = (part("x")?, part("y")?);
            if x.len() != 32 || y.len() != 32 {
                return Err(wrong("x or y has not the length"));
            }
            let point = [&[4][..], &x, &y].concat();
            let key = compress(algorithm, &point).ok_or_else(|| wrong("x and y are no point"))?;
            Ok(Some(make(key)))
        }
        _ => Ok(None),
    }
}

fn absolute(did: &Did, id: &str) -> String {
    if id.starts_with('#') {
        format!("{did}{id}")
    } else {
        id.to_owned()
    }
}

fn form(at: &str, what: impl Into<String>) -> DocumentError {
    DocumentError::Form {
        at: at.to_owned(),
        what: what.into(),
    }
}

fn text_of<'a>(
    map: &'a BTreeMap<String, Ipld>,
    key: &str,
    at: &str,
) -> Result<&'a str, DocumentError> {
    match map.get(key) {
        Some(Ipld::String(text)) => Ok(text),
        Some(_) => Err(form(at, format!("{key} is not a string"))),
        None => Err(form(at, format!("{key} is missing"))),
    }
}

fn list_of<'a>(
    map: &'a BTreeMap<String, Ipld>,
    key: &str,
) -> Result<Option<&'a [Ipld]>, DocumentError> {
    match map.get(key) {
        None => Ok(None),
        Some(Ipld::List(list)) => Ok(Some(list)),
        Some(_) => Err(form(&format!("/{key}"), "it is not a list")),
    }
}
