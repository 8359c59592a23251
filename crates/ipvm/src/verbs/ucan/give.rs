//! `ipvm ucan delegate`, `invoke`, `revoke`: what is signed with the keys of this home.

use super::io;
use crate::cli::Ucan;
use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::people::People;
use crate::ui::human::{clean, time};
use crate::when;
use anyhow::Context as _;
use ipvm_ipld::{Ipld, Limits, json};
use ipvm_node::{Asking, Bounds, Giving, Node, Revoking, Subject, TokenFile};
use ipvm_ucan::policy::Statement;
use ipvm_ucan::{Command, Delegation, Policy};
use std::collections::BTreeMap;
use std::path::Path;

/// How much of a policy is shown beside what is wrong with it, in characters.
const MAX_SHOWN: usize = 100;
/// Longest nonce of a request, in bytes.
const MAX_NONCE: usize = 32;

pub(super) fn delegate(context: &mut Context, verb: Ucan) -> anyhow::Result<Code> {
    let Ucan::Delegate {
        to,
        cmd,
        sub,
        policy,
        expires,
        not_before,
        proof,
        output,
    } = verb
    else {
        return Ok(Code::Usage);
    };
    if let (Some(end), Some(begin)) = (expires.end(), not_before)
        && end < begin
    {
        return Err(Fault::usage(
            format!(
                "the right would end, {}, before it begins, {}",
                time(end),
                time(begin)
            ),
            "give a later --expires; without it a right ends in 30 days",
        )
        .into());
    }
    let node = context.writer()?;
    let subject = match sub.as_deref() {
        None => None,
        Some("powerline") => Some(Subject::Powerline),
        Some(sub) => Some(Subject::Of(node.principal(sub)?)),
    };
    let giving = Giving {
        to: node.principal(&to)?,
        cmd: command(&cmd)?,
        subject,
        policy: policy_of(&policy)?,
        expires: expires.end(),
        not_before,
        proofs: io::proofs(&proof)?,
    };
    let given = node.give(&giving)?;
    for warning in giving.policy.warnings() {
        context.note(&format!("warning: {}", clean(&warning.to_string())));
    }
    say(context, &node, &given.delegation, &given.chain)?;
    io::write(context, &given.container, output.as_deref())?;
    Ok(Code::Done)
}

/// Says in words what was given.
fn say(
    context: &Context,
    node: &Node,
    delegation: &Delegation,
    chain: &[Delegation],
) -> anyhow::Result<()> {
    let people = People::of(node)?;
    let payload = delegation.payload();
    let whose = match &payload.sub {
        Some(sub) => format!("on {}", people.short(sub)),
        None => "on whatever was or will be delegated to you".to_owned(),
    };
    let end = payload.exp.map_or_else(
        || "without an end".to_owned(),
        |end| format!("until {}", time(end)),
    );
    let condition = match payload.pol.is_empty() {
        true => String::new(),
        false => format!(", provided that {}", payload.pol.in_words()),
    };
    context.note(&clean(&format!(
        "{}  {} may do {} {whose}, {end}{condition}",
        delegation.cid(),
        people.short(&payload.aud),
        payload.cmd,
    )));
    if payload.exp.is_some_and(|end| end < when::now()) {
        context.note("warning: that is over: nobody can use this right");
    }
    let ends = chain.iter().filter_map(|link| link.payload().exp).min();
    if let Some(earlier) = ends.filter(|end| payload.exp.is_none_or(|exp| *end < exp)) {
        context.note(&format!(
            "what stands behind it ends earlier: {}",
            time(earlier)
        ));
    }
    Ok(())
}

pub(super) fn invoke(context: &mut Context, verb: Ucan) -> anyhow::Result<Code> {
    let Ucan::Invoke {
        cmd,
        sub,
        audience,
        args,
        fuel,
        memory,
        time,
        expires,
        nonce,
        proof,
        output,
    } = verb
    else {
        return Ok(Code::Usage);
    };
    let node = context.reader()?;
    let named = |name: Option<&String>| -> anyhow::Result<_> {
        Ok(match name {
            Some(name) => Some(node.principal(name)?),
            None => None,
        })
    };
    let cmd = command(&cmd)?;
    let mut args = args_of(&args)?;
    if !node.name_in_full(&cmd, &mut args)? {
        context.note("the module is not here, so the name of the function is sent as it is written: write the full one");
    }
    let asking = Asking {
        cmd,
        args,
        subject: named(sub.as_ref())?,
        audience: named(audience.as_ref())?,
        expires: expires.end(),
        nonce: nonce.as_deref().map(nonce_of).transpose()?,
        bounds: Bounds { fuel, memory, time },
        proofs: io::proofs(&proof)?,
    };
    let container = node.ask(&asking)?;
    io::write(context, &container, output.as_deref())?;
    Ok(Code::Done)
}

