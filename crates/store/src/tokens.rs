//! What the store is told about the tokens in it, since it decodes none itself.

use ipvm_ipld::Cid;

/// What a receipt refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiptRefs {
    /// Whether its result may answer later work: such a receipt is kept although no run refers to it.
    pub reusable: bool,
    /// Blocks that it rests on and nobody can make again: its invocation.
    pub rests_on: Vec<Cid>,
    /// Receipts that it names. They are kept; their results are not needed for this one.
    pub receipts: Vec<Cid>,
    /// What doing its task again makes again: the content of its result, what was printed.
    pub made: Vec<Cid>,
}

/// Reads and checks tokens for a store.
pub trait Tokens: Sync {
    /// What a stored receipt refers to; `None` if the bytes are none.
    fn refs(&self, receipt: &[u8]) -> Option<ReceiptRefs>;

    /// Checks the signature of a stored receipt.
    ///
    /// # Errors
    /// What is wrong, in words that go on after "receipt 7 is damaged:".
    fn check_receipt(&self, receipt: &[u8]) -> Result<(), String>;

    /// Checks the signature of a stored DAG-CBOR block if it is a token: true if it is one and valid, false if it is
    /// another value.
    ///
    /// # Errors
    /// As [`Tokens::check_receipt`].
    fn check_block(&self, block: &[u8]) -> Result<bool, String>;

    /// Checks a sealed block or receipt, whose hash has been checked, as far as whoever checks has the key: true if it
    /// was opened.
    ///
    /// # Errors
    /// As [`Tokens::check_receipt`].
    fn check_sealed(&self, frame: &[u8]) -> Result<bool, String>;

    /// What a sealed block names that can be content only, no task, under the names that sealed blocks have: as far as
    /// whoever says has the key, else nothing.
    fn sealed_content(&self, frame: &[u8]) -> Vec<Cid>;
}
