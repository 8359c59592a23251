//! The threads that execute functions.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ipvm_ipld::sealed::is_frame;
use ipvm_ipld::{Cid, Ipld, Limits as Bounds, cbor, cid_of_digest, codec};
use ipvm_scheduler::{Ending, RunId};
use ipvm_store::ReceiptId;
use ipvm_ucan::promise::{Await, Branch};
use ipvm_ucan::{Effects, Outcome, Receipt};
use ipvm_wasm::{Call, CallError, Cancel, Done, Failed, Log};
use ipvm_workflow::content::SpillError;
use ipvm_workflow::{Class, Failure, LimitKind, Limits, WasmCall, asked, content};

use crate::content::StoreContent;
use crate::crew::{Computed, Departure, Job, Order, Shared, Source, What, Work};
use crate::effects::Asked;
use crate::memo::{Args, computation_of, resolve};
use crate::record::{Kept, Place};
use crate::scribe::{Entry, Scribe};
use crate::{Node, NodeError, effects, log};

/// What came of executing a function.
pub(crate) struct Executed {
    /// The result, its large parts not yet spilled; an error may be one.
    pub(crate) out: Outcome,
    /// Fuel used.
    pub(crate) fuel: u64,
    /// What it asks for.
    pub(crate) run: Option<Effects>,
    /// What it printed.
    pub(crate) log: Log,
}

impl Executed {
    fn failed(failure: &Failure, fuel: u64, log: Log) -> Self {
        Self {
            out: Outcome::Error(failure.to_ipld()),
            fuel,
            run: None,
            log,
        }
    }

    /// What a function returned.
    fn of(done: Done) -> Self {
        let (fuel, log) = (done.fuel, done.log);
        let (out, run) = match (done.out, done.effects.map(asked::read)) {
            (Ok(_), Some(Err(error))) => {
                let message = error.to_string();
                return Self::failed(&Failure::BadResult { message }, fuel, log);
            }
            (Ok(value), Some(Ok(run))) => (Outcome::Ok(value), run),
            (Ok(value), None) => (Outcome::Ok(value), None),
            (Err(error), _) => (Outcome::Error(error), None),
        };
        Self {
            out,
            fuel,
            run,
            log,
        }
    }
}

/// Takes jobs until the home is closed.
pub(crate) fn work(node: &Node, shared: &Arc<Shared>) {
    let mut computed = None;
    while let Some(job) = shared.next(computed.take()) {
        let run = job.run;
        let _fallen = Fallen {
            shared,
            run,
            step: None,
        };
        match carry_out(node, shared, job) {
            Ok(done) => computed = done,
            Err(error) => shared.fail(run, error),
        }
    }
}

/// Fails the run of a thread that panics: nobody else would ever report its step.
pub(crate) struct Fallen<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) run: RunId,
    /// The step, of a thread that works for it alone.
    pub(crate) step: Option<u32>,
}

impl Drop for Fallen<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let error = NodeError::Internal("a worker has panicked".into());
            self.shared.fail(self.run, error);
            if let Some(step) = self.step {
                self.shared.give_up(self.run, step);
            }
        }
    }
}

/// Does one job; what it has computed, if it has not ended otherwise.
fn carry_out(node: &Node, shared: &Arc<Shared>, job: Job) -> Result<Option<Computed>, NodeError> {
    let order = Arc::clone(&job.order);
    let scribe = Scribe {
        node,
        shared,
        order: &order,
        run: job.run,
        step: job.step,
    };
    let (mut found, mut first) = match job.what {
        What::Settle { because, cause } => return settle(scribe, because, cause).map(Some),
        What::LookUp {
            inputs,
            twin,
            landed,
        } => (look_up(scribe, &inputs, twin, landed)?, true),
        What::Again(work) => (look_up_again(scribe, work)?, false),
    };
    loop {
        let work = match found {
            Found::Receipt(computed) => return Ok(Some(computed)),
            Found::Asking(receipt) => {
                shared.carry_out(Asked {
                    run: job.run,
                    step: job.step,
                    order: Arc::clone(&order),
                    receipt,
                    memo: true,
                });
                return Ok(None);
            }
            Found::Nothing(work) => work,
        };
        match shared.missed(work, first) {
            Departure::Execute(work) if effects::is_effect(work.class) => {
                shared.perform(*work);
                return Ok(None);
            }
            Departure::Execute(work) => return execute(node, shared, *work),
            Departure::LookAgain(work) => found = look_up_again(scribe, work)?,
            Departure::Later => return Ok(None),
        }
        first = false;
    }
}

