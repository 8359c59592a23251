//! Why a look-up hits or misses, and which input differs from the last time.

use std::collections::HashMap;
use std::fmt;

use ipvm_ipld::{Cid, Ipld, json};
use ipvm_store::RunFilter;
use ipvm_ucan::Receipt;
use ipvm_ucan::promise::Await;
use ipvm_workflow::{Class, Plan, class_of};

use crate::effects::Doubt;
use crate::memo::{computation_of, resolve};
use crate::record::Place;
use crate::scribe::one_line;
use crate::{Node, NodeError, Prepared};

/// Longest value shown in a difference, in characters.
const MAX_SHOWN: usize = 60;
/// Most inputs named in one reason.
const MAX_NAMED: usize = 5;
/// Most differences named for one step.
const MAX_DIFFERENCES: usize = 16;

/// What is known of one step before it runs.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Its label; none for a task that was asked for by its CID.
    pub label: Option<String>,
    /// Its Task CID.
    pub task: Cid,
    /// Whether it hits or misses, and why.
    pub why: Why,
    /// If it is secret, what makes it so, in words.
    pub secret: Option<String>,
    /// What repeating its command does.
    pub class: Class,
    /// Whether it is a function that asked for effects.
    pub asks: bool,
}

/// Why a look-up hits or misses.
#[derive(Clone, Debug)]
pub enum Why {
    /// There is a receipt to reuse.
    Hit {
        /// The receipt.
        receipt: Cid,
        /// When its work was done, in seconds since the epoch.
        started: i64,
        /// How long it took then, in microseconds.
        saved_us: u64,
        /// `task` (the very same task) or `computation` (another task, the same work).
        by: &'static str,
    },
    /// It is an effect, and was done in this run.
    Done {
        /// The receipt.
        receipt: Cid,
        /// When it was done, in seconds since the epoch.
        started: i64,
    },
    /// It is an effect, and it is not known whether it was done.
    InDoubt {
        /// Why, if somebody asked.
        reason: Option<String>,
    },
    /// It must be executed.
    Miss {
        /// What differs from the last time; at least one reason.
        reasons: Vec<Difference>,
    },
}

/// One reason for a miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Nothing like it is on record.
    New,
    /// An effect that was not done in this run.
    Undone,
    /// A file has other content.
    File {
        /// Its path as written.
        path: String,
        /// What it was.
        was: Cid,
        /// What it is.
        is: Cid,
    },
    /// A part of the arguments has another value.
    Value {
        /// Which part, such as `argument 2`.
        place: String,
        /// What it was, as DAG-JSON.
        was: String,
        /// What it is.
        is: String,
    },
    /// Steps whose results it awaits must be executed first.
    Inputs {
        /// Their labels.
        labels: Vec<String>,
    },
    /// It was executed, but ended in an error that is not reused.
    NotKept {
        /// The error, in one line.
        error: String,
    },
    /// It was executed here under the same arguments by another agent, or its receipt is gone.
    Gone,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => write!(out, "never computed here"),
            Self::Undone => write!(out, "to be done, once for this run"),
            Self::File { path, was, is } => write!(out, "input {path} changed: was {was}, is {is}"),
            Self::Value { place, was, is } => write!(out, "{place} changed: was {was}, is {is}"),
            Self::Inputs { labels } => {
                let named: Vec<String> = labels
                    .iter()
                    .take(MAX_NAMED)
                    .map(|label| format!("`{label}`"))
                    .collect();
                let more = match labels.len().saturating_sub(MAX_NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                write!(
                    out,
                    "its inputs must be computed first: {}{more}",
                    named.join(", ")
                )
            }
            Self::NotKept { error } => {
                write!(out, "it ended in an error that is not reused: {error}")
            }
            Self::Gone => write!(out, "its receipt is not this agent's, or gone"),
        }
    }
}

/// What is known before a run.
struct Known {
    before: Option<Before>,
    /// Receipts of this very run, by step.
    ended: HashMap<u32, Cid>,
    doubts: Vec<Doubt>,
}

/// The run that a new one is compared with.
struct Before {
    plan: Plan,
    inputs: HashMap<String, Cid>,
}

