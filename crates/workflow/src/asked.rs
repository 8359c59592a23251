//! What a function asks for, as a workflow of its own.
//!
//! A request is no authority and names no subject: its role is bound by the workflow. It can await the other requests
//! of the same result by position, and nothing else: a function that could await any task would read what its caller
//! was never given.

use crate::config::Config;
use crate::task::{NONCE_BYTES, Task, step_nonce};
use crate::workflow::{Step, Workflow};
use ipvm_ipld::fields::{Fields, as_bytes, as_list, as_string};
use ipvm_ipld::{Cid, Ipld, Limits, cbor};
use ipvm_ucan::promise::Branch;
use ipvm_ucan::{Did, Effects, Request};
use std::collections::BTreeMap;

/// Most requests of one result.
pub const MAX_REQUESTS: usize = 1_024;
/// The label of the continuation.
pub const JOIN: &str = "join";

/// Why what a function asks for cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskedError {
    /// It is not what it should be: the same on every machine.
    #[error("what it asks for is not right: {0}")]
    Form(String),
    /// A role that the workflow binds to nobody.
    #[error(
        "the request {label} names the role {role:?}, which the workflow binds to nobody; add it to `roles:`"
    )]
    Role {
        /// The request.
        label: String,
        /// Its role.
        role: String,
    },
}

/// On which terms the requests of a step are carried out.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    /// The workflow of the step, and the step's label.
    pub parent: (Cid, String),
    /// That workflow's nonce.
    pub nonce: &'a [u8],
    /// What it calls subjects.
    pub roles: &'a BTreeMap<String, Did>,
    /// Whose pure tasks they are.
    pub owner: &'a Did,
    /// The step's configuration.
    pub config: Option<Config>,
}

/// Reads the record `effects` that a function returned; none if it asks for nothing.
///
/// # Errors
/// [`AskedError::Form`]: a command or arguments that are none, an await of something else than another request, a cycle,
/// or more than [`MAX_REQUESTS`].
pub fn read(value: Ipld) -> Result<Option<Effects>, AskedError> {
    let form = |message: String| AskedError::Form(message);
    let mut fields = Fields::new(value, "effects").map_err(|error| form(error.to_string()))?;
    let fork = fields
        .get("fork", as_list)
        .map_err(|error| form(error.to_string()))?;
    if fork.len() > MAX_REQUESTS {
        return Err(form(format!(
            "it has {} requests, more than {MAX_REQUESTS}",
            fork.len()
        )));
    }
    let fork: Vec<Request> = fork
        .into_iter()
        .enumerate()
        .map(|(index, value)| request(&label(index), value))
        .collect::<Result<_, _>>()?;
    let join = match fields.optional("join") {
        None | Some(Ipld::Null) => None,
        Some(value) => Some(request(JOIN, value)?),
    };
    let effects = Effects { fork, join };
    order(&effects)?;
    Ok((!effects.is_empty()).then_some(effects))
}

/// The workflow that carries out requests. Its steps are `fork[0]`, `fork[1]` and so on, and [`JOIN`].
///
/// # Errors
/// As [`read`]; [`AskedError::Role`].
pub fn workflow_of(effects: &Effects, terms: &Terms<'_>) -> Result<Workflow, AskedError> {
    let nonce = step_nonce(terms.nonce, &terms.parent.1);
    let mut tasks: Vec<Option<Cid>> = vec![None; effects.fork.len()];
    let mut steps = BTreeMap::new();
    for index in order(effects)? {
        let (label, request) = match effects.fork.get(index) {
            Some(request) => (label(index), request),
            None => match &effects.join {
                Some(join) => (JOIN.to_owned(), join),
                None => continue,
            },
        };
        let task = task(&label, request, &tasks, (terms, &nonce))?;
        let cid = task
            .cid()
            .map_err(|error| AskedError::Form(error.to_string()))?;
        if let Some(slot) = tasks.get_mut(index) {
            *slot = Some(cid);
        }
        let step = Step {
            task,
            config: terms.config.clone(),
            rescue: None,
            undo: None,
        };
        steps.insert(label, step);
    }
    Ok(Workflow {
        nonce,
        meta: None,
        parent: Some(terms.parent.clone()),
        // Requests of continuations name the same roles.
        roles: (!terms.roles.is_empty()).then(|| terms.roles.clone()),
        global: None,
        defaults: None,
        steps,
        rescue: None,
    })
}

fn label(index: usize) -> String {
    format!("fork[{index}]")
}

fn request(label: &str, value: Ipld) -> Result<Request, AskedError> {
    let wrong = |message: String| AskedError::Form(format!("{label}: {message}"));
    let mut fields = Fields::new(value, "request").map_err(|error| wrong(error.to_string()))?;
    let mut text = |key| {
        fields
            .get(key, as_string)
            .map_err(|error| wrong(error.to_string()))
    };
    let (role, cmd) = (text("role")?, text("cmd")?);
    let args = fields
        .get("args", as_bytes)
        .map_err(|error| wrong(error.to_string()))?;
    let args = cbor::decode(&args, Limits::default())
        .map_err(|error| wrong(format!("its arguments are not DAG-CBOR: {error}")))?;
    let Ipld::Map(args) = args else {
        return Err(wrong("its arguments are not a map".to_owned()));
    };
    if args.keys().any(|key| is_reserved(key)) {
        return Err(wrong("a promise cannot stand for all arguments".to_owned()));
    }
    Ok(Request {
        role,
        cmd: cmd
            .parse()
            .map_err(|error: ipvm_ucan::CommandError| wrong(error.to_string()))?,
        args,
    })
}

