//! What `verify` says while it checks a store.

use crate::types::{ReceiptId, RunId};
use ipvm_ipld::Cid;
use std::path::PathBuf;

/// What is being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerifyPart {
    /// The structure of `main.db`.
    Database,
    /// Receipts: hash, signature, keys, and whether the index finds them.
    Receipts,
    /// Blocks: hash, in rows and files, and the signatures of those that are tokens.
    Blocks,
    /// Runs and steps.
    Runs,
    /// What is referred to and not there.
    Links,
    /// Files that no row names.
    Files,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// SQLite finds `main.db` torn.
    #[error("main.db is damaged: {message}; restore it from a backup")]
    Database {
        /// What SQLite said.
        message: String,
    },
    /// A receipt is not what was stored.
    #[error("receipt {row} is damaged: {message}; restore main.db from a backup")]
    Receipt {
        /// Its row.
        row: ReceiptId,
        /// What is wrong.
        message: String,
    },
    /// A block is not what was stored.
    #[error("{message}")]
    Block {
        /// The block's CID, if its row still says.
        cid: Option<Box<Cid>>,
        /// What is wrong, where, and what to do.
        message: String,
    },
    /// A run or one of its steps cannot be used.
    #[error(
        "run {run} is damaged: {message}; restore main.db from a backup, or run the workflow again"
    )]
    Run {
        /// The run.
        run: RunId,
        /// What is wrong.
        message: String,
    },
    /// The index does not find what is there, or finds what is not.
    #[error("the index is wrong: {message}; delete {path}, a new one is made from main.db")]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A pin leads to nothing.
    #[error(
        "{cid} is pinned and not here; add it again, or let it go with `ipvm store unpin {cid}`"
    )]
    Pin {
        /// What is pinned.
        cid: Box<Cid>,
    },
    /// Something that is referred to is not there. Only a part of its holder is damage: that arguments or results name
    /// what was never here is allowed.
    #[error("{cid}, {} by {holder}, is not here", if *.part { "needed" } else { "named" })]
    Missing {
        /// What is not there.
        cid: Box<Cid>,
        /// What refers to it.
        holder: String,
        /// Whether the holder cannot be used without it.
        part: bool,
    },
    /// A file that no row names: left by a crash, or put there by somebody. Harmless.
    #[error("{path} belongs to nothing and can be deleted")]
    StrayFile {
        /// The file.
        path: PathBuf,
    },
}

impl Finding {
    /// Whether something was lost or would be answered wrongly. A stray file is none.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        !matches!(
            self,
            Self::StrayFile { .. } | Self::Missing { part: false, .. }
        )
    }
}

/// Told while the store is verified.
#[derive(Clone, Debug)]
pub enum VerifyEvent {
    /// So much is done.
    Progress {
        /// What is being checked.
        part: VerifyPart,
        /// Rows or files checked.
        done: u64,
        /// Rows or files that there are, as far as is known.
        total: u64,
    },
    /// Something is wrong.
    Finding(Finding),
}

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifySummary {
    /// Receipts checked.
    pub receipts: u64,
    /// Blocks checked, rows and files together.
    pub blocks: u64,
    /// Runs checked.
    pub runs: u64,
    /// Pins checked.
    pub pins: u64,
    /// Signatures found valid.
    pub signatures: u64,
    /// Things that arguments or results name and that are not here.
    pub missing: u64,
    /// Blocks that were given up for space and can be made again.
    pub evicted: u64,
    /// Findings that are damage.
    pub damage: u64,
    /// Files that belong to nothing.
    pub stray_files: u64,
}