impl Node {
    /// For each step, in the order of the file: whether it hits, and if not, why.
    ///
    /// # Errors
    /// The store fails.
    pub fn explain(&self, prepared: &Prepared) -> Result<Vec<Explanation>, NodeError> {
        let known = Known {
            before: self.before(prepared)?,
            ended: self.ended_in_run(prepared)?,
            doubts: match prepared.plan.head().nonce.is_empty() {
                true => Vec::new(),
                false => self.doubts()?,
            },
        };
        let mut hits: HashMap<u32, Cid> = HashMap::new();
        let mut found: HashMap<u32, Explanation> = HashMap::new();
        for index in prepared.plan.graph().order() {
            let plan = &prepared.plan;
            let (Some(label), Some(task)) = (plan.label(index), plan.graph().task(index)) else {
                continue;
            };
            let taint = prepared.secrecy.taint(index);
            let (why, asks) = match plan.class(index) {
                Class::Pure => self.why_pure(prepared, &known, index, &mut hits)?,
                _ => (self.why_effect(prepared, &known, index, &mut hits)?, false),
            };
            found.insert(
                index,
                Explanation {
                    label: Some(label.to_owned()),
                    task,
                    why,
                    secret: taint.map(|taint| plan.words_for(taint)),
                    class: plan.class(index),
                    asks,
                },
            );
        }
        let order = prepared.groups.iter().flat_map(|group| &group.members);
        Ok(order.filter_map(|index| found.remove(index)).collect())
    }

    /// What the steps of this very run ended with, if it has begun and is one with effects.
    fn ended_in_run(&self, prepared: &Prepared) -> Result<HashMap<u32, Cid>, NodeError> {
        if prepared.plan.head().nonce.is_empty() {
            return Ok(HashMap::new());
        }
        let secret = self.secret_of(&prepared.plan)?;
        let run = self.recorded(&prepared.plan, &secret)?;
        let ended = run.map_or_else(Vec::new, |run| run.ended).into_iter();
        let cid = |(step, _, id)| Ok((step, self.cid_of_receipt(Place::Row(id))?));
        ended.map(cid).collect()
    }

    /// Whether a pure step hits, and whether its function asks for something.
    fn why_pure(
        &self,
        prepared: &Prepared,
        known: &Known,
        index: u32,
        hits: &mut HashMap<u32, Cid>,
    ) -> Result<(Why, bool), NodeError> {
        if let Some(ended) = known.ended.get(&index) {
            let receipt = self.receipt(ended)?.ok_or(NodeError::NoBlock(*ended))?;
            let task = prepared.plan.graph().task(index);
            let asks = Some(receipt.payload().ran) != task || receipt.payload().run.is_some();
            hits.insert(index, *ended);
            return Ok((hit_of(&receipt, "task"), asks));
        }
        let secret = prepared.secrecy.has(index);
        match self.hit(prepared, (index, secret), hits)? {
            // What comes of what it asks for is another thing in each run.
            Some((receipt, by)) if receipt.payload().run.is_some() => {
                Ok((hit_of(&receipt, by), true))
            }
            Some((receipt, by)) => {
                hits.insert(index, receipt.cid());
                Ok((hit_of(&receipt, by), false))
            }
            None => {
                let reasons = self.reasons(prepared, &known.before, index, hits)?;
                Ok((Why::Miss { reasons }, false))
            }
        }
    }

    /// Whether an effect was done in this run. It is never answered by another task.
    fn why_effect(
        &self,
        prepared: &Prepared,
        known: &Known,
        index: u32,
        hits: &mut HashMap<u32, Cid>,
    ) -> Result<Why, NodeError> {
        if let Some(ended) = known.ended.get(&index) {
            let receipt = self.receipt(ended)?.ok_or(NodeError::NoBlock(*ended))?;
            hits.insert(index, *ended);
            return Ok(Why::Done {
                receipt: *ended,
                started: receipt.payload().meta.started,
            });
        }
        let task = prepared.plan.graph().task(index);
        if let Some(doubt) = known.doubts.iter().find(|doubt| Some(doubt.task) == task) {
            return Ok(Why::InDoubt {
                reason: doubt.reason.clone(),
            });
        }
        let mut reasons = Vec::new();
        if let Some(task) = task
            && let Some(receipt) = self.receipts_of_task(&task)?.pop()
        {
            reasons.push(not_kept(&receipt));
        }
        let labels = unmet(prepared, index, hits);
        if !labels.is_empty() {
            reasons.push(Difference::Inputs { labels });
        }
        if reasons.is_empty() {
            reasons.push(Difference::Undone);
        }
        Ok(Why::Miss { reasons })
    }

