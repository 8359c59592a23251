//! The envelope of UCAN core 1.0.0: `[signature, {"h": varsig header, tag: payload}]`.
//!
//! The signature covers the bytes of the second element exactly as they came; they are kept, never re-encoded.

use crate::did::{Did, DidKeyOnly, KeyResolver, PublicKey, Purpose};
use crate::error::{EncodeError, Malformed, SignatureError};
use crate::keypair::Keypair;
use crate::principals::Principals;
use crate::signature::VerifyingKey;
use crate::varsig::{self, Algorithm};
use crate::{MAX_DEPTH, MAX_SAFE_INT};
use ipvm_ipld::fields::{FieldError, Fields, as_bytes, as_int, as_list, as_map, as_string};
use ipvm_ipld::{Cid, Ipld, Limits, cbor, cid_of, codec};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

/// Which versions of the token formats are read. Signed is always 1.0.0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// 1.0.0 only.
    #[default]
    Stable,
    /// Also 1.0.0-rc.1, with the Ed25519 headers of the varsig drafts of that time.
    StableAndRc1,
}

/// What a token is: the key of its payload in the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Delegation,
    Invocation,
}

impl Tag {
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Delegation => "ucan/dlg@1.0.0",
            Self::Invocation => "ucan/inv@1.0.0",
        }
    }

    fn rc1(self) -> &'static str {
        match self {
            Self::Delegation => "ucan/dlg@1.0.0-rc.1",
            Self::Invocation => "ucan/inv@1.0.0-rc.1",
        }
    }

    /// Whether the key of a payload says that it is this.
    pub(crate) fn is(self, found: &str, versions: Versions) -> bool {
        found == self.key() || versions == Versions::StableAndRc1 && found == self.rc1()
    }

    fn purpose(self) -> Purpose {
        match self {
            Self::Delegation => Purpose::Delegate,
            Self::Invocation => Purpose::Invoke,
        }
    }
}

/// How tokens are read: which versions, and with which principals at hand.
#[derive(Clone, Copy, Default)]
pub(crate) struct Reading<'a> {
    pub(crate) versions: Versions,
    pub(crate) principals: Option<&'a Principals>,
    /// The token's CID, where the caller computed it already.
    pub(crate) cid: Option<Cid>,
}

impl Reading<'_> {
    pub(crate) fn of(versions: Versions) -> Self {
        Self {
            versions,
            ..Self::default()
        }
    }

    /// Reads a principal out of a payload. Where it is the same as one `known`, it is not parsed again.
    pub(crate) fn did(
        &self,
        text: &str,
        field: &'static str,
        known: Option<&Did>,
    ) -> Result<Did, Malformed> {
        if let Some(known) = known.filter(|known| known.as_str() == text) {
            return Ok(known.clone());
        }
        let parsed = match self.principals {
            Some(principals) => principals.parse(text),
            None => text.parse(),
        };
        parsed.map_err(|source| Malformed::Did { field, source })
    }

    /// As [`Self::did`], of a field that must be there.
    pub(crate) fn did_field(
        &self,
        fields: &mut Fields,
        field: &'static str,
        known: Option<&Did>,
    ) -> Result<Did, Malformed> {
        let text = fields.get(field, as_string)?;
        self.did(&text, field, known)
    }
}

/// The bytes of a token and where its parts are.
#[derive(Debug)]
pub(crate) struct Envelope {
    bytes: Vec<u8>,
    cid: Cid,
    tag: Tag,
    algorithm: Algorithm,
    signature: Range<usize>,
    signed: Range<usize>,
    /// Whether the signature of a `did:key` is right: a function of the bytes alone, so it is computed at most once.
    verified: OnceLock<Result<(), SignatureError>>,
}

