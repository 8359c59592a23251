//! Asking for a run, admitting it, and carrying it out from wherever the record stands.

use std::collections::BTreeMap;

use ipvm_ipld::{Cid, Ipld};
use ipvm_scheduler::Verdict;
use ipvm_store::{Batch, NewRun, RunFilter, RunStatus, RunUpdate};
use ipvm_ucan::{Invocation, InvocationPayload, Receipt, verify};
use ipvm_wasm::Cancel;
use ipvm_workflow::{Check, Class, Config, Workflow};

use crate::memo::is_reusable;
use crate::report::{Progress, RunReport, RunState, Status, StepReport};
use crate::runner::{Carried, Order, carry_out};
use crate::scribe::{Record, now, token};
use crate::{Node, NodeError, Prepared};

/// How long a request for a run stays valid, in seconds.
const REQUEST_LIFE: i64 = 60 * 60;
/// Bytes of a request's nonce: two requests for the same workflow are two runs.
const REQUEST_NONCE: usize = 12;
/// By how much clocks may differ, in seconds.
pub(crate) const SKEW_SECONDS: i64 = 60;
/// Command of a request for a run.
const WORKFLOW_RUN: &str = "/workflow/run";

/// How a workflow is to be run.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions {
    /// Whether results may be looked up; without, every step is executed.
    pub memo: bool,
    /// Whether a new run is wanted although an equal one is on record.
    pub again: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            memo: true,
            again: false,
        }
    }
}

