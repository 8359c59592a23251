//! The threads that execute functions.

use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use ipvm_ipld::Cid;
use ipvm_ucan::Outcome;
use ipvm_wasm::{Call, CallError, Cancel, Failed, Log};
use ipvm_workflow::content::SpillError;
use ipvm_workflow::{Failure, LimitKind, Limits, Task, WasmCall, content};

use crate::content::StoreContent;
use crate::memo::Args;
use crate::scribe::{Entry, Message, Scribe, now};
use crate::{Node, NodeError, log};

/// A task that is to be executed.
pub(crate) struct Job {
    pub(crate) step: u32,
    pub(crate) task: Task,
    /// The arguments with every promise resolved.
    pub(crate) args: Args,
    pub(crate) computation: Cid,
    pub(crate) limits: Limits,
}

/// What came of executing a function.
pub(crate) enum Execution {
    /// It ended, in a result or in an error that is one.
    Ended {
        /// The result, its large parts not yet spilled.
        out: Outcome,
        /// Fuel used.
        fuel: u64,
        /// What it printed.
        log: Log,
    },
    /// It was stopped because the user wanted so.
    Cancelled,
}

/// Takes jobs until there are no more.
pub(crate) fn work(jobs: &Mutex<Receiver<Job>>, scribe: &Scribe<'_>, cancel: &Cancel) {
    loop {
        let job = match jobs.lock() {
            Ok(jobs) => jobs.recv(),
            // Another worker died while it waited; this one cannot know what it left.
            Err(_) => return,
        };
        let Ok(job) = job else { return };
        let step = job.step;
        if cancel.is_cancelled() {
            let _ = scribe.outbox.send(Message::Abandoned(step));
            continue;
        }
        let _ = scribe.outbox.send(Message::Started(step));
        if let Err(error) = carry_out(job, scribe, cancel) {
            let _ = scribe.outbox.send(Message::Failed(error));
        }
    }
}

fn carry_out(job: Job, scribe: &Scribe<'_>, cancel: &Cancel) -> Result<(), NodeError> {
    let started = now();
    let clock = Instant::now();
    let executed = scribe
        .node
        .execute(job.args, &job.computation, &job.limits, cancel)?;
    let Execution::Ended { out, fuel, log } = executed else {
        let _ = scribe.outbox.send(Message::Abandoned(job.step));
        return Ok(());
    };
    let (out, blocks) = spill(out);
    let took = i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX);
    let result = Entry {
        out,
        blocks,
        log: log::to_block(log)?,
        computation: Some(job.computation),
        memo: None,
        fuel,
        started,
        took,
    };
    scribe.write(job.step, &job.task, result)
}

/// Moves what is large in a result to blocks of its own.
pub(crate) fn spill(out: Outcome) -> (Outcome, Vec<ipvm_ipld::Block>) {
    let mut blocks = Vec::new();
    match content::spill(out, &mut |block| blocks.push(block)) {
        Ok(out) => (out, blocks),
        Err(error) => (
            Outcome::Error(failure_of_spill(error).to_ipld()),
            Vec::new(),
        ),
    }
}

impl Node {
    /// Executes the function that resolved `/wasm/run` arguments name. Whatever randomness it asks for follows from
    /// its computation key alone.
    pub(crate) fn execute(
        &self,
        args: Args,
        computation: &Cid,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Execution, NodeError> {
        let failed = |failure: Failure| {
            Ok(Execution::Ended {
                out: Outcome::Error(failure.to_ipld()),
                fuel: 0,
                log: Log::default(),
            })
        };
        let call = match WasmCall::from_args(args) {
            Ok(call) => call,
            Err(error) => {
                return failed(Failure::BadArgument {
                    index: None,
                    message: error.to_string(),
                });
            }
        };
        let module = match self.module(&call.module) {
            Ok(module) => module,
            Err(NodeError::Module { module, message }) => {
                return failed(Failure::BadModule { module, message });
            }
            Err(error) => return Err(error),
        };
        let done = module.call(&Call {
            function: &call.function,
            args: &call.args,
            limits: ipvm_wasm::Limits {
                fuel: limits.fuel,
                memory: limits.memory,
                time: Duration::from_millis(limits.time),
                output: limits.output,
                log: limits.log,
            },
            seed: seed_of(computation),
            content: &StoreContent(self),
            cancel,
        });
        match done {
            Ok(done) => {
                let out = match done.out {
                    Ok(value) => Outcome::Ok(value),
                    Err(error) => Outcome::Error(error),
                };
                Ok(Execution::Ended {
                    out,
                    fuel: done.fuel,
                    log: done.log,
                })
            }
            Err(Failed {
                error: CallError::Cancelled,
                ..
            }) => Ok(Execution::Cancelled),
            Err(Failed { error, fuel, log }) => {
                let out = Outcome::Error(failure_of(error, &call, limits).to_ipld());
                Ok(Execution::Ended { out, fuel, log })
            }
        }
    }
}

/// The seed of a computation's randomness: the digest in its key, so that every executor draws the same.
fn seed_of(computation: &Cid) -> [u8; 32] {
    let digest = computation.hash().digest();
    let mut seed = [0; 32];
    seed.iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = *from);
    seed
}

/// How a result that cannot be recorded is recorded.
fn failure_of_spill(error: SpillError) -> Failure {
    match error {
        SpillError::TooLarge { bytes } => Failure::TooLarge {
            bytes: bytes as u64,
            allowed: content::MAX_VALUE_BYTES as u64,
        },
        other => Failure::BadResult {
            message: other.to_string(),
        },
    }
}

/// How an error of the engine is recorded.
fn failure_of(error: CallError, call: &WasmCall, limits: &Limits) -> Failure {
    let limit = |limit, allowed| Failure::Limit { limit, allowed };
    let message = error.to_string();
    match error {
        CallError::Fuel { limit: allowed } => limit(LimitKind::Fuel, allowed),
        CallError::Memory { limit: allowed } => limit(LimitKind::Memory, allowed),
        CallError::Table { limit: allowed } => limit(LimitKind::Table, allowed as u64),
        CallError::Stack { limit: allowed } => limit(LimitKind::Stack, allowed as u64),
        CallError::Time { .. } => limit(LimitKind::Time, limits.time),
        CallError::Output { limit: allowed } => limit(LimitKind::Output, allowed),
        CallError::Log { limit: allowed } => limit(LimitKind::Log, allowed),
        CallError::Cancelled => Failure::Cancelled,
        CallError::Trap { message } => Failure::Trap { message },
        CallError::Argument(error) => Failure::BadArgument {
            index: Some(error.index as u64),
            message,
        },
        CallError::Content { cid, .. } => Failure::MissingContent {
            content: *cid,
            message,
        },
        CallError::NotANumber { .. }
        | CallError::DuplicateKey { .. }
        | CallError::NotACid { .. } => Failure::BadResult { message },
        CallError::Function(_) | CallError::Unsupported { .. } => Failure::UnknownFunction {
            module: call.module,
            function: call.function.clone(),
            message,
        },
        CallError::Machine(message) => Failure::Crash { message },
    }
}
