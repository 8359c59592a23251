//! What the store is told about the tokens in it.

use ipvm_ipld::{Cid, links_of_value};
use ipvm_store::{ReceiptRefs, Tokens};
use ipvm_ucan::{Delegation, Did, Invocation, Receipt, SignatureError};

use crate::memo::is_reusable;
use crate::vault::Vault;

/// How every token begins: a list of two, the first of which is a signature of 64 bytes.
const TOKEN_START: [u8; 3] = [0x82, 0x58, 64];

/// Reads tokens for the store of one home.
pub(crate) struct HomeTokens<'a> {
    /// Whose receipts answer, beside those that were accepted: this home's agent, now and before.
    pub(crate) agents: Vec<Did>,
    /// Opens what is sealed, where that is to be checked.
    pub(crate) vault: Option<&'a Vault>,
}

impl Tokens for HomeTokens<'_> {
    fn refs(&self, receipt: &[u8]) -> Option<ReceiptRefs> {
        let receipt = Receipt::decode(receipt).ok()?;
        let payload = receipt.payload();
        let mut made = links_of_value(payload.out.value());
        made.extend(payload.meta.log);
        let is_own = self.agents.contains(receipt.executor());
        let mut refs = ReceiptRefs {
            reusable: is_reusable(&payload.out) && is_own,
            rests_on: vec![payload.meta.inv],
            // What another's receipt repeats is the other's.
            receipts: payload.meta.memo.filter(|_| is_own).into_iter().collect(),
            made,
        };
        // Only pure work has a computation, and only pure work can be done again.
        if payload.meta.computation.is_none() {
            refs.rests_on.append(&mut refs.made);
        }
        Some(refs)
    }

    fn check_receipt(&self, receipt: &[u8]) -> Result<(), String> {
        let receipt = Receipt::decode(receipt).map_err(|error| error.to_string())?;
        match receipt.verify_signature() {
            // As below.
            Ok(()) | Err(SignatureError::Unresolved(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn check_block(&self, block: &[u8]) -> Result<bool, String> {
        if !block.starts_with(&TOKEN_START) {
            return Ok(false);
        }
        let verified = match Invocation::decode(block) {
            Ok(invocation) => invocation.verify_signature(),
            Err(_) => match Delegation::decode(block) {
                Ok(delegation) => delegation.verify_signature(),
                // A value that only begins like a token.
                Err(_) => return Ok(false),
            },
        };
        match verified {
            // The keys of a did:web were known when it came; its document may be another one by now.
            Ok(()) | Err(SignatureError::Unresolved(_)) => Ok(true),
            Err(error) => Err(error.to_string()),
        }
    }

    fn check_sealed(&self, frame: &[u8]) -> Result<bool, String> {
        crate::secret::check_sealed(self.vault, frame, &self.agents)
    }

    fn sealed_content(&self, frame: &[u8]) -> Vec<Cid> {
        let vault = self.vault;
        vault.map_or_else(Vec::new, |vault| vault.content_of(frame))
    }
}