/// What a look-up gives.
enum Found {
    /// A receipt, which the step is noted to have ended with.
    Receipt(Computed),
    /// A receipt that asks for something, which is to be carried out for this run.
    Asking(Receipt),
    /// All that is needed to execute the step.
    Nothing(Box<Work>),
}

/// Finds a receipt to reuse and notes it.
fn look_up(
    scribe: Scribe<'_>,
    inputs: &[(u32, Source)],
    twin: Option<Kept>,
    landed: u64,
) -> Result<Found, NodeError> {
    let (node, order) = (scribe.node, scribe.order);
    let missing = || NodeError::Internal(format!("step {} is not in the workflow", scribe.step));
    let ran = order.plan.graph().task(scribe.step).ok_or_else(missing)?;
    if let Some(kept) = twin.filter(|kept| kept.reusable)
        && order.mandate.warrant(scribe.step).is_none()
        && let Some((id, receipt)) = node.receipt_in(kept.place)?
    {
        if !node.stands_for(&receipt, &ran)? {
            return Err(node.wrong_receipt(order.run, scribe.step));
        }
        return Ok(Found::Receipt(scribe.reuse(id, &receipt)?));
    }
    let class = order.plan.class(scribe.step);
    let warrant = order.mandate.warrant(scribe.step);
    // What a pure task awaits may have ended otherwise than when its receipt was made: by a limit, or by a fault that has
    // passed. The receipt answers only if its computation is the same, which shows when promises are resolved.
    let depends = class == Class::Pure && awaits_anything(order, scribe.step);
    // Another may have a receipt only of what it may ask for, which shows then too.
    let must_resolve = depends || warrant.is_some() && order.mandate.is_request();
    if !must_resolve
        && may_look_up(scribe.node, order, class)
        && let Some(found) = by_task(&scribe, &ran)?
    {
        return reuse(scribe, found);
    }
    let task = order.plan.task(scribe.step).ok_or_else(missing)?;
    let args = resolve(task.args, &mut |wanted| input(node, order, inputs, wanted))?;
    if let Some(warrant) = warrant
        && order.mandate.is_request()
    {
        warrant.check(node, &awaited_by(order, scribe.step), &args)?;
        if (order.memo && !depends || effects::is_effect(class))
            && let Some(found) = node.find_by_task(&ran)?
        {
            return reuse(scribe, found);
        }
    }
    let computation = computation_of(&task.cmd, &args)?;
    let key = match scribe.is_secret() {
        _ if effects::is_effect(class) => ran,
        true => node.vault()?.work(&computation),
        false => computation,
    };
    let work = Box::new(Work {
        run: scribe.run,
        step: scribe.step,
        computation,
        key,
        order: Arc::clone(scribe.order),
        ran,
        args,
        limits: order.plan.limits(scribe.step),
        class,
        landed,
    });
    if depends {
        return of_same_computation(scribe, work);
    }
    by_computation(scribe, work)
}

fn awaits_anything(order: &Order, step: u32) -> bool {
    let graph = order.plan.graph();
    !graph.deps(step).is_empty() || !graph.external(step).is_empty()
}

/// A receipt of the task, if the task's computation was then what it is now; else of the computation.
fn of_same_computation(scribe: Scribe<'_>, work: Box<Work>) -> Result<Found, NodeError> {
    if may_look_up(scribe.node, scribe.order, work.class)
        // That of a secret task does not say its computation, which is looked up by a name of its own.
        && !scribe.is_secret()
        && let Some((id, receipt)) = by_task(&scribe, &work.ran)?
        && receipt.payload().meta.computation == Some(work.computation)
    {
        return reuse(scribe, (id, receipt));
    }
    by_computation(scribe, work)
}

/// Ends the step with a receipt of its task, unless that asks for something.
fn reuse(scribe: Scribe<'_>, (id, receipt): (ReceiptId, Receipt)) -> Result<Found, NodeError> {
    match receipt.payload().run {
        Some(_) => Ok(Found::Asking(receipt)),
        None => Ok(Found::Receipt(scribe.reuse(id, &receipt)?)),
    }
}

/// The tasks that a step awaits, in its workflow and outside.
pub(crate) fn awaited_by(order: &Order, step: u32) -> Vec<Cid> {
    let graph = order.plan.graph();
    let within = graph.deps(step).iter().filter_map(|on| graph.task(*on));
    within.chain(graph.external(step).iter().copied()).collect()
}

/// A receipt of this very task. What is secret and what is not are looked up apart.
fn by_task(scribe: &Scribe<'_>, ran: &Cid) -> Result<Option<(ReceiptId, Receipt)>, NodeError> {
    match scribe.is_secret() {
        true => scribe.node.find_sealed_by_task(ran),
        false => scribe.node.find_by_task(ran),
    }
}

