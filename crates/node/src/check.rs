//! Re-checking a receipt by computing its result again.

use std::collections::HashMap;
use std::time::Instant;

use ipvm_ipld::{Block, Cid, Ipld, cbor};
use ipvm_ucan::{Command, Context, Effects, Outcome, Receipt, verify_in};
use ipvm_wasm::Cancel;
use ipvm_workflow::{Class, Config, Limits, Task, class_of};

use crate::memo::{computation_of, is_reusable, resolve};
use crate::record::Place;
use crate::worker::{Executed, spill};
use crate::{Node, NodeError};

/// Memory for a re-check, in bytes: all that 32-bit Wasm can address.
const MAX_MEMORY: u64 = 4 << 30;
/// Time for a re-check, in milliseconds.
const MAX_TIME: u64 = 600_000;

/// What came of re-checking a receipt.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What was asked for.
    pub command: Command,
    /// The result in the receipt.
    pub recorded: Outcome,
    /// What came of doing it again; none of an effect, which cannot be done again.
    pub again: Option<Again>,
    /// On whose authority the work was done, in words.
    pub authority: String,
    /// Whether the keys that are known now say that the signature is right. If not, they said so when the receipt came: its
    /// executor is a `did:web`, whose document is too old or names other keys by now.
    pub is_signed_now: bool,
}

impl Verified {
    /// Whether it was computed again, with the same result.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.again.as_ref().is_some_and(|again| again.same)
    }
}

/// A result that was computed again.
#[derive(Clone, Debug)]
pub struct Again {
    /// Whether the result is the same, bit for bit.
    pub same: bool,
    /// The result computed now.
    pub out: Outcome,
    /// How long computing took now, in microseconds.
    pub took_us: u64,
}

/// A task that was done again.
pub(crate) struct Redone {
    pub(crate) out: Outcome,
    /// What it asks for.
    pub(crate) run: Option<Effects>,
    /// The content of the result.
    pub(crate) blocks: Vec<Block>,
    /// Microseconds.
    pub(crate) took_us: u64,
}

/// What a receipt is about, once its signature and its authority are found right.
struct Claim {
    task: Task,
    authority: String,
    is_signed_now: bool,
}

impl Node {
    /// Checks a receipt whole: its signature, the authority of the invocation it answers, and, by
    /// executing the function again, its result. An effect is not done again. Nothing is written.
    ///
    /// # Errors
    /// A signature or the authority is not valid, the task is a pure one that cannot be executed
    /// again, something it needs is missing, or `cancel` was set.
    pub fn verify_receipt(&self, cid: &Cid, cancel: &Cancel) -> Result<Verified, NodeError> {
        let receipt = self.receipt(cid)?.ok_or(NodeError::NoBlock(*cid))?;
        let claim = self.claim_of(&receipt)?;
        let recorded = receipt.payload().out.clone();
        let (command, authority) = (claim.task.cmd.clone(), claim.authority.clone());
        let is_signed_now = claim.is_signed_now;
        let again = match class_of(&command) {
            Some(Class::Pure) => {
                let redone = self.redo_claimed(&receipt, claim, cancel)?;
                Some(Again {
                    same: redone.out == recorded && redone.run == receipt.payload().run,
                    out: redone.out,
                    took_us: redone.took_us,
                })
            }
            _ => None,
        };
        Ok(Verified {
            command,
            recorded,
            again,
            authority,
            is_signed_now,
        })
    }

    /// Checks signature and authority of a receipt.
    fn claim_of(&self, receipt: &Receipt) -> Result<Claim, NodeError> {
        let payload = receipt.payload();
        let started = payload.meta.started;
        let keys = self.documents_with(&[], started)?;
        let is_signed_now = match receipt.verify_signature_with(&keys, self.now()) {
            Ok(()) => true,
            // It was verified before it was stored, with the keys of that time.
            Err(_) if receipt.executor().key().is_none() => false,
            Err(error) => return Err(error.into()),
        };
        let invocation = self.invocation_of(receipt)?;
        let asked = invocation.payload();
        let proofs = |proof: &Cid| {
            let bytes = self.block(proof).ok()??;
            ipvm_ucan::Delegation::decode(&bytes).ok()
        };
        let context = Context::at(started).resolver(&keys);
        let capability = verify_in(&invocation, &proofs, &context)?;
        let task = Task {
            sub: asked.sub.clone(),
            cmd: asked.cmd.clone(),
            args: asked.args.clone(),
            nonce: asked.nonce.clone(),
        };
        if task.cid()? != payload.ran {
            return Err(NodeError::Name(format!(
                "receipt {} is about another task than its invocation",
                receipt.cid()
            )));
        }
        let authority = format!(
            "{} may use {} on {}",
            capability.iss, capability.cmd, capability.sub
        );
        Ok(Claim {
            task,
            authority,
            is_signed_now,
        })
    }

