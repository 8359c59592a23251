//! Invocations: a principal asks for a task to be done, and shows its right to ask (UCAN Invocation 1.0.0).

use crate::command::Command;
use crate::did::{Did, KeyResolver};
use crate::envelope::{Envelope, Reading, Tag, Versions, as_safe_int, nullable, require_safe};
use crate::error::{EncodeError, Malformed, SignatureError};
use crate::keypair::Keypair;
use crate::varsig::Algorithm;
use crate::{MAX_CHAIN, MAX_INVOCATION_BYTES, require_issuer};
use ipvm_ipld::fields::{Fields, as_bytes, as_link, as_links, as_map, as_string};
use ipvm_ipld::{Block, Cid, Ipld, cbor, cid_of, codec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The content of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvocationPayload {
    /// Who asks.
    pub iss: Did,
    /// On whose resources.
    pub sub: Did,
    /// Who is to do it, if it is not the subject itself.
    pub aud: Option<Did>,
    /// What is to be done.
    pub cmd: Command,
    /// With what; may hold promises.
    pub args: BTreeMap<String, Ipld>,
    /// The delegations from the subject to the issuer, root first; none exactly when the issuer is the subject.
    pub prf: Vec<Cid>,
    /// Makes requests with otherwise equal content differ; empty: asking twice is asking once.
    pub nonce: Vec<u8>,
    /// Not valid after, in seconds since the epoch; `None` (null): no end.
    pub exp: Option<i64>,
    /// When it was made, in seconds since the epoch.
    pub iat: Option<i64>,
    /// The receipt that asked for this.
    pub cause: Option<Cid>,
    /// Anything else, of no meaning for authority.
    pub meta: Option<BTreeMap<String, Ipld>>,
}

/// A signed invocation. Copies share the bytes.
#[derive(Clone, Debug)]
pub struct Invocation(Arc<Token>);

#[derive(Debug)]
struct Token {
    envelope: Envelope,
    payload: InvocationPayload,
}

impl Invocation {
    /// Signs an invocation. An audience equal to the subject is left out.
    ///
    /// # Errors
    /// If the issuer is not the owner of the key, there are more than [`MAX_CHAIN`] proofs, or the payload has no valid
    /// encoding.
    pub fn sign(key: &Keypair, mut payload: InvocationPayload) -> Result<Self, EncodeError> {
        payload.require_signable(key)?;
        payload.aud = payload.aud.filter(|aud| *aud != payload.sub);
        let envelope = Envelope::seal(
            key,
            Tag::Invocation,
            payload.to_ipld(),
            MAX_INVOCATION_BYTES,
        )?;
        Ok(Self(Arc::new(Token { envelope, payload })))
    }

    /// Signs an invocation whose args are encoded already, canonically and at most [`MAX_DEPTH`](crate::MAX_DEPTH) − 4
    /// levels deep, and gives its block. Large args need not be decoded for it; those in `payload` do not count.
    ///
    /// # Errors
    /// As [`Invocation::sign`].
    pub fn sign_encoded(
        key: &Keypair,
        mut payload: InvocationPayload,
        args: &[u8],
    ) -> Result<Block, EncodeError> {
        payload.require_signable(key)?;
        payload.aud = payload.aud.filter(|aud| *aud != payload.sub);
        payload.args.clear();
        let fields = payload.fields();
        let mut encoded = Vec::with_capacity(fields.len());
        for (key, value) in &fields {
            encoded.push((key.as_str(), cbor::encode(value)?));
        }
        let entries = encoded.iter().map(|(key, value)| match *key {
            "args" => ("args", args),
            key => (key, value.as_slice()),
        });
        let (payload, _) = cbor::encode_map(&entries.collect::<Vec<_>>());
        let bytes = Envelope::seal_encoded(key, Tag::Invocation, payload, MAX_INVOCATION_BYTES)?;
        Ok(Block::new(codec::DAG_CBOR, bytes))
    }

    /// Reads an invocation: everything is checked but the signature, the time and the proofs.
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
            Envelope::open(bytes, Tag::Invocation, MAX_INVOCATION_BYTES, reading)?;
        let payload = InvocationPayload::from_ipld(payload, reading)?;
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
    pub fn payload(&self) -> &InvocationPayload {
        &self.0.payload
    }
}

impl InvocationPayload {
    /// Who is asked: the audience, or else the subject.
    #[must_use]
    pub fn audience(&self) -> &Did {
        self.aud.as_ref().unwrap_or(&self.sub)
    }

    /// The CID of the task: subject, command, args as they are signed, and nonce. Invocations of the same task by whomever
    /// are requests for the same work (UCAN Invocation 1.0.0, "Task").
    ///
    /// # Errors
    /// If the args have no encoding; those of a token that was read or signed have one.
    pub fn task(&self) -> Result<Cid, EncodeError> {
        let task = Ipld::Map(BTreeMap::from([
            ("sub".to_owned(), Ipld::String(self.sub.as_str().to_owned())),
            ("cmd".to_owned(), Ipld::String(self.cmd.as_str().to_owned())),
            ("args".to_owned(), Ipld::Map(self.args.clone())),
            ("nonce".to_owned(), Ipld::Bytes(self.nonce.clone())),
        ]));
        Ok(cid_of(codec::DAG_CBOR, &cbor::encode(&task)?))
    }

    /// What only the owner of a key can sign, within the limits.
    fn require_signable(&self, key: &Keypair) -> Result<(), EncodeError> {
        require_issuer(key, &self.iss)?;
        require_safe("exp", self.exp)?;
        require_safe("iat", self.iat)?;
        if self.prf.len() > MAX_CHAIN {
            return Err(EncodeError::Chain {
                found: self.prf.len(),
                limit: MAX_CHAIN,
            });
        }
        Ok(())
    }

    pub(crate) fn to_ipld(&self) -> Ipld {
        Ipld::Map(self.fields())
    }

    fn fields(&self) -> BTreeMap<String, Ipld> {
        let text = |did: &Did| Ipld::String(did.as_str().to_owned());
        let int = |n: i64| Ipld::Integer(n.into());
        let mut map = BTreeMap::from([
            ("iss".to_owned(), text(&self.iss)),
            ("sub".to_owned(), text(&self.sub)),
            ("cmd".to_owned(), Ipld::String(self.cmd.as_str().to_owned())),
            ("args".to_owned(), Ipld::Map(self.args.clone())),
            (
                "prf".to_owned(),
                Ipld::List(self.prf.iter().map(|cid| Ipld::Link(*cid)).collect()),
            ),
            ("nonce".to_owned(), Ipld::Bytes(self.nonce.clone())),
            ("exp".to_owned(), self.exp.map_or(Ipld::Null, int)),
        ]);
        let optional = [
            ("aud", self.aud.as_ref().map(text)),
            ("iat", self.iat.map(int)),
            ("cause", self.cause.map(Ipld::Link)),
            ("meta", self.meta.clone().map(Ipld::Map)),
        ];
        map.extend(
            optional
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value?))),
        );
        map
    }

    pub(crate) fn from_ipld(payload: Ipld, reading: &Reading<'_>) -> Result<Self, Malformed> {
        let mut fields = Fields::new(payload, "invocation")?;
        let aud = fields.get_optional("aud", as_string)?;
        let iss = reading.did_field(&mut fields, "iss", None)?;
        let sub = reading.did_field(&mut fields, "sub", Some(&iss))?;
        let aud = aud.map(|text| reading.did(&text, "aud", Some(&sub)));
        let payload = Self {
            iss,
            sub,
            aud: aud.transpose()?,
            cmd: fields.get("cmd", as_string)?.parse()?,
            args: fields.get("args", as_map)?,
            prf: fields.get("prf", as_links)?,
            nonce: fields.get("nonce", as_bytes)?,
            exp: nullable(&mut fields, "exp")?
                .map(|exp| as_safe_int(exp, "invocation.exp"))
                .transpose()?,
            iat: fields.get_optional("iat", as_safe_int)?,
            cause: fields.get_optional("cause", as_link)?,
            meta: fields.get_optional("meta", as_map)?,
        };
        fields.finish()?;
        if payload.prf.len() > MAX_CHAIN {
            return Err(Malformed::Chain {
                found: payload.prf.len(),
                limit: MAX_CHAIN,
            });
        }
        Ok(payload)
    }
}
