//! What is not known to have been done, and settling it by a person's word.

use std::collections::HashMap;

use ipvm_ipld::{Block, Cid, Ipld};
use ipvm_store::{Batch, Intent, NewReceipt, ReceiptKeys, StepReceipt, StepState, StepUpdate};
use ipvm_ucan::{Invocation, Outcome, Receipt, ReceiptMeta, ReceiptPayload};
use ipvm_workflow::asked::JOIN;
use ipvm_workflow::{Plan, Task};

use crate::scribe::{ENGINE, token};
use crate::{Node, NodeError};

/// Most doubts that are listed at once.
const MAX_DOUBTS: usize = 10_000;
/// Most tasks that are named among those that await a result.
const MAX_NAMED: usize = 3;

/// Something that was to be done at most once, and of which nobody here knows whether it was.
#[derive(Clone, Debug)]
pub struct Doubt {
    /// The task.
    pub task: Cid,
    /// The command.
    pub command: String,
    /// On whose resource.
    pub subject: String,
    /// The signed request for the run that it belongs to.
    pub run: Cid,
    /// That run's name.
    pub name: String,
    /// The step's label.
    pub label: String,
    /// Since when, in seconds since the epoch.
    pub since: i64,
    /// Why it is not known; none while nobody has asked the far side: running the workflow again does.
    pub reason: Option<String>,
}

/// What a person says about a doubt.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// It was done, with this result; without one, nobody may await it, and the receipt says null.
    Done(Option<Ipld>),
    /// It was not done: the next run of the workflow does it.
    NotDone,
}

/// A doubt with what its settling needs.
struct Open {
    intent: Intent,
    plan: Plan,
    secret: bool,
    doubt: Doubt,
}

