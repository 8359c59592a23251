//! Asking for a run, admitting it, and carrying it out from wherever the record stands.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use ipvm_ipld::{Block, Cid, Ipld};
use ipvm_scheduler::{Ending, RunId, Verdict};
use ipvm_store::{
    Batch, NewRun, ReceiptId, Recipe, RunFilter, RunStatus, RunUpdate, StepState, StoreError,
};
use ipvm_ucan::admission::{Scope, Work, admit};
use ipvm_ucan::{Delegation, Invocation, InvocationPayload, Kind, verify_in};
use ipvm_wasm::Cancel;
use ipvm_workflow::{Check, Class, Config, Plan, TaskParts};

use crate::authority::{Mandate, refuse};
use crate::crew::{News, Order};
use crate::memo::is_reusable;
use crate::record::Record;
use crate::report::{Progress, RunReport, RunState, Status, Steps};
use crate::scribe::{one_line, token};
use crate::secret::Secret;
use crate::{Node, NodeError, Prepared, effects};

/// How often a run looks whether another process asks for its end: a file is the only word between them.
const CANCEL_LOOK: Duration = Duration::from_millis(250);
/// Bytes of a workflow's chunks that are committed together.
const CHUNKS_BYTES: usize = 8 << 20;
/// How long a request for a run stays valid, in seconds.
pub(crate) const REQUEST_LIFE: i64 = 60 * 60;
/// Bytes of a request's nonce: two requests for the same workflow are two runs.
const REQUEST_NONCE: usize = 12;
/// Key in a request's meta: the newest receipt that there was before the run.
pub(crate) const AFTER: &str = "after";
/// Command of a request for a run.
pub(crate) const WORKFLOW_RUN: &str = "/workflow/run";

/// How a workflow is to be run.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// Whether results may be looked up; without, every step is executed.
    pub memo: bool,
    /// Whether a new run is wanted although an equal one is on record.
    pub again: bool,
    /// Whether a pure step may start on results that are known but not yet durable, so that a chain of such steps
    /// shares commits. Nobody outside the run hears of a result before it is durable, with or without this.
    pub share_commits: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            memo: true,
            again: false,
            share_commits: true,
        }
    }
}

/// A run as the store knows it when work on it begins.
pub(crate) struct Opened {
    id: ipvm_store::RunId,
    request: Cid,
    status: RunStatus,
    pub(crate) ended: Vec<(u32, Ending, ReceiptId)>,
}

/// How a run is carried out.
struct Ordered<'a> {
    mandate: Mandate,
    secret: Arc<Secret>,
    options: &'a RunOptions,
    /// The receipt that asks for it.
    cause: Option<Cid>,
    /// How many such receipts there are above it.
    depth: u32,
}

/// What came of a run.
pub(crate) struct Carried {
    pub(crate) verdict: Verdict,
    /// By step index.
    pub(crate) records: Vec<Option<Record>>,
    /// For each settled step, the step whose end kept it from running.
    because: HashMap<u32, u32>,
    /// Why it is not known whether a step was done.
    pub(crate) doubts: HashMap<u32, String>,
    executed: u64,
    reused: u64,
    saved_us: u64,
    began: Instant,
}

