//! `ipvm store pin`, `unpin`, `pins`, `gc` and `limit`: what is kept, and for how long.

use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::interrupt::Interrupt;
use crate::ui::human::{count, counted, size, time};
use crate::ui::json;
use crate::ui::table::Table;
use crate::ui::term::{self, Passing};
use crate::units::Limit;
use ipvm_ipld::Cid;
use ipvm_node::{Collected, GivenUp, Keep, Node, Pin, PinKind};
use std::io::Write;

/// Pins read at a time.
const PAGE: usize = 1_000;

/// The kind of a pin, by whether it was asked to be public.
pub(crate) fn kind(public: bool) -> PinKind {
    if public {
        PinKind::Public
    } else {
        PinKind::Pinned
    }
}

/// The word for a kind of pin, on screen and in JSON.
pub(crate) fn word(kind: PinKind) -> &'static str {
    match kind {
        PinKind::Pinned => "pinned",
        PinKind::Public => "public",
    }
}

pub(crate) fn pin(context: &mut Context, name: &str, public: bool) -> anyhow::Result<Code> {
    let node = context.writer()?;
    let cid = node.find_cid(name)?;
    node.pin(&cid, kind(public))?;
    writeln!(context.out, "{cid}")?;
    Ok(Code::Done)
}

pub(crate) fn unpin(context: &mut Context, name: &str) -> anyhow::Result<Code> {
    let node = context.writer()?;
    let cid = node.find_cid(name)?;
    match node.unpin(&cid)? {
        Some(_) => {
            writeln!(context.out, "{cid}")?;
            Ok(Code::Done)
        }
        None => {
            let message = format!("{cid} is not pinned");
            Err(Fault::usage(message, "`ipvm store pins` lists what is").into())
        }
    }
}

pub(crate) fn pins(
    context: &mut Context,
    limit: Option<usize>,
    as_json: bool,
) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let mut left = limit.unwrap_or(usize::MAX);
    let mut table = Table::with_heading(&["KIND", "SINCE", "CID"]);
    let mut found = Vec::new();
    let mut last: Option<Pin> = None;
    while left > 0 {
        let page = node.pins(last, left.min(PAGE))?;
        let Some(oldest) = page.last() else { break };
        last = Some(*oldest);
        left -= page.len();
        found.extend(page);
    }
    let out = &mut context.out;
    if as_json {
        json::list(out, |list| {
            found.iter().try_for_each(|pin| {
                list.object(|o| {
                    o.text("cid", &pin.cid.to_string())?;
                    o.text("kind", word(pin.kind))?;
                    o.number("since", pin.since)
                })
            })
        })?;
        writeln!(out)?;
    } else if !found.is_empty() {
        for pin in &found {
            table.row([
                word(pin.kind).to_owned(),
                time(pin.since),
                pin.cid.to_string(),
            ]);
        }
        table.write(out)?;
    }
    Ok(Code::Done)
}

pub(crate) fn gc(
    context: &mut Context,
    keep: Keep,
    dry_run: bool,
    as_json: bool,
) -> anyhow::Result<Code> {
    let mut node = context.writer()?;
    let passing = Passing::show("looking what is kept …", context.quiet);
    let collected = node.gc(keep, dry_run, &mut |_, _| ())?;
    drop(passing);
    if as_json {
        write_json(&mut context.out, &collected, dry_run)?;
    } else {
        print(&mut context.out, &collected, dry_run)?;
    }
    Ok(Code::Done)
}

fn write_json(out: &mut dyn Write, collected: &Collected, dry_run: bool) -> std::io::Result<()> {
    let store = &collected.store;
    json::object(out, |o| {
        o.flag("dry_run", dry_run)?;
        for (name, n) in [
            ("runs", store.runs),
            ("receipts", store.receipts),
            ("blocks", store.blocks),
            ("bytes", store.bytes),
            ("stray_files", store.stray_files),
            ("cache_files", collected.cache_files),
            ("cache_bytes", collected.cache_bytes),
            ("pinned", store.pinned),
            ("freed", store.freed),
        ] {
            o.number(name, n)?;
        }
        o.object("kept", |o| {
            o.number("runs", store.runs_kept)?;
            o.number("receipts", store.receipts_kept)?;
            o.number("blocks", store.blocks_kept)
        })
    })?;
    writeln!(out)
}