impl Node {
    /// All that is in doubt, in the order of runs.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn doubts(&self) -> Result<Vec<Doubt>, NodeError> {
        let intents = self.store().intents(MAX_DOUBTS)?.into_iter();
        let opened = intents.map(|intent| self.open_doubt(intent));
        let opened = opened.filter(|opened| {
            // What is being done now will say how it ended.
            !opened
                .as_ref()
                .is_ok_and(|open| self.crew().is_under_way(&open.doubt.task))
        });
        opened
            .map(|opened| opened.map(|opened| opened.doubt))
            .collect()
    }

    /// Settles what is in doubt. `id` is the task's CID or the beginning of it, at least 8 characters.
    ///
    /// # Errors
    /// No doubt or several have this name, it is awaited and no result is given, or the store fails.
    pub fn settle_doubt(&self, id: &str, settlement: &Settlement) -> Result<Doubt, NodeError> {
        let mut found = Vec::new();
        for intent in self.store().intents(MAX_DOUBTS)? {
            let opened = self.open_doubt(intent)?;
            let task = opened.doubt.task.to_string();
            if task == id || (id.len() >= 8 && task.starts_with(id)) {
                found.push(opened);
            }
        }
        let mut found = found.into_iter();
        let (Some(open), None) = (found.next(), found.next()) else {
            return Err(NodeError::Name(format!(
                "{id} names no doubt, or several; `ipvm workflow doubt list` shows them"
            )));
        };
        if self.crew().is_under_way(&open.doubt.task) {
            return Err(NodeError::Name(format!(
                "{} is being done right now; wait for it to end",
                open.doubt.task
            )));
        }
        let mut batch = Batch::new();
        if let Settlement::Done(value) = settlement {
            let value = match value {
                Some(value) => value,
                None => &self.no_result(&open)?,
            };
            self.write_settled(&mut batch, &open, value)?;
        }
        batch.settle(open.intent.task);
        self.store().commit(batch)?;
        Ok(open.doubt)
    }

    /// The steps of a run of which it is not known whether they were done, and why.
    pub(crate) fn doubts_of(
        &self,
        run: ipvm_store::RunId,
    ) -> Result<HashMap<u32, String>, NodeError> {
        let intents = self.store().intents(MAX_DOUBTS)?.into_iter();
        let of_run = intents.filter(|intent| intent.run == run);
        Ok(of_run
            .filter_map(|intent| Some((intent.index, intent.doubt?)))
            .collect())
    }

    fn open_doubt(&self, intent: Intent) -> Result<Open, NodeError> {
        let gone = |what: &str| {
            NodeError::Internal(format!("the {what} of the intent {} is gone", intent.task))
        };
        let run = self.store().run(intent.run)?.ok_or_else(|| gone("run"))?;
        let plan = self.plan(&self.true_cid(&run.workflow)?)?;
        let missing = || gone("step");
        let task = plan.graph().task(intent.index).ok_or_else(missing)?;
        let parts = plan.task(intent.index).ok_or_else(missing)?;
        let label = plan.label(intent.index).ok_or_else(missing)?.to_owned();
        let doubt = Doubt {
            task,
            command: parts.cmd.to_string(),
            subject: parts.sub.to_string(),
            run: match run.invocation {
                Some(request) => self.true_cid(&request)?,
                None => run.workflow,
            },
            name: run.name.unwrap_or_default(),
            label,
            since: intent.since,
            reason: intent.doubt.clone(),
        };
        Ok(Open {
            secret: intent.task != task,
            intent,
            plan,
            doubt,
        })
    }

    /// What stands in the place of a result that was not given, where nobody awaits one: whoever does would go on with
    /// something that the far side never said.
    fn no_result(&self, open: &Open) -> Result<Ipld, NodeError> {
        let Some(who) = self.who_awaits(open)? else {
            return Ok(Ipld::Null);
        };
        let example = match open.doubt.command.as_str() {
            "/msg/send" => format!(r#"'{{"id": "<{}@ipvm>"}}'"#, open.doubt.task),
            _ => r#"'{"status": 201}'"#.to_owned(),
        };
        Err(NodeError::Name(format!(
            "{who} awaits the result of `{}`, and none is given; say `--done --result JSON`, for instance `--result \
             {example}`; `--result null` if nothing in it is needed",
            open.doubt.label
        )))
    }

    /// Who gets the result of what is in doubt, in words.
    fn who_awaits(&self, open: &Open) -> Result<Option<String>, NodeError> {
        let dependents = open.plan.graph().dependents(open.intent.index);
        if !dependents.is_empty() {
            let named = dependents.iter().take(MAX_NAMED);
            let named = named.filter_map(|step| open.plan.label(*step));
            let named: Vec<String> = named.map(|label| format!("`{label}`")).collect();
            let more = match dependents.len().saturating_sub(MAX_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            return Ok(Some(format!("{}{more}", named.join(", "))));
        }
        if open.plan.head().parent.is_some() && open.doubt.label == JOIN {
            return Ok(Some("whoever awaits the function that asked".to_owned()));
        }
        let asked = self.asked_for(open)?;
        Ok(asked.map(|_| "whoever asked for it".to_owned()))
    }

    /// The request of another for this very task, if it is done on that.
    fn asked_for(&self, open: &Open) -> Result<Option<Block>, NodeError> {
        let Some(Ipld::Link(asked)) = self.meta_of(&open.doubt.run, "request")? else {
            return Ok(None);
        };
        let bytes = self.block_or_missing(&asked)?;
        let payload = Invocation::decode(&bytes)?;
        let payload = payload.payload();
        let task = Task {
            sub: payload.sub.clone(),
            cmd: payload.cmd.clone(),
            args: payload.args.clone(),
            nonce: payload.nonce.clone(),
        };
        Ok((task.cid()? == open.doubt.task).then(|| token(&bytes)))
    }

    /// A receipt that says what the person said.
    fn write_settled(&self, batch: &mut Batch, open: &Open, value: &Ipld) -> Result<(), NodeError> {
        let now = self.now();
        let task = open.plan.task(open.intent.index);
        let task = task.ok_or_else(|| NodeError::Internal("a doubt of no step".into()))?;
        let invocation = match self.asked_for(open)? {
            Some(asked) => asked,
            None => {
                let proofs = self.proofs_for(&task)?;
                self.invoke_by(task, &proofs, None, now)?
            }
        };
        let receipt = Receipt::sign(
            self.keys().agent()?,
            ReceiptPayload {
                ran: open.doubt.task,
                out: Outcome::Ok(value.clone()),
                run: None,
                meta: ReceiptMeta {
                    inv: *invocation.cid(),
                    computation: None,
                    memo: None,
                    log: None,
                    engine: format!("{ENGINE} (settled by a person)"),
                    fuel: 0,
                    started: now,
                    took: 0,
                },
            },
        )?;
        let row = if open.secret {
            for block in self.seal_new([invocation], &std::collections::HashSet::new())? {
                batch.block(block);
            }
            self.seal_receipt(&receipt, None)?
        } else {
            batch.block(invocation);
            NewReceipt {
                block: token(receipt.bytes()),
                keys: ReceiptKeys {
                    task: open.doubt.task,
                    computation: None,
                },
            }
        };
        let place: StepReceipt = batch.receipt(row);
        batch.step(StepUpdate {
            run: open.intent.run,
            index: open.intent.index,
            state: StepState::Ok,
            receipt: Some(place),
        });
        Ok(())
    }
}
