//! Results of tasks outside the workflow that awaits them: whose receipts satisfy a promise, and who may read them.

use ipvm_ipld::Cid;
use ipvm_ucan::{Kind, MemoryStore, Receipt, Wanted, find_chain};
use ipvm_wasm::Cancel;
use ipvm_workflow::Plan;

use crate::memo::Args;
use crate::{Node, NodeError, Prepared};

/// The tasks that workflows await and none of them has: those of other workflows.
#[must_use]
pub fn awaited_by(prepared: &[Prepared]) -> Vec<Cid> {
    let mut found: Vec<Cid> = Vec::new();
    for plan in prepared.iter().map(|one| &one.plan) {
        for task in (0..plan.len() as u32).flat_map(|step| plan.graph().external(step)) {
            let mut all = prepared.iter();
            let is_within = all.any(|one| one.plan.graph().find(task).is_some());
            if !is_within && !found.contains(task) {
                found.push(*task);
            }
        }
    }
    found
}

impl Node {
    /// The first of these tasks without a result that counts here: [`NodeError::Unmet`]. `for_owner` says whether secret
    /// results count too, which nobody else hears of.
    ///
    /// # Errors
    /// The store fails.
    pub fn first_unmet(
        &self,
        tasks: &[Cid],
        for_owner: bool,
    ) -> Result<Option<NodeError>, NodeError> {
        for task in tasks {
            let found = match for_owner {
                true => self.own_external(task),
                false => self.external(task),
            };
            match found {
                Ok(_) => {}
                Err(unmet @ NodeError::Unmet { .. }) => return Ok(Some(unmet)),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Awaited tasks of other workflows must have a receipt here that counts and that the owner may read. Where a run of
    /// this node is about to give it, that is waited for.
    pub(crate) fn check_external(&self, plan: &Plan, cancel: &Cancel) -> Result<(), NodeError> {
        for index in 0..plan.len() as u32 {
            for task in plan.graph().external(index) {
                if self.find_by_task(task)?.is_none() && self.find_sealed_by_task(task)?.is_none() {
                    self.wait(task, true, cancel)?;
                }
                if self.find_by_task(task)?.is_none() && self.find_sealed_by_task(task)?.is_some() {
                    continue;
                }
                let receipt = self.external(task)?;
                self.require_own_or_read(&receipt)?;
            }
        }
        Ok(())
    }

    /// For another, waits as long as a run of this node may still end a task that has no receipt yet.
    pub(crate) fn wait_for_task(&self, task: &Cid, cancel: &Cancel) -> Result<(), NodeError> {
        if self.find_by_task(task)?.is_some() {
            return Ok(());
        }
        self.wait(task, false, cancel)
    }

    fn wait(&self, task: &Cid, for_owner: bool, cancel: &Cancel) -> Result<(), NodeError> {
        self.crew().wait_for(task, for_owner, cancel);
        match cancel.is_cancelled() {
            true => Err(NodeError::Interrupted),
            false => Ok(()),
        }
    }

    /// The receipt of a task outside the workflow that awaits it: one of this home, or one of another that counts here.
    pub(crate) fn external(&self, task: &Cid) -> Result<Receipt, NodeError> {
        if let Some(receipt) = self.look_up_task(task)? {
            return Ok(receipt);
        }
        let strangers = self.open_receipts_of_task(task)?;
        let message = match strangers.last() {
            Some(known) if self.store().is_accepted(&known.cid())? => format!(
                "the content of the result of awaited task {task} is not here; add the CAR file that came with the answer \
                 with `ipvm add --car FILE`"
            ),
            Some(stranger) if !self.is_own_agent(stranger.executor())? => format!(
                "awaited task {task} has only a receipt by {}, whom nobody here asked for it; `ipvm ucan import FILE \
                 --accept` accepts it",
                stranger.executor()
            ),
            _ => format!("awaited task {task} has no receipt here; run its workflow first"),
        };
        let task = *task;
        Err(NodeError::Unmet { task, message })
    }

    /// The same for the owner, who may use secret results too.
    pub(crate) fn own_external(&self, task: &Cid) -> Result<Receipt, NodeError> {
        if self.find_by_task(task)?.is_none()
            && let Some((_, receipt)) = self.find_sealed_by_task(task)?
        {
            return Ok(receipt);
        }
        self.external(task)
    }

    /// Requires that the owner may read a receipt: it belongs to the owner, was asked for here, came from another and was
    /// accepted, or `/receipt/read` on its subject was delegated.
    fn require_own_or_read(&self, receipt: &Receipt) -> Result<(), NodeError> {
        if !self.is_own_agent(receipt.executor())? {
            return Ok(());
        }
        let asked = self.invocation_of(receipt)?;
        let subject = &asked.payload().sub;
        if self.is_ours(subject)? || self.is_ours(&asked.payload().iss)? {
            return Ok(());
        }
        let cmd = crate::authority::RECEIPT_READ.parse()?;
        let ran = receipt.payload().ran;
        let args = Args::from([("task".to_owned(), ipvm_ipld::Ipld::Link(ran))]);
        let wanted = Wanted {
            invoker: self.owner(),
            subject,
            cmd: &cmd,
            args: &args,
        };
        let found = self.with_known(|known| {
            let pool: &MemoryStore = &known.pool;
            Ok(find_chain(pool, &wanted, &known.context(self.now())))
        })?;
        found.map(drop).map_err(|_| {
            let message = format!(
                "the receipt of task {ran} belongs to {subject}, who did not delegate {} to the owner of this home",
                crate::authority::RECEIPT_READ
            );
            crate::authority::refuse(Kind::InvalidClaim, "args", message).into()
        })
    }
}
