//! The parts of a file that say on which terms work is done: configuration, checks, handlers, roles.

use super::document::{At, NodeId, Value};
use super::problem::Problem;
use super::shape::{Quantity, Report};
use super::similar;
use super::sources::World;
use crate::config::{Check, Config, MAX_AGENTS};
use crate::workflow::{Handler, MAX_LABEL_BYTES, MAX_ROLES};
use ipvm_ucan::Did;
use std::collections::BTreeMap;

const CONFIG: &[&str] = &["secret", "check", "fuel", "memory", "disk", "time", "retry"];
const CHECKS: &[&str] = &["attestation", "oracle", "optimistic", "consensus"];
const CHECK_HELP: &str = "write attestation, {oracle: DID}, {optimistic: {confirmations, referee}} or {consensus: {agents, threshold}}";

/// A configuration. What is wrong in it is left out, and reported.
pub(crate) fn config(report: &mut Report<'_>, world: &mut World<'_>, id: NodeId) -> Option<Config> {
    let map = report.fields(id, "a configuration", CONFIG)?;
    let mut amount =
        |key: &str, kind: Quantity| map.get(key).and_then(|id| report.quantity(id, &kind));
    Some(Config {
        fuel: amount("fuel", Quantity::FUEL),
        memory: amount("memory", Quantity::BYTES),
        disk: amount("disk", Quantity::BYTES),
        time: amount("time", Quantity::TIME),
        retry: amount("retry", Quantity::RETRY),
        secret: map.get("secret").and_then(|id| report.boolean(id)),
        check: map.get("check").and_then(|id| check(report, world, id)),
    })
}

fn check(report: &mut Report<'_>, world: &mut World<'_>, id: NodeId) -> Option<Check> {
    let doc = report.doc;
    let (name, at, terms) = match (doc.value(id), doc.entries(id)) {
        (Value::Text(name), _) => (&**name, At::Node(id), None),
        (_, Some([entry])) => (&*entry.key, At::Key(id, 0), Some(entry.value)),
        _ => {
            report.expected(id, "a check", CHECK_HELP);
            return None;
        }
    };
    match (name, terms) {
        ("attestation", None) => Some(Check::Attestation),
        ("oracle", Some(terms)) => did(report, world, terms).map(Check::Oracle),
        ("optimistic", Some(terms)) => optimistic(report, world, terms, at),
        ("consensus", Some(terms)) => consensus(report, world, terms, at),
        (name, _) if CHECKS.contains(&name) => {
            report.expected(id, "a check with its terms", CHECK_HELP);
            None
        }
        (name, _) => {
            let similar = similar::nearest(name, CHECKS.iter().copied()).map(str::to_owned);
            report.add(
                at,
                Problem::BadCheck {
                    name: name.to_owned(),
                    similar,
                },
            );
            None
        }
    }
}

fn optimistic(report: &mut Report<'_>, world: &mut World<'_>, id: NodeId, at: At) -> Option<Check> {
    let of = "an optimistic check";
    let map = report.fields(id, of, &["confirmations", "referee"])?;
    let confirmations = required(report, map.get("confirmations"), at, "confirmations", of);
    let referee = required(report, map.get("referee"), at, "referee", of);
    let confirmations = confirmations.and_then(|id| report.quantity(id, &Quantity::COUNT));
    let referee = referee.and_then(|id| did(report, world, id));
    Some(Check::Optimistic {
        confirmations: confirmations?,
        referee: referee?,
    })
}

fn consensus(report: &mut Report<'_>, world: &mut World<'_>, id: NodeId, at: At) -> Option<Check> {
    let of = "a consensus check";
    let map = report.fields(id, of, &["agents", "threshold"])?;
    let agents = required(report, map.get("agents"), at, "agents", of);
    let threshold = required(report, map.get("threshold"), at, "threshold", of);
    let count = threshold.and_then(|id| report.quantity(id, &Quantity::COUNT));
    let list = agents.and_then(|id| report.list(id, "a list of agents", "write [DID, DID, …]"))?;
    if list.len() > MAX_AGENTS {
        report.add(
            At::Node(id),
            Problem::TooManyItems {
                what: "agents",
                most: MAX_AGENTS,
            },
        );
        return None;
    }
    let dids: Vec<Option<Did>> = list.iter().map(|id| did(report, world, *id)).collect();
    let dids: Vec<Did> = dids.into_iter().collect::<Option<_>>()?;
    match crate::config::consensus(dids, count?) {
        Ok(check) => Some(check),
        Err(reason) => {
            report.add(At::Node(id), Problem::BadConsensus { reason });
            None
        }
    }
}

fn required(
    report: &mut Report<'_>,
    id: Option<NodeId>,
    at: At,
    key: &'static str,
    of: &'static str,
) -> Option<NodeId> {
    if id.is_none() {
        let example = CHECK_HELP.trim_start_matches("write ");
        report.add(at, Problem::MissingKey { key, of, example });
    }
    id
}

/// A DID or petname.
pub(crate) fn did(report: &mut Report<'_>, world: &mut World<'_>, id: NodeId) -> Option<Did> {
    let name = report.text(
        id,
        "a DID or petname",
        "write did:key:… or a name from `ipvm name list`",
    )?;
    world.subject(report, At::Node(id), name)
}

/// A handler of failures.
pub(crate) fn handler(
    report: &mut Report<'_>,
    world: &mut World<'_>,
    id: NodeId,
) -> Option<Handler> {
    let of = "a handler";
    let map = report.fields(id, of, &["mod", "fun"])?;
    let mut part = |key: &'static str| match map.get(key) {
        Some(id) => report
            .text(id, "text", "write { mod: ./handlers.wasm, fun: name }")
            .map(|text| (id, text)),
        None => {
            let example = "{ mod: ./handlers.wasm, fun: name }";
            report.add(At::Node(id), Problem::MissingKey { key, of, example });
            None
        }
    };
    let (module, function) = (part("mod"), part("fun"));
    let ((module_id, path), (function_id, name)) = (module?, function?);
    let module = world.module(report, At::Node(module_id), path)?;
    let at = (At::Node(module_id), At::Node(function_id));
    let function = world.function(report, at, module, name)?;
    Some(Handler { module, function })
}

/// What guests may call subjects.
pub(crate) fn roles(
    report: &mut Report<'_>,
    world: &mut World<'_>,
    id: NodeId,
) -> Option<BTreeMap<String, Did>> {
    let entries = report.map(
        id,
        "a map of roles",
        "write roles: { role: DID or petname }",
    )?;
    if entries.len() > MAX_ROLES {
        report.add(
            At::Node(id),
            Problem::TooManyItems {
                what: "roles",
                most: MAX_ROLES,
            },
        );
        return None;
    }
    let mut roles = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if entry.key.is_empty() || entry.key.len() > MAX_LABEL_BYTES {
            let (text, why) = (entry.key.to_string(), "it is empty or too long");
            report.add(
                At::Key(id, index),
                Problem::BadName {
                    what: "role",
                    text,
                    why,
                },
            );
        }
        if let Some(did) = did(report, world, entry.value) {
            roles.insert(entry.key.to_string(), did);
        }
    }
    Some(roles)
}