fn is_reserved(key: &str) -> bool {
    Branch::ALL.iter().any(|branch| branch.key() == key)
}

/// The positions that a value awaits.
fn awaits(value: &Ipld, found: &mut Vec<usize>) -> Result<(), String> {
    match value {
        Ipld::List(items) => items.iter().try_for_each(|item| awaits(item, found)),
        Ipld::Map(map) if map.keys().any(|key| is_reserved(key)) => {
            found.push(position(map)?);
            Ok(())
        }
        Ipld::Map(map) => map.values().try_for_each(|item| awaits(item, found)),
        _ => Ok(()),
    }
}

/// The position in `{"await/ok": {"fork": 0}}`.
fn position(map: &BTreeMap<String, Ipld>) -> Result<usize, String> {
    let mut entries = map.values();
    if let (Some(Ipld::Map(inner)), None) = (entries.next(), entries.next())
        && let (Some(Ipld::Integer(at)), 1) = (inner.get("fork"), inner.len())
    {
        return usize::try_from(*at).map_err(|_| format!("there is no fork {at}"));
    }
    Err(
        "a request can await only other requests, by position, as in {\"await/ok\": {\"fork\": 0}}"
            .to_owned(),
    )
}

/// The requests in an order in which each comes after those that it awaits; the join is one after the last fork.
fn order(effects: &Effects) -> Result<Vec<usize>, AskedError> {
    let forks = effects.fork.len();
    let mut waits: Vec<Vec<usize>> = Vec::with_capacity(forks + 1);
    for (index, request) in effects.fork.iter().chain(&effects.join).enumerate() {
        let name = if index < forks {
            label(index)
        } else {
            JOIN.to_owned()
        };
        let wrong = |message: String| AskedError::Form(format!("{name}: {message}"));
        let mut found = Vec::new();
        for value in request.args.values() {
            awaits(value, &mut found).map_err(wrong)?;
        }
        if let Some(at) = found.iter().find(|at| **at >= forks) {
            return Err(wrong(format!("it awaits fork {at}, and there are {forks}")));
        }
        waits.push(found);
    }
    let mut done = vec![false; waits.len()];
    let mut sorted = Vec::with_capacity(waits.len());
    while sorted.len() < waits.len() {
        let before = sorted.len();
        for (index, on) in waits.iter().enumerate() {
            let is_ready = on.iter().all(|at| done.get(*at).copied().unwrap_or(false));
            if is_ready && !done.get(index).copied().unwrap_or(true) {
                sorted.push(index);
                if let Some(slot) = done.get_mut(index) {
                    *slot = true;
                }
            }
        }
        if sorted.len() == before {
            return Err(AskedError::Form(
                "requests await each other in a circle".to_owned(),
            ));
        }
    }
    Ok(sorted)
}

fn task(
    label: &str,
    request: &Request,
    tasks: &[Option<Cid>],
    (terms, nonce): (&Terms<'_>, &[u8]),
) -> Result<Task, AskedError> {
    let args = request.args.iter();
    let args = args.map(|(key, value)| Ok((key.clone(), resolved(value, tasks)?)));
    let mut task = Task {
        sub: terms.owner.clone(),
        cmd: request.cmd.clone(),
        args: args.collect::<Result<_, AskedError>>()?,
        nonce: Vec::new(),
    };
    if !task.is_pure() {
        let subject = terms.roles.get(&request.role);
        task.sub = subject.cloned().ok_or_else(|| AskedError::Role {
            label: label.to_owned(),
            role: request.role.clone(),
        })?;
        task.nonce = step_nonce(nonce, label);
    }
    debug_assert!(task.nonce.is_empty() || task.nonce.len() == NONCE_BYTES);
    Ok(task)
}

/// A value with Task CIDs in the place of positions.
fn resolved(value: &Ipld, tasks: &[Option<Cid>]) -> Result<Ipld, AskedError> {
    Ok(match value {
        Ipld::List(items) => {
            let items = items.iter().map(|item| resolved(item, tasks));
            Ipld::List(items.collect::<Result<_, _>>()?)
        }
        Ipld::Map(map) if map.keys().any(|key| is_reserved(key)) => {
            let at = position(map).map_err(AskedError::Form)?;
            let task = tasks.get(at).copied().flatten();
            let task = task.ok_or_else(|| AskedError::Form(format!("there is no fork {at}")))?;
            let keys = map.keys().cloned();
            Ipld::Map(keys.map(|key| (key, Ipld::Link(task))).collect())
        }
        Ipld::Map(map) => {
            let entries = map.iter();
            let entries = entries.map(|(key, value)| Ok((key.clone(), resolved(value, tasks)?)));
            Ipld::Map(entries.collect::<Result<_, AskedError>>()?)
        }
        other => other.clone(),
    })
}