impl Node {
    /// Runs a workflow and returns when it is over or `cancel` is set.
    ///
    /// An unfinished run of the same workflow goes on where it stands; a finished one is answered
    /// from its receipts. `observe` is told what happens, after it is durable.
    ///
    /// # Errors
    /// The workflow asks for what is not offered, the agent is not allowed to run it, or the store
    /// fails. Failing tasks are no errors: the report has them.
    pub fn run(
        &self,
        prepared: &Prepared,
        options: &RunOptions,
        cancel: &Cancel,
        observe: &mut dyn FnMut(Progress<'_>),
    ) -> Result<RunReport, NodeError> {
        check_offered(&prepared.plan)?;
        self.check_external(&prepared.plan, cancel)?;
        // Awaited tasks of other workflows may be on record only now.
        let secret = self.secret_of(&prepared.plan)?;
        self.check_chain(&prepared.plan)?;
        // Before anything is done or written: a run that would stop in the middle for want of a right does not begin.
        let mandate = self.own_mandate(&prepared.plan, false)?;
        // A run with effects is named by its nonce, which says already whether another one is wanted.
        let by_nonce = !prepared.plan.head().nonce.is_empty();
        let recorded = if by_nonce || (options.memo && !options.again) {
            self.recorded(&prepared.plan, &secret)?
        } else {
            None
        };
        let run = match recorded {
            Some(run) => run,
            None => self.request(prepared, &secret)?,
        };
        let before = self.mark(&run, &prepared.plan)?;
        let secret = Arc::new(secret);
        let order = Ordered {
            secret: Arc::clone(&secret),
            mandate,
            options,
            cause: None,
            depth: 0,
        };
        let carried = self.carry_out(prepared, &run, order, cancel, observe)?;
        let state = self.close(run.id, before, &carried)?;
        Ok(report(prepared, run.request, state, carried, &secret))
    }

    /// Carries out what a function asks for, as a run of its own that is a part of another.
    pub(crate) fn run_on(
        &self,
        prepared: &Prepared,
        (mandate, cause, depth): (Mandate, Cid, u32),
        options: &RunOptions,
        cancel: &Cancel,
    ) -> Result<Carried, NodeError> {
        let secret = self.secret_of(&prepared.plan)?;
        let run = match self.recorded(&prepared.plan, &secret)? {
            Some(run) => run,
            None => self.request(prepared, &secret)?,
        };
        let before = self.mark(&run, &prepared.plan)?;
        let ordered = Ordered {
            secret: Arc::new(secret),
            mandate,
            options,
            cause: Some(cause),
            depth,
        };
        let carried = self.carry_out(prepared, &run, ordered, cancel, &mut |_| ())?;
        self.close(run.id, before, &carried)?;
        Ok(carried)
    }

    /// Carries out an admitted request of another, with the delegations that it rests on.
    pub(crate) fn run_for(
        &self,
        prepared: &Prepared,
        (request, proofs): (&Invocation, &[Delegation]),
        mandate: Mandate,
        options: &RunOptions,
        cancel: &Cancel,
        observe: &mut dyn FnMut(Progress<'_>),
    ) -> Result<RunReport, NodeError> {
        if prepared.plan.declares_secrets() {
            let message = "secret work is done for the owner of this home alone".to_owned();
            return Err(refuse(Kind::Unsupported, "args", message).into());
        }
        let secret = Arc::new(Secret::default());
        let started = self.now();
        let order = self.sign_request(prepared, started, Some(request))?;
        let mut tokens = vec![request.bytes(), order.bytes()];
        tokens.extend(proofs.iter().map(Delegation::bytes));
        let run = self.record(prepared, &secret, &order, &tokens, started)?;
        let order = Ordered {
            secret: Arc::clone(&secret),
            mandate,
            options,
            cause: None,
            depth: 0,
        };
        let carried = self.carry_out(prepared, &run, order, cancel, observe);
        match carried {
            Ok(carried) => {
                let state = self.close(run.id, RunStatus::Running, &carried)?;
                Ok(report(prepared, run.request, state, carried, &secret))
            }
            Err(error) => {
                // Only its asker could have it go on.
                self.set_status(run.id, RunStatus::Error, Some(self.now()))?;
                Err(error)
            }
        }
    }

    /// Hands the run to the crew and follows it to its end.
    fn carry_out(
        &self,
        prepared: &Prepared,
        run: &Opened,
        ordered: Ordered<'_>,
        cancel: &Cancel,
        observe: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Carried, NodeError> {
        observe(Progress::Began { prepared });
        let resumed = !run.ended.is_empty() && run.ended.len() < prepared.plan.len();
        if resumed && !self.store().is_warm() {
            self.crew().warm_up();
        }
        let (feed, news) = channel();
        let look = feed.clone();
        // Gone with its caller, there is nobody who would look.
        let _told = cancel.when_set(move || drop(look.send(News::Look)));
        let order = Order {
            plan: prepared.plan.clone(),
            run: run.id,
            memo: ordered.options.memo,
            resumed,
            share_commits: ordered.options.share_commits,
            mandate: ordered.mandate,
            secret: ordered.secret,
            name: prepared.name.clone(),
            cause: ordered.cause,
            depth: ordered.depth,
            stop: Cancel::new(),
        };
        let mut carried = Carried::new(prepared.plan.len());
        let number = self.crew().submit(order, &run.ended, feed)?;
        // The workers go on meanwhile.
        self.tell_recorded(&prepared.plan, run, &mut carried, observe)
            .inspect_err(|_| self.crew().stop(number))?;
        let stop = Stop {
            node: self,
            run: run.id,
            number,
            cancel,
        };
        follow(&mut carried, &stop, &news, observe)
            .inspect_err(|_| self.crew().stop(number))
            .map(|verdict| Carried { verdict, ..carried })
    }

    /// Tells of the steps that need not be done again, as their receipts say.
    fn tell_recorded(
        &self,
        plan: &Plan,
        run: &Opened,
        carried: &mut Carried,
        observe: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), NodeError> {
        for (step, ending, id) in &run.ended {
            let stored = self.store().receipt_at(*id)?;
            let gone = || NodeError::Internal(format!("receipt {id} is not on record"));
            let receipt = self.decode_receipt(&stored.ok_or_else(gone)?.block)?;
            let record = Record::of(&receipt, true);
            let task = plan.graph().task(*step).unwrap_or_default();
            if !self.stands_for(&receipt, &task)? || record.ending() != *ending {
                return Err(self.wrong_receipt(run.id, *step));
            }
            let error = match &receipt.payload().out {
                ipvm_ucan::Outcome::Ok(_) => None,
                ipvm_ucan::Outcome::Error(error) => Some(one_line(error)),
            };
            observe(carried.end(*step, record, error, None));
        }
        Ok(())
    }

    /// The row of a step names the receipt of another task, which must never be an answer.
    pub(crate) fn wrong_receipt(&self, run: ipvm_store::RunId, step: u32) -> NodeError {
        NodeError::Store(StoreError::RunDamaged {
            run,
            path: self.home().join("store").join("main.db"),
            reason: format!("step {step} has a receipt that is not its own"),
        })
    }

    /// The latest run of this very workflow, with the steps that need not be done again. Receipts are not read but
    /// those of errors, some of which are no results.
    pub(crate) fn recorded(
        &self,
        plan: &Plan,
        secret: &Secret,
    ) -> Result<Option<Opened>, NodeError> {
        let filter = RunFilter::Workflow(self.kept_name(&plan.cid(), secret)?);
        let Some(run) = self.store().runs(&filter, None, 1)?.into_iter().next() else {
            return Ok(None);
        };
        let Some(request) = run.invocation else {
            return Ok(None);
        };
        let mut ended = Vec::new();
        for step in self.store().steps(run.id)? {
            let Some(id) = step.receipt else { continue };
            match step.state {
                StepState::Ok if self.has_content(id)? => ended.push((step.index, Ending::Ok, id)),
                StepState::Error if self.is_result(id)? => {
                    ended.push((step.index, Ending::Error, id));
                }
                _ => {}
            }
        }
        Ok(Some(Opened {
            id: run.id,
            request: self.true_cid(&request)?,
            status: run.status,
            ended,
        }))
    }

    fn is_result(&self, id: ReceiptId) -> Result<bool, NodeError> {
        let Some(stored) = self.store().receipt_at(id)? else {
            return Ok(false);
        };
        let receipt = self.decode_receipt(&stored.block)?;
        Ok(is_reusable(&receipt.payload().out) && self.is_whole(&receipt))
    }

    /// Whether the content of a result is here. In a home in which nothing was ever given up it is, and no receipt is
    /// read for it.
    fn has_content(&self, id: ReceiptId) -> Result<bool, NodeError> {
        if !self.store().has_evicted() {
            return Ok(true);
        }
        let Some(stored) = self.store().receipt_at(id)? else {
            return Ok(false);
        };
        Ok(self.is_whole(&self.decode_receipt(&stored.block)?))
    }

    /// Signs the owner's request, admits it, and puts it on record with the workflow.
    fn request(&self, prepared: &Prepared, secret: &Secret) -> Result<Opened, NodeError> {
        let started = self.now();
        let request = self.sign_request(prepared, started, None)?;
        self.admit(&request, prepared, started)?;
        let tokens = [self.keys().delegation.bytes(), request.bytes()];
        self.record(prepared, secret, &request, &tokens, started)
    }

    /// Puts an admitted request on record, with the workflow and the tokens that it rests on.
    fn record(
        &self,
        prepared: &Prepared,
        secret: &Secret,
        request: &Invocation,
        tokens: &[&[u8]],
        started: i64,
    ) -> Result<Opened, NodeError> {
        let id = self.store().new_run_id();
        let encoded = prepared.plan.encoded();
        let seal = |block: Block| match secret.is_empty() {
            true => Ok(vec![block]),
            false => self.seal_new([block], &secret.open),
        };
        let mut batch = Batch::new();
        for chunk in &encoded.chunks {
            if batch.bytes() + chunk.data().len() > CHUNKS_BYTES && !batch.is_empty() {
                self.store().commit(std::mem::take(&mut batch))?;
            }
            add(&mut batch, seal(chunk.clone())?);
        }
        add(&mut batch, seal(encoded.root.clone())?);
        for bytes in tokens {
            // The agent's delegation says nothing of the work.
            let block = token(bytes);
            match secret.open.contains(block.cid()) {
                true => add(&mut batch, [block]),
                false => add(&mut batch, seal(block)?),
            }
        }
        if let Some(recipe) = &prepared.recipe {
            batch.recipe(Recipe {
                run: id,
                cid: self.kept_name(recipe, secret)?,
            });
        }
        batch.run(NewRun {
            id,
            workflow: self.kept_name(&prepared.plan.cid(), secret)?,
            name: secret.is_empty().then(|| prepared.name.clone()),
            source: None,
            invocation: Some(self.kept_name(&request.cid(), secret)?),
            started,
            tasks: u32::try_from(prepared.plan.len()).unwrap_or(u32::MAX),
        });
        self.store().commit(batch)?;
        failpoint!("run.asked");
        let request = request.cid();
        Ok(Opened {
            id,
            request,
            status: RunStatus::Running,
            ended: Vec::new(),
        })
    }

    /// The owner asks the agent for a run; or the agent itself, whom another has `asked`. Its meta says which files were
    /// read, so that a later run can tell which of them changed.
    fn sign_request(
        &self,
        prepared: &Prepared,
        now: i64,
        asked: Option<&Invocation>,
    ) -> Result<Invocation, NodeError> {
        let mut nonce = vec![0; REQUEST_NONCE];
        crate::home::fill_random(&mut nonce)?;
        let inputs = prepared
            .inputs
            .iter()
            .map(|(path, cid)| (path.clone(), Ipld::Link(*cid)));
        let newest = self.store().recent_receipts(None, 1)?;
        let newest = newest.first().map_or(0, |receipt| receipt.id.0);
        let mut meta = BTreeMap::from([
            ("inputs".to_owned(), Ipld::Map(inputs.collect())),
            ("name".to_owned(), Ipld::String(prepared.name.clone())),
            // What is older was not computed for this run; the clock could not tell.
            (AFTER.to_owned(), Ipld::Integer(i128::from(newest))),
        ]);
        let key = match asked {
            None => self.keys().owner()?,
            Some(asked) => {
                meta.insert("request".to_owned(), Ipld::Link(asked.cid()));
                self.keys().agent()?
            }
        };
        let payload = InvocationPayload {
            iss: key.did().clone(),
            sub: key.did().clone(),
            aud: Some(self.agent().clone()),
            cmd: WORKFLOW_RUN.parse()?,
            args: BTreeMap::from([("workflow".to_owned(), Ipld::Link(prepared.plan.cid()))]),
            prf: Vec::new(),
            nonce,
            exp: Some(now + REQUEST_LIFE),
            iat: None,
            cause: None,
            meta: Some(meta),
        };
        Ok(Invocation::sign(key, payload)?)
    }

    /// Whether this agent does what the request asks: it is valid, of the owner, for this agent
    /// and about this workflow.
    fn admit(&self, request: &Invocation, prepared: &Prepared, now: i64) -> Result<(), NodeError> {
        self.in_context(now, |context| {
            let scope = Scope::default();
            admit(request, &scope, context, self.agent(), Work::Repeatable)
        })??;
        let payload = request.payload();
        let of_owner = payload.iss == *self.owner();
        let about = payload.args.get("workflow") == Some(&Ipld::Link(prepared.plan.cid()));
        if of_owner && about {
            return Ok(());
        }
        Err(NodeError::Internal(
            "the request for this run is not the one that was signed".into(),
        ))
    }

    /// Whether the chain owner → agent still allows the agent to act for the owner.
    fn check_chain(&self, plan: &Plan) -> Result<(), NodeError> {
        // Any of them: the chain says nothing of single tasks.
        let Some(task) = plan.task(plan.smallest()) else {
            return Ok(());
        };
        let at = self.now();
        let task = TaskParts {
            sub: self.owner().clone(),
            ..task
        };
        let delegation = &self.keys().delegation;
        let invocation = self.invoke_by(task, std::slice::from_ref(delegation), None, at)?;
        let invocation = Invocation::decode(invocation.data())?;
        let proofs = |cid: &Cid| (*cid == delegation.cid()).then(|| delegation.clone());
        self.in_context(at, |context| verify_in(&invocation, &proofs, context))??;
        Ok(())
    }

    /// Puts a run that ended before, but not for good, back under way.
    /// Returns the status on record from then on.
    fn mark(&self, run: &Opened, plan: &Plan) -> Result<RunStatus, NodeError> {
        let complete = run.ended.len() == plan.len();
        if complete || run.status == RunStatus::Running {
            return Ok(run.status);
        }
        // One that a crash left after it was obeyed.
        self.take_cancel(run.id);
        self.set_status(run.id, RunStatus::Running, None)?;
        failpoint!("run.reopened");
        Ok(RunStatus::Running)
    }

    /// Records how the run ended, if that is news.
    fn close(
        &self,
        run: ipvm_store::RunId,
        before: RunStatus,
        carried: &Carried,
    ) -> Result<RunState, NodeError> {
        let (state, status) = match carried.verdict {
            Verdict::Ok => (RunState::Ok, RunStatus::Ok),
            Verdict::Error => (RunState::Error, RunStatus::Error),
            Verdict::InDoubt => (RunState::InDoubt, RunStatus::InDoubt),
            Verdict::Stopped if self.cancel_asked(run) => {
                (RunState::Cancelled, RunStatus::Cancelled)
            }
            // Interrupted: the run stays unfinished, and the same command goes on.
            Verdict::Stopped => return Ok(RunState::Cancelled),
        };
        if before != status {
            let is_over = state != RunState::InDoubt;
            self.set_status(run, status, is_over.then(|| self.now()))?;
            failpoint!("run.closed");
        }
        if state == RunState::Cancelled {
            // Only now: a wish that a crash interrupts is still there afterwards.
            self.take_cancel(run);
        }
        Ok(state)
    }

    pub(crate) fn set_status(
        &self,
        id: ipvm_store::RunId,
        status: RunStatus,
        finished: Option<i64>,
    ) -> Result<(), NodeError> {
        let mut batch = Batch::new();
        batch.run_update(RunUpdate {
            id,
            status,
            finished,
        });
        Ok(self.store().commit(batch)?)
    }
}

fn add(batch: &mut Batch, blocks: impl IntoIterator<Item = Block>) {
    for block in blocks {
        batch.block(block);
    }
}

/// Reasons to stop a run.
struct Stop<'a> {
    node: &'a Node,
    run: ipvm_store::RunId,
    number: RunId,
    cancel: &'a Cancel,
}

/// Tells what happens in a run until it is over.
fn follow(
    carried: &mut Carried,
    stop: &Stop<'_>,
    news: &Receiver<News>,
    observe: &mut dyn FnMut(Progress<'_>),
) -> Result<Verdict, NodeError> {
    let mut stopping = false;
    let mut looked = None;
    loop {
        if !stopping {
            let due = looked.is_none_or(|looked: Instant| looked.elapsed() >= CANCEL_LOOK);
            if due {
                looked = Some(Instant::now());
            }
            if stop.cancel.is_cancelled() || (due && stop.node.cancel_asked(stop.run)) {
                stopping = true;
                stop.node.crew().stop(stop.number);
            }
        }
        match news.recv_timeout(CANCEL_LOOK) {
            Ok(News::Started(step)) => observe(Progress::Started { step }),
            Ok(News::Ended {
                step,
                record,
                error,
                because,
            }) => observe(carried.end(step, record, error, because)),
            Ok(News::Doubted { step, reason }) => {
                carried.doubts.insert(step, reason.clone());
                observe(Progress::Doubted { step, reason });
            }
            Ok(News::Over(verdict)) => return Ok(verdict),
            Ok(News::Failed(error)) => return Err(error),
            Ok(News::Look) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let gone = "the run is gone without a word".into();
                return Err(NodeError::Internal(gone));
            }
        }
    }
}

impl Carried {
    fn new(steps: usize) -> Self {
        Self {
            verdict: Verdict::Stopped,
            records: vec![None; steps],
            because: HashMap::new(),
            doubts: HashMap::new(),
            executed: 0,
            reused: 0,
            saved_us: 0,
            began: Instant::now(),
        }
    }

    /// Notes that a step has ended.
    fn end(
        &mut self,
        step: u32,
        record: Record,
        error: Option<String>,
        because: Option<u32>,
    ) -> Progress<'static> {
        let (took_us, saved_us) = match record.memo {
            true => (0, record.took_us),
            false => (record.took_us, 0),
        };
        match (record.memo, because) {
            (true, _) => self.reused += 1,
            (false, None) => self.executed += 1,
            (false, Some(cause)) => drop(self.because.insert(step, cause)),
        }
        self.saved_us += saved_us;
        if let Some(slot) = self.records.get_mut(step as usize) {
            *slot = Some(record);
        }
        let status = match record.ending() {
            Ending::Ok => Status::Ok,
            Ending::Error => Status::Error,
        };
        Progress::Ended {
            step,
            receipt: record.receipt(),
            status,
            memo: record.memo,
            took_us,
            saved_us,
            because,
            error,
        }
    }
}

/// Refuses by name what the format can carry but this version does not do.
pub(crate) fn check_offered(plan: &Plan) -> Result<(), NodeError> {
    let workflow = plan.head();
    let no = |label: &str, message: &str| {
        Err(NodeError::NotOffered {
            label: label.to_owned(),
            message: message.to_owned(),
        })
    };
    if workflow.rescue.is_some() {
        return no("rescue", "handlers are not offered by this version");
    }
    if workflow.global.is_some() {
        return no(
            "global",
            "limits for a whole workflow are not offered by this version",
        );
    }
    check_config("defaults", workflow.defaults.as_ref())?;
    for (index, label) in (0..).zip(plan.labels()) {
        let step = plan.step(index);
        let step = step.ok_or_else(|| NodeError::Internal(format!("step {index} is not there")))?;
        if plan.class(index) != Class::Pure
            && let Err(message) = effects::offered(&step.task.cmd, &step.task.args)
        {
            return no(label, &message);
        }
        if step.rescue.is_some() || step.undo.is_some() {
            return no(label, "`rescue` and `undo` are not offered by this version");
        }
        check_config(label, step.config.as_ref())?;
    }
    Ok(())
}

fn check_config(label: &str, config: Option<&Config>) -> Result<(), NodeError> {
    let Some(config) = config else { return Ok(()) };
    let asked = [
        ("disk", config.disk.is_some()),
        (
            "check",
            config
                .check
                .as_ref()
                .is_some_and(|check| *check != Check::Attestation),
        ),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((key, _)) => Err(NodeError::NotOffered {
            label: label.to_owned(),
            message: format!("`{key}` is not offered by this version"),
        }),
        None => Ok(()),
    }
}

fn report(
    prepared: &Prepared,
    run: Cid,
    status: RunState,
    carried: Carried,
    secret: &Secret,
) -> RunReport {
    let steps = 0..prepared.plan.len() as u32;
    RunReport {
        workflow: prepared.plan.cid(),
        run,
        name: prepared.name.clone(),
        secret: !secret.is_empty(),
        status,
        executed: carried.executed,
        reused: carried.reused,
        saved_us: carried.saved_us,
        took_us: u64::try_from(carried.began.elapsed().as_micros()).unwrap_or(u64::MAX),
        steps: Steps {
            plan: prepared.plan.clone(),
            records: carried.records,
            because: carried.because,
            doubts: carried.doubts,
            open: (!secret.is_empty()).then(|| steps.filter(|step| !secret.has(*step)).collect()),
        },
    }
}
