//! One run from start to end: the loop that turns the scheduler's commands into work.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ipvm_ipld::{Cid, Ipld};
use ipvm_scheduler::{Bounds, Command, Dag, Ending, Event, RunId, Scheduler, Verdict};
use ipvm_ucan::promise::{Await, Branch};
use ipvm_ucan::{Outcome, Receipt};
use ipvm_wasm::Cancel;
use ipvm_workflow::{Config, Failure, Graph, Task};

use crate::memo::{computation_of, resolve};
use crate::report::{Progress, Status};
use crate::scribe::{Entry, Message, Record, Scribe, now};
use crate::worker::{Job, work};
use crate::{Node, NodeError, Prepared};

/// Steps under way at once: enough to share commits and keep all cores busy.
const IN_FLIGHT: u32 = 64;
/// How long the loop waits for news before it looks whether the user wants it to stop.
const TICK: Duration = Duration::from_millis(20);

/// How one run is to be carried out.
pub(crate) struct Order<'a> {
    pub(crate) prepared: &'a Prepared,
    /// The store's number of the run.
    pub(crate) run: ipvm_store::RunId,
    /// Whether results may be looked up.
    pub(crate) memo: bool,
    /// The steps that are on record already.
    pub(crate) ended: Vec<(u32, Record)>,
}

/// What came of a run.
pub(crate) struct Carried {
    pub(crate) verdict: Verdict,
    /// By step index.
    pub(crate) records: Vec<Option<Record>>,
    /// For each settled step, the step whose end kept it from running.
    pub(crate) because: HashMap<u32, u32>,
    pub(crate) executed: u64,
    pub(crate) reused: u64,
    pub(crate) saved_us: u64,
    pub(crate) took: Duration,
}

/// Carries out a run; returns when every step has a receipt or the run was stopped.
pub(crate) fn carry_out(
    node: &Node,
    order: &Order<'_>,
    cancel: &Cancel,
    observe: &mut dyn FnMut(Progress<'_>),
) -> Result<Carried, NodeError> {
    let (outbox, inbox) = channel();
    let (jobs, queue) = channel();
    let queue = Mutex::new(queue);
    // A failure of the run stops the workers as the user's wish does, without being one.
    let stop = Cancel::new();
    let scribe = Scribe {
        node,
        run: order.run,
        outbox,
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let mut started = 0;
        let queue = &queue;
        let mut start_worker = |waiting: usize| {
            if started < workers.min(waiting) {
                started += 1;
                let (scribe, stop) = (scribe.clone(), stop.clone());
                scope.spawn(move || work(queue, &scribe, &stop));
            }
        };
        let mut runner = Runner::new(order, scribe.clone(), jobs, observe);
        let result = runner.drive(&inbox, cancel, &stop, &mut start_worker);
        stop.cancel();
        let carried = runner.finish();
        result.map(|verdict| Carried { verdict, ..carried })
    })
}

struct Runner<'a, 'o> {
    node: &'a Node,
    prepared: &'a Prepared,
    memo: bool,
    scribe: Scribe<'a>,
    jobs: Sender<Job>,
    observe: &'o mut dyn FnMut(Progress<'_>),
    scheduler: Scheduler,
    ended: Vec<(u32, Ending)>,
    records: Vec<Option<Record>>,
    because: HashMap<u32, u32>,
    /// Steps that were looked up in vain, ready to be executed.
    missed: HashMap<u32, Job>,
    /// Steps that are being executed, as opposed to looked up or settled.
    executing: usize,
    executed: u64,
    reused: u64,
    saved_us: u64,
    clock: Instant,
}

const RUN: RunId = RunId(0);

