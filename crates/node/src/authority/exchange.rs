//! Tokens in and out of this home: delegations, revocations, and receipts of others.
//!
//! Every signature is verified before anything is stored; one that is wrong refuses the whole file. A receipt of another
//! counts here only if somebody of this home asked its executor for that very task, and the request is in the file; or
//! if the user accepts its executor for this file.

use std::collections::HashMap;

use ipvm_ipld::Cid;
use ipvm_store::{Batch, NewReceipt, ReceiptKeys};
use ipvm_ucan::{
    Container, Delegation, Did, DocumentCache, Invocation, Kind, MemoryStore, Receipt, Revocation,
    SignatureError, Token, VerifiedRevocation,
};

use super::chain::path_of;
use super::documents::Document;
use super::gate::{refuse, tokens_of};
use super::give::container_of;
use crate::scribe::token;
use crate::{Node, NodeError};

/// The tokens of a file, read and not verified.
#[derive(Clone, Debug, Default)]
pub struct TokenFile {
    /// Delegations.
    pub delegations: Vec<Delegation>,
    /// Revocations.
    pub revocations: Vec<Revocation>,
    /// Receipts that their executors signed.
    pub receipts: Vec<Receipt>,
    /// Other invocations.
    pub invocations: Vec<Invocation>,
}

/// What was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Delegations that were not here before.
    pub delegations: usize,
    /// Revocations that were not here before.
    pub revocations: usize,
    /// Receipts that were not here before.
    pub receipts: usize,
    /// Receipts of others that count here from now on.
    pub accepted: usize,
    /// Receipts that are kept and do not count.
    pub strangers: usize,
    /// DID documents.
    pub documents: usize,
    /// Tokens that were here already.
    pub known: usize,
    /// Requests that were left alone: `ipvm ucan execute` carries them out.
    pub requests: usize,
}

/// With what the receipts of a file are judged.
struct Taking<'a> {
    /// The invocations of the file, whose signatures are right.
    asked: HashMap<Cid, &'a Invocation>,
    /// An executor whose receipts are to count.
    accept: Option<&'a Did>,
    keys: &'a DocumentCache,
    at: i64,
}

impl TokenFile {
    /// Reads a container or a token.
    ///
    /// # Errors
    /// [`NodeError::Refused`]: it is neither.
    pub fn read(bytes: &[u8]) -> Result<Self, NodeError> {
        let mut file = Self::default();
        for token in tokens_of(bytes)? {
            let invocation = match token {
                Token::Delegation(delegation) => {
                    file.delegations.push(delegation);
                    continue;
                }
                Token::Invocation(invocation) => invocation,
            };
            let cmd = invocation.payload().cmd.as_str();
            match cmd {
                "/ucan/assert/receipt" => {
                    let receipt = Receipt::decode(invocation.bytes());
                    file.receipts
                        .push(receipt.map_err(ipvm_ucan::Refusal::from)?);
                }
                "/ucan/revoke" => {
                    let revocation = Revocation::from_invocation(invocation);
                    file.revocations
                        .push(revocation.map_err(ipvm_ucan::Refusal::from)?);
                }
                _ => file.invocations.push(invocation),
            }
        }
        Ok(file)
    }

    /// The request in it and the delegations that came along, to be verified.
    ///
    /// # Errors
    /// [`NodeError::Refused`]: there is none, or more than one.
    pub fn request(bytes: &[u8]) -> Result<(Invocation, MemoryStore), NodeError> {
        Ok(super::gate::request_of(tokens_of(bytes)?)?)
    }
}

impl Node {
    /// Takes in the tokens of a file, and DID documents, which count for [`DOCUMENT_LIFE`](super::DOCUMENT_LIFE) seconds
    /// from now on: for these tokens and later. `accept` is an executor whose receipts in this file are to count.
    ///
    /// # Errors
    /// [`NodeError::Refused`]: a signature is wrong, a receipt came without the invocation it answers, or a revocation is
    /// by somebody who has no say. Nothing is stored then.
    pub fn take_in(
        &self,
        file: &TokenFile,
        accept: Option<&Did>,
        documents: &[Document],
    ) -> Result<Taken, NodeError> {
        let at = self.now();
        let keys = self.with_known(|known| known.documents_with(documents, at))?;
        for delegation in &file.delegations {
            let cid = delegation.cid();
            delegation
                .verify_signature_with(&keys, at)
                .map_err(|error| signature(cid, "delegation", &error))?;
        }
        let mut asked: HashMap<Cid, &Invocation> = HashMap::new();
        for invocation in &file.invocations {
            let cid = invocation.cid();
            invocation
                .verify_signature_with(&keys, at)
                .map_err(|error| signature(cid, "invocation", &error))?;
            asked.insert(cid, invocation);
        }
        let revocations = self.verified(file, &keys, at)?;
        let mut batch = Batch::new();
        let mut taken = Taken::default();
        let taking = Taking {
            asked,
            accept,
            keys: &keys,
            at,
        };
        for receipt in &file.receipts {
            self.take_receipt(receipt, &taking, &mut batch, &mut taken)?;
        }
        let total = file.delegations.len() + revocations.len();
        let (delegations, revoked) =
            self.keep(&file.delegations, &revocations, documents, batch)?;
        taken.known += total - delegations - revoked;
        taken.documents = documents.len();
        taken.delegations = delegations;
        taken.revocations = revoked;
        let answered = |invocation: &&Invocation| {
            let mut receipts = file.receipts.iter();
            let task = invocation.payload().task().ok();
            receipts.any(|receipt| Some(receipt.payload().ran) == task)
        };
        taken.requests = file.invocations.iter().filter(|one| !answered(one)).count();
        Ok(taken)
    }

