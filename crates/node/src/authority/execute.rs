//! Carrying out what others ask for, and the answer: a container with the receipt.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ipvm_ipld::fields::{Fields, as_link};
use ipvm_ipld::{Cid, Ipld, cbor};
use ipvm_store::{Batch, PinKind};
use ipvm_ucan::promise::Branch;
use ipvm_ucan::{Container, Did, Kind, Outcome, Receipt, Wanted, find_chain};
use ipvm_wasm::Cancel;
use ipvm_workflow::{ASKED, Plan, WASM_RUN};

pub use super::readable::Brought;

use super::documents::Document;
use super::gate::{Admitted, conditions_in, conditions_of, refuse, request_of, tokens_of};
use super::limits::{Bounds, Budget};
use super::mandate::{Mandate, Warrant};
use super::readable::{
    CONTENT_READ, Readable, args_value, links_beside_promises, links_in, may_read,
};
use crate::memo::{Args, resolve};
use crate::prepare::single;
use crate::report::{Progress, RunState};
use crate::run::{RunOptions, WORKFLOW_RUN, check_offered};
use crate::{Node, NodeError, Prepared};

/// The command of reading receipts.
pub(crate) const RECEIPT_READ: &str = "/receipt/read";
/// Most receipts in one answer.
const MAX_RECEIPTS: usize = 4_000;

/// A request by somebody.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a> {
    /// A container with an invocation and the delegations that give the right to it, or an invocation alone.
    pub tokens: &'a [u8],
    /// A CAR file with the content that it names, if any came along.
    pub content: Option<&'a Path>,
    /// DID documents of principals in it: kept once it is let in, as if they were imported.
    pub documents: &'a [Document],
}

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The receipts: of the task; of all tasks of a workflow; that were asked for.
    pub receipts: Vec<Receipt>,
    /// Who asked.
    pub asker: Did,
    /// Whether nothing had to be done: the task was done before.
    pub memo: bool,
    /// How the work ended.
    pub status: RunState,
    /// Receipts and the invocations they answer, to be handed over.
    pub container: Container,
    /// Content that belongs to the answer and that the asker may have.
    pub content: Vec<Cid>,
}

impl Node {
    /// Admits a request, carries it out, and answers. A request that is refused leaves nothing behind.
    ///
    /// # Errors
    /// [`NodeError::Refused`] with the kind and the link of the chain; what is asked for is not offered; `cancel` was
    /// set; the store fails. A task that ends in an error is no error: the receipt says so.
    pub fn execute_request(
        &self,
        request: &Foreign<'_>,
        cancel: &Cancel,
        observe: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Answer, NodeError> {
        let at = self.now();
        let (invocation, pool) = request_of(tokens_of(request.tokens)?)?;
        let keys = self.documents_with(request.documents, at)?;
        let admitted = self.admit_request(invocation, pool, (at, &keys))?;
        if !request.documents.is_empty() {
            // What is done for a did:web is checked again later, by what is known then.
            self.keep(&[], &[], request.documents, Batch::new())?;
        }
        let mut desk = Desk {
            node: self,
            admitted,
            content: request.content,
            at,
            cancel,
            observe,
        };
        match desk.admitted.task.cmd.as_str() {
            WASM_RUN => desk.task(),
            WORKFLOW_RUN => desk.workflow(),
            RECEIPT_READ => desk.receipts(),
            CONTENT_READ => desk.content(),
            _ => {
                let task = &desk.admitted.task;
                crate::effects::offered(&task.cmd, &task.args).map_err(|message| {
                    let message =
                        format!("{message}; and {WORKFLOW_RUN}, {RECEIPT_READ} and {CONTENT_READ}");
                    refuse(Kind::Unsupported, "cmd", message)
                })?;
                desk.task()
            }
        }
    }

    /// Whether somebody may read the receipt of a task: its subject, who asked for it, or who was delegated that.
    pub(crate) fn require_readable(
        &self,
        receipt: &Receipt,
        admitted: &Admitted,
        at: i64,
    ) -> Result<(), NodeError> {
        let asker = &admitted.invocation.payload().iss;
        let asked = self.invocation_of(receipt)?;
        let subject = &asked.payload().sub;
        if asker == subject || asked.payload().iss == *asker || self.is_ours(asker)? {
            return Ok(());
        }
        let cmd = RECEIPT_READ.parse()?;
        let ran = receipt.payload().ran;
        let args = Args::from([("task".to_owned(), Ipld::Link(ran))]);
        let wanted = Wanted {
            invoker: asker,
            subject,
            cmd: &cmd,
            args: &args,
        };
        let found =
            self.with_known(|known| Ok(find_chain(&admitted.pool, &wanted, &known.context(at))))?;
        match found {
            Ok(_) => Ok(()),
            Err(_) => {
                let message = format!(
                    "{asker} may not read the receipt of task {ran}: it belongs to {subject}, and no delegation of \
                     {RECEIPT_READ} came along"
                );
                Err(refuse(Kind::InvalidClaim, "args", message).into())
            }
        }
    }
}

/// An admitted request that is being carried out.
struct Desk<'a> {
    node: &'a Node,
    admitted: Admitted,
    content: Option<&'a Path>,
    at: i64,
    cancel: &'a Cancel,
    observe: &'a mut dyn FnMut(Progress<'_>),
}

