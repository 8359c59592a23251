//! Receipts: an executor states what a task ended with. A receipt is an invocation of `/ucan/assert/receipt` whose
//! issuer and subject are the executor.

use crate::command::Command;
use crate::did::{Did, KeyResolver};
use crate::effects::{Effects, MAX_EFFECTS};
use crate::envelope::{Envelope, Reading, Tag, as_safe_int, require_safe};
use crate::error::{EncodeError, Malformed, SignatureError};
use crate::invocation::InvocationPayload;
use crate::keypair::Keypair;
use crate::outcome::Outcome;
use crate::{MAX_CHAIN, MAX_INVOCATION_BYTES, MAX_SAFE_INT};
use ipvm_ipld::fields::{FieldError, Fields, as_link, as_string, as_unsigned};
use ipvm_ipld::{Cid, Ipld};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The command of receipts.
const COMMAND: &str = "/ucan/assert/receipt";
/// The key of this system's own facts in a receipt's meta.
const META: &str = "ipvm";
/// The key of what the task printed, beside the facts: it is nobody's evidence, and other readers may skip it.
const LOG: &str = "ipvm/log";

/// The content of a receipt. Agreement between executors is on `out` and `run` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptPayload {
    /// The task.
    pub ran: Cid,
    /// What it ended with.
    pub out: Outcome,
    /// The effects that it requests, if any.
    pub run: Option<Effects>,
    /// How it came about.
    pub meta: ReceiptMeta,
}

/// How a receipt came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptMeta {
    /// The invocation that asked for it.
    pub inv: Cid,
    /// The computation, for pure tasks that are not secret.
    pub computation: Option<Cid>,
    /// The receipt that this one repeats for another task.
    pub memo: Option<Cid>,
    /// What it printed, if anything: a link to a log. Like the other facts, never voted on.
    pub log: Option<Cid>,
    /// What executed it: name and version.
    pub engine: String,
    /// Fuel used.
    pub fuel: u64,
    /// When it started, in seconds since the epoch.
    pub started: i64,
    /// How long it took, in microseconds.
    pub took: i64,
}

/// A signed receipt. Copies share the bytes.
#[derive(Clone, Debug)]
pub struct Receipt(Arc<Token>);

#[derive(Debug)]
struct Token {
    envelope: Envelope,
    issuer: Did,
    executor: Did,
    prf: Vec<Cid>,
    payload: ReceiptPayload,
}

impl Receipt {
    /// Signs a receipt; the owner of the key is the executor.
    ///
    /// # Errors
    /// If the payload has no valid encoding.
    pub fn sign(key: &Keypair, payload: ReceiptPayload) -> Result<Self, EncodeError> {
        Self::seal(key, key.did().clone(), vec![], payload)
    }

    /// Signs a receipt as a delegate of the executor. `prf` are the delegations from the executor to the owner of the key,
    /// root first, that cover `/ucan/assert/receipt`.
    ///
    /// # Errors
    /// If there are no proofs or more than [`MAX_CHAIN`], the key is the executor's own, or the payload has no valid
    /// encoding.
    pub fn sign_for(
        key: &Keypair,
        executor: Did,
        prf: Vec<Cid>,
        payload: ReceiptPayload,
    ) -> Result<Self, EncodeError> {
        if prf.is_empty() || executor == *key.did() {
            return Err(EncodeError::Form(
                "a delegate of the executor signs with proofs, the executor itself without",
            ));
        }
        Self::seal(key, executor, prf, payload)
    }

    fn seal(
        key: &Keypair,
        executor: Did,
        prf: Vec<Cid>,
        payload: ReceiptPayload,
    ) -> Result<Self, EncodeError> {
        if prf.len() > MAX_CHAIN {
            return Err(EncodeError::Chain {
                found: prf.len(),
                limit: MAX_CHAIN,
            });
        }
        let issuer = key.did().clone();
        let ipld = payload.to_ipld(&issuer, &executor, &prf)?;
        let envelope = Envelope::seal(key, Tag::Invocation, ipld, MAX_INVOCATION_BYTES)?;
        Ok(Self(Arc::new(Token {
            envelope,
            issuer,
            executor,
            prf,
            payload,
        })))
    }

