//! `ipvm ucan inspect`: what tokens say, as a tree.

use super::io;
use super::verify::{state_words, until};
use crate::context::Context;
use crate::fault::Code;
use crate::people::People;
use crate::ui::human::clean;
use crate::ui::json::{self, Done, List, Object};
use crate::ui::term::Paint;
use crate::value;
use crate::when;
use ipvm_ipld::{Cid, Ipld};
use ipvm_node::{Node, TokenFile};
use ipvm_ucan::{Delegation, DocumentCache, Invocation, Receipt, Revocation, SignatureError};
use std::collections::HashSet;
use std::io::Write;

/// Most spaces before a delegation.
const MAX_INDENT: usize = 32;

pub(super) fn inspect(context: &mut Context, what: &str, json: bool) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let file = TokenFile::read(&io::read_or_find(&node, what)?)?;
    let now = when::now();
    let keys = Keys {
        documents: node.documents_with(&[], now)?,
        now,
    };
    if json {
        write_json(&mut context.out, &node, &keys, &file)?;
    } else {
        let people = People::of(&node)?;
        Shown {
            node: &node,
            people: &people,
            keys: &keys,
            paint: Paint::stdout(),
            out: &mut context.out,
        }
        .file(&file)?;
    }
    Ok(Code::Done)
}

/// Delegations as a tree: each below the one it passes on, with its depth.
fn tree(delegations: &[Delegation]) -> Vec<(usize, &Delegation)> {
    let follows = |upper: &Delegation, lower: &Delegation| {
        let (upper, lower) = (upper.payload(), lower.payload());
        let is_about = match (&upper.sub, &lower.sub) {
            (Some(upper), Some(lower)) => upper == lower,
            _ => true,
        };
        upper.aud == lower.iss && is_about
    };
    let is_root = |one: &&Delegation| !delegations.iter().any(|other| follows(other, one));
    let mut pending: Vec<(usize, &Delegation)> = delegations
        .iter()
        .rev()
        .filter(is_root)
        .map(|root| (0, root))
        .collect();
    let (mut shown, mut met) = (Vec::new(), HashSet::new());
    while let Some((depth, one)) = pending.pop() {
        if !met.insert(one.cid()) {
            continue;
        }
        shown.push((depth, one));
        let below = delegations.iter().rev().filter(|other| follows(one, other));
        pending.extend(below.map(|other| (depth + 1, other)));
    }
    // What passes on itself in a circle has no root.
    let rest = delegations.iter().filter(|one| !met.contains(&one.cid()));
    shown.extend(rest.map(|one| (0, one)));
    shown
}

/// What signatures are checked with.
struct Keys {
    documents: DocumentCache,
    now: i64,
}

impl Keys {
    fn delegation(&self, one: &Delegation) -> Result<(), SignatureError> {
        one.verify_signature_with(&self.documents, self.now)
    }

    fn receipt(&self, one: &Receipt) -> Result<(), SignatureError> {
        one.verify_signature_with(&self.documents, self.now)
    }

    fn invocation(&self, one: &Invocation) -> Result<(), SignatureError> {
        one.verify_signature_with(&self.documents, self.now)
    }
}

/// What a check of a signature gave, in words.
pub(in crate::verbs) fn signed(result: Result<(), SignatureError>) -> String {
    match result {
        Ok(()) => "right".to_owned(),
        Err(error @ SignatureError::Unresolved(_)) => format!("unknown: {error}"),
        Err(error) => format!("WRONG: {error}"),
    }
}

struct Shown<'a> {
    node: &'a Node,
    people: &'a People,
    keys: &'a Keys,
    paint: Paint,
    out: &'a mut dyn Write,
}