/// A run as the store knows it when work on it begins.
struct Opened {
    id: ipvm_store::RunId,
    request: Cid,
    status: RunStatus,
    ended: Vec<(u32, Record)>,
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
        check_offered(&prepared.workflow)?;
        self.check_external(prepared)?;
        let recorded = if options.memo && !options.again {
            self.recorded(prepared)?
        } else {
            None
        };
        let run = match recorded {
            Some(run) => run,
            None => self.request(prepared)?,
        };
        self.check_chain(prepared)?;
        let before = self.mark(&run, prepared)?;
        let order = Order {
            prepared,
            run: run.id,
            memo: options.memo,
            ended: run.ended,
        };
        let carried = carry_out(self, &order, cancel, observe)?;
        let state = self.close(run.id, before, &carried)?;
        Ok(report(prepared, run.request, state, carried))
    }

    /// The latest run of this very workflow, with the steps that need not be done again.
    fn recorded(&self, prepared: &Prepared) -> Result<Option<Opened>, NodeError> {
        let filter = RunFilter::Workflow(prepared.cid);
        let Some(run) = self.store().runs(&filter, None, 1)?.into_iter().next() else {
            return Ok(None);
        };
        let Some(request) = run.invocation else {
            return Ok(None);
        };
        let mut ended = Vec::new();
        for step in self.store().steps(run.id)? {
            let Some(id) = step.receipt else { continue };
            let Some(stored) = self.store().receipt_at(id)? else {
                continue;
            };
            let receipt = Receipt::decode(&stored.block)?;
            if is_reusable(&receipt.payload().out) {
                ended.push((step.index, Record::of(&receipt, true)));
            }
        }
        Ok(Some(Opened {
            id: run.id,
            request,
            status: run.status,
            ended,
        }))
    }

    /// Signs the owner's request, admits it, and puts it on record with the workflow.
    fn request(&self, prepared: &Prepared) -> Result<Opened, NodeError> {
        let started = now();
        let request = self.sign_request(prepared, started)?;
        self.admit(&request, prepared, started)?;
        let keys = self.keys();
        let id = self.store().new_run_id();
        let mut batch = Batch::new();
        batch.block(prepared.encoded.root.clone());
        for chunk in &prepared.encoded.chunks {
            batch.block(chunk.clone());
        }
        batch
            .block(token(keys.delegation.bytes()))
            .block(token(request.bytes()));
        batch.run(NewRun {
            id,
            workflow: prepared.cid,
            name: Some(prepared.name.clone()),
            source: None,
            invocation: Some(request.cid()),
            started,
            tasks: u32::try_from(prepared.labels.len()).unwrap_or(u32::MAX),
        });
        self.store().commit(batch)?;
        let request = request.cid();
        Ok(Opened {
            id,
            request,
            status: RunStatus::Running,
            ended: Vec::new(),
        })
    }

    /// The owner asks the agent for a run. Its meta says which files were read, so that a later
    /// run can tell which of them changed.
    fn sign_request(&self, prepared: &Prepared, now: i64) -> Result<Invocation, NodeError> {
        let keys = self.keys();
        let mut nonce = vec![0; REQUEST_NONCE];
        crate::home::fill_random(&mut nonce)?;
        let inputs = prepared
            .inputs
            .iter()
            .map(|(path, cid)| (path.clone(), Ipld::Link(*cid)));
        let meta = BTreeMap::from([("inputs".to_owned(), Ipld::Map(inputs.collect()))]);
        let payload = InvocationPayload {
            iss: keys.owner.did().clone(),
            sub: keys.owner.did().clone(),
            aud: Some(keys.agent.did().clone()),
            cmd: WORKFLOW_RUN.parse()?,
            args: BTreeMap::from([("workflow".to_owned(), Ipld::Link(prepared.cid))]),
            prf: Vec::new(),
            nonce,
            exp: Some(now + REQUEST_LIFE),
            iat: None,
            cause: None,
            meta: Some(meta),
        };
        Ok(Invocation::sign(&keys.owner, payload)?)
    }

    /// Whether this agent does what the request asks: it is valid, of the owner, for this agent
    /// and about this workflow.
    fn admit(&self, request: &Invocation, prepared: &Prepared, now: i64) -> Result<(), NodeError> {
        verify(request, &|_| None, now, SKEW_SECONDS)?;
        let payload = request.payload();
        let for_me = payload.aud.as_ref().unwrap_or(&payload.sub) == self.agent();
        let of_owner = payload.iss == *self.owner();
        let about = payload.args.get("workflow") == Some(&Ipld::Link(prepared.cid));
        if for_me && of_owner && about {
            return Ok(());
        }
        Err(NodeError::Internal(
            "the request for this run is not the one that was signed".into(),
        ))
    }

    /// Whether the chain owner → agent still allows the agent to act for the owner.
    fn check_chain(&self, prepared: &Prepared) -> Result<(), NodeError> {
        let Some((_, step)) = prepared.step(0) else {
            return Ok(());
        };
        let at = now();
        let invocation = self.invoke(&step.task, at)?;
        let delegation = &self.keys().delegation;
        let proofs = |cid: &Cid| (*cid == delegation.cid()).then(|| delegation.clone());
        verify(&invocation, &proofs, at, SKEW_SECONDS)?;
        Ok(())
    }

    /// Awaited tasks of other workflows must have a receipt here.
    fn check_external(&self, prepared: &Prepared) -> Result<(), NodeError> {
        for index in 0..prepared.labels.len() as u32 {
            for task in prepared.graph.external(index) {
                self.external(task)?;
            }
        }
        Ok(())
    }

    /// The receipt of a task outside the workflow that awaits it.
    pub(crate) fn external(&self, task: &Cid) -> Result<Receipt, NodeError> {
        self.look_up_task(task)?.ok_or_else(|| {
            NodeError::Name(format!(
                "awaited task {task} has no receipt here; run its workflow first"
            ))
        })
    }

    /// Puts a run that ended before, but not for good, back under way.
    /// Returns the status on record from then on.
    fn mark(&self, run: &Opened, prepared: &Prepared) -> Result<RunStatus, NodeError> {
        let complete = run.ended.len() == prepared.labels.len();
        if complete || run.status == RunStatus::Running {
            return Ok(run.status);
        }
        self.set_status(run.id, RunStatus::Running, None)?;
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
            Verdict::Stopped if self.take_cancel(run) => {
                (RunState::Cancelled, RunStatus::Cancelled)
            }
            // Interrupted: the run stays unfinished, and the same command goes on.
            Verdict::Stopped => return Ok(RunState::Cancelled),
        };
        if before != status {
            self.set_status(run, status, Some(now()))?;
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

/// Refuses by name what the format can carry but this version does not do.
fn check_offered(workflow: &Workflow) -> Result<(), NodeError> {
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
    for (label, step) in &workflow.steps {
        match ipvm_workflow::class_of(&step.task.cmd) {
            Some(Class::Pure) => {}
            _ => {
                let message = format!(
                    "the command {} is not offered by this version; it runs {}",
                    step.task.cmd,
                    ipvm_workflow::WASM_RUN
                );
                return no(label, &message);
            }
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
        ("secret", config.secret == Some(true)),
        ("disk", config.disk.is_some()),
        ("retry", config.retry.is_some()),
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

fn report(prepared: &Prepared, run: Cid, status: RunState, carried: Carried) -> RunReport {
    let label = |step: u32| prepared.labels.get(step as usize).cloned();
    let steps = (0..).zip(carried.records).map(|(index, record)| {
        let because = carried.because.get(&index).and_then(|step| label(*step));
        step_report(prepared, index, record.as_ref(), because)
    });
    RunReport {
        workflow: prepared.cid,
        run,
        name: prepared.name.clone(),
        status,
        executed: carried.executed,
        reused: carried.reused,
        saved_us: carried.saved_us,
        took_us: u64::try_from(carried.took.as_micros()).unwrap_or(u64::MAX),
        steps: steps.collect(),
    }
}

pub(crate) fn step_report(
    prepared: &Prepared,
    index: u32,
    record: Option<&Record>,
    because: Option<String>,
) -> StepReport {
    let status = match record.map(|record| record.ending) {
        None => Status::Pending,
        Some(ipvm_scheduler::Ending::Ok) => Status::Ok,
        Some(ipvm_scheduler::Ending::Error) => Status::Error,
    };
    StepReport {
        label: prepared
            .labels
            .get(index as usize)
            .cloned()
            .unwrap_or_default(),
        task: prepared.task(index).unwrap_or_default(),
        receipt: record.map(|record| record.receipt),
        status,
        memo: record.is_some_and(|record| record.memo),
        class: prepared.class(index),
        fuel: record.map_or(0, |record| record.fuel),
        took_us: record.map_or(0, |record| record.took_us),
        because,
    }
}
