//! `ipvm ucan list`, `import`, `export`: the delegations that a home keeps.

use super::inspect::write_delegation;
use super::verify::until;
use super::{People, io};
use crate::context::Context;
use crate::fault::Code;
use crate::ui::human::{clean, counted};
use crate::ui::json;
use crate::ui::table::Table;
use ipvm_node::{Taken, TokenFile};
use std::io::Write;
use std::path::Path;

pub(super) fn list(context: &mut Context, json: bool) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let held = node.delegations()?;
    let people = People::of(&node)?;
    let out = &mut context.out;
    if json {
        json::list(out, |list| {
            held.iter().try_for_each(|held| {
                list.object(|o| {
                    write_delegation(o, &held.delegation, held.state.as_str())?;
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
            people.short(&payload.iss),
            people.short(&payload.aud),
            clean(payload.cmd.as_str()).into_owned(),
            whose.map_or_else(|| "any".to_owned(), |sub| people.short(sub)),
            until(payload.exp),
            held.state.as_str().to_owned(),
        ]);
    }
    table.write(out)?;
    Ok(Code::Done)
}

pub(super) fn import(
    context: &mut Context,
    file: &str,
    accept: Option<&str>,
    json: bool,
) -> anyhow::Result<Code> {
    let node = context.writer()?;
    let accept = match accept {
        Some(name) => Some(node.principal(name)?),
        None => None,
    };
    let tokens = TokenFile::read(&io::read(file)?)?;
    let taken = node.take_in(&tokens, accept.as_ref())?;
    if json {
        write_json(context, &taken)?;
        return Ok(Code::Done);
    }
    let parts = [
        (taken.delegations, "delegation"),
        (taken.revocations, "revocation"),
        (taken.receipts, "receipt"),
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