/// Whether a look-up is wanted, and, for a run that is resumed, has not to wait for keys that are still being read. What
/// is done to the world is always looked up: it is done once.
fn may_look_up(node: &Node, order: &Order, class: Class) -> bool {
    effects::is_effect(class) || order.memo && (!order.resumed || node.store().is_warm())
}

/// The same for a step that was looked up before, in vain.
fn look_up_again(scribe: Scribe<'_>, work: Box<Work>) -> Result<Found, NodeError> {
    if work.class == Class::Pure && awaits_anything(scribe.order, scribe.step) {
        return of_same_computation(scribe, work);
    }
    if (scribe.order.memo || effects::is_effect(work.class))
        && let Some(found) = by_task(&scribe, &work.ran)?
    {
        return reuse(scribe, found);
    }
    by_computation(scribe, work)
}

fn by_computation(scribe: Scribe<'_>, work: Box<Work>) -> Result<Found, NodeError> {
    // The world may answer otherwise the next time: only the task itself stands for its effect.
    if effects::is_effect(work.class) {
        return Ok(Found::Nothing(work));
    }
    let found = match may_look_up(scribe.node, scribe.order, work.class) {
        true if scribe.is_secret() => scribe.node.find_sealed_by_computation(&work.computation)?,
        true => scribe.node.find_by_computation(&work.computation)?,
        false => None,
    };
    if let Some((_, receipt)) = found {
        let entry = repeat(scribe.node, &receipt, work.computation);
        if entry.run.is_some() {
            return Ok(Found::Asking(scribe.write_asking(work.ran, entry)?));
        }
        let computed = scribe.write(work.ran, entry)?;
        return Ok(Found::Receipt(computed));
    }
    Ok(Found::Nothing(work))
}

/// The value that an await stands for.
fn input(
    node: &Node,
    order: &Order,
    inputs: &[(u32, Source)],
    wanted: &Await,
) -> Result<Ipld, NodeError> {
    let out = match order.plan.graph().find(&wanted.task) {
        None if !order.secret.is_empty() => node.own_external(&wanted.task)?.payload().out.clone(),
        None => node.external(&wanted.task)?.payload().out.clone(),
        Some(step) => {
            let at = inputs.binary_search_by_key(&step, |(on, _)| *on);
            let source = at.ok().and_then(|at| inputs.get(at));
            match source.map(|(_, source)| source) {
                Some(Source::Value(bytes)) => decode_outcome(bytes)?,
                Some(Source::Kept(kept)) => {
                    let found = node.receipt_in(kept.place)?;
                    let (_, receipt) = found.ok_or(NodeError::NoBlock(wanted.task))?;
                    if !node.stands_for(&receipt, &wanted.task)? {
                        return Err(node.wrong_receipt(order.run, step));
                    }
                    receipt.payload().out.clone()
                }
                None => {
                    let what = format!("the result of step {step} was not brought");
                    return Err(NodeError::Internal(what));
                }
            }
        }
    };
    awaited(wanted, out)
}

fn decode_outcome(bytes: &[u8]) -> Result<Outcome, NodeError> {
    let value = cbor::decode(bytes, Bounds::default())?;
    Outcome::from_ipld(value).map_err(|error| NodeError::Internal(error.to_string()))
}

/// The part of an outcome that an await substitutes.
fn awaited(wanted: &Await, out: Outcome) -> Result<Ipld, NodeError> {
    match (wanted.branch, out) {
        (Branch::Any, out) => Ok(out.to_ipld()),
        (Branch::Ok, Outcome::Ok(value)) | (Branch::Error, Outcome::Error(value)) => Ok(value),
        _ => Err(NodeError::Internal(format!(
            "{} ended on the other branch",
            wanted.task
        ))),
    }
}

/// The same result for another task with the same computation.
fn repeat(node: &Node, receipt: &Receipt, computation: Cid) -> Entry {
    let payload = receipt.payload();
    Entry {
        out: payload.out.clone(),
        blocks: Vec::new(),
        log: None,
        computation: Some(computation),
        run: payload.run.clone(),
        memo: Some(payload.meta.memo.unwrap_or_else(|| receipt.cid())),
        because: None,
        fuel: payload.meta.fuel,
        started: node.now(),
        took: payload.meta.took,
    }
}

