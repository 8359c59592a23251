//! `ipvm ucan list`, `import`, `export`: the delegations that a home keeps.

use super::inspect::write_delegation;
use super::io;
use super::verify::until;
use crate::context::Context;
use crate::fault::Code;
use crate::people::People;
use crate::ui::human::{clean, counted, time};
use crate::ui::json;
use crate::ui::table::Table;
use crate::when;
use anyhow::Context as _;
use ipvm_node::{DOCUMENT_LIFE, Taken, TokenFile};
use std::io::Write;
use std::path::Path;

pub(super) fn list(context: &mut Context, json: bool) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let held = node.delegations()?;
    let people = People::of(&node)?;
    let now = when::now();
    let keys = node.documents_with(&[], now)?;
    let out = &mut context.out;
    if json {
        json::list(out, |list| {
            held.iter().try_for_each(|held| {
                list.object(|o| {
                    let signed = held.delegation.verify_signature_with(&keys, now).is_ok();
                    write_delegation(o, &held.delegation, held.state.as_str(), signed)?;
                    o.number("since", held.since)
                })
            })
        })?;
        writeln!(out)?;
        return Ok(Code::Done);
    }
    let mut table =
        Table::with_heading(&["DELEGATION", "FROM", "TO", "COMMAND", "ON", "UNTIL", "NOW"]);
    for held in &held {
        let payload = held.delegation.payload();
        let whose = payload.sub.as_ref();
        table.row([
            held.delegation.cid().to_string(),
            people.brief(&payload.iss),
            people.brief(&payload.aud),
            clean(payload.cmd.as_str()).into_owned(),
            whose.map_or_else(|| "any".to_owned(), |sub| people.brief(sub)),
            until(payload.exp),
            held.state.as_str().to_owned(),
        ]);
    }
    table.write(out)?;
    Ok(Code::Done)
}

pub(super) fn import(
    context: &mut Context,
    file: Option<&str>,
    accept: Option<&str>,
    documents: &[String],
    json: bool,
) -> anyhow::Result<Code> {
    let node = context.writer()?;
    let accept = match accept {
        Some(name) => Some(node.principal(name)?),
        None => None,
    };
    let documents = io::documents(documents)?;
    let tokens = match file {
        Some(file) => TokenFile::read(&io::read(file)?).with_context(|| format!("in {file}"))?,
        None => TokenFile::default(),
    };
    let taken = node.take_in(&tokens, accept.as_ref(), &documents);
    let taken = match file {
        Some(file) => taken.with_context(|| format!("nothing of {file} was taken in"))?,
        None => taken?,
    };
    if json {
        write_json(context, &taken)?;
        return Ok(Code::Done);
    }
    let parts = [
        (taken.delegations, "delegation"),
        (taken.revocations, "revocation"),
        (taken.receipts, "receipt"),
        (taken.documents, "DID document"),
    ];
    let mut words: Vec<String> = parts
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| counted(n as u64, what))
        .collect();
    if words.is_empty() {
        words.push("nothing new".to_owned());
    }
    writeln!(context.out, "{}", words.join(", "))?;
    for document in &documents {
        let end = time(when::now().saturating_add(DOCUMENT_LIFE));
        let who = People::of(&node)?.short(document.did());
        context.note(&format!(
            "the keys of {who} count until {end}; import its document anew then"
        ));
    }
    if taken.strangers > 0 {
        context.note(&format!(
            "{} by executors whom nobody here asked: kept, but they do not count; --accept changes that",
            counted(taken.strangers as u64, "receipt")
        ));
    }
    if taken.requests > 0 {
        context.note(&format!(
            "{} left alone: `ipvm ucan execute` carries it out",
            counted(taken.requests as u64, "request")
        ));
    }
    Ok(Code::Done)
}

fn write_json(context: &mut Context, taken: &Taken) -> anyhow::Result<()> {
    let out = &mut context.out;
    json::object(out, |o| {
        o.number("delegations", taken.delegations as u64)?;
        o.number("revocations", taken.revocations as u64)?;
        o.number("receipts", taken.receipts as u64)?;
        o.number("documents", taken.documents as u64)?;
        o.number("accepted", taken.accepted as u64)?;
        o.number("strangers", taken.strangers as u64)?;
        o.number("known", taken.known as u64)?;
        o.number("requests", taken.requests as u64)
    })?;
    Ok(writeln!(out)?)
}

pub(super) fn export(
    context: &mut Context,
    delegations: &[String],
    output: Option<&Path>,
) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let mut cids = Vec::with_capacity(delegations.len());
    for name in delegations {
        cids.push(node.find_cid(name)?);
    }
    let container = node.hand_out(&cids)?;
    io::write(context, &container, output)?;
    Ok(Code::Done)
}