fn print(out: &mut dyn Write, collected: &Collected, dry_run: bool) -> std::io::Result<()> {
    let store = &collected.store;
    let mut table = Table::with_heading(&["", if dry_run { "WOULD GO" } else { "GONE" }, "KEPT"]);
    for (what, gone, kept) in [
        ("runs", store.runs, store.runs_kept),
        ("receipts", store.receipts, store.receipts_kept),
        ("blocks", store.blocks, store.blocks_kept),
    ] {
        table.row([what.to_owned(), count(gone), count(kept)]);
    }
    table.write(out)?;
    if collected.cache_files > 0 {
        let files = counted(collected.cache_files, "file");
        let bytes = size(collected.cache_bytes);
        writeln!(
            out,
            "{files} of modules that are not here any more, {bytes}"
        )?;
    }
    if store.stray_files > 0 {
        let files = counted(store.stray_files, "file");
        writeln!(out, "{files} that belonged to nothing")?;
    }
    if store.pinned > 0 {
        let verb = if dry_run { "would be" } else { "now" };
        writeln!(
            out,
            "{} {verb} pinned: content added by an earlier version, which had no pins",
            counted(store.pinned, "CID")
        )?;
    }
    let content = size(store.bytes + collected.cache_bytes);
    if dry_run {
        writeln!(out, "{content} would go")
    } else {
        writeln!(
            out,
            "{content} gone; the files are {} shorter",
            size(store.freed)
        )
    }
}

pub(crate) fn limit(
    context: &mut Context,
    new: Option<Limit>,
    as_json: bool,
) -> anyhow::Result<Code> {
    let node = match new {
        None => context.reader()?,
        Some(limit) => {
            let mut node = context.writer()?;
            node.set_limit(limit)?;
            hold_limit(context, &mut node);
            node
        }
    };
    let usage = node.usage()?;
    let out = &mut context.out;
    if as_json {
        json::object(out, |o| {
            match usage.limit {
                Some(limit) => o.number("limit", limit)?,
                None => o.raw("limit", "null")?,
            }
            o.number("used", usage.bytes())
        })?;
        writeln!(out)?;
    } else {
        let limit = usage.limit.map_or("none".to_owned(), size);
        writeln!(out, "limit {limit}, in use {}", size(usage.bytes()))?;
    }
    Ok(Code::Done)
}

/// Before work that stores: sees to it that so many bytes fit under the limit, or refuses.
pub(crate) fn make_room(context: &Context, node: &mut Node, coming: u64) -> anyhow::Result<()> {
    let given_up = node.make_room(coming, &mut |_, _| ())?;
    tell(context, &given_up);
    Ok(())
}

/// After work that stored: the home is brought back under its limit. What was done is done, so that it does not fit is
/// said and no error; the next work is refused.
pub(crate) fn hold_limit(context: &Context, node: &mut Node) {
    match node.make_room(0, &mut |_, _| ()) {
        Ok(given_up) => tell(context, &given_up),
        Err(error) => {
            term::note(&format!("warning: {error}"));
            term::note(&format!("help: {}", error.help()));
        }
    }
}

/// Content that was given up for space is computed again: the task of the receipt that names it.
pub(crate) fn remake(context: &Context, cid: &Cid) -> anyhow::Result<()> {
    let interrupt = Interrupt::listen()?;
    let node = context.writer()?;
    let passing = Passing::show("computing it again …", context.quiet);
    node.remake(cid, interrupt.cancel())?;
    drop(passing);
    context.note("it had been given up to stay under the limit, and was computed again");
    Ok(())
}

fn tell(context: &Context, given_up: &GivenUp) {
    if *given_up == GivenUp::default() {
        return;
    }
    let bytes = size(given_up.block_bytes + given_up.cache_bytes);
    context.note(&format!(
        "gave up {bytes} to stay under the limit: {} of results and logs, {} of compiled modules; they are made again when they are needed",
        counted(given_up.blocks, "block"),
        counted(given_up.cache_files, "file"),
    ));
}
