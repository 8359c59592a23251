//! The envelope of UCAN core 1.0.0: `[signature, {"h": varsig header, tag: payload}]`.
//!
//! The signature covers the bytes of the second element exactly as they came; they are kept, never re-encoded.

use crate::did::{Did, PublicKey};
use crate::error::{EncodeError, Malformed, SignatureError};
use crate::keypair::Keypair;
use crate::varsig;
use crate::{MAX_DEPTH, MAX_SAFE_INT};
use ed25519_dalek::{Signature, VerifyingKey};
use ipvm_ipld::fields::{FieldError, Fields, as_bytes, as_int, as_list, as_map, as_string};
use ipvm_ipld::{Cid, Ipld, Limits, cbor, cid_of, codec};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

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
}

/// The bytes of a token and where its parts are.
#[derive(Debug)]
pub(crate) struct Envelope {
    bytes: Vec<u8>,
    cid: Cid,
    signature: Range<usize>,
    signed: Range<usize>,
    /// Whether the signature is right: a function of the bytes alone, so it is computed at most once.
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
        let signed = Ipld::Map(BTreeMap::from([
            ("h".to_owned(), Ipld::Bytes(varsig::ED25519.to_vec())),
            (tag.key().to_owned(), payload),
        ]));
        let signed = cbor::encode(&signed)?;
        let signature = key.sign(&signed);
        let mut bytes =
            Vec::with_capacity(LIST_OF_TWO.len() + BYTES_64.len() + signature.len() + signed.len());
        bytes.extend_from_slice(&LIST_OF_TWO);
        bytes.extend_from_slice(&BYTES_64);
        let from = bytes.len();
        bytes.extend_from_slice(&signature);
        let to = bytes.len();
        bytes.extend_from_slice(&signed);
        if bytes.len() > limit {
            return Err(EncodeError::TooLarge {
                bytes: bytes.len(),
                limit,
            });
        }
        let cid = cid_of(codec::DAG_CBOR, &bytes);
        let signed = to..bytes.len();
        Ok(Self {
            bytes,
            cid,
            signature: from..to,
            signed,
            verified: OnceLock::from(Ok(())),
        })
    }

    /// Takes a token apart: gives the payload, of which nothing is known yet but that it is canonical.
    pub(crate) fn open(bytes: &[u8], tag: Tag, limit: usize) -> Result<(Self, Ipld), Malformed> {
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
        let payload = match (parts.remove(tag.key()), parts.into_keys().next()) {
            (Some(payload), None) => payload,
            (None, Some(found)) => {
                return Err(Malformed::Tag {
                    expected: tag.key(),
                    found,
                });
            }
            _ => {
                return Err(Malformed::Envelope(
                    "there must be the header \"h\" and one payload",
                ));
            }
        };
        varsig::require_ed25519(&as_bytes(header, "h")?).map_err(Malformed::Algorithm)?;
        // Canonical form leaves no choice: the head of the list takes one byte, then comes the signature.
        let from = LIST_OF_TWO.len() + head_bytes(signature);
        let to = from + signature;
        let envelope = Self {
            cid: cid_of(codec::DAG_CBOR, bytes),
            bytes: bytes.to_vec(),
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

    /// Checks the signature. `issuer` is the one that the payload names: always the same for one envelope.
    pub(crate) fn verify(&self, issuer: &Did) -> Result<(), SignatureError> {
        *self.verified.get_or_init(|| self.check(issuer))
    }

    fn check(&self, issuer: &Did) -> Result<(), SignatureError> {
        let PublicKey::Ed25519(key) = issuer.key() else {
            return Err(SignatureError::OtherKeyType);
        };
        let signature = self.bytes.get(self.signature.clone()).unwrap_or_default();
        let signed = self.bytes.get(self.signed.clone()).unwrap_or_default();
        let signature = Signature::from_slice(signature).map_err(|_| SignatureError::Length {
            bytes: signature.len(),
        })?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| SignatureError::NotAKey)?;
        // Strict: refuses weak keys and the second forms of a signature, which others could make without the key.
        key.verify_strict(signed, &signature)
            .map_err(|_| SignatureError::Wrong)
    }
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

/// Reads a principal out of a payload. Where it is the same as one `known`, it is not parsed again.
pub(crate) fn did(
    fields: &mut Fields,
    field: &'static str,
    known: Option<&Did>,
) -> Result<Did, Malformed> {
    let text = fields.get(field, as_string)?;
    match known {
        Some(known) if known.as_str() == text => Ok(known.clone()),
        _ => text
            .parse()
            .map_err(|source| Malformed::Did { field, source }),
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
