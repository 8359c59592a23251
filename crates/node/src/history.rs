//! What is on record: runs, receipts, results, and names that users give for them.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ipvm_ipld::sealed::is_frame;
use ipvm_ipld::{Cid, Ipld, parse_cid};
use ipvm_store::{RunFilter, RunStatus};
use ipvm_ucan::{Invocation, Outcome, Receipt};
use ipvm_workflow::{Failure, Plan};

use crate::record::Record;
use crate::report::{RunInfo, RunReport, RunState, Steps};
use crate::run::AFTER;
use crate::secret::is_sealed;
use crate::{Access, Node, NodeError};

/// Shortest prefix of a CID that may stand for it, in characters.
const MIN_PREFIX: usize = 8;
/// Most receipts and runs searched for a prefix.
const MAX_SEARCHED: usize = 100_000;

impl Node {
    /// A receipt by its CID.
    ///
    /// # Errors
    /// The store fails, or what has this CID is not a receipt.
    pub fn receipt(&self, cid: &Cid) -> Result<Option<Receipt>, NodeError> {
        match self.store().receipt(cid)? {
            Some(stored) => Ok(Some(self.decode_receipt(&stored.block)?)),
            None => Ok(self.sealed_receipt(cid)?.map(|(_, receipt)| receipt)),
        }
    }

