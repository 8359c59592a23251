//! Looking results up instead of computing them.
//!
//! The same task, or another task with the same computation, is answered by its receipt, if that
//! receipt is this home's own. A receipt of another that was accepted answers its very task. Limit, timeout, crash and cancellation errors are on record, but
//! never an answer.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ipvm_ipld::{Cid, Ipld, Limits, cbor};
use ipvm_store::{ReceiptId, StoredReceipt};
use ipvm_ucan::promise::Await;
use ipvm_ucan::{Command, Outcome, Receipt};
use ipvm_workflow::{Computation, Failure};

use crate::{Node, NodeError};

/// Arguments of a command, by name.
pub(crate) type Args = BTreeMap<String, Ipld>;

/// Whether a result may stand for later runs of the same work.
pub(crate) fn is_reusable(out: &Outcome) -> bool {
    match out {
        Outcome::Ok(_) => true,
        Outcome::Error(error) => Failure::from_ipld(error).is_none_or(|own| own.memoisable()),
    }
}

/// The memo key of a pure task whose promises are resolved.
pub(crate) fn computation_of(cmd: &Command, args: &Args) -> Result<Cid, NodeError> {
    Ok(Computation::cid_of(cmd, args)?)
}

/// The arguments of a task, decoded, each promise replaced by what `lookup` gives for it: the promises of a task that
/// gathers thousands of results are never in memory all at once.
pub(crate) fn resolve(
    args: &[u8],
    lookup: &mut dyn FnMut(&Await) -> Result<Ipld, NodeError>,
) -> Result<Args, NodeError> {
    let mut failed = None;
    let args = cbor::decode_mapped(args, Limits::default(), |map| match Await::from_map(&map) {
        Ok(Some(promise)) if failed.is_none() => lookup(&promise).unwrap_or_else(|error| {
            failed = Some(error);
            Ipld::Null
        }),
        _ => Ipld::Map(map),
    });
    match (failed, args?) {
        (Some(error), _) => Err(error),
        (None, Ipld::Map(args)) => Ok(args),
        (None, _) => Err(NodeError::Internal("arguments are not a map".into())),
    }
}

impl Node {
    /// The receipt that answers this very task, if there is one.
    ///
    /// # Errors
    /// The store cannot be read or a receipt in it is damaged.
    pub fn look_up_task(&self, task: &Cid) -> Result<Option<Receipt>, NodeError> {
        Ok(self.find_by_task(task)?.map(|(_, receipt)| receipt))
    }

    /// A receipt of any task with this computation, if there is one.
    ///
    /// # Errors
    /// As [`Node::look_up_task`].
    pub fn look_up_computation(&self, computation: &Cid) -> Result<Option<Receipt>, NodeError> {
        Ok(self
            .find_by_computation(computation)?
            .map(|(_, receipt)| receipt))
    }

    pub(crate) fn find_by_task(
        &self,
        task: &Cid,
    ) -> Result<Option<(ReceiptId, Receipt)>, NodeError> {
        let taken = Taken::new(self, true, |receipt| receipt.payload().ran == *task);
        let found = self.store().first_by_task(task, &|row| taken.takes(row))?;
        Ok(taken.with_id(found))
    }

    pub(crate) fn find_by_computation(
        &self,
        computation: &Cid,
    ) -> Result<Option<(ReceiptId, Receipt)>, NodeError> {
        let wanted = Some(*computation);
        let taken = Taken::new(self, false, |receipt| {
            receipt.payload().meta.computation == wanted
        });
        let found = self
            .store()
            .first_by_computation(computation, &|row| taken.takes(row))?;
        Ok(taken.with_id(found))
    }
}

/// Decodes each receipt that the store offers once, and keeps the one that can be reused.
struct Taken<'a, F> {
    node: &'a Node,
    is_about: F,
    /// Whether receipts of others that are accepted here answer too.
    others: bool,
    receipt: RefCell<Option<Receipt>>,
}

impl<'a, F: Fn(&Receipt) -> bool> Taken<'a, F> {
    fn new(node: &'a Node, others: bool, is_about: F) -> Self {
        Self {
            node,
            others,
            is_about,
            receipt: RefCell::new(None),
        }
    }

    /// Whether a stored receipt answers: it is about the work, this home's own or accepted, and a result that is here.
    fn takes(&self, row: &StoredReceipt) -> bool {
        let Ok(receipt) = Receipt::decode(&row.block) else {
            return false;
        };
        let answers = (self.is_about)(&receipt)
            && is_reusable(&receipt.payload().out)
            && self.counts(&receipt, &row.cid)
            && self.node.is_whole(&receipt);
        if answers {
            self.receipt.replace(Some(receipt));
        }
        answers
    }

    /// What cannot be read does not count.
    fn counts(&self, receipt: &Receipt, cid: &Cid) -> bool {
        let executor = receipt.executor();
        self.node.is_own_agent(executor).unwrap_or(false)
            || self.others && self.node.store().is_accepted(cid).unwrap_or(false)
    }

    fn with_id(self, found: Option<StoredReceipt>) -> Option<(ReceiptId, Receipt)> {
        Some((found?.id, self.receipt.into_inner()?))
    }
}