    /// Reads a receipt that its executor signed: everything is checked but the signature.
    ///
    /// # Errors
    /// See [`Malformed`]. A receipt that a delegate of the executor signed is refused: without its proofs it says nothing.
    /// [`crate::Verifier::receipt`] reads such with them.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let receipt = Self::decode_any(bytes, &Reading::default())?;
        if receipt.is_delegated() {
            return Err(Malformed::Receipt(
                "it is signed by a delegate of the executor, which is not supported without its proofs",
            ));
        }
        Ok(receipt)
    }

    /// Reads a receipt that the executor or one who says to be its delegate signed.
    pub(crate) fn decode_any(bytes: &[u8], reading: &Reading<'_>) -> Result<Self, Malformed> {
        let (envelope, payload) =
            Envelope::open(bytes, Tag::Invocation, MAX_INVOCATION_BYTES, reading)?;
        let mut invocation = InvocationPayload::from_ipld(payload, reading)?;
        let issuer = invocation.iss.clone();
        let executor = invocation.sub.clone();
        let prf = std::mem::take(&mut invocation.prf);
        if (issuer == executor) != prf.is_empty() {
            return Err(Malformed::Receipt(
                "the executor signs without proofs, and a delegate with them",
            ));
        }
        let payload = ReceiptPayload::from_invocation(invocation)?;
        Ok(Self(Arc::new(Token {
            envelope,
            issuer,
            executor,
            prf,
            payload,
        })))
    }

    /// Checks the issuer's signature, if the issuer is a `did:key`; the answer is remembered.
    ///
    /// # Errors
    /// See [`SignatureError`].
    pub fn verify_signature(&self) -> Result<(), SignatureError> {
        self.0.envelope.verify(&self.0.issuer)
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
        self.0.envelope.verify_with(&self.0.issuer, resolver, at)
    }

    /// Who executed the task, and answers for the receipt.
    #[must_use]
    pub fn executor(&self) -> &Did {
        &self.0.executor
    }

    /// Who signed: the executor or its delegate.
    #[must_use]
    pub fn issuer(&self) -> &Did {
        &self.0.issuer
    }

    /// The delegations from the executor to the issuer, root first; none if they are the same.
    #[must_use]
    pub fn proofs(&self) -> &[Cid] {
        &self.0.prf
    }

    /// Whether a delegate of the executor signed.
    #[must_use]
    pub fn is_delegated(&self) -> bool {
        !self.0.prf.is_empty()
    }

    /// The receipt's bytes, as received or signed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.envelope.bytes()
    }

    /// The CID of the whole receipt.
    #[must_use]
    pub fn cid(&self) -> Cid {
        self.0.envelope.cid()
    }

    /// The content.
    #[must_use]
    pub fn payload(&self) -> &ReceiptPayload {
        &self.0.payload
    }
}

impl ReceiptPayload {
    fn to_ipld(&self, issuer: &Did, executor: &Did, prf: &[Cid]) -> Result<Ipld, EncodeError> {
        let text = |s: &str| Ipld::String(s.to_owned());
        let mut args = BTreeMap::from([
            ("ran".to_owned(), Ipld::Link(self.ran)),
            ("out".to_owned(), self.out.to_ipld()),
        ]);
        if let Some(run) = &self.run {
            if run.is_empty() {
                return Err(EncodeError::Form(
                    "the receipt asks for no effects: leave run out",
                ));
            }
            if run.fork.len() > MAX_EFFECTS {
                return Err(EncodeError::Form(
                    "the receipt asks for more than 1,024 effects",
                ));
            }
            args.insert("run".to_owned(), run.to_ipld());
        }
        let mut meta = BTreeMap::from([(META.to_owned(), self.meta.to_ipld()?)]);
        if let Some(log) = self.meta.log {
            meta.insert(LOG.to_owned(), Ipld::Link(log));
        }
        Ok(Ipld::Map(BTreeMap::from([
            ("iss".to_owned(), text(issuer.as_str())),
            ("sub".to_owned(), text(executor.as_str())),
            ("cmd".to_owned(), text(COMMAND)),
            ("args".to_owned(), Ipld::Map(args)),
            (
                "prf".to_owned(),
                Ipld::List(prf.iter().copied().map(Ipld::Link).collect()),
            ),
            ("nonce".to_owned(), Ipld::Bytes(Vec::new())),
            ("exp".to_owned(), Ipld::Null),
            ("meta".to_owned(), Ipld::Map(meta)),
        ])))
    }

