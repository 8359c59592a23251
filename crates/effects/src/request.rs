//! One effect that was allowed, with everything it needs.

use crate::Account;
use ipvm_ipld::{Cid, Ipld};
use ipvm_ucan::Command;
use std::collections::BTreeMap;
use std::time::Duration;

/// One effect that was allowed.
pub struct Request<'a> {
    /// The task: what the far side can recognise a second attempt by (`Idempotency-Key`, `Message-ID`).
    pub task: &'a Cid,
    /// What to do.
    pub command: &'a Command,
    /// With what. All promises are resolved.
    pub args: &'a BTreeMap<String, Ipld>,
    /// Which server, with which credentials and grants.
    pub account: &'a Account,
    /// How long, and how much.
    pub limits: Limits,
    /// Where linked content comes from.
    pub content: &'a dyn Content,
    /// Asked every [`CANCEL_EVERY`](crate::engine::CANCEL_EVERY); `true` stops the effect.
    pub cancel: &'a (dyn Fn() -> bool + Sync),
    /// Asked directly before anything leaves that the far side may act on (any byte of a request by HTTP or DNS, the end of a
    /// mail), on the thread that performs; once for each hop of a redirect. Where it says false, nothing leaves, and the
    /// effect ends as [`Fault::Cancelled`](crate::Fault::Cancelled). What must be durable before the far side may have acted
    /// is made durable here. Not asked by what changes nothing by its nature: DNS queries, files, IPFS.
    pub leaving: &'a (dyn Fn() -> bool + Sync),
}

/// What an effect may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest time from the call to its end, name look-up and connecting included.
    pub time: Duration,
    /// Largest result, in bytes.
    pub output: u64,
}

/// The bytes that a link stands for.
pub trait Content {
    /// All bytes of the file or raw block that the CID names.
    ///
    /// # Errors
    /// In words: it is not to be had, is no file, or has more than `limit` bytes.
    fn read(&self, cid: &Cid, limit: u64) -> Result<Vec<u8>, String>;

    /// The bytes of one block, checked against the CID.
    ///
    /// # Errors
    /// In words: it is not to be had.
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, String>;
}

/// No content: every link is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoContent;

impl Content for NoContent {
    fn read(&self, cid: &Cid, _: u64) -> Result<Vec<u8>, String> {
        self.block(cid)
    }

    fn block(&self, cid: &Cid) -> Result<Vec<u8>, String> {
        Err(format!("{cid} is not here"))
    }
}
