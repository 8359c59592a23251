//! Delegations: one principal gives another the right to a command on a subject (UCAN Delegation 1.0.0).

use crate::command::Command;
use crate::did::{Did, KeyResolver};
use crate::envelope::{Envelope, Reading, Tag, Versions, as_safe_int, nullable, require_safe};
use crate::error::{EncodeError, Malformed, SignatureError};
use crate::keypair::Keypair;
use crate::policy::Policy;
use crate::varsig::Algorithm;
use crate::{MAX_DELEGATION_BYTES, require_issuer};
use ipvm_ipld::fields::{Fields, as_bytes, as_map, as_string};
use ipvm_ipld::{Cid, Ipld};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The content of a delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationPayload {
    /// Who delegates.
    pub iss: Did,
    /// To whom.
    pub aud: Did,
    /// On whose resources; `None` (null) is a powerline: whatever subject the chain is about.
    pub sub: Option<Did>,
    /// The right to what.
    pub cmd: Command,
    /// Conditions on the args of invocations.
    pub pol: Policy,
    /// Makes delegations with otherwise equal content differ.
    pub nonce: Vec<u8>,
    /// Anything else, of no meaning for authority.
    pub meta: Option<BTreeMap<String, Ipld>>,
    /// Not valid before, in seconds since the epoch.
    pub nbf: Option<i64>,
    /// Not valid after, in seconds since the epoch; `None` (null): no end.
    pub exp: Option<i64>,
}

/// A signed delegation. Copies share the bytes.
#[derive(Clone, Debug)]
pub struct Delegation(Arc<Token>);

#[derive(Debug)]
struct Token {
    envelope: Envelope,
    payload: DelegationPayload,
}

impl Delegation {
    /// Signs a delegation.
    ///
    /// # Errors
    /// If the issuer is not the owner of the key, or the payload has no valid encoding.
    pub fn sign(key: &Keypair, payload: DelegationPayload) -> Result<Self, EncodeError> {
        require_issuer(key, &payload.iss)?;
        require_safe("nbf", payload.nbf)?;
        require_safe("exp", payload.exp)?;
        let envelope = Envelope::seal(
            key,
            Tag::Delegation,
            payload.to_ipld(),
            MAX_DELEGATION_BYTES,
        )?;
        Ok(Self(Arc::new(Token { envelope, payload })))
    }

    /// Reads a delegation: everything is checked but the signature and the time.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::decode_in(bytes, &Reading::default())
    }

    /// As [`Self::decode`], of more versions.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn decode_versions(bytes: &[u8], versions: Versions) -> Result<Self, Malformed> {
        Self::decode_in(bytes, &Reading::of(versions))
    }

    pub(crate) fn decode_in(bytes: &[u8], reading: &Reading<'_>) -> Result<Self, Malformed> {
        let (envelope, payload) =
            Envelope::open(bytes, Tag::Delegation, MAX_DELEGATION_BYTES, reading)?;
        let payload = DelegationPayload::from_ipld(payload, reading)?;
        Ok(Self(Arc::new(Token { envelope, payload })))
    }

    /// Checks the issuer's signature, if the issuer is a `did:key`; the answer is remembered.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn verify_signature(&self) -> Result<(), SignatureError> {
        self.0.envelope.verify(&self.0.payload.iss)
    }

    /// Checks the issuer's signature, with the keys that a resolver knows at a time in seconds since the epoch.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn verify_signature_with(
        &self,
        resolver: &dyn KeyResolver,
        at: i64,
    ) -> Result<(), SignatureError> {
        self.0
            .envelope
            .verify_with(&self.0.payload.iss, resolver, at)
    }

    /// The algorithm of the signature.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.envelope.algorithm()
    }

    /// The token's bytes, as received or signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.envelope.bytes()
    }

    /// The CID of the whole token.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.0.envelope.cid()
    }

    /// The content.
    #[must_use]
    pub fn payload(&self) -> &DelegationPayload {
        &self.0.payload
    }
}

impl DelegationPayload {
    fn to_ipld(&self) -> Ipld {
        let text = |did: &Did| Ipld::String(did.as_str().to_owned());
        let mut map = BTreeMap::from([
            ("iss".to_owned(), text(&self.iss)),
            ("aud".to_owned(), text(&self.aud)),
            ("sub".to_owned(), self.sub.as_ref().map_or(Ipld::Null, text)),
            ("cmd".to_owned(), Ipld::String(self.cmd.as_str().to_owned())),
            ("pol".to_owned(), self.pol.to_ipld()),
            ("nonce".to_owned(), Ipld::Bytes(self.nonce.clone())),
            (
                "exp".to_owned(),
                self.exp.map_or(Ipld::Null, |exp| Ipld::Integer(exp.into())),
            ),
        ]);
        if let Some(meta) = &self.meta {
            map.insert("meta".to_owned(), Ipld::Map(meta.clone()));
        }
        if let Some(nbf) = self.nbf {
            map.insert("nbf".to_owned(), Ipld::Integer(nbf.into()));
        }
        Ipld::Map(map)
    }

    fn from_ipld(payload: Ipld, reading: &Reading<'_>) -> Result<Self, Malformed> {
        let mut fields = Fields::new(payload, "delegation")?;
        let iss = reading.did_field(&mut fields, "iss", None)?;
        let sub = match nullable(&mut fields, "sub")? {
            None => None,
            Some(sub) => {
                let text = as_string(sub, "delegation.sub")?;
                Some(reading.did(&text, "sub", Some(&iss))?)
            }
        };
        let payload = Self {
            aud: reading.did_field(&mut fields, "aud", Some(&iss))?,
            iss,
            sub,
            cmd: fields.get("cmd", as_string)?.parse()?,
            pol: Policy::from_ipld(fields.required("pol")?)?,
            nonce: fields.get("nonce", as_bytes)?,
            meta: fields.get_optional("meta", as_map)?,
            nbf: fields.get_optional("nbf", as_safe_int)?,
            exp: nullable(&mut fields, "exp")?
                .map(|exp| as_safe_int(exp, "delegation.exp"))
                .transpose()?,
        };
        fields.finish()?;
        Ok(payload)
    }
}