    /// Whether a task that a user names by its CID hits, and if not, why.
    ///
    /// # Errors
    /// The task is in no run on record, or the store fails.
    pub fn explain_task(&self, task: &Cid) -> Result<Explanation, NodeError> {
        let explanation = |why, class, asks, secret: Option<&str>| Explanation {
            label: None,
            task: *task,
            why,
            secret: secret.map(str::to_owned),
            class,
            asks,
        };
        let open = self.look_up_task(task)?.map(|receipt| (receipt, None));
        let found = match open {
            Some(found) => Some(found),
            None => self
                .find_sealed_by_task(task)?
                .map(|(_, receipt)| (receipt, Some("its receipt is sealed"))),
        };
        if let Some((receipt, secret)) = found {
            let command = &self.invocation_of(&receipt)?.payload().cmd.clone();
            let class = class_of(command).unwrap_or(Class::Mutation);
            let why = match class {
                Class::Pure => hit_of(&receipt, "task"),
                _ => Why::Done {
                    receipt: receipt.cid(),
                    started: receipt.payload().meta.started,
                },
            };
            let asks = receipt.payload().run.is_some();
            return Ok(explanation(why, class, asks, secret));
        }
        if let Some(doubt) = self.doubts()?.iter().find(|doubt| doubt.task == *task) {
            let why = Why::InDoubt {
                reason: doubt.reason.clone(),
            };
            return Ok(explanation(why, Class::Mutation, false, None));
        }
        let (reasons, class) = match self.receipts_of_task(task)?.pop() {
            Some(receipt) => {
                let command = &self.invocation_of(&receipt)?.payload().cmd.clone();
                let class = class_of(command).unwrap_or(Class::Mutation);
                (vec![not_kept(&receipt)], class)
            }
            None => (vec![Difference::New], Class::Pure),
        };
        Ok(explanation(Why::Miss { reasons }, class, false, None))
    }

    /// The latest other run under the same name, else of the very same workflow.
    fn before(&self, prepared: &Prepared) -> Result<Option<Before>, NodeError> {
        let runs = self
            .store()
            .runs(&RunFilter::Name(prepared.name.clone()), None, 16)?;
        let other = runs.iter().find(|run| run.workflow != prepared.plan.cid());
        let Some(run) = other.or(runs.first()) else {
            return Ok(None);
        };
        let inputs = match &run.invocation {
            Some(request) => self.inputs_of(request)?,
            None => HashMap::new(),
        };
        Ok(Some(Before {
            plan: self.plan(&run.workflow)?,
            inputs,
        }))
    }

    fn hit(
        &self,
        prepared: &Prepared,
        (step, secret): (u32, bool),
        hits: &HashMap<u32, Cid>,
    ) -> Result<Option<(Receipt, &'static str)>, NodeError> {
        let graph = prepared.plan.graph();
        let (Some(task), Some(cid)) = (prepared.plan.task(step), graph.task(step)) else {
            return Ok(None);
        };
        let found = match secret {
            true => self.find_sealed_by_task(&cid)?.map(|(_, receipt)| receipt),
            false => self.look_up_task(&cid)?,
        };
        // What it awaits may have ended otherwise then; its computation says whether it did.
        let depends = !graph.deps(step).is_empty() || !graph.external(step).is_empty();
        if let Some(receipt) = found.as_ref().filter(|_| !depends) {
            return Ok(Some((receipt.clone(), "task")));
        }
        let mut value = |wanted: &Await| -> Result<Ipld, NodeError> {
            let receipt = match graph.find(&wanted.task) {
                Some(step) => *hits.get(&step).ok_or(NodeError::NoBlock(wanted.task))?,
                None => self.own_external(&wanted.task)?.cid(),
            };
            self.awaited(wanted, &receipt)
        };
        let Ok(args) = resolve(task.args, &mut value) else {
            return Ok(None);
        };
        let computation = computation_of(&task.cmd, &args)?;
        let same = |receipt: &Receipt| receipt.payload().meta.computation == Some(computation);
        if let Some(receipt) = found.filter(same) {
            return Ok(Some((receipt, "task")));
        }
        let receipt = match secret {
            true => self
                .find_sealed_by_computation(&computation)?
                .map(|(_, receipt)| receipt),
            false => self.look_up_computation(&computation)?,
        };
        let by = |receipt: Receipt| match receipt.payload().ran == cid {
            true => (receipt, "task"),
            false => (receipt, "computation"),
        };
        Ok(receipt.map(by))
    }

