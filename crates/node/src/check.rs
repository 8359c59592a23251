//! Re-checking a receipt by computing its result again.

use std::time::Instant;

use ipvm_ipld::{Block, Cid, Ipld, cbor};
use ipvm_ucan::{Effects, Outcome, Receipt, verify};
use ipvm_wasm::Cancel;
use ipvm_workflow::{Class, Config, Limits, class_of};

use crate::memo::{computation_of, is_reusable, resolve};
use crate::worker::{Executed, spill};
use crate::{Node, NodeError};
use ipvm_ucan::DEFAULT_SKEW;

/// Memory for a re-check, in bytes: all that 32-bit Wasm can address.
const MAX_MEMORY: u64 = 4 << 30;
/// Time for a re-check, in milliseconds.
const MAX_TIME: u64 = 600_000;

/// What came of re-checking a receipt.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Whether the result is the same, bit for bit.
    pub same: bool,
    /// The result in the receipt.
    pub recorded: Outcome,
    /// The result computed now.
    pub recomputed: Outcome,
    /// How long computing took now, in microseconds.
    pub took_us: u64,
    /// On whose authority the work was done, in words.
    pub authority: String,
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
    pub(crate) authority: String,
}

impl Node {
    /// Checks a receipt whole: its signature, the authority of the invocation it answers, and, by
    /// executing the function again, its result. Nothing is written.
    ///
    /// # Errors
    /// A signature or the authority is not valid, the task is not a pure one that can be executed
    /// again, something it needs is missing, or `cancel` was set.
    pub fn verify_receipt(&self, cid: &Cid, cancel: &Cancel) -> Result<Verified, NodeError> {
        let receipt = self.receipt(cid)?.ok_or(NodeError::NoBlock(*cid))?;
        let redone = self.redo(&receipt, cancel)?;
        let recorded = receipt.payload().out.clone();
        Ok(Verified {
            same: redone.out == recorded && redone.run == receipt.payload().run,
            recorded,
            recomputed: redone.out,
            took_us: redone.took_us,
            authority: redone.authority,
        })
    }

    /// Does the task of a receipt again, after checking signature and authority.
    pub(crate) fn redo(&self, receipt: &Receipt, cancel: &Cancel) -> Result<Redone, NodeError> {
        receipt.verify_signature()?;
        let cid = receipt.cid();
        let secret = self.store().receipt(&cid)?.is_none();
        let payload = receipt.payload();
        let invocation = self.invocation_of(receipt)?;
        let asked = invocation.payload();
        let proofs = |proof: &Cid| {
            let bytes = self.block(proof).ok()??;
            ipvm_ucan::Delegation::decode(&bytes).ok()
        };
        let capability = verify(&invocation, &proofs, payload.meta.started, DEFAULT_SKEW)?;
        let task = ipvm_workflow::Task {
            sub: asked.sub.clone(),
            cmd: asked.cmd.clone(),
            args: asked.args.clone(),
            nonce: asked.nonce.clone(),
        };
        if task.cid()? != payload.ran {
            return Err(NodeError::Name(format!(
                "receipt {cid} is about another task than its invocation"
            )));
        }
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
        let args = resolve(&args, &mut |wanted| {
            let input = match secret {
                true => self.own_external(&wanted.task)?,
                false => self.external(&wanted.task)?,
            };
            self.awaited(wanted, &input.cid())
        })?;
        let clock = Instant::now();
        let limits = generous(payload.meta.fuel);
        let computation = computation_of(&task.cmd, &args)?;
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
            authority: format!(
                "{} may use {} on {}",
                capability.iss, capability.cmd, capability.sub
            ),
        })
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