impl Shown<'_> {
    fn file(&mut self, file: &TokenFile) -> anyhow::Result<()> {
        for invocation in &file.invocations {
            self.invocation(invocation)?;
        }
        for (depth, delegation) in tree(&file.delegations) {
            self.delegation(depth, delegation)?;
        }
        for receipt in &file.receipts {
            self.receipt(receipt)?;
        }
        for revocation in &file.revocations {
            self.revocation(revocation)?;
        }
        Ok(())
    }

    fn head(&mut self, indent: usize, kind: &str, cid: &Cid) -> anyhow::Result<()> {
        let kind = self.paint.bold(kind);
        Ok(writeln!(self.out, "{:indent$}{kind}  {cid}", "")?)
    }

    fn fact(&mut self, indent: usize, name: &str, text: &str) -> anyhow::Result<()> {
        Ok(writeln!(
            self.out,
            "{:indent$}  {name:<11}{}",
            "",
            clean(text)
        )?)
    }

    fn delegation(&mut self, depth: usize, delegation: &Delegation) -> anyhow::Result<()> {
        let payload = delegation.payload();
        let indent = (depth * 2).min(MAX_INDENT);
        self.head(indent, "delegation", &delegation.cid())?;
        self.fact(indent, "from", &self.people.full(&payload.iss))?;
        self.fact(indent, "to", &self.people.full(&payload.aud))?;
        self.fact(indent, "may do", payload.cmd.as_str())?;
        let whose = match &payload.sub {
            Some(sub) => self.people.full(sub),
            None => "whatever was or will be delegated to the issuer (powerline)".to_owned(),
        };
        self.fact(indent, "on", &whose)?;
        if !payload.pol.is_empty() {
            self.fact(
                indent,
                "provided",
                &format!("that {}", payload.pol.in_words()),
            )?;
        }
        if payload.nbf.is_some() {
            self.fact(indent, "from time", &until(payload.nbf))?;
        }
        self.fact(indent, "until", &until(payload.exp))?;
        let signature = signed(self.keys.delegation(delegation));
        self.fact(indent, "signature", &signature)?;
        let state = state_words(self.node, delegation)?;
        self.fact(indent, "now", state)
    }

    fn invocation(&mut self, invocation: &Invocation) -> anyhow::Result<()> {
        let payload = invocation.payload();
        self.head(0, "invocation", &invocation.cid())?;
        self.fact(0, "by", &self.people.full(&payload.iss))?;
        self.fact(0, "asks", &self.people.full(payload.audience()))?;
        self.fact(0, "to do", payload.cmd.as_str())?;
        self.fact(0, "on", &self.people.full(&payload.sub))?;
        self.fact(0, "with", &value::shown(&Ipld::Map(payload.args.clone())))?;
        self.fact(0, "until", &until(payload.exp))?;
        self.fact(0, "signature", &signed(self.keys.invocation(invocation)))?;
        if let Ok(task) = payload.task() {
            self.fact(0, "task", &task.to_string())?;
        }
        for proof in &payload.prf {
            self.fact(0, "proof", &proof.to_string())?;
        }
        Ok(())
    }

    fn receipt(&mut self, receipt: &Receipt) -> anyhow::Result<()> {
        let payload = receipt.payload();
        self.head(0, "receipt", &receipt.cid())?;
        self.fact(0, "executor", &self.people.full(receipt.executor()))?;
        self.fact(0, "task", &payload.ran.to_string())?;
        self.fact(0, "result", &value::shown(&payload.out.to_ipld()))?;
        self.fact(0, "signature", &signed(self.keys.receipt(receipt)))
    }

    fn revocation(&mut self, revocation: &Revocation) -> anyhow::Result<()> {
        let payload = revocation.payload();
        self.head(0, "revocation", &revocation.cid())?;
        self.fact(0, "by", &self.people.full(&payload.revoker))?;
        self.fact(0, "revokes", &payload.revoke.to_string())?;
        let signature = self.keys.invocation(revocation.invocation());
        self.fact(0, "signature", &signed(signature))
    }
}

fn write_json(
    out: &mut dyn Write,
    node: &Node,
    keys: &Keys,
    file: &TokenFile,
) -> anyhow::Result<()> {
    let mut states = Vec::new();
    for (depth, delegation) in tree(&file.delegations) {
        states.push((depth, delegation, state_words(node, delegation)?));
    }
    json::object(out, |o| {
        o.list("invocations", |list| {
            file.invocations
                .iter()
                .try_for_each(|one| invocation(list, keys, one))
        })?;
        o.list("delegations", |list| {
            states.iter().try_for_each(|(depth, one, state)| {
                list.object(|o| {
                    o.number("depth", *depth as u64)?;
                    write_delegation(o, one, state, keys.delegation(one).is_ok())
                })
            })
        })?;
        o.list("receipts", |list| {
            file.receipts.iter().try_for_each(|one| {
                list.object(|o| {
                    o.text("receipt", &one.cid().to_string())?;
                    o.text("executor", one.executor().as_str())?;
                    o.text("task", &one.payload().ran.to_string())?;
                    o.raw("out", &value::outcome_json(&one.payload().out))?;
                    o.flag("signature", keys.receipt(one).is_ok())
                })
            })
        })?;
        o.list("revocations", |list| {
            file.revocations.iter().try_for_each(|one| {
                list.object(|o| {
                    o.text("revocation", &one.cid().to_string())?;
                    o.text("revoker", one.payload().revoker.as_str())?;
                    o.text("revokes", &one.payload().revoke.to_string())?;
                    let signature = keys.invocation(one.invocation());
                    o.flag("signature", signature.is_ok())
                })
            })
        })
    })?;
    Ok(writeln!(out)?)
}

fn invocation(list: &mut List<'_>, keys: &Keys, one: &Invocation) -> Done {
    let payload = one.payload();
    list.object(|o| {
        o.text("invocation", &one.cid().to_string())?;
        o.text("iss", payload.iss.as_str())?;
        o.text("aud", payload.audience().as_str())?;
        o.text("sub", payload.sub.as_str())?;
        o.text("cmd", payload.cmd.as_str())?;
        let args = ipvm_ipld::json::to_string(&Ipld::Map(payload.args.clone()));
        o.raw("args", &args)?;
        time(o, "exp", payload.exp)?;
        let task = payload.task().ok().map(|task| task.to_string());
        o.maybe("task", task.as_deref())?;
        o.flag("signature", keys.invocation(one).is_ok())
    })
}

fn time(o: &mut Object<'_>, key: &str, time: Option<i64>) -> Done {
    match time {
        Some(time) => o.number(key, time),
        None => o.raw(key, "null"),
    }
}

/// The members of a delegation.
pub(super) fn write_delegation(
    o: &mut Object<'_>,
    one: &Delegation,
    state: &str,
    is_signed: bool,
) -> Done {
    let payload = one.payload();
    o.text("delegation", &one.cid().to_string())?;
    o.text("iss", payload.iss.as_str())?;
    o.text("aud", payload.aud.as_str())?;
    o.maybe("sub", payload.sub.as_ref().map(ipvm_ucan::Did::as_str))?;
    o.text("cmd", payload.cmd.as_str())?;
    o.raw("pol", &ipvm_ipld::json::to_string(&payload.pol.to_ipld()))?;
    time(o, "nbf", payload.nbf)?;
    time(o, "exp", payload.exp)?;
    o.flag("signature", is_signed)?;
    o.text("state", state)
}
