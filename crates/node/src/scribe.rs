//! Writing results down: the signed invocation, the signed receipt, and the commit that makes
//! both durable before anyone is told.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ipvm_ipld::{Block, Cid, cbor, codec};
use ipvm_scheduler::{Ending, RunId};
use ipvm_store::{
    Batch, NewReceipt, ReceiptId, ReceiptKeys, StepReceipt, StepState, StepUpdate, StoreError,
};
use ipvm_ucan::{
    Delegation, Effects, Invocation, InvocationPayload, Outcome, Receipt, ReceiptMeta,
    ReceiptPayload,
};
use ipvm_workflow::{Failure, TaskParts};

use crate::crew::{Computed, Order, Shared};
use crate::record::{Place, Record};
use crate::{Node, NodeError};

/// How long an invocation that the agent addresses to itself stays valid, in seconds.
const INVOCATION_LIFE: i64 = 24 * 60 * 60;

/// Which engine did the work; recorded in each receipt, never voted on.
pub(crate) const ENGINE: &str = concat!("ipvm/", env!("CARGO_PKG_VERSION"));

/// A result that is to be written down.
pub(crate) struct Entry {
    pub(crate) out: Outcome,
    /// Blocks the result refers to.
    pub(crate) blocks: Vec<Block>,
    /// What was printed.
    pub(crate) log: Option<Block>,
    pub(crate) computation: Option<Cid>,
    /// What it asks for.
    pub(crate) run: Option<Effects>,
    /// The receipt whose result this repeats.
    pub(crate) memo: Option<Cid>,
    /// The step that kept this one from running.
    pub(crate) because: Option<u32>,
    pub(crate) fuel: u64,
    /// Seconds since the epoch.
    pub(crate) started: i64,
    /// Microseconds.
    pub(crate) took: i64,
}

/// Signs and commits the result of one step.
#[derive(Clone, Copy)]
pub(crate) struct Scribe<'a> {
    pub(crate) node: &'a Node,
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) order: &'a Arc<Order>,
    pub(crate) run: RunId,
    pub(crate) step: u32,
}

