//! What is kept in memory of a step that has ended: small, since a run may have a hundred thousand.

use ipvm_ipld::{Cid, DIGEST_BYTES, cid_of_digest, codec, digest_of};
use ipvm_scheduler::Ending;
use ipvm_store::ReceiptId;
use ipvm_ucan::{Outcome, Receipt};

use crate::memo::is_reusable;

/// Where a step's receipt is, and what it says in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) place: Place,
    pub(crate) ending: Ending,
    /// Whether it may stand for other runs of the same work.
    pub(crate) reusable: bool,
}

/// A name of a receipt on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Its row: the fastest to find.
    Row(ReceiptId),
    /// The digest in its CID: a third of the memory of a CID.
    Digest([u8; DIGEST_BYTES]),
}

impl Place {
    /// That of a receipt made here.
    pub(crate) fn of(receipt: &Cid) -> Self {
        Self::Digest(digest_of(receipt).unwrap_or_default())
    }
}

/// A step's receipt as reports tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    digest: [u8; DIGEST_BYTES],
    ending: Ending,
    reusable: bool,
    pub(crate) memo: bool,
    pub(crate) fuel: u64,
    /// How long the execution took, whenever that was, in microseconds.
    pub(crate) took_us: u64,
}

impl Record {
    pub(crate) fn of(receipt: &Receipt, memo: bool) -> Self {
        let payload = receipt.payload();
        Self {
            // A receipt's CID is made here, with sha2-256.
            digest: digest_of(&receipt.cid()).unwrap_or_default(),
            ending: match &payload.out {
                Outcome::Ok(_) => Ending::Ok,
                Outcome::Error(_) => Ending::Error,
            },
            reusable: is_reusable(&payload.out),
            memo,
            fuel: payload.meta.fuel,
            took_us: u64::try_from(payload.meta.took).unwrap_or(0),
        }
    }

    pub(crate) fn ending(&self) -> Ending {
        self.ending
    }

    pub(crate) fn receipt(&self) -> Cid {
        cid_of_digest(codec::DAG_CBOR, &self.digest)
    }

    pub(crate) fn kept(&self) -> Kept {
        Kept {
            place: Place::Digest(self.digest),
            ending: self.ending,
            reusable: self.reusable,
        }
    }
}