impl<'a, 'o> Runner<'a, 'o> {
    fn new(
        order: &Order<'a>,
        scribe: Scribe<'a>,
        jobs: Sender<Job>,
        observe: &'o mut dyn FnMut(Progress<'_>),
    ) -> Self {
        let prepared = order.prepared;
        observe(Progress::Began { prepared });
        let mut runner = Self {
            node: scribe.node,
            prepared,
            memo: order.memo,
            scribe,
            jobs,
            observe,
            scheduler: Scheduler::new(Bounds {
                under_way: IN_FLIGHT,
                volatile: IN_FLIGHT,
            }),
            ended: order
                .ended
                .iter()
                .map(|(step, record)| (*step, record.ending))
                .collect(),
            records: vec![None; prepared.labels.len()],
            because: HashMap::new(),
            missed: HashMap::new(),
            executing: 0,
            executed: 0,
            reused: 0,
            saved_us: 0,
            clock: Instant::now(),
        };
        for (step, record) in &order.ended {
            runner.tell_end(*step, record);
            if let Some(slot) = runner.records.get_mut(*step as usize) {
                *slot = Some(record.clone());
            }
        }
        runner
    }

    fn drive(
        &mut self,
        inbox: &Receiver<Message>,
        cancel: &Cancel,
        stop: &Cancel,
        start_worker: &mut dyn FnMut(usize),
    ) -> Result<Verdict, NodeError> {
        let dag = dag_of(&self.prepared.graph, &self.prepared.workflow)?;
        let ended = std::mem::take(&mut self.ended);
        let mut commands = self.scheduler.handle(Event::Submitted {
            run: RUN,
            dag,
            ended,
        })?;
        let mut stopping = false;
        loop {
            for command in std::mem::take(&mut commands) {
                if let Some(verdict) = self.obey(command, &mut commands)? {
                    return Ok(verdict);
                }
            }
            start_worker(self.executing);
            if !commands.is_empty() {
                continue;
            }
            if !stopping && (cancel.is_cancelled() || self.node.cancel_asked(self.scribe.run)) {
                stopping = true;
                stop.cancel();
                commands = self.scheduler.handle(Event::Stop { run: RUN })?;
                continue;
            }
            match inbox.recv_timeout(TICK) {
                Ok(message) => commands = self.hear(message)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(NodeError::Internal(
                        "every thread of the run is gone".into(),
                    ));
                }
            }
        }
    }

    /// Does what the scheduler wants; answers that are known at once are pushed to `more`.
    fn obey(
        &mut self,
        command: Command,
        more: &mut Vec<Command>,
    ) -> Result<Option<Verdict>, NodeError> {
        match command {
            Command::LookUp { step, .. } => {
                if !self.look_up(step)? {
                    more.extend(self.scheduler.handle(Event::Missed { run: RUN, step })?);
                }
            }
            Command::Execute { step, .. } => {
                let job = self.missed.remove(&step);
                let job = job
                    .ok_or_else(|| NodeError::Internal(format!("step {step} was not looked up")))?;
                self.executing += 1;
                // The receiving end lives as long as the scope that the workers run in.
                let _ = self.jobs.send(job);
            }
            Command::Settle { step, because, .. } => self.settle(step, because)?,
            Command::Finish { verdict, .. } => return Ok(Some(verdict)),
        }
        Ok(None)
    }

    fn hear(&mut self, message: Message) -> Result<Vec<Command>, NodeError> {
        match message {
            Message::Started(step) => {
                (self.observe)(Progress::Started { step });
                Ok(Vec::new())
            }
            Message::Ended(step, record) => {
                let ending = record.ending;
                self.tell_end(step, &record);
                if let Some(slot) = self.records.get_mut(step as usize) {
                    *slot = Some(record);
                }
                Ok(self.scheduler.handle(Event::Ended {
                    run: RUN,
                    step,
                    ending,
                })?)
            }
            Message::Abandoned(step) => {
                self.executing -= 1;
                Ok(self.scheduler.handle(Event::Abandoned { run: RUN, step })?)
            }
            Message::Failed(error) => Err(error),
        }
    }

    fn tell_end(&mut self, step: u32, record: &Record) {
        let because = self.because.get(&step).copied();
        let (took_us, saved_us) = if record.memo {
            (0, record.took_us)
        } else {
            (record.took_us, 0)
        };
        match (record.memo, because) {
            (true, _) => self.reused += 1,
            (false, None) => {
                self.executed += 1;
                self.executing -= 1;
            }
            (false, Some(_)) => {}
        }
        self.saved_us += saved_us;
        let status = match record.ending {
            Ending::Ok => Status::Ok,
            Ending::Error => Status::Error,
        };
        let (memo, error) = (record.memo, record.error.clone());
        (self.observe)(Progress::Ended {
            step,
            receipt: record.receipt,
            status,
            memo,
            took_us,
            saved_us,
            because,
            error,
        });
    }

    /// Finds a receipt to reuse and has it noted; false if there is none.
    fn look_up(&mut self, step: u32) -> Result<bool, NodeError> {
        let twin = self.prepared.graph.twin(step);
        if twin != step
            && let Some(record) = self.records.get(twin as usize).and_then(Option::as_ref)
            && record.reusable
            && let Some(stored) = self.node.store().receipt(&record.receipt)?
        {
            self.scribe.reuse(
                step,
                stored.id,
                Record {
                    memo: true,
                    ..record.clone()
                },
            );
            return Ok(true);
        }
        let (task, limits) = self.task(step)?;
        if self.memo
            && let Some((id, receipt)) = self.node.find_by_task(&self.cid(step)?)?
        {
            self.scribe.reuse(step, id, Record::of(&receipt, true));
            return Ok(true);
        }
        let args = resolve(&task, &mut |wanted| self.value(wanted))?;
        let computation = computation_of(&task, &args)?;
        if self.memo
            && let Some((_, receipt)) = self.node.find_by_computation(&computation)?
        {
            self.scribe
                .write(step, &task, repeat(&receipt, computation))?;
            return Ok(true);
        }
        self.missed.insert(
            step,
            Job {
                step,
                task,
                args,
                computation,
                limits,
            },
        );
        Ok(false)
    }

    /// Writes the receipt of a step that awaited the branch its input did not end on.
    fn settle(&mut self, step: u32, because: u32) -> Result<(), NodeError> {
        let (task, _) = self.task(step)?;
        let record = self.record(because)?;
        let got = match record.ending {
            Ending::Ok => Branch::Ok,
            Ending::Error => Branch::Error,
        };
        let expected = match got {
            Branch::Ok => Branch::Error,
            _ => Branch::Ok,
        };
        let failure = Failure::BranchMismatch {
            expected,
            got,
            from: record.receipt,
        };
        self.because.insert(step, because);
        let entry = Entry {
            out: Outcome::Error(failure.to_ipld()),
            blocks: Vec::new(),
            log: None,
            computation: None,
            memo: None,
            fuel: 0,
            started: now(),
            took: 0,
        };
        self.scribe.write(step, &task, entry)
    }

    fn task(&self, step: u32) -> Result<(Task, ipvm_workflow::Limits), NodeError> {
        let missing = || NodeError::Internal(format!("step {step} is not in the workflow"));
        let (_, found) = self.prepared.step(step).ok_or_else(missing)?;
        let defaults = self.prepared.workflow.defaults.as_ref();
        Ok((
            found.task.clone(),
            Config::cascade(found.config.as_ref(), defaults),
        ))
    }

    fn record(&self, step: u32) -> Result<&Record, NodeError> {
        let found = self.records.get(step as usize).and_then(Option::as_ref);
        found.ok_or_else(|| NodeError::Internal(format!("step {step} has no receipt yet")))
    }

    fn cid(&self, step: u32) -> Result<Cid, NodeError> {
        let cid = self.prepared.task(step);
        cid.ok_or_else(|| NodeError::Internal(format!("step {step} is not in the workflow")))
    }

    /// The value an await stands for.
    fn value(&self, wanted: &Await) -> Result<Ipld, NodeError> {
        let receipt = match self.prepared.graph.find(&wanted.task) {
            Some(step) => self.record(step)?.receipt,
            None => self.node.external(&wanted.task)?.cid(),
        };
        self.node.awaited(wanted, &receipt)
    }

    fn finish(self) -> Carried {
        Carried {
            verdict: Verdict::Stopped,
            records: self.records,
            because: self.because,
            executed: self.executed,
            reused: self.reused,
            saved_us: self.saved_us,
            took: self.clock.elapsed(),
        }
    }
}

