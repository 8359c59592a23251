//! Where a result came from: the walk from a receipt to its roots.

use std::collections::{HashMap, HashSet};

use ipvm_ipld::{Cid, Ipld, unixfs};
use ipvm_store::RunFilter;
use ipvm_ucan::{Did, Outcome, Receipt, promise};

use crate::{Node, NodeError, Status};

/// Deepest walk, in tasks; what lies deeper is named, not followed.
const MAX_DEPTH: usize = 100;
/// Most tasks followed in one walk.
const MAX_TASKS: usize = 10_000;
/// Most runs searched for the names of files.
const MAX_RUNS: usize = 100;

/// One result and what went into it.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The receipt.
    pub receipt: Cid,
    /// The task.
    pub task: Cid,
    /// What was done: the function's short name, or the command.
    pub what: String,
    /// The branch it ended on.
    pub status: Status,
    /// Who did it.
    pub executor: Did,
    /// The receipt whose result this one repeats.
    pub memo: Option<Cid>,
    /// The result that asked for it, if a function did.
    pub cause: Option<Box<TraceInput>>,
    /// What it was made of, in the order of the arguments.
    pub inputs: Vec<TraceInput>,
}

/// Something that went into a result.
#[derive(Clone, Debug)]
pub enum TraceInput {
    /// The result of another task.
    Task(Box<Trace>),
    /// A file, module or block.
    Content {
        /// Its CID.
        cid: Cid,
        /// Its length in bytes, if it is here.
        size: Option<u64>,
        /// The path it was read from, if a run on record names it.
        path: Option<String>,
    },
    /// A task that stands elsewhere in the walk, or too deep in it.
    Seen(Cid),
}

struct Walk<'a> {
    node: &'a Node,
    seen: HashSet<Cid>,
    paths: HashMap<Cid, String>,
}

impl Node {
    /// Walks from a receipt to the files and modules that its result came from.
    ///
    /// # Errors
    /// There is no such receipt, or part of its past is not here.
    pub fn trace(&self, receipt: &Cid) -> Result<Trace, NodeError> {
        let receipt = self.receipt(receipt)?.ok_or(NodeError::NoBlock(*receipt))?;
        let mut walk = Walk {
            node: self,
            seen: HashSet::new(),
            paths: self.known_paths()?,
        };
        walk.receipt(&receipt, 0)
    }

    /// Paths of files that recent runs read, by content.
    fn known_paths(&self) -> Result<HashMap<Cid, String>, NodeError> {
        let mut paths = HashMap::new();
        for run in self.store().runs(&RunFilter::All, None, MAX_RUNS)? {
            let Some(request) = run.invocation else {
                continue;
            };
            for (path, cid) in self.inputs_of(&request)? {
                paths.entry(cid).or_insert(path);
            }
        }
        Ok(paths)
    }
}

impl Walk<'_> {
    fn receipt(&mut self, receipt: &Receipt, depth: usize) -> Result<Trace, NodeError> {
        let payload = receipt.payload();
        self.seen.insert(payload.ran);
        let invocation = self.node.invocation_of(receipt)?;
        let asked = invocation.payload();
        let function = match asked.args.get("fun") {
            Some(Ipld::String(name)) => name.rsplit('#').next().map(str::to_owned),
            _ => None,
        };
        let args = Ipld::Map(asked.args.clone());
        let cause = asked.cause.map(|cause| self.node.receipt(&cause));
        let cause = cause.transpose()?.flatten();
        let cause = cause.map(|cause| self.input(cause.payload().ran, Some(cause), depth));
        let cause = cause.transpose()?.map(Box::new);
        let mut inputs = Vec::new();
        let in_run = self.node.inputs_in_run(receipt)?;
        for wanted in promise::awaits(&args)? {
            let input = in_run.get(&wanted.task).map(|cid| self.node.receipt(cid));
            let input = input.transpose()?.flatten();
            inputs.push(self.input(wanted.task, input, depth)?);
        }
        let awaited: HashSet<Cid> = promise::awaits(&args)?.iter().map(|one| one.task).collect();
        for cid in links(&args) {
            if !awaited.contains(&cid) {
                inputs.push(self.content(cid));
            }
        }
        Ok(Trace {
            receipt: receipt.cid(),
            task: payload.ran,
            what: function.unwrap_or_else(|| asked.cmd.to_string()),
            status: match payload.out {
                Outcome::Ok(_) => Status::Ok,
                Outcome::Error(_) => Status::Error,
            },
            executor: receipt.executor().clone(),
            memo: payload.meta.memo,
            cause,
            inputs,
        })
    }

    /// What went into something at this depth: the task, with this receipt if it is known which.
    fn input(
        &mut self,
        task: Cid,
        receipt: Option<Receipt>,
        depth: usize,
    ) -> Result<TraceInput, NodeError> {
        let is_known = self.seen.contains(&task);
        if is_known || depth >= MAX_DEPTH || self.seen.len() > MAX_TASKS {
            return Ok(TraceInput::Seen(task));
        }
        let receipt = match receipt {
            Some(receipt) => receipt,
            None => self.node.input(&task)?,
        };
        let trace = self.receipt(&receipt, depth + 1)?;
        Ok(TraceInput::Task(Box::new(trace)))
    }

    fn content(&self, cid: Cid) -> TraceInput {
        let size = unixfs::size(&cid, &mut |cid: &Cid| self.node.block_or_missing(cid)).ok();
        TraceInput::Content {
            cid,
            size,
            path: self.paths.get(&cid).cloned(),
        }
    }
}

impl Node {
    /// The latest receipt of a task, whatever its end.
    fn input(&self, task: &Cid) -> Result<Receipt, NodeError> {
        match self.look_up_task(task)? {
            Some(receipt) => Ok(receipt),
            None => self
                .receipts_of_task(task)?
                .pop()
                .ok_or(NodeError::NoBlock(*task)),
        }
    }
}

/// Every link in a value, each once, in order.
pub(crate) fn links(value: &Ipld) -> Vec<Cid> {
    let (mut found, mut met) = (Vec::new(), HashSet::new());
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        match value {
            Ipld::Link(cid) if met.insert(*cid) => found.push(*cid),
            Ipld::List(items) => rest.extend(items.iter().rev()),
            Ipld::Map(map) => rest.extend(map.values().rev()),
            _ => {}
        }
    }
    found
}
