//! Writing results down: the signed invocation, the signed receipt, and the commit that makes
//! both durable before anyone is told.

use std::sync::mpsc::Sender;
use std::time::{SystemTime, UNIX_EPOCH};

use ipvm_ipld::{Block, Cid, codec};
use ipvm_scheduler::Ending;
use ipvm_store::{
    Batch, NewReceipt, ReceiptId, ReceiptKeys, RunId, StepReceipt, StepState, StepUpdate,
};
use ipvm_ucan::{Invocation, InvocationPayload, Outcome, Receipt, ReceiptMeta, ReceiptPayload};
use ipvm_workflow::{Failure, Task};

use crate::memo::is_reusable;
use crate::{Node, NodeError};

/// How long an invocation that the agent addresses to itself stays valid, in seconds.
const INVOCATION_LIFE: i64 = 24 * 60 * 60;

/// Which engine did the work; recorded in each receipt, never voted on.
pub(crate) const ENGINE: &str = concat!("ipvm/", env!("CARGO_PKG_VERSION"));

/// What is kept in memory of a step that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) ending: Ending,
    pub(crate) receipt: Cid,
    pub(crate) memo: bool,
    pub(crate) fuel: u64,
    /// How long the execution took, whenever that was, in microseconds.
    pub(crate) took_us: u64,
    pub(crate) error: Option<String>,
    /// Whether it may stand for other runs of the same work.
    pub(crate) reusable: bool,
}

impl Record {
    pub(crate) fn of(receipt: &Receipt, memo: bool) -> Self {
        let payload = receipt.payload();
        let (ending, error) = match &payload.out {
            Outcome::Ok(_) => (Ending::Ok, None),
            Outcome::Error(error) => (Ending::Error, Some(one_line(error))),
        };
        Self {
            ending,
            receipt: receipt.cid(),
            memo,
            fuel: payload.meta.fuel,
            took_us: u64::try_from(payload.meta.took).unwrap_or(0),
            error,
            reusable: is_reusable(&payload.out),
        }
    }
}

/// What the threads of a run tell its main loop.
#[derive(Debug)]
pub(crate) enum Message {
    /// A step is being executed.
    Started(u32),
    /// A step's receipt is durable.
    Ended(u32, Record),
    /// A step was given up because the run is stopped.
    Abandoned(u32),
    /// Nothing more can be written.
    Failed(NodeError),
}

/// A result that is to be written down.
pub(crate) struct Entry {
    pub(crate) out: Outcome,
    /// Blocks the result refers to.
    pub(crate) blocks: Vec<Block>,
    /// What was printed.
    pub(crate) log: Option<Block>,
    pub(crate) computation: Option<Cid>,
    /// The receipt whose result this repeats.
    pub(crate) memo: Option<Cid>,
    pub(crate) fuel: u64,
    /// Seconds since the epoch.
    pub(crate) started: i64,
    /// Microseconds.
    pub(crate) took: i64,
}

/// Signs and commits the results of one run.
#[derive(Clone)]
pub(crate) struct Scribe<'a> {
    pub(crate) node: &'a Node,
    pub(crate) run: RunId,
    pub(crate) outbox: Sender<Message>,
}

impl Scribe<'_> {
    /// Signs a receipt for `task` and commits it; [`Message::Ended`] follows once it is durable.
    pub(crate) fn write(&self, step: u32, task: &Task, result: Entry) -> Result<(), NodeError> {
        let keys = self.node.keys();
        let ran = task.cid()?;
        let invocation = self.node.invoke(task, result.started)?;
        let computation = result.computation;
        let memo = result.memo.is_some();
        let receipt = Receipt::sign(
            &keys.agent,
            ReceiptPayload {
                ran,
                out: result.out,
                run: None,
                meta: ReceiptMeta {
                    inv: invocation.cid(),
                    computation,
                    memo: result.memo,
                    log: result.log.as_ref().map(|log| *log.cid()),
                    engine: ENGINE.to_owned(),
                    fuel: result.fuel,
                    started: result.started,
                    took: result.took,
                },
            },
        )?;
        let record = Record::of(&receipt, memo);
        let mut batch = Batch::new();
        for block in result.blocks.into_iter().chain(result.log) {
            batch.block(block);
        }
        batch.block(token(invocation.bytes()));
        let block = token(receipt.bytes());
        let receipt = batch.receipt(NewReceipt {
            block,
            keys: ReceiptKeys {
                task: ran,
                computation,
            },
        });
        self.end(batch, step, receipt, record);
        Ok(())
    }

    /// Notes that a step ended with a receipt that is on record already.
    pub(crate) fn reuse(&self, step: u32, id: ReceiptId, record: Record) {
        self.end(Batch::new(), step, StepReceipt::Stored(id), record);
    }

    fn end(&self, mut batch: Batch, step: u32, receipt: StepReceipt, record: Record) {
        let state = match record.ending {
            Ending::Ok => StepState::Ok,
            Ending::Error => StepState::Error,
        };
        batch.step(StepUpdate {
            run: self.run,
            index: step,
            state,
            receipt: Some(receipt),
        });
        let outbox = self.outbox.clone();
        let told = move |durable: Result<(), ipvm_store::StoreError>| {
            let message = match durable {
                Ok(()) => Message::Ended(step, record),
                Err(error) => Message::Failed(error.into()),
            };
            // The loop that listened is gone only when the run has failed already.
            let _ = outbox.send(message);
        };
        self.node.store().submit(batch, Box::new(told));
    }
}

impl Node {
    /// The agent asks itself, on the owner's behalf, to carry out `task`.
    pub(crate) fn invoke(&self, task: &Task, now: i64) -> Result<Invocation, NodeError> {
        let keys = self.keys();
        let payload = InvocationPayload {
            iss: keys.agent.did().clone(),
            sub: task.sub.clone(),
            aud: (task.sub != *keys.agent.did()).then(|| keys.agent.did().clone()),
            cmd: task.cmd.clone(),
            args: task.args.clone(),
            prf: vec![keys.delegation.cid()],
            nonce: task.nonce.clone(),
            exp: Some(now + INVOCATION_LIFE),
            iat: None,
            cause: None,
            meta: None,
        };
        Ok(Invocation::sign(&keys.agent, payload)?)
    }
}

/// A signed token as a block.
pub(crate) fn token(bytes: &[u8]) -> Block {
    Block::new(codec::DAG_CBOR, bytes.to_vec())
}

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// An error value as a person reads it, in one line.
pub(crate) fn one_line(error: &ipvm_ipld::Ipld) -> String {
    match (Failure::from_ipld(error), error) {
        (Some(failure), _) => failure.to_string(),
        (None, ipvm_ipld::Ipld::String(text)) => text.replace(['\n', '\r'], " "),
        (None, other) => ipvm_ipld::json::to_string(other),
    }
}