impl Scribe<'_> {
    /// Signs a receipt for the step's task, whose CID is `ran`, and commits it; the run is told once it is durable. What
    /// is returned may be used by pure steps before.
    pub(crate) fn write(self, ran: Cid, result: Entry) -> Result<Computed, NodeError> {
        let invocation = self.invocation(result.started)?;
        self.write_effect(ran, result, invocation, Batch::new())
    }

    /// The same for an effect, which was asked for by `invocation`; `batch` becomes durable with it.
    pub(crate) fn write_effect(
        self,
        ran: Cid,
        result: Entry,
        invocation: Block,
        batch: Batch,
    ) -> Result<Computed, NodeError> {
        // The next step could not read blocks that are not on record yet.
        let is_whole = result.blocks.is_empty();
        let (memo, because) = (result.memo.is_some(), result.because);
        let started = result.started;
        let (receipt, mut batch, place) = self.draft(ran, result, invocation, batch)?;
        if self.order.mandate.is_request() && self.order.plan.class(self.step).writes() {
            // Kept for good: what was done for others once is not done again, however late it is asked for.
            batch.accept(receipt.cid(), started);
        }
        let value = self.value(&receipt, is_whole)?;
        Ok(self.end(batch, place, &receipt, value, (memo, because)))
    }

    /// Writes down a result that asks for something. The step has not ended with it; when this returns it is durable.
    pub(crate) fn write_asking(self, ran: Cid, result: Entry) -> Result<Receipt, NodeError> {
        let invocation = self.invocation(result.started)?;
        let (receipt, batch, _) = self.draft(ran, result, invocation, Batch::new())?;
        self.node.store().commit(batch)?;
        Ok(receipt)
    }

    /// The signed receipt, and the batch that makes it and all that belongs to it durable.
    fn draft(
        &self,
        ran: Cid,
        result: Entry,
        invocation: Block,
        mut batch: Batch,
    ) -> Result<(Receipt, Batch, StepReceipt), NodeError> {
        let computation = result.computation;
        let receipt = Receipt::sign(
            self.node.keys().agent()?,
            ReceiptPayload {
                ran,
                out: result.out,
                run: result.run,
                meta: ReceiptMeta {
                    inv: *invocation.cid(),
                    // Of a secret task it would let others guess what went into it.
                    computation: computation.filter(|_| !self.is_secret()),
                    memo: result.memo,
                    log: result.log.as_ref().map(|log| *log.cid()),
                    engine: ENGINE.to_owned(),
                    fuel: result.fuel,
                    started: result.started,
                    took: result.took,
                },
            },
        )?;
        let blocks = result.blocks.into_iter().chain(result.log);
        let receipt_row = if self.is_secret() {
            let made = self.node.seal_new(blocks, &HashSet::new())?;
            let asked = self.node.seal_new([invocation], &self.order.secret.open)?;
            made.into_iter().chain(asked).for_each(|block| {
                batch.block(block);
            });
            self.node.seal_receipt(&receipt, computation.as_ref())?
        } else {
            blocks.chain([invocation]).for_each(|block| {
                batch.block(block);
            });
            NewReceipt {
                block: token(receipt.bytes()),
                keys: ReceiptKeys {
                    task: ran,
                    computation,
                },
            }
        };
        let place = batch.receipt(receipt_row);
        Ok((receipt, batch, place))
    }

    /// What the receipt answers: the request for this very task by another, or one that the agent signs.
    pub(crate) fn invocation(&self, started: i64) -> Result<Block, NodeError> {
        let missing = || NodeError::Internal(format!("step {} is not in the workflow", self.step));
        let task = || self.order.plan.task(self.step).ok_or_else(missing);
        match self.order.mandate.warrant(self.step) {
            None => {
                let delegation = std::slice::from_ref(&self.node.keys().delegation);
                let cause = self.order.cause;
                self.node.invoke_by(task()?, delegation, cause, started)
            }
            Some(warrant) => match &warrant.invocation {
                Some(asked) => Ok(token(asked.bytes())),
                None => {
                    let cause = self.order.cause;
                    self.node
                        .invoke_by(task()?, &warrant.proofs, cause, started)
                }
            },
        }
    }

    /// Keeps the request for an effect before it is done.
    pub(crate) fn keep_invocation(
        &self,
        batch: &mut Batch,
        invocation: &Block,
    ) -> Result<(), NodeError> {
        let blocks = match self.is_secret() {
            true => self
                .node
                .seal_new([invocation.clone()], &self.order.secret.open)?,
            false => vec![invocation.clone()],
        };
        for block in blocks {
            batch.block(block);
        }
        Ok(())
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.order.secret.has(self.step)
    }

    /// Ends the step with the error that what it asks for is not carried out.
    pub(crate) fn refuse(self, ran: Cid, failure: &Failure) -> Result<Computed, NodeError> {
        let entry = Entry {
            out: Outcome::Error(failure.to_ipld()),
            blocks: Vec::new(),
            log: None,
            computation: None,
            run: None,
            memo: None,
            because: None,
            fuel: 0,
            started: self.node.now(),
            took: 0,
        };
        self.write(ran, entry)
    }

    /// Ends the step with the receipt of the last of its continuations.
    pub(crate) fn conclude(self, last: &Cid, memo: bool) -> Result<Computed, NodeError> {
        let found = self.node.receipt_in(Place::of(last))?;
        let (id, receipt) = found.ok_or(NodeError::NoBlock(*last))?;
        let value = self.value(&receipt, true)?;
        let place = StepReceipt::Stored(id);
        Ok(self.end(Batch::new(), place, &receipt, value, (memo, None)))
    }

    /// Notes that the step ended with a receipt that is on record already.
    pub(crate) fn reuse(self, id: ReceiptId, receipt: &Receipt) -> Result<Computed, NodeError> {
        let value = self.value(receipt, true)?;
        let place = StepReceipt::Stored(id);
        Ok(self.end(Batch::new(), place, receipt, value, (true, None)))
    }

    /// The outcome as other steps use it before it is durable; none if they must not.
    fn value(&self, receipt: &Receipt, is_whole: bool) -> Result<Option<Vec<u8>>, NodeError> {
        let is_used = !self.order.plan.graph().dependents(self.step).is_empty();
        Ok(match (is_whole, is_used) {
            (false, _) => None,
            (true, false) => Some(Vec::new()),
            (true, true) => Some(cbor::encode(&receipt.payload().out.to_ipld())?),
        })
    }

    /// Hands the receipt to the store, and the step's end with it.
    fn end(
        self,
        mut batch: Batch,
        place: StepReceipt,
        receipt: &Receipt,
        value: Option<Vec<u8>>,
        (memo, because): (bool, Option<u32>),
    ) -> Computed {
        let out = &receipt.payload().out;
        let ending = ending_of(out);
        let state = match ending {
            Ending::Ok => StepState::Ok,
            Ending::Error => StepState::Error,
        };
        batch.step(StepUpdate {
            run: self.order.run,
            index: self.step,
            state,
            receipt: Some(place),
        });
        let told = Told {
            shared: Arc::clone(self.shared),
            run: self.run,
            step: self.step,
            record: Record::of(receipt, memo),
            error: match out {
                Outcome::Ok(_) => None,
                Outcome::Error(error) => Some(one_line(error)),
            },
            because,
            done: false,
        };
        let on_durable = move |durable| told.durable(durable);
        Computed {
            run: self.run,
            step: self.step,
            ending,
            value,
            commit: self.node.store().enqueue(batch, Box::new(on_durable)),
        }
    }
}

