//! What a function asks for: carried out as a run of its own, and whoever awaits the function gets the end of the chain.

use std::sync::Arc;

use ipvm_ipld::Cid;
use ipvm_scheduler::{RunId, Verdict};
use ipvm_ucan::{Command, Effects, Receipt};
use ipvm_workflow::asked::{self, AskedError, Terms};
use ipvm_workflow::{Class, Failure, Plan, WASM_RUN, class_of};

use crate::crew::{Order, Shared};
use crate::record::Record;
use crate::run::{Carried, RunOptions};
use crate::scribe::Scribe;
use crate::{Node, NodeError, Prepared};

/// Most continuations one after another.
const MAX_CHAIN: u32 = 32;

/// A step whose receipt asks for something.
pub(crate) struct Asked {
    pub(crate) run: RunId,
    pub(crate) step: u32,
    pub(crate) order: Arc<Order>,
    /// The step's own receipt; it is durable.
    pub(crate) receipt: Receipt,
    /// Whether the function was not executed for it.
    pub(crate) memo: bool,
}

/// Carries out what a step asks for, and ends the step with the result of the chain.
pub(crate) fn carry_out(node: &Node, shared: &Arc<Shared>, asked: &Asked) -> Result<(), NodeError> {
    let scribe = Scribe {
        node,
        shared,
        order: &asked.order,
        run: asked.run,
        step: asked.step,
    };
    let Some(effects) = &asked.receipt.payload().run else {
        return Err(NodeError::Internal(
            "a receipt that asks for nothing".into(),
        ));
    };
    let prepared = match prepare(node, asked, effects) {
        Ok(prepared) => prepared,
        Err(Refused::Node(error)) => return Err(*error),
        Err(Refused::Failure(failure)) => {
            let computed = scribe.refuse(asked.receipt.payload().ran, &failure)?;
            shared.computed_elsewhere(computed);
            return Ok(());
        }
    };
    let cause = asked.receipt.cid();
    let carried = node.run_asked(&prepared, asked, cause)?;
    match carried.verdict {
        Verdict::Stopped => shared.abandoned(asked.run, asked.step),
        Verdict::InDoubt => {
            let reason = in_doubt(&prepared.plan, &carried);
            shared.doubted(asked.run, asked.step, reason);
        }
        Verdict::Ok | Verdict::Error => {
            let last = match prepared.plan.find(asked::JOIN) {
                None => cause,
                Some(join) => {
                    let record = carried.records.get(join as usize).copied().flatten();
                    let gone = || NodeError::Internal("a continuation without a receipt".into());
                    record.as_ref().map(Record::receipt).ok_or_else(gone)?
                }
            };
            let computed = scribe.conclude(&last, asked.memo)?;
            shared.computed_elsewhere(computed);
        }
    }
    Ok(())
}

/// Why what a function asks for is not carried out.
enum Refused {
    Failure(Box<Failure>),
    Node(Box<NodeError>),
}

impl<E: Into<NodeError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Node(Box::new(error.into()))
    }
}

/// The run that carries it out.
fn prepare(node: &Node, asked: &Asked, effects: &Effects) -> Result<Prepared, Refused> {
    let refused = |kind: &str, message: String| {
        Refused::Failure(Box::new(Failure::Refused {
            kind: kind.to_owned(),
            message,
        }))
    };
    let order = &asked.order;
    if order.mandate.is_request() {
        let message = "what functions ask for is done in workflows of the owner of this home alone";
        return Err(refused("not offered", message.to_owned()));
    }
    if order.depth >= MAX_CHAIN {
        let message = format!("more than {MAX_CHAIN} continuations one after another");
        return Err(refused("too many continuations", message));
    }
    let head = order.plan.head();
    let label = order.plan.label(asked.step).unwrap_or_default().to_owned();
    let config = order.plan.step(asked.step).and_then(|step| step.config);
    let mut config = config.or_else(|| head.defaults.clone()).unwrap_or_default();
    if order.secret.has(asked.step) {
        config.secret = Some(true);
    }
    let none = std::collections::BTreeMap::new();
    let terms = Terms {
        parent: (order.plan.cid(), label.clone()),
        nonce: &head.nonce,
        roles: head.roles.as_ref().unwrap_or(&none),
        owner: node.owner(),
        config: (config != ipvm_workflow::Config::default()).then_some(config),
    };
    let workflow = match asked::workflow_of(effects, &terms) {
        Ok(workflow) => workflow,
        Err(error @ AskedError::Role { .. }) => {
            return Err(refused("unbound role", error.to_string()));
        }
        Err(error) => {
            let message = error.to_string();
            return Err(Refused::Failure(Box::new(Failure::BadResult { message })));
        }
    };
    let plan = Plan::of(workflow)?;
    for step in 0..plan.len() as u32 {
        let task = plan.step(step).map(|step| step.task);
        if let Some(task) = task.filter(|task| !task.is_pure())
            && let Err(message) = super::offered(&task.cmd, &task.args)
        {
            return Err(Refused::Failure(Box::new(Failure::NotOffered { message })));
        }
    }
    let mut prepared = Prepared::of_plan(format!("{}/{label}", order.name), plan);
    prepared.secrecy = Arc::new(node.secret_of(&prepared.plan)?.secrecy);
    Ok(prepared)
}

