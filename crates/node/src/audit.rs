//! Whether the runs on record are what was asked for and what came out: a row of the store is compared with the signed
//! request, the workflow and the signed receipts that it stands for.

use ipvm_ipld::Ipld;
use ipvm_store::{Finding, RunFilter, RunInfo, RunStatus, StepInfo, StepState};
use ipvm_ucan::{Invocation, Outcome};
use ipvm_workflow::Plan;

use crate::run::REQUEST_LIFE;
use crate::secret::is_sealed;
use crate::{Node, NodeError};

/// Runs looked at per read of the store.
const PAGE: usize = 256;

impl Node {
    /// Checks every run on record, and tells `tell` of each whose row says something else than what is signed. Comes
    /// after the store's own check, which finds what is missing or has a wrong hash.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn audit_runs(&self, tell: &mut dyn FnMut(Finding)) -> Result<(), NodeError> {
        let mut before = None;
        loop {
            let page = match self.store().runs(&RunFilter::All, before, PAGE) {
                // The store's own check has named it.
                Err(ipvm_store::StoreError::RunDamaged { .. }) => return Ok(()),
                page => page?,
            };
            for run in &page {
                for message in self.audit(run)? {
                    tell(Finding::Run {
                        run: run.id,
                        message,
                    });
                }
            }
            match page.last() {
                Some(run) => before = Some(run.id),
                None => return Ok(()),
            }
        }
    }

    fn audit(&self, run: &RunInfo) -> Result<Vec<String>, NodeError> {
        let mut wrong = Vec::new();
        // What another sealed cannot be compared.
        let opened = match is_sealed(&run.workflow) {
            true => match self.sealed_block(&run.workflow)? {
                Some(block) => Some(*block.cid()),
                None => return Ok(wrong),
            },
            false => None,
        };
        let run = &RunInfo {
            workflow: opened.unwrap_or(run.workflow),
            ..run.clone()
        };
        // What is missing or damaged itself was named before.
        if let Some(request) = run.invocation
            && let Ok(Some(bytes)) = self.block(&request)
        {
            match Invocation::decode(&bytes) {
                Ok(request) => wrong.extend(differs_from_request(run, &request, opened.is_some())),
                Err(_) => wrong.push("its request is no invocation".to_owned()),
            }
        }
        let (plan, is_part_absent) = self.plan_of(run);
        if is_part_absent {
            wrong.push("a part of its workflow is not here".to_owned());
        }
        if let Some(plan) = plan {
            let steps = self.store().steps(run.id)?;
            wrong.extend(differs_from_workflow(run, &plan, &steps));
            for step in &steps {
                wrong.extend(self.differs_from_receipt(&plan, step)?);
            }
        }
        Ok(wrong)
    }

    /// The workflow of a run, if it can be read; and whether that is because a part of it is not here.
    fn plan_of(&self, run: &RunInfo) -> (Option<Plan>, bool) {
        let mut is_absent = false;
        let Ok(Some(root)) = self.block(&run.workflow) else {
            return (None, false);
        };
        let plan = Plan::decode(&root, &mut |chunk| {
            let found = self.block(chunk)?;
            is_absent |= found.is_none();
            found.ok_or(NodeError::NoBlock(*chunk))
        });
        (plan.ok(), is_absent)
    }

    fn differs_from_receipt(
        &self,
        plan: &Plan,
        step: &StepInfo,
    ) -> Result<Option<String>, NodeError> {
        let Some(id) = step.receipt else {
            return Ok(None);
        };
        let Ok(Some(stored)) = self.store().receipt_at(id) else {
            return Ok(None);
        };
        let receipt = match self.decode_receipt(&stored.block) {
            Err(NodeError::Sealed) => {
                return Ok(Some(format!("step {} has another's receipt", step.index)));
            }
            receipt => receipt?,
        };
        let payload = receipt.payload();
        let index = step.index;
        let task = plan.graph().task(index).unwrap_or_default();
        if !self.stands_for(&receipt, &task)? {
            return Ok(Some(format!(
                "step {index} has the receipt of another task"
            )));
        }
        let state = match &payload.out {
            Outcome::Ok(_) => StepState::Ok,
            Outcome::Error(_) => StepState::Error,
        };
        Ok((step.state != state)
            .then(|| format!("the state of step {index} is not that of its receipt")))
    }
}

fn differs_from_request(run: &RunInfo, request: &Invocation, sealed: bool) -> Option<String> {
    let payload = request.payload();
    let meta = |key| payload.meta.as_ref().and_then(|meta| meta.get(key));
    // Requests of earlier versions say no name.
    let name = match meta("name") {
        // A sealed run has its name in the request alone.
        Some(Ipld::String(name)) => sealed || run.name.as_ref() == Some(name),
        _ => true,
    };
    let field = if payload.args.get("workflow") != Some(&Ipld::Link(run.workflow)) {
        "workflow"
    } else if payload.exp != run.started.checked_add(REQUEST_LIFE) {
        "start"
    } else if !name {
        "name"
    } else {
        return None;
    };
    Some(format!("its {field} is not that of its signed request"))
}

fn differs_from_workflow(run: &RunInfo, plan: &Plan, steps: &[StepInfo]) -> Option<String> {
    let tasks = plan.len();
    let is_over = steps.len() == tasks;
    let failed = steps.iter().any(|step| step.state == StepState::Error);
    let fits = match run.status {
        RunStatus::Ok => is_over && !failed,
        RunStatus::Error => is_over && failed,
        RunStatus::Running | RunStatus::Cancelled | RunStatus::InDoubt => true,
    };
    if usize::try_from(run.tasks).ok() != Some(tasks) || steps.len() > tasks {
        Some("its number of tasks is not that of its workflow".to_owned())
    } else if !fits {
        Some("its status is not that of its tasks".to_owned())
    } else {
        None
    }
}