impl Desk<'_> {
    fn asker(&self) -> &Did {
        &self.admitted.invocation.payload().iss
    }

    fn brought(&self) -> Result<Brought, NodeError> {
        self.content
            .map_or_else(|| Ok(Brought::default()), Brought::read)
    }

    /// Stores what came along.
    fn import(&self) -> Result<(), NodeError> {
        let Some(path) = self.content else {
            return Ok(());
        };
        let file = File::open(path).map_err(|source| NodeError::io("read", path, source))?;
        self.node.import_car(file, &mut |_| ()).map(drop)
    }

    /// `/wasm/run`, or an effect: one task.
    fn task(&mut self) -> Result<Answer, NodeError> {
        let node = self.node;
        let bounds = Bounds::of_meta(self.admitted.invocation.payload().meta.as_ref())?;
        let budget = Budget::of(bounds);
        let mut conditions = conditions_in(&self.admitted.capability);
        conditions.extend(node.with_known(|known| {
            let context = known.context(self.at);
            node.machine_right(known, &self.admitted, budget, &context)
        })?);
        let task = self.admitted.task.clone();
        let args = self.resolved()?;
        let warrant = Warrant {
            invocation: Some(self.admitted.invocation.clone()),
            proofs: Vec::new(),
            refusal: None,
            conditions,
            readable: Arc::new(self.readable(&[&args])?),
        };
        let awaited: Vec<Cid> = task.awaits()?.iter().map(|wanted| wanted.task).collect();
        warrant.check(node, &awaited, &args)?;
        if let Some((_, receipt)) = node.find_by_task(&self.admitted.ran)? {
            return self.answer(vec![receipt], true, RunState::Ok, &warrant.readable);
        }
        if let (WASM_RUN, Some(Ipld::Link(module))) = (task.cmd.as_str(), args.get("mod"))
            && !warrant.readable.is_brought(module)
            && !node.store().has(module)?
        {
            let message = format!(
                "the module {module} is not here, and did not come along: it comes in a CAR file, with --content"
            );
            return Err(refuse(Kind::InvalidClaim, "args", message).into());
        }
        self.import()?;
        let label = function_of(&args).unwrap_or_else(|| ASKED.to_owned());
        let prepared = single(label, task, Some(budget.config()))?;
        let readable = Arc::clone(&warrant.readable);
        self.run(&prepared, vec![warrant], &readable)
    }

    /// The arguments with every promise replaced; what cannot be read by the asker is refused.
    fn resolved(&self) -> Result<Args, NodeError> {
        let node = self.node;
        let encoded = cbor::encode(&args_value(&self.admitted.task.args))?;
        resolve(&encoded, &mut |wanted| {
            node.wait_for_task(&wanted.task, self.cancel)?;
            let receipt = node.external(&wanted.task)?;
            node.require_readable(&receipt, &self.admitted, self.at)?;
            let on = match receipt.payload().out {
                Outcome::Ok(_) => Branch::Ok,
                Outcome::Error(_) => Branch::Error,
            };
            if wanted.branch != Branch::Any && wanted.branch != on {
                return Err(NodeError::Name(format!(
                    "the awaited task {} ended on the other branch, {}",
                    wanted.task,
                    on.key()
                )));
            }
            node.awaited(wanted, &receipt.cid())
        })
    }

    fn readable(&self, args: &[&Args]) -> Result<Readable, NodeError> {
        let brought = self.brought()?;
        self.node.with_known(|known| {
            let context = known.context(self.at);
            Readable::of(self.node, known, &self.admitted, brought, args, &context)
        })
    }

    /// `/workflow/run`: all tasks of a workflow, each on the authority that came along for its subject.
    fn workflow(&mut self) -> Result<Answer, NodeError> {
        let node = self.node;
        let machines = node.with_known(|known| Ok(node.machines(known)))?;
        if !machines.contains(&self.admitted.task.sub) {
            let message = format!(
                "{WORKFLOW_RUN} is the right to a machine, and this one is {}, not {}",
                node.agent(),
                self.admitted.task.sub
            );
            return Err(refuse(Kind::InvalidSubject, "sub", message).into());
        }
        let (workflow, budget, commands) = Node::budget_of(&self.admitted.task.args)?;
        let own = self.admitted.task.args.clone();
        let readable = self.readable(&[&own])?;
        readable.check(node, vec![workflow], &[])?;
        let root = readable.value(node, &workflow)?;
        let plan = Plan::decode(&root, &mut |chunk| readable.value(node, chunk))
            .map_err(|error| NodeError::Name(format!("{workflow} is no workflow: {error}")))?;
        check_offered(&plan)?;
        budget.require_plan(&plan)?;
        let steps: Vec<_> = (0..plan.len() as u32)
            .filter_map(|step| plan.step(step))
            .collect();
        for step in &steps {
            if !commands.iter().any(|cmd| cmd == step.task.cmd.as_str()) {
                let message = format!(
                    "the workflow does {}, which the request does not list in `commands`",
                    step.task.cmd
                );
                return Err(refuse(Kind::MatchError, "args", message).into());
            }
        }
        for task in (0..plan.len() as u32).flat_map(|step| plan.graph().external(step)) {
            node.wait_for_task(task, self.cancel)?;
            node.require_readable(&node.external(task)?, &self.admitted, self.at)?;
        }
        let all: Vec<&Args> = steps.iter().map(|step| &step.task.args).collect();
        let readable = Arc::new(self.readable(&all)?);
        let mut warrants = Vec::with_capacity(steps.len());
        for step in &steps {
            readable.check(node, links_beside_promises(&step.task.args), &[])?;
            warrants.push(self.warrant(&step.task, &readable)?);
        }
        self.import()?;
        let mut prepared = Prepared::of_plan("workflow".to_owned(), plan);
        if let Some(Ipld::String(name)) = prepared
            .plan
            .head()
            .meta
            .as_ref()
            .and_then(|meta| meta.get("name"))
        {
            prepared.name.clone_from(name);
        }
        self.run(&prepared, warrants, &readable)
    }

    /// The delegations by which the agent may do a step of the asker's workflow: those that came along. Only what the
    /// asker has the right to ask is done: a delegation to this home is no secret, and gives nothing to who has a copy.
    fn warrant(
        &self,
        task: &ipvm_workflow::Task,
        readable: &Arc<Readable>,
    ) -> Result<Warrant, NodeError> {
        let node = self.node;
        let chain_to = |invoker: &Did| {
            let wanted = Wanted {
                invoker,
                subject: &task.sub,
                cmd: &task.cmd,
                args: &task.args,
            };
            node.with_known(|known| {
                let context = known.context(self.at);
                let found = find_chain(&self.admitted.pool, &wanted, &context);
                Ok(found.map_err(|none| refuse(Kind::InvalidClaim, "prf", none.to_string()))?)
            })
        };
        let asked = chain_to(self.asker())?;
        let mut conditions = conditions_of(&asked);
        let proofs = if task.sub == *node.owner() {
            vec![node.keys().delegation.clone()]
        } else if node.is_ours(&task.sub)? {
            Vec::new()
        } else {
            let proofs = chain_to(node.agent())?;
            conditions.extend(conditions_of(&proofs));
            proofs
        };
        Ok(Warrant {
            invocation: None,
            proofs,
            refusal: None,
            conditions,
            readable: Arc::clone(readable),
        })
    }

    fn run(
        &mut self,
        prepared: &Prepared,
        warrants: Vec<Warrant>,
        readable: &Readable,
    ) -> Result<Answer, NodeError> {
        let options = RunOptions {
            // What a step may use depends on receipts of those it awaits, on record.
            share_commits: false,
            ..RunOptions::default()
        };
        let proofs = self.admitted.invocation.payload().prf.iter();
        let proofs: Vec<_> = proofs
            .filter_map(|cid| self.admitted.pool.get(cid))
            .chain(warrants.iter().flat_map(|warrant| warrant.proofs.clone()))
            .collect();
        let report = self.node.run_for(
            prepared,
            (&self.admitted.invocation, &proofs),
            Mandate::Request(warrants),
            &options,
            self.cancel,
            self.observe,
        )?;
        if report.status == RunState::Cancelled {
            return Err(NodeError::Interrupted);
        }
        let mut receipts = Vec::new();
        for cid in report.steps.iter().filter_map(|step| step.receipt) {
            receipts.extend(self.node.receipt(&cid)?);
        }
        let memo = report.executed == 0;
        self.answer(receipts, memo, report.status, readable)
    }

    fn answer(
        &self,
        receipts: Vec<Receipt>,
        memo: bool,
        status: RunState,
        readable: &Readable,
    ) -> Result<Answer, NodeError> {
        if receipts.len() > MAX_RECEIPTS {
            return Err(NodeError::Name(format!(
                "{} receipts do not fit in one answer; ask for them with {RECEIPT_READ}",
                receipts.len()
            )));
        }
        let node = self.node;
        let mut container = Container::new();
        container.insert(self.admitted.invocation.bytes().to_vec());
        let mut content = Vec::new();
        for receipt in &receipts {
            container.insert(receipt.bytes().to_vec());
            if let Ok(invocation) = node.invocation_of(receipt) {
                container.insert(invocation.bytes().to_vec());
            }
            let made = node.made_content(receipt)?;
            for link in links_in(receipt.payload().out.value()) {
                let is_given = made.contains(&link) || readable.is_open(node, &link)?;
                if is_given && !content.contains(&link) && node.store().has(&link)? {
                    content.push(link);
                }
            }
        }
        let failed = receipts
            .iter()
            .any(|receipt| !receipt.payload().out.is_ok());
        Ok(Answer {
            asker: self.asker().clone(),
            status: if memo && failed {
                RunState::Error
            } else {
                status
            },
            receipts,
            memo,
            container,
            content,
        })
    }

    /// `/receipt/read`: the receipts of a task.
    fn receipts(&self) -> Result<Answer, NodeError> {
        let node = self.node;
        let task = self.link("task")?;
        let receipt = node.external(&task)?;
        let subject = node.invocation_of(&receipt)?.payload().sub.clone();
        if subject != self.admitted.task.sub {
            let message = format!(
                "task {task} belongs to {subject}, not to {}",
                self.admitted.task.sub
            );
            return Err(refuse(Kind::InvalidSubject, "sub", message).into());
        }
        let readable = self.readable(&[])?;
        self.answer(vec![receipt], true, RunState::Ok, &readable)
    }

    /// `/content/read`: content of this home.
    fn content(&self) -> Result<Answer, NodeError> {
        let node = self.node;
        let cid = self.link("cid")?;
        let is_open = node.with_known(|known| {
            let machines = node.machines(known);
            let is_public = node
                .store()
                .pin_of(&cid)?
                .is_some_and(|pin| pin.kind == PinKind::Public);
            let context = known.context(self.at);
            let asker = self.asker();
            let granted = machines.contains(&self.admitted.task.sub)
                || may_read(&self.admitted.pool, &machines, asker, &cid, &context);
            Ok(is_public || granted)
        })?;
        if !is_open {
            let message = format!("{} has no content in this home", self.admitted.task.sub);
            return Err(refuse(Kind::InvalidSubject, "sub", message).into());
        }
        if !node.store().has(&cid)? {
            return Err(NodeError::NoBlock(cid));
        }
        Ok(Answer {
            receipts: Vec::new(),
            asker: self.asker().clone(),
            memo: true,
            status: RunState::Ok,
            container: Container::new(),
            content: vec![cid],
        })
    }

    /// The one argument of a request.
    fn link(&self, key: &'static str) -> Result<Cid, NodeError> {
        let read = || {
            let mut fields = Fields::new(args_value(&self.admitted.task.args), "args")?;
            let link = fields.get(key, as_link)?;
            fields.finish()?;
            Ok(link)
        };
        Ok(read().map_err(|error: ipvm_ipld::fields::FieldError| {
            refuse(Kind::Malformed, "args", error.to_string())
        })?)
    }
}

/// The short name of the function that arguments of `/wasm/run` name.
fn function_of(args: &Args) -> Option<String> {
    match args.get("fun") {
        Some(Ipld::String(name)) => name.rsplit('#').next().map(str::to_owned),
        _ => None,
    }
}