fn in_doubt(plan: &Plan, carried: &Carried) -> String {
    let first = carried.doubts.iter().min_by_key(|(step, _)| **step);
    match first {
        Some((step, reason)) => {
            let label = plan.label(*step).unwrap_or_default();
            format!("its request {label}: {reason}")
        }
        None => "one of its requests".to_owned(),
    }
}

impl Node {
    /// Carries out requests, going on where an earlier process left them.
    fn run_asked(
        &self,
        prepared: &Prepared,
        asked: &Asked,
        cause: Cid,
    ) -> Result<Carried, NodeError> {
        let mandate = self.own_mandate(&prepared.plan, true)?;
        let options = RunOptions {
            memo: asked.order.memo,
            share_commits: asked.order.share_commits,
            ..RunOptions::default()
        };
        self.run_on(
            prepared,
            (mandate, cause, asked.order.depth + 1),
            &options,
            &asked.order.stop,
        )
    }

    /// Whether a receipt is what a task ended with: its own, or that of the last of its continuations.
    pub(crate) fn stands_for(&self, receipt: &Receipt, task: &Cid) -> Result<bool, NodeError> {
        let mut receipt = receipt.clone();
        for _ in 0..=MAX_CHAIN {
            if receipt.payload().ran == *task {
                return Ok(true);
            }
            let Some(above) = self.cause_of(&receipt)? else {
                return Ok(false);
            };
            receipt = above;
        }
        Ok(false)
    }

    /// Whether a function of a run asked for something that changes the world, or may have it changed.
    pub(crate) fn asked_to_write(&self, run: ipvm_store::RunId) -> Result<bool, NodeError> {
        for step in self.store().steps(run)? {
            let stored = step.receipt.map(|id| self.store().receipt_at(id));
            let Some(stored) = stored.transpose()?.flatten() else {
                continue;
            };
            // From the end of the chain up to the function of the file.
            let mut next = Some(self.decode_receipt(&stored.block)?);
            for _ in 0..=MAX_CHAIN {
                let Some(receipt) = next else { break };
                if receipt.payload().run.as_ref().is_some_and(may_write) {
                    return Ok(true);
                }
                next = self.cause_of(&receipt)?;
            }
        }
        Ok(false)
    }

    /// The receipt that asked for the task of this one, if it was asked for and is here.
    fn cause_of(&self, receipt: &Receipt) -> Result<Option<Receipt>, NodeError> {
        let cause = self.invocation_of(receipt)?.payload().cause;
        Ok(cause
            .map(|cause| self.receipt(&cause))
            .transpose()?
            .flatten())
    }
}

/// Whether any of these requests changes the world. What a function that is asked for beside the continuation asks for in its
/// turn is not looked at: it may.
fn may_write(effects: &Effects) -> bool {
    let writes = |cmd: &Command| class_of(cmd).is_none_or(Class::writes);
    let mut forks = effects.fork.iter().map(|request| &request.cmd);
    forks.any(|cmd| cmd.as_str() == WASM_RUN || writes(cmd))
        || effects.join.as_ref().is_some_and(|join| writes(&join.cmd))
}
