//! Delegations: one principal gives another the right to a command on a subject (UCAN Delegation 1.0.0).

use crate::command::Command;
use crate::did::Did;
use crate::envelope::{Envelope, Tag, as_safe_int, did, nullable, require_safe};
use crate::error::{EncodeError, Malformed, SignatureError};
use crate::keypair::Keypair;
use crate::{MAX_DELEGATION_BYTES, require_issuer};
use ipvm_ipld::fields::{Fields, as_bytes, as_list, as_map, as_string};
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
    pub pol: Vec<Ipld>,
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
        let (envelope, payload) = Envelope::open(bytes, Tag::Delegation, MAX_DELEGATION_BYTES)?;
        let payload = DelegationPayload::from_ipld(payload)?;
        Ok(Self(Arc::new(Token { envelope, payload })))
    }

    /// Checks the issuer's signature; the answer is remembered.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn verify_signature(&self) -> Result<(), SignatureError> {
        self.0.envelope.verify(&self.0.payload.iss)
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
            ("pol".to_owned(), Ipld::List(self.pol.clone())),
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

    fn from_ipld(payload: Ipld) -> Result<Self, Malformed> {
        let mut fields = Fields::new(payload, "delegation")?;
        let sub = match nullable(&mut fields, "sub")? {
            None => None,
            Some(sub) => {
                let text = as_string(sub, "delegation.sub")?;
                Some(text.parse().map_err(|source| Malformed::Did {
                    field: "sub",
                    source,
                })?)
            }
        };
        let payload = Self {
            iss: did(&mut fields, "iss", None)?,
            aud: did(&mut fields, "aud", None)?,
            sub,
            cmd: fields.get("cmd", as_string)?.parse()?,
            pol: fields.get("pol", as_list)?,
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