pub(super) fn revoke(
    context: &mut Context,
    delegation: &str,
    path: &[String],
    output: Option<&Path>,
) -> anyhow::Result<Code> {
    let node = context.writer()?;
    let mut given = io::proofs(path)?;
    let cid = match delegation == "-" || Path::new(delegation).exists() {
        false => node.find_cid(delegation)?,
        true => {
            let file = TokenFile::read(&io::read(delegation)?)?;
            let last = last_of(&file.delegations);
            given.extend(file.delegations.iter().cloned());
            last.ok_or_else(|| {
                Fault::usage(
                    format!("{delegation} does not hold one chain of delegations"),
                    "write the CID of the delegation; `ipvm ucan inspect` shows it",
                )
            })?
            .cid()
        }
    };
    let revoking = Revoking {
        delegation: cid,
        path: given,
    };
    let (revocation, container) = node.revoke(&revoking)?;
    let people = People::of(&node)?;
    context.note(&format!(
        "{} revokes {cid} by {}; whoever executes for others imports it",
        revocation.cid(),
        people.short(&revocation.payload().revoker)
    ));
    io::write(context, &container, output)?;
    Ok(Code::Done)
}

/// The delegation below which there is no other, if there is only one.
fn last_of(delegations: &[Delegation]) -> Option<&Delegation> {
    let is_last = |one: &&Delegation| {
        !delegations
            .iter()
            .any(|other| other.payload().iss == one.payload().aud)
    };
    let mut last = delegations.iter().filter(is_last);
    last.next().filter(|_| last.next().is_none())
}

pub(super) fn command(text: &str) -> anyhow::Result<Command> {
    let parsed: Result<Command, _> = text.parse();
    parsed.map_err(|error| Fault::usage(error.to_string(), "for instance /wasm/run").into())
}

/// Conditions that must all be met.
fn policy_of(texts: &[String]) -> anyhow::Result<Policy> {
    let mut statements: Vec<Statement> = Vec::new();
    for text in texts {
        let help = "write a condition as `.fun == \"add\"`, or JSON as [\"==\", \".fun\", \"add\"]";
        // Nobody writes this on purpose: a variable of the shell was empty.
        if text.trim().is_empty() {
            let message = "--policy is empty, which would allow everything";
            return Err(Fault::usage(
                message,
                format!("{help}; for a right without conditions leave it out"),
            )
            .into());
        }
        let policy = one_policy(text).map_err(|error| {
            let mut shown: String = text.chars().take(MAX_SHOWN).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            Fault::usage(format!("--policy {shown:?}: {error}"), help)
        })?;
        statements.extend(policy.statements().iter().cloned());
    }
    Ok(Policy::new(statements)?)
}

fn one_policy(text: &str) -> Result<Policy, String> {
    if !text.trim_start().starts_with('[') {
        let parsed: Result<Policy, _> = text.parse();
        return parsed.map_err(|error| error.to_string());
    }
    let value = json::from_str(text, Limits::default()).map_err(|error| error.to_string())?;
    // One statement, or a list of them.
    let list = match &value {
        Ipld::List(items) if matches!(items.first(), Some(Ipld::String(_))) => {
            Ipld::List(vec![value])
        }
        _ => value,
    };
    Policy::from_ipld(list).map_err(|error| error.to_string())
}

fn args_of(text: &str) -> anyhow::Result<BTreeMap<String, Ipld>> {
    let (name, text) = match text.strip_prefix('@') {
        None => ("--args".to_owned(), text.to_owned()),
        Some(path) => {
            let bytes = io::read(path)?;
            let text = String::from_utf8(bytes).with_context(|| format!("in {path}"))?;
            (path.to_owned(), text)
        }
    };
    let help = "write a map as DAG-JSON, for instance {\"cid\": {\"/\": \"bafk…\"}}";
    match json::from_str(&text, Limits::default()) {
        Ok(Ipld::Map(map)) => Ok(map),
        Ok(_) => Err(Fault::usage(format!("{name}: arguments are a map"), help).into()),
        Err(error) => Err(Fault::usage(format!("{name}: {error}"), help).into()),
    }
}

/// A nonce as typed.
fn nonce_of(text: &str) -> Result<Vec<u8>, Fault> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [_, _] => u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok(),
        _ => None,
    };
    match digits.map(byte).collect::<Option<Vec<u8>>>() {
        Some(nonce) if (8..=MAX_NONCE).contains(&nonce.len()) => Ok(nonce),
        _ => Err(Fault::usage(
            format!("{text:?} is no nonce"),
            format!("write 8 to {MAX_NONCE} bytes in hexadecimal, as in --nonce 6d61696c2d0001ff"),
        )),
    }
}
