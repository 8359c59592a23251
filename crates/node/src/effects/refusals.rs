//! Whether a run failed for want of a right, which no other attempt mends.

use ipvm_ipld::Cid;
use ipvm_scheduler::Ending;
use ipvm_ucan::{Invocation, Kind, Outcome, Receipt};
use ipvm_workflow::{Class, Failure, class_of};

use crate::record::Record;
use crate::{Node, NodeError, RunReport, RunState};

/// The kind of a refusal where nobody delegated what a task needs. Others have the names of [`Kind`].
pub(super) const NO_CAPABILITY: &str = "no capability";
/// Most failed steps of a run that are looked at.
const MAX_LOOKED: usize = 10_000;
/// Most receipts from that of a step to the one that says why.
const MAX_FOLLOWED: usize = 100;

impl Node {
    /// Whether a run failed because a task was refused by authority: for want of a right, or by a policy or revocation that
    /// was met when the run was under way. What an account or this home's settings do not grant is not meant.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn was_refused(&self, report: &RunReport) -> Result<bool, NodeError> {
        if report.status != RunState::Error {
            return Ok(false);
        }
        let steps = (0..).zip(&report.steps.records);
        let failed = steps.filter_map(|(step, record): (u32, _)| {
            let record = record.as_ref().filter(|own| own.ending() == Ending::Error);
            record.filter(|_| !report.steps.because.contains_key(&step))
        });
        for receipt in failed.take(MAX_LOOKED).map(Record::receipt) {
            if self.is_refusal(receipt)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the failure behind a receipt is a refusal of an effect: a function can return an error that reads like one.
    fn is_refusal(&self, mut receipt: Cid) -> Result<bool, NodeError> {
        for _ in 0..MAX_FOLLOWED {
            let Some(found) = self.receipt(&receipt)? else {
                break;
            };
            let Outcome::Error(error) = &found.payload().out else {
                break;
            };
            match Failure::from_ipld(error) {
                Some(Failure::BranchMismatch { from, .. }) => receipt = from,
                Some(Failure::Refused { kind, .. }) => {
                    let is_of_authority =
                        kind == NO_CAPABILITY || Kind::ALL.iter().any(|own| own.as_str() == kind);
                    return Ok(is_of_authority && self.is_of_effect(&found)?);
                }
                _ => break,
            }
        }
        Ok(false)
    }

    fn is_of_effect(&self, receipt: &Receipt) -> Result<bool, NodeError> {
        let Some(asked) = self.block(&receipt.payload().meta.inv)? else {
            return Ok(false);
        };
        let class = class_of(&Invocation::decode(&asked)?.payload().cmd);
        Ok(class.is_some_and(|class| class != Class::Pure))
    }
}