    /// The latest receipts, newest first, at most `limit`. Those of secret tasks are not listed.
    ///
    /// # Errors
    /// The store fails or a receipt in it is damaged.
    pub fn receipts(&self, limit: usize) -> Result<Vec<Receipt>, NodeError> {
        let (mut found, mut before) = (Vec::new(), None);
        while found.len() < limit {
            let rows = self.store().recent_receipts(before, limit)?;
            let Some(oldest) = rows.last() else { break };
            before = Some(oldest.id);
            for row in rows.iter().filter(|row| !is_frame(&row.block)) {
                found.push(Receipt::decode(&row.block)?);
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Every receipt of a task, oldest first; those that are sealed last.
    ///
    /// # Errors
    /// As [`Node::receipts`].
    pub fn receipts_of_task(&self, task: &Cid) -> Result<Vec<Receipt>, NodeError> {
        let mut found = self.open_receipts_of_task(task)?;
        found.extend(self.sealed_receipts_of_task(task)?);
        Ok(found)
    }

    /// Every receipt of a task that is not sealed, oldest first.
    pub(crate) fn open_receipts_of_task(&self, task: &Cid) -> Result<Vec<Receipt>, NodeError> {
        let rows = self.store().receipts_by_task(task)?;
        rows.iter()
            .map(|row| Ok(Receipt::decode(&row.block)?))
            .collect()
    }

    /// The result in a receipt.
    ///
    /// # Errors
    /// There is no such receipt, or the store fails.
    pub fn outcome(&self, receipt: &Cid) -> Result<Outcome, NodeError> {
        let found = self.receipt(receipt)?.ok_or(NodeError::NoBlock(*receipt))?;
        Ok(found.payload().out.clone())
    }

    /// The invocation that a receipt answers: subject, command and arguments as signed.
    ///
    /// # Errors
    /// It is not here.
    pub fn invocation_of(&self, receipt: &Receipt) -> Result<Invocation, NodeError> {
        let bytes = self.block_or_missing(&receipt.payload().meta.inv)?;
        Ok(Invocation::decode(&bytes)?)
    }

    /// The latest runs, newest first, at most `limit`.
    ///
    /// # Errors
    /// The store fails.
    pub fn runs(&self, limit: usize) -> Result<Vec<RunInfo>, NodeError> {
        let rows = self.store().runs(&RunFilter::All, None, limit)?;
        Ok(rows.into_iter().filter_map(run_info).collect())
    }

    /// The run that a user means: by its CID or its workflow's, a unique prefix of one, or the
    /// workflow's name; the latest of several runs of one workflow. A secret run by its whole CID, its workflow's, or
    /// the name that the list has for it.
    ///
    /// # Errors
    /// Nothing, or more than one workflow, is meant by `id`.
    pub fn find_run(&self, id: &str) -> Result<RunInfo, NodeError> {
        let mut found: Option<RunInfo> = None;
        let vault = self.vault_if_any()?;
        let sealed = parse_cid(id)
            .ok()
            .zip(vault)
            .map(|(cid, vault)| vault.name(&cid));
        for run in self.runs(MAX_SEARCHED)? {
            let by_cid = |cid: &Cid| match is_sealed(cid) {
                true => Some(*cid) == sealed,
                false => is_meant(id, cid),
            };
            if run.name != id && !by_cid(&run.run) && !by_cid(&run.workflow) {
                continue;
            }
            match &found {
                Some(other) if run.name == id || other.workflow == run.workflow => {}
                Some(_) => {
                    return Err(NodeError::Name(format!(
                        "`{id}` stands for several runs; write more of it"
                    )));
                }
                None => found = Some(run),
            }
        }
        found.ok_or_else(|| {
            NodeError::Name(format!(
                "no run here is called `{id}`; `ipvm workflow list` shows them"
            ))
        })
    }

    /// The CID that a user means: itself, or a unique prefix of one that is on record.
    ///
    /// # Errors
    /// `name` is neither, or stands for several.
    pub fn find_cid(&self, name: &str) -> Result<Cid, NodeError> {
        let error = match parse_cid(name) {
            Ok(cid) => return Ok(cid),
            Err(error) => error,
        };
        if name.len() < MIN_PREFIX || !name.starts_with("baf") {
            return Err(NodeError::Name(error.to_string()));
        }
        let mut found = self.store().find_by_prefix(name)?;
        self.with_known(|known| {
            let delegations = known.delegations.iter().map(|(one, _)| one.cid());
            let tokens = delegations.chain(known.revoked.iter().map(ipvm_ucan::Revocation::cid));
            for cid in tokens.filter(|cid| is_meant(name, cid)) {
                if !found.contains(&cid) {
                    found.push(cid);
                }
            }
            Ok(())
        })?;
        // The store knows receipts, blocks and runs, not what the receipts are about.
        for row in self.store().recent_receipts(None, MAX_SEARCHED)? {
            if let Ok(receipt) = Receipt::decode(&row.block) {
                let task = receipt.payload().ran;
                if is_meant(name, &task) && !found.contains(&task) {
                    found.push(task);
                }
            }
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(NodeError::Name(format!(
                "nothing on record starts with `{name}`; for a block, write its whole CID"
            ))),
            several => Err(NodeError::Name(format!(
                "`{name}` stands for {} things; write more of it",
                several.len()
            ))),
        }
    }

    /// A run as it is on record.
    ///
    /// # Errors
    /// The store fails or its workflow is not here.
    pub fn run_report(&self, run: &RunInfo) -> Result<RunReport, NodeError> {
        let plan = self.plan(&run.workflow)?;
        let after = self.newest_before(&run.run)?;
        let mut records: Vec<Option<Record>> = vec![None; plan.len()];
        let mut causes: HashMap<u32, Cid> = HashMap::new();
        let mut open: Vec<u32> = Vec::new();
        for step in self.store().steps(run.id)? {
            let Some(id) = step.receipt else { continue };
            let Some(stored) = self.store().receipt_at(id)? else {
                continue;
            };
            let receipt = self.decode_receipt(&stored.block)?;
            if !is_frame(&stored.block) {
                open.push(step.index);
            }
            let task = plan.graph().task(step.index).unwrap_or_default();
            if !self.stands_for(&receipt, &task)? {
                return Err(self.wrong_receipt(run.id, step.index));
            }
            if let Outcome::Error(error) = &receipt.payload().out
                && let Some(Failure::BranchMismatch { from, .. }) = Failure::from_ipld(error)
            {
                causes.insert(step.index, from);
            }
            let meta = &receipt.payload().meta;
            let is_older = match after {
                Some(after) => stored.id.0 <= after,
                None => meta.started < run.started,
            };
            let memo = is_older || meta.memo.is_some();
            if let Some(slot) = records.get_mut(step.index as usize) {
                *slot = Some(Record::of(&receipt, memo));
            }
        }
        let because = because_of(&plan, &records, &causes);
        open.sort_unstable();
        let mut report = RunReport {
            workflow: plan.cid(),
            run: self.true_cid(&run.run)?,
            name: run.name.clone(),
            secret: run.secret,
            status: run.status,
            executed: 0,
            reused: 0,
            saved_us: 0,
            took_us: 0,
            steps: Steps {
                plan: Arc::new(plan),
                records,
                because,
                doubts: self.doubts_of(run.id)?,
                open: run.secret.then_some(open),
            },
        };
        for (index, record) in (0..).zip(&report.steps.records) {
            let Some(record) = record else { continue };
            if record.memo {
                report.reused += 1;
                report.saved_us += record.took_us;
            } else if !report.steps.because.contains_key(&index) {
                report.executed += 1;
                report.took_us += record.took_us;
            }
        }
        Ok(report)
    }

    /// The workflow with this CID.
    ///
    /// # Errors
    /// It, or a part of it, is not here.
    pub fn plan(&self, cid: &Cid) -> Result<Plan, NodeError> {
        let root = self.block_or_missing(cid)?;
        Plan::decode(&root, &mut |chunk| self.block_or_missing(chunk))
            .map_err(|error| NodeError::Name(format!("{cid} is not a workflow: {error}")))
    }

    /// Ends an unfinished run: now, if no process carries it out; else that process is asked to.
    ///
    /// # Errors
    /// It is finished already, or the store fails.
    pub fn cancel_run(&self, run: &RunInfo) -> Result<(), NodeError> {
        if run.status != RunState::Running {
            return Err(NodeError::Name(format!(
                "run {} is not under way: it ended {}",
                run.run,
                run.status.as_str()
            )));
        }
        if self.access() == Access::Read {
            let path = self.cancel_path(run.id);
            let failed = |source| NodeError::io("write", &path, source);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            failpoint!("cancel.folder");
            return fs::write(&path, run.run.to_string()).map_err(failed);
        }
        self.set_status(run.id, RunStatus::Cancelled, Some(self.now()))
    }

    /// Whether another process asked for the end of this run.
    pub(crate) fn cancel_asked(&self, run: ipvm_store::RunId) -> bool {
        self.cancel_path(run).exists()
    }

    /// Takes the request for the end of this run, if there is one, off the record: it is obeyed.
    pub(crate) fn take_cancel(&self, run: ipvm_store::RunId) {
        // There is none, in most cases.
        let _ = fs::remove_file(self.cancel_path(run));
        failpoint!("cancel.taken");
    }

    fn cancel_path(&self, run: ipvm_store::RunId) -> PathBuf {
        self.home().join("cancel").join(run.to_string())
    }

    /// The newest receipt that there was before a run, if its request says.
    fn newest_before(&self, request: &Cid) -> Result<Option<i64>, NodeError> {
        match self.meta_of(request, AFTER)? {
            Some(Ipld::Integer(id)) => Ok(i64::try_from(id).ok()),
            _ => Ok(None),
        }
    }

    /// What a request says beside its arguments, under one key.
    pub(crate) fn meta_of(&self, request: &Cid, key: &str) -> Result<Option<Ipld>, NodeError> {
        let Some(bytes) = self.block(request)? else {
            return Ok(None);
        };
        let request = Invocation::decode(&bytes)?;
        let meta = request.payload().meta.as_ref();
        Ok(meta.and_then(|meta| meta.get(key)).cloned())
    }

    /// The files a run read: path as written, content.
    pub(crate) fn inputs_of(&self, request: &Cid) -> Result<HashMap<String, Cid>, NodeError> {
        let Some(Ipld::Map(inputs)) = self.meta_of(request, "inputs")? else {
            return Ok(HashMap::new());
        };
        let links = inputs.iter().filter_map(|(path, value)| match value {
            Ipld::Link(cid) => Some((path.clone(), *cid)),
            _ => None,
        });
        Ok(links.collect())
    }
}

/// For each step that another's failure kept from running, which one: that among its inputs whose receipt its own
/// receipt names.
fn because_of(
    plan: &Plan,
    records: &[Option<Record>],
    causes: &HashMap<u32, Cid>,
) -> HashMap<u32, u32> {
    let receipt = |step: u32| Some(records.get(step as usize)?.as_ref()?.receipt());
    let cause = |(step, from): (&u32, &Cid)| {
        let mut inputs = plan.graph().deps(*step).iter();
        let input = inputs.find(|input| receipt(**input).as_ref() == Some(from))?;
        Some((*step, *input))
    };
    causes.iter().filter_map(cause).collect()
}

fn is_meant(written: &str, cid: &Cid) -> bool {
    written.len() >= MIN_PREFIX && cid.to_string().starts_with(written)
}

fn run_info(run: ipvm_store::RunInfo) -> Option<RunInfo> {
    let secret = is_sealed(&run.workflow);
    let name = match secret {
        true => Some(format!("secret-{}", run.id)),
        false => run.name,
    };
    Some(RunInfo {
        workflow: run.workflow,
        run: run.invocation?,
        name: name.unwrap_or_default(),
        secret,
        status: match run.status {
            RunStatus::Running => RunState::Running,
            RunStatus::Ok => RunState::Ok,
            RunStatus::Error => RunState::Error,
            RunStatus::Cancelled => RunState::Cancelled,
            RunStatus::InDoubt => RunState::InDoubt,
        },
        started: run.started,
        tasks: u64::from(run.tasks),
        done: u64::from(run.done),
        id: run.id,
    })
}