    fn verified(
        &self,
        file: &TokenFile,
        keys: &DocumentCache,
        at: i64,
    ) -> Result<Vec<VerifiedRevocation>, NodeError> {
        self.with_known(|known| {
            let context = known.context(at).resolver(keys);
            let proofs = |cid: &Cid| {
                let mut given = file.delegations.iter();
                given
                    .find(|one| one.cid() == *cid)
                    .cloned()
                    .or_else(|| known.pool.get(cid))
            };
            let verifier = &self.authority().verifier;
            let each = file.revocations.iter();
            each.map(|revocation| Ok(verifier.revocation(revocation, &proofs, &context)?))
                .collect()
        })
    }

    fn take_receipt(
        &self,
        receipt: &Receipt,
        taking: &Taking<'_>,
        batch: &mut Batch,
        taken: &mut Taken,
    ) -> Result<(), NodeError> {
        let Taking {
            asked,
            accept,
            keys,
            at,
        } = taking;
        let (cid, payload) = (receipt.cid(), receipt.payload());
        receipt
            .verify_signature_with(*keys, *at)
            .map_err(|error| signature(cid, "receipt", &error))?;
        let answered = asked.get(&payload.meta.inv).copied();
        self.require_invocation(receipt, answered)?;
        if let Some(invocation) = answered {
            batch.block(token(invocation.bytes()));
        }
        let executor = receipt.executor();
        let is_known = self.store().receipt(&cid)?.is_some();
        let is_accepted = *accept == Some(executor);
        if self.is_own_agent(executor)? {
            // Signed here: it counts anyway.
            if executor != self.agent() && !is_known && !is_accepted {
                let message = format!(
                    "the receipt {cid} is by {executor}, a key that this home replaced, and is not on record here: it \
                     may be by somebody who got hold of that key; --accept takes it in"
                );
                return Err(refuse(Kind::InvalidClaim, "iss", message).into());
            }
        } else if self.was_assigned(receipt, asked)? || is_accepted {
            batch.accept(cid, *at);
            taken.accepted += 1;
        } else {
            taken.strangers += 1;
        }
        if is_known {
            taken.known += 1;
            return Ok(());
        }
        batch.receipt(NewReceipt {
            block: token(receipt.bytes()),
            keys: ReceiptKeys {
                task: payload.ran,
                computation: payload.meta.computation,
            },
        });
        taken.receipts += 1;
        Ok(())
    }

    /// Requires that the invocation of a receipt's own task came along, or is here.
    fn require_invocation(
        &self,
        receipt: &Receipt,
        brought: Option<&Invocation>,
    ) -> Result<(), NodeError> {
        let payload = receipt.payload();
        let about = |invocation: &Invocation| {
            let task = invocation.payload().task();
            task.is_ok_and(|task| task == payload.ran)
        };
        let is_answer = match brought {
            Some(invocation) => about(invocation),
            None => {
                let here = self.block(&payload.meta.inv)?;
                let here = here.and_then(|bytes| Invocation::decode(&bytes).ok());
                here.as_ref().is_some_and(about)
            }
        };
        if is_answer {
            return Ok(());
        }
        let message = format!(
            "the receipt {} came without the invocation of its task, {}",
            receipt.cid(),
            payload.meta.inv
        );
        Err(refuse(Kind::UnavailableProof, "inv", message).into())
    }

    /// Whether somebody of this home asked this executor for this task, by a request that came along and is signed. A key
    /// that was replaced asks for nothing any more.
    fn was_assigned(
        &self,
        receipt: &Receipt,
        asked: &HashMap<Cid, &Invocation>,
    ) -> Result<bool, NodeError> {
        for invocation in asked.values() {
            let payload = invocation.payload();
            let is_about = payload
                .task()
                .is_ok_and(|task| task == receipt.payload().ran);
            let is_ours = payload.iss == *self.owner() || payload.iss == *self.agent();
            if is_about && payload.audience() == receipt.executor() && is_ours {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A container with delegations and all above them, and with the revocations of any of these; with everything that
    /// this home keeps if none are named.
    ///
    /// # Errors
    /// A delegation is not known here.
    pub fn hand_out(&self, delegations: &[Cid]) -> Result<Container, NodeError> {
        self.with_known(|known| {
            let mut chosen: Vec<Delegation> = Vec::new();
            for cid in delegations {
                let delegation = known.pool.get(cid).ok_or_else(|| {
                    NodeError::Authority(format!("the delegation {cid} is not known here"))
                })?;
                let path = path_of(known, &MemoryStore::default(), &delegation, &|_| false);
                chosen.extend(path.unwrap_or_else(|| vec![delegation]));
            }
            if delegations.is_empty() {
                chosen.extend(known.delegations.iter().map(|(one, _)| one.clone()));
            }
            let mut container = container_of(&chosen);
            for revocation in &known.revoked {
                let revoked = revocation.payload().revoke;
                let is_about =
                    delegations.is_empty() || chosen.iter().any(|one| one.cid() == revoked);
                if is_about {
                    container.insert(revocation.bytes().to_vec());
                    // Whoever gets it must see that the revoker had a say.
                    let path = revocation.payload().path.iter();
                    for link in path.filter_map(|link| known.pool.get(link)) {
                        container.insert(link.bytes().to_vec());
                    }
                }
            }
            Ok(container)
        })
    }
}

fn signature(cid: Cid, what: &str, error: &SignatureError) -> NodeError {
    let kind = match error {
        SignatureError::Unresolved(_) => Kind::UnavailableKey,
        _ => Kind::InvalidSignature,
    };
    let mut refusal = refuse(kind, "iss", format!("the {what} {cid}: {error}"));
    refusal.cid = Some(Box::new(cid));
    refusal.into()
}