    /// Does the task of a receipt again, after checking signature and authority.
    pub(crate) fn redo(&self, receipt: &Receipt, cancel: &Cancel) -> Result<Redone, NodeError> {
        let claim = self.claim_of(receipt)?;
        self.redo_claimed(receipt, claim, cancel)
    }

    fn redo_claimed(
        &self,
        receipt: &Receipt,
        claim: Claim,
        cancel: &Cancel,
    ) -> Result<Redone, NodeError> {
        let cid = receipt.cid();
        let secret = self.store().receipt(&cid)?.is_none();
        let (payload, task) = (receipt.payload(), claim.task);
        if class_of(&task.cmd) != Some(Class::Pure) {
            return Err(NodeError::Name(format!(
                "{} is not pure: it cannot be done again",
                task.cmd
            )));
        }
        if !is_reusable(&payload.out) {
            return Err(NodeError::Name(format!(
                "receipt {cid} says no result, only that the task did not end"
            )));
        }
        let args = cbor::encode(&Ipld::Map(task.args))?;
        let inputs = self.inputs_in_run(receipt)?;
        let mut awaits = false;
        let args = resolve(&args, &mut |wanted| {
            awaits = true;
            let input = match inputs.get(&wanted.task) {
                Some(input) => *input,
                None if secret => self.own_external(&wanted.task)?.cid(),
                None => self.external(&wanted.task)?.cid(),
            };
            self.awaited(wanted, &input)
        })?;
        let computation = computation_of(&task.cmd, &args)?;
        // Else the result would differ because its inputs do, and the executor be blamed for it.
        if awaits
            && payload
                .meta
                .computation
                .is_some_and(|then| then != computation)
        {
            return Err(NodeError::Name(format!(
                "what the task of receipt {cid} awaited is not on record as it was then; it cannot be computed again"
            )));
        }
        let clock = Instant::now();
        let limits = generous(payload.meta.fuel);
        let done = self.execute(args, &computation, &limits, secret, cancel)?;
        let Some(Executed { out, run, .. }) = done else {
            return Err(NodeError::Interrupted);
        };
        let took_us = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (out, blocks) = spill(out);
        Ok(Redone {
            out,
            run,
            blocks,
            took_us,
        })
    }

    /// What a receipt's task awaited in the run that has it, by task: the receipts that those steps ended with, which are
    /// not always those of the tasks. A function that asked for something ended with the receipt of that, in each run with
    /// another. Nothing where no run has the receipt, or has no steps of these tasks.
    pub(crate) fn inputs_in_run(&self, receipt: &Receipt) -> Result<HashMap<Cid, Cid>, NodeError> {
        let mut inputs = HashMap::new();
        let Some((id, _)) = self.receipt_in(Place::of(&receipt.cid()))? else {
            return Ok(inputs);
        };
        let Some((run, step)) = self.store().step_of(id)? else {
            return Ok(inputs);
        };
        let Some(run) = self.store().run(run)? else {
            return Ok(inputs);
        };
        let plan = self.plan(&self.true_cid(&run.workflow)?)?;
        let steps = self.store().steps(run.id)?;
        for on in plan.graph().deps(step) {
            let found = steps.binary_search_by_key(on, |step| step.index).ok();
            let found = found.and_then(|at| steps.get(at)?.receipt);
            if let (Some(task), Some(id)) = (plan.graph().task(*on), found) {
                inputs.insert(task, self.cid_of_receipt(Place::Row(id))?);
            }
        }
        Ok(inputs)
    }
}

/// Limits do not change a result, so any that are large enough will do.
fn generous(fuel: u64) -> Limits {
    let usual = Config::cascade(None, None);
    Limits {
        fuel: usual.fuel.max(fuel.saturating_mul(2)),
        memory: MAX_MEMORY,
        time: MAX_TIME,
        ..usual
    }
}