    fn from_invocation(invocation: InvocationPayload) -> Result<Self, Malformed> {
        let is = |cmd: &Command| cmd.as_str() == COMMAND;
        let wrong = match &invocation {
            i if !is(&i.cmd) => Some("its command is not /ucan/assert/receipt"),
            i if i.aud.is_some() => Some("it has an audience"),
            i if i.exp.is_some() => Some("it expires"),
            i if !i.nonce.is_empty() => Some("its nonce is not empty"),
            i if i.iat.is_some() || i.cause.is_some() => Some("it has the field iat or cause"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(Malformed::Receipt(wrong));
        }
        let mut meta = invocation.meta.unwrap_or_default();
        let facts = meta
            .remove(META)
            .ok_or(Malformed::Receipt("its meta lacks the key \"ipvm\""))?;
        let log = meta.remove(LOG).map(|log| as_link(log, LOG)).transpose()?;
        let mut args = Fields::new(Ipld::Map(invocation.args), "receipt")?;
        let payload = Self {
            ran: args.get("ran", as_link)?,
            out: Outcome::from_ipld(args.required("out")?)?,
            run: args.optional("run").map(Effects::from_ipld).transpose()?,
            meta: ReceiptMeta::from_ipld(facts, log)?,
        };
        args.finish()?;
        Ok(payload)
    }
}

impl ReceiptMeta {
    fn to_ipld(&self) -> Result<Ipld, EncodeError> {
        let fuel = i64::try_from(self.fuel).unwrap_or(i64::MAX);
        require_safe("fuel", Some(fuel))?;
        require_safe("started", Some(self.started))?;
        require_safe("took", Some(self.took))?;
        let mut map = BTreeMap::from([
            ("inv".to_owned(), Ipld::Link(self.inv)),
            ("engine".to_owned(), Ipld::String(self.engine.clone())),
            ("fuel".to_owned(), Ipld::Integer(fuel.into())),
            ("started".to_owned(), Ipld::Integer(self.started.into())),
            ("took".to_owned(), Ipld::Integer(self.took.into())),
        ]);
        let optional = [("computation", self.computation), ("memo", self.memo)];
        map.extend(
            optional
                .into_iter()
                .filter_map(|(key, cid)| Some((key.to_owned(), Ipld::Link(cid?)))),
        );
        Ok(Ipld::Map(map))
    }

    fn from_ipld(facts: Ipld, log: Option<Cid>) -> Result<Self, Malformed> {
        let mut fields = Fields::new(facts, "receipt meta")?;
        let meta = Self {
            inv: fields.get("inv", as_link)?,
            computation: fields.get_optional("computation", as_link)?,
            memo: fields.get_optional("memo", as_link)?,
            log,
            engine: fields.get("engine", as_string)?,
            fuel: fields.get("fuel", as_fuel)?,
            started: fields.get("started", as_safe_int)?,
            took: fields.get("took", as_safe_int)?,
        };
        fields.finish()?;
        Ok(meta)
    }
}

fn as_fuel(value: Ipld, field: &str) -> Result<u64, FieldError> {
    let fuel = as_unsigned(value, field)?;
    if fuel <= MAX_SAFE_INT.unsigned_abs() {
        return Ok(fuel);
    }
    Err(FieldError::Range {
        field: field.to_owned(),
        value: fuel.into(),
        min: 0,
        max: MAX_SAFE_INT.into(),
    })
}