/// Writes the receipt of a step that awaited the branch its input did not end on.
fn settle(scribe: Scribe<'_>, because: u32, cause: Kept) -> Result<Computed, NodeError> {
    let missing = || NodeError::Internal(format!("step {} is not in the workflow", scribe.step));
    let plan = &scribe.order.plan;
    let ran = plan.graph().task(scribe.step).ok_or_else(missing)?;
    let (expected, got) = match cause.ending {
        Ending::Ok => (Branch::Error, Branch::Ok),
        Ending::Error => (Branch::Ok, Branch::Error),
    };
    let failure = Failure::BranchMismatch {
        expected,
        got,
        from: scribe.node.cid_of_receipt(cause.place)?,
    };
    let entry = Entry {
        out: Outcome::Error(failure.to_ipld()),
        blocks: Vec::new(),
        log: None,
        computation: None,
        run: None,
        memo: None,
        because: Some(because),
        fuel: 0,
        started: scribe.node.now(),
        took: 0,
    };
    scribe.write(ran, entry)
}

fn execute(node: &Node, shared: &Arc<Shared>, work: Work) -> Result<Option<Computed>, NodeError> {
    let started = node.now();
    let clock = Instant::now();
    let (run, step) = (work.run, work.step);
    let stop = &work.order.stop;
    let secret = work.order.secret.has(step);
    let executed = node.execute(work.args, &work.computation, &work.limits, secret, stop)?;
    let Some(Executed {
        out,
        fuel,
        run: asks,
        log,
    }) = executed
    else {
        shared.abandoned(run, step);
        return Ok(None);
    };
    let (out, blocks) = spill(out);
    let took = i64::try_from(clock.elapsed().as_micros()).unwrap_or(i64::MAX);
    let result = Entry {
        out,
        blocks,
        log: log::to_block(log)?,
        computation: Some(work.computation),
        run: asks,
        memo: None,
        because: None,
        fuel,
        started,
        took,
    };
    let scribe = Scribe {
        node,
        shared,
        order: &work.order,
        run,
        step,
    };
    if result.run.is_some() {
        let receipt = scribe.write_asking(work.ran, result)?;
        let order = Arc::clone(&work.order);
        shared.carry_out(Asked {
            run,
            step,
            order,
            receipt,
            memo: false,
        });
        return Ok(None);
    }
    scribe.write(work.ran, result).map(Some)
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
    /// The part of a receipt's result that an await substitutes.
    pub(crate) fn awaited(&self, wanted: &Await, receipt: &Cid) -> Result<Ipld, NodeError> {
        awaited(wanted, self.outcome(receipt)?)
    }

    /// A receipt on record, with its row.
    pub(crate) fn receipt_in(
        &self,
        place: Place,
    ) -> Result<Option<(ReceiptId, Receipt)>, NodeError> {
        let stored = match place {
            Place::Row(id) => self.store().receipt_at(id)?,
            Place::Digest(_) => {
                let cid = self.cid_of_receipt(place)?;
                match self.store().receipt(&cid)? {
                    None => return self.sealed_receipt(&cid),
                    open => open,
                }
            }
        };
        let decoded = stored.map(|stored| Ok((stored.id, self.decode_receipt(&stored.block)?)));
        decoded.transpose()
    }

    /// The CID of a receipt on record.
    pub(crate) fn cid_of_receipt(&self, place: Place) -> Result<Cid, NodeError> {
        match place {
            Place::Digest(digest) => Ok(cid_of_digest(codec::DAG_CBOR, &digest)),
            Place::Row(id) => {
                let gone = || NodeError::Internal(format!("receipt {id} is not on record"));
                let stored = self.store().receipt_at(id)?.ok_or_else(gone)?;
                match is_frame(&stored.block) {
                    true => Ok(self.decode_receipt(&stored.block)?.cid()),
                    false => Ok(stored.cid),
                }
            }
        }
    }

    /// Executes the function that resolved `/wasm/run` arguments name; only a secret one sees sealed content. Whatever randomness it asks for follows from
    /// its computation key alone.
    pub(crate) fn execute(
        &self,
        args: Args,
        computation: &Cid,
        limits: &Limits,
        secret: bool,
        cancel: &Cancel,
    ) -> Result<Option<Executed>, NodeError> {
        let failed = |failure: Failure| Ok(Some(Executed::failed(&failure, 0, Log::default())));
        let call = match WasmCall::from_args(args) {
            Ok(call) => call,
            Err(error) => {
                return failed(Failure::BadArgument {
                    index: None,
                    message: error.to_string(),
                });
            }
        };
        let module = match self.module(&call.module, secret) {
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
            content: &StoreContent { node: self, secret },
            cancel,
        });
        match done {
            Ok(done) => Ok(Some(Executed::of(done))),
            Err(Failed {
                error: CallError::Cancelled,
                ..
            }) => Ok(None),
            Err(Failed { error, fuel, log }) => {
                let failure = failure_of(error, &call, limits);
                Ok(Some(Executed::failed(&failure, fuel, log)))
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