/// Tells the run that a step is durable, or that it never will be: also where the store is closed without a word.
struct Told {
    shared: Arc<Shared>,
    run: RunId,
    step: u32,
    record: Record,
    error: Option<String>,
    because: Option<u32>,
    done: bool,
}

impl Told {
    fn durable(mut self, durable: Result<(), StoreError>) {
        self.done = true;
        match durable {
            Ok(()) => {
                failpoint!("step.durable");
                let error = self.error.take();
                self.shared
                    .ended((self.run, self.step), self.record, error, self.because);
            }
            Err(error) => self.shared.fail(self.run, error.into()),
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if !self.done {
            let error = NodeError::Internal("the store has ended before its work was done".into());
            self.shared.fail(self.run, error);
        }
    }
}

fn ending_of(out: &Outcome) -> Ending {
    match out {
        Outcome::Ok(_) => Ending::Ok,
        Outcome::Error(_) => Ending::Error,
    }
}

impl Node {
    /// The agent asks itself to carry out `task`, on behalf of its subject, by these delegations (on its own without), and
    /// because of a receipt that asked for it, if one did.
    pub(crate) fn invoke_by(
        &self,
        task: TaskParts<'_>,
        proofs: &[Delegation],
        cause: Option<Cid>,
        now: i64,
    ) -> Result<Block, NodeError> {
        let agent = self.agent();
        let payload = InvocationPayload {
            iss: agent.clone(),
            aud: (task.sub != *agent).then(|| agent.clone()),
            sub: task.sub,
            cmd: task.cmd,
            args: BTreeMap::new(),
            prf: proofs.iter().map(Delegation::cid).collect(),
            nonce: task.nonce,
            exp: Some(now + INVOCATION_LIFE),
            iat: None,
            cause,
            meta: None,
        };
        let key = self.keys().agent()?;
        Ok(Invocation::sign_encoded(key, payload, task.args)?)
    }
}

/// A signed token as a block.
pub(crate) fn token(bytes: &[u8]) -> Block {
    Block::new(codec::DAG_CBOR, bytes.to_vec())
}

/// An error value as a person reads it, in one line.
pub(crate) fn one_line(error: &ipvm_ipld::Ipld) -> String {
    match ipvm_workflow::error_in_words(error) {
        Some(text) => text.replace(['\n', '\r'], " "),
        None => ipvm_ipld::json::to_string(error),
    }
}