    fn reasons(
        &self,
        prepared: &Prepared,
        before: &Option<Before>,
        index: u32,
        hits: &HashMap<u32, Cid>,
    ) -> Result<Vec<Difference>, NodeError> {
        if let Some(task) = prepared.plan.graph().task(index)
            && let Some(receipt) = self.receipts_of_task(&task)?.pop()
        {
            return Ok(vec![not_kept(&receipt)]);
        }
        let labels = unmet(prepared, index, hits);
        let mut reasons = Vec::new();
        if !labels.is_empty() {
            reasons.push(Difference::Inputs { labels });
        }
        // What a secret step's arguments were and are is not told.
        if let Some(before) = before
            && !prepared.secrecy.has(index)
            && let Some(label) = prepared.plan.label(index)
            && let Some(new) = prepared.plan.step(index)
            && let Some(old) = before
                .plan
                .find(label)
                .and_then(|old| before.plan.step(old))
        {
            let old = Ipld::Map(old.task.args);
            let new = Ipld::Map(new.task.args);
            Comparison {
                prepared,
                before,
                found: &mut reasons,
            }
            .compare("arguments", &old, &new);
        }
        if reasons.is_empty() {
            reasons.push(Difference::New);
        }
        reasons.truncate(MAX_DIFFERENCES);
        Ok(reasons)
    }
}

/// The labels of what a step awaits and is not known.
fn unmet(prepared: &Prepared, step: u32, hits: &HashMap<u32, Cid>) -> Vec<String> {
    let inputs = prepared.plan.graph().deps(step).iter();
    let inputs = inputs.filter(|on| !hits.contains_key(on));
    inputs
        .filter_map(|on| prepared.plan.label(*on).map(str::to_owned))
        .collect()
}

struct Comparison<'a> {
    prepared: &'a Prepared,
    before: &'a Before,
    found: &'a mut Vec<Difference>,
}

impl Comparison<'_> {
    /// Names the places where two argument values differ. Values come from checked workflows, so
    /// their depth is limited.
    fn compare(&mut self, place: &str, old: &Ipld, new: &Ipld) {
        if old == new || self.found.len() >= MAX_DIFFERENCES {
            return;
        }
        match (old, new) {
            (Ipld::Link(was), Ipld::Link(is)) => self.link(place, *was, *is),
            (Ipld::List(olds), Ipld::List(news)) if olds.len() == news.len() => {
                let base = if place == "args" { "argument" } else { place };
                for (at, (old, new)) in olds.iter().zip(news).enumerate() {
                    self.compare(&format!("{base} {}", at + 1), old, new);
                }
            }
            (Ipld::Map(olds), Ipld::Map(news)) if olds.keys().eq(news.keys()) => {
                for ((key, old), new) in olds.iter().zip(news.values()) {
                    match key.as_str() {
                        // The awaited step is named already; that its task differs says no more.
                        "await/ok" | "await/error" | "await/*" => {}
                        _ if place == "arguments" => self.compare(key, old, new),
                        _ => self.compare(&format!("{place}.{key}"), old, new),
                    }
                }
            }
            _ => self.found.push(Difference::Value {
                place: place.to_owned(),
                was: shown(old),
                is: shown(new),
            }),
        }
    }

    fn link(&mut self, place: &str, was: Cid, is: Cid) {
        let now = self.prepared.inputs.iter().find(|(_, cid)| **cid == is);
        let difference = match now {
            Some((path, _)) if self.before.inputs.get(path) == Some(&was) => Difference::File {
                path: path.clone(),
                was,
                is,
            },
            _ => {
                let name = |found: Option<&String>, cid: Cid| {
                    found.map_or_else(|| cid.to_string(), |path| format!("{path} ({cid})"))
                };
                let old = self.before.inputs.iter().find(|(_, cid)| **cid == was);
                Difference::Value {
                    place: place.to_owned(),
                    was: name(old.map(|(path, _)| path), was),
                    is: name(now.map(|(path, _)| path), is),
                }
            }
        };
        if !self.found.contains(&difference) {
            self.found.push(difference);
        }
    }
}

fn hit_of(receipt: &Receipt, by: &'static str) -> Why {
    let meta = &receipt.payload().meta;
    Why::Hit {
        receipt: receipt.cid(),
        started: meta.started,
        saved_us: u64::try_from(meta.took).unwrap_or(0),
        by,
    }
}

fn not_kept(receipt: &Receipt) -> Difference {
    match &receipt.payload().out {
        ipvm_ucan::Outcome::Error(error) => Difference::NotKept {
            error: one_line(error),
        },
        ipvm_ucan::Outcome::Ok(_) => Difference::Gone,
    }
}

fn shown(value: &Ipld) -> String {
    let text = json::to_string(value);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