impl Envelope {
    /// Signs a payload.
    pub(crate) fn seal(
        key: &Keypair,
        tag: Tag,
        payload: Ipld,
        limit: usize,
    ) -> Result<Self, EncodeError> {
        let algorithm = key.algorithm();
        let header = varsig::header(algorithm).to_vec();
        let signed = Ipld::Map(BTreeMap::from([
            ("h".to_owned(), Ipld::Bytes(header)),
            (tag.key().to_owned(), payload),
        ]));
        // One level is the envelope's own.
        require_depth(&signed, MAX_DEPTH - 1)?;
        let signed = cbor::encode(&signed)?;
        let (bytes, to) = sign_bytes(key, signed, limit)?;
        let cid = cid_of(codec::DAG_CBOR, &bytes);
        let signed = to..bytes.len();
        Ok(Self {
            bytes,
            cid,
            tag,
            algorithm,
            signature: LIST_OF_TWO.len() + BYTES_64.len()..to,
            signed,
            verified: OnceLock::from(Ok(())),
        })
    }

    /// Signs a payload that is encoded already, canonically and within the depth of tokens, and gives the token's bytes.
    pub(crate) fn seal_encoded(
        key: &Keypair,
        tag: Tag,
        payload: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<u8>, EncodeError> {
        let header = varsig::header(key.algorithm()).to_vec();
        let header = cbor::encode(&Ipld::Bytes(header))?;
        let (signed, _) = cbor::encode_map(&[("h", &header), (tag.key(), &payload)]);
        // It may be large.
        drop(payload);
        Ok(sign_bytes(key, signed, limit)?.0)
    }

    /// Takes a token apart: gives the payload, of which nothing is known yet but that it is canonical.
    pub(crate) fn open(
        bytes: &[u8],
        tag: Tag,
        limit: usize,
        reading: &Reading<'_>,
    ) -> Result<(Self, Ipld), Malformed> {
        let versions = reading.versions;
        if bytes.len() > limit {
            return Err(Malformed::TooLarge {
                bytes: bytes.len(),
                limit,
            });
        }
        let token = cbor::decode(
            bytes,
            Limits {
                bytes: limit,
                depth: MAX_DEPTH,
            },
        )?;
        let Ok([signature, signed]) = <[Ipld; 2]>::try_from(as_list(token, "token")?) else {
            return Err(Malformed::Envelope("it is not a list of two elements"));
        };
        let signature = as_bytes(signature, "signature")?.len();
        let mut parts = as_map(signed, "signed part")?;
        let header = parts
            .remove("h")
            .ok_or(Malformed::Envelope("the varsig header \"h\" is missing"))?;
        let header = as_bytes(header, "h")?;
        let (payload, algorithm) = match parts.pop_first() {
            Some((_, payload)) if !parts.is_empty() => {
                drop(payload);
                return Err(Malformed::Envelope(
                    "there must be the header \"h\" and one payload",
                ));
            }
            Some((found, payload)) if found == tag.key() => (payload, varsig::read(&header)?),
            Some((found, payload)) if found == tag.rc1() && versions == Versions::StableAndRc1 => {
                (payload, varsig::read_draft(&header)?)
            }
            Some((found, _)) => {
                return Err(Malformed::Tag {
                    expected: tag.key(),
                    found,
                });
            }
            None => {
                return Err(Malformed::Envelope(
                    "there must be the header \"h\" and one payload",
                ));
            }
        };
        // Canonical form leaves no choice: the head of the list takes one byte, then comes the signature.
        let from = LIST_OF_TWO.len() + head_bytes(signature);
        let to = from + signature;
        let envelope = Self {
            cid: reading
                .cid
                .unwrap_or_else(|| cid_of(codec::DAG_CBOR, bytes)),
            bytes: bytes.to_vec(),
            tag,
            algorithm,
            signature: from..to,
            signed: to..bytes.len(),
            verified: OnceLock::new(),
        };
        Ok((envelope, payload))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn cid(&self) -> Cid {
        self.cid
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks the signature of a `did:key`. `issuer` is the one that the payload names: always the same for one envelope.
    pub(crate) fn verify(&self, issuer: &Did) -> Result<(), SignatureError> {
        self.verify_with(issuer, &DidKeyOnly, 0)
    }

    /// Checks the signature, with the keys that the issuer had at a time.
    pub(crate) fn verify_with(
        &self,
        issuer: &Did,
        resolver: &dyn KeyResolver,
        at: i64,
    ) -> Result<(), SignatureError> {
        if let Some(key) = issuer.verifying_key() {
            return self
                .verified
                .get_or_init(|| self.check(issuer.key(), key))
                .clone();
        }
        // What a document says may change, so the answer is not kept.
        let keys = resolver.keys(issuer, self.tag.purpose(), at)?;
        let mut last = SignatureError::NoKey {
            did: issuer.to_string(),
            relationship: self.tag.purpose().relationship(),
            algorithm: self.algorithm,
        };
        for key in keys
            .iter()
            .filter(|key| key.algorithm() == Some(self.algorithm))
        {
            match self.check(Some(key), VerifyingKey::from_public(key).as_ref()) {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn check(
        &self,
        key: Option<&PublicKey>,
        verifying: Option<&VerifyingKey>,
    ) -> Result<(), SignatureError> {
        let Some(verifying) = verifying else {
            return Err(match key {
                Some(key) if key.algorithm().is_none() => {
                    SignatureError::Unsupported(key.type_name())
                }
                _ => SignatureError::NotAKey(key.map_or("", PublicKey::type_name)),
            });
        };
        if verifying.algorithm() != self.algorithm {
            return Err(SignatureError::OtherKeyType {
                header: self.algorithm,
                key: verifying.algorithm(),
            });
        }
        let signature = self.bytes.get(self.signature.clone()).unwrap_or_default();
        let signed = self.bytes.get(self.signed.clone()).unwrap_or_default();
        verifying.verify(signed, signature)
    }
}

/// Refuses what is nested deeper than `levels`.
fn require_depth(value: &Ipld, levels: usize) -> Result<(), EncodeError> {
    match value {
        _ if levels == 0 => Err(EncodeError::Encoding(cbor::EncodeError::TooDeep)),
        Ipld::List(items) => items
            .iter()
            .try_for_each(|item| require_depth(item, levels - 1)),
        Ipld::Map(map) => map
            .values()
            .try_for_each(|item| require_depth(item, levels - 1)),
        _ => Ok(()),
    }
}

/// The signature and the signed part in a list, and where the signed part begins.
fn sign_bytes(
    key: &Keypair,
    signed: Vec<u8>,
    limit: usize,
) -> Result<(Vec<u8>, usize), EncodeError> {
    let head = [&LIST_OF_TWO[..], &BYTES_64, &key.sign(&signed)].concat();
    let to = head.len();
    let mut bytes = signed;
    bytes.splice(0..0, head);
    if bytes.len() > limit {
        return Err(EncodeError::TooLarge {
            bytes: bytes.len(),
            limit,
        });
    }
    Ok((bytes, to))
}

/// CBOR head of a list of two.
const LIST_OF_TWO: [u8; 1] = [0x82];
/// CBOR head of 64 bytes.
const BYTES_64: [u8; 2] = [0x58, 64];

/// Length of the canonical CBOR head of a byte string.
fn head_bytes(length: usize) -> usize {
    match length {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Converts to an integer within ±(2^53 − 1), the range of times (UCAN core 1.0.0, "Time bounds").
pub(crate) fn as_safe_int(value: Ipld, field: &str) -> Result<i64, FieldError> {
    let n = as_int(value, field)?;
    if (-MAX_SAFE_INT..=MAX_SAFE_INT).contains(&n) {
        return Ok(n);
    }
    Err(FieldError::Range {
        field: field.to_owned(),
        value: n.into(),
        min: (-MAX_SAFE_INT).into(),
        max: MAX_SAFE_INT.into(),
    })
}

/// Requires that integers to be signed are within ±(2^53 − 1).
pub(crate) fn require_safe(field: &'static str, value: Option<i64>) -> Result<(), EncodeError> {
    match value {
        Some(value) if !(-MAX_SAFE_INT..=MAX_SAFE_INT).contains(&value) => {
            Err(EncodeError::Range { field, value })
        }
        _ => Ok(()),
    }
}

/// Reads a field that is there always, but may be null.
pub(crate) fn nullable(
    fields: &mut Fields,
    field: &'static str,
) -> Result<Option<Ipld>, Malformed> {
    Ok(match fields.required(field)? {
        Ipld::Null => None,
        value => Some(value),
    })
}