/// The same result for another task with the same computation.
fn repeat(receipt: &Receipt, computation: Cid) -> Entry {
    let payload = receipt.payload();
    Entry {
        out: payload.out.clone(),
        blocks: Vec::new(),
        log: None,
        computation: Some(computation),
        memo: Some(payload.meta.memo.unwrap_or_else(|| receipt.cid())),
        fuel: payload.meta.fuel,
        started: now(),
        took: payload.meta.took,
    }
}

impl Node {
    /// The part of a receipt's result that an await substitutes.
    pub(crate) fn awaited(&self, wanted: &Await, receipt: &Cid) -> Result<Ipld, NodeError> {
        let out = self.outcome(receipt)?;
        match (wanted.branch, out) {
            (Branch::Any, out) => Ok(out.to_ipld()),
            (Branch::Ok, Outcome::Ok(value)) | (Branch::Error, Outcome::Error(value)) => Ok(value),
            _ => Err(NodeError::Internal(format!(
                "{receipt} ended on the other branch"
            ))),
        }
    }
}

/// The edges of a workflow with the branch each awaits; equal tasks wait for the first of them.
fn dag_of(graph: &Graph, workflow: &ipvm_workflow::Workflow) -> Result<Dag, NodeError> {
    let mut inputs = Vec::with_capacity(graph.len());
    for (index, step) in (0..).zip(workflow.steps.values()) {
        let mut edges = Vec::new();
        for wanted in step.task.awaits()? {
            if let Some(on) = graph.find(&wanted.task) {
                edges.push((on, wanted.branch));
            }
        }
        let twin = graph.twin(index);
        if twin != index {
            edges.push((twin, Branch::Any));
        }
        edges.sort_unstable();
        edges.dedup();
        inputs.push(edges);
    }
    Ok(Dag::new(&inputs)?)
}
