//! `ipvm store`: how much there is, and whether it is sound.

use super::keep;
use crate::cli::Store;
use crate::context::Context;
use crate::fault::Code;
use crate::ui::human::{clean, count, counted, duration, size};
use crate::ui::json;
use crate::ui::table::Table;
use crate::ui::term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ipvm_node::{Keep, NodeError};
use ipvm_store::{Finding, VerifyEvent, VerifyPart, VerifySummary};
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Most findings that are named; the rest is counted.
const MAX_FINDINGS: usize = 10_000;

pub(crate) fn store(context: &mut Context, verb: &Store) -> anyhow::Result<Code> {
    match verb {
        Store::Stat { json } => stat(context, *json),
        Store::Verify { json } => verify(context, *json),
        Store::Pin { cid, public } => keep::pin(context, cid, *public),
        Store::Unpin { cid } => keep::unpin(context, cid),
        Store::Pins { limit, json } => keep::pins(context, *limit, *json),
        Store::Gc {
            dry_run,
            keep,
            keep_runs,
            json,
        } => {
            let keep = match (keep, keep_runs) {
                (Some(age), _) => Keep::Seconds(*age),
                (None, Some(most)) => Keep::Runs(*most),
                (None, None) => Keep::All,
            };
            keep::gc(context, keep, *dry_run, *json)
        }
        Store::Limit { size, json } => keep::limit(context, *size, *json),
    }
}

fn stat(context: &mut Context, as_json: bool) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let stat = node.store().stat().map_err(NodeError::from)?;
    let usage = node.usage()?;
    // (name for scripts, name for people, number)
    let numbers = [
        ("receipts", "receipts", stat.receipts),
        ("runs", "runs", stat.runs),
        ("blocks", "blocks", stat.blocks),
        ("block_files", "blocks in files", stat.block_files),
        (
            "block_file_bytes",
            "size of these files",
            stat.block_file_bytes,
        ),
        ("main_bytes", "size of main.db", stat.main_bytes),
        ("wal_bytes", "size of its WAL", stat.wal_bytes),
        ("index_bytes", "size of index.db", stat.index_bytes),
        ("cache_bytes", "compiled modules", usage.cache_bytes),
        ("pins", "pins", stat.pins),
        ("used_bytes", "counted against the limit", usage.bytes()),
    ];
    let out = &mut context.out;
    if as_json {
        json::object(out, |o| {
            o.text("home", &node.home().to_string_lossy())?;
            numbers
                .iter()
                .try_for_each(|(name, _, n)| o.number(name, *n))?;
            match usage.limit {
                Some(limit) => o.number("limit", limit),
                None => o.raw("limit", "null"),
            }
        })?;
        writeln!(out)?;
        return Ok(Code::Done);
    }
    let mut table = Table::default();
    table.row([
        "home".to_owned(),
        clean(&node.home().to_string_lossy()).into_owned(),
    ]);
    for (name, words, n) in numbers {
        let shown = if name.ends_with("bytes") {
            size(n)
        } else {
            count(n)
        };
        table.row([words.to_owned(), shown]);
    }
    let limit = usage.limit.map_or("none".to_owned(), size);
    table.row(["limit".to_owned(), limit]);
    table.write(out)?;
    Ok(Code::Done)
}

fn verify(context: &mut Context, as_json: bool) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let bar = bar(context);
    let mut findings = Vec::new();
    let mut unnamed = 0;
    let started = Instant::now();
    let summary = node.verify_store(&mut |event| match event {
        VerifyEvent::Progress { part, done, total } => {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(name_of(part));
        }
        VerifyEvent::Finding(finding) if findings.len() < MAX_FINDINGS => findings.push(finding),
        VerifyEvent::Finding(_) => unnamed += 1,
    });
    bar.finish_and_clear();
    let mut summary = summary?;
    node.audit_runs(&mut |finding| {
        summary.damage += 1;
        findings.push(finding);
    })?;
    let took = started.elapsed();
    let out = &mut context.out;
    if as_json {
        json::object(out, |o| {
            o.flag("sound", summary.damage == 0)?;
            o.number("receipts", summary.receipts)?;
            o.number("blocks", summary.blocks)?;
            o.number("runs", summary.runs)?;
            o.number("pins", summary.pins)?;
            o.number("signatures", summary.signatures)?;
            o.number("missing", summary.missing)?;
            o.number("given_up", summary.evicted)?;
            o.number("damage", summary.damage)?;
            o.number("stray_files", summary.stray_files)?;
            o.list("findings", |list| {
                findings.iter().try_for_each(|finding| {
                    list.object(|o| {
                        o.flag("damage", finding.is_damage())?;
                        o.text("message", &finding.to_string())
                    })
                })
            })
        })?;
        writeln!(out)?;
    } else {
        print(out, &findings, unnamed, &summary)?;
        context.note(&speed(&summary, took));
    }
    Ok(if summary.damage == 0 {
        Code::Done
    } else {
        Code::Failed
    })
}

fn print(
    out: &mut dyn Write,
    findings: &[Finding],
    unnamed: u64,
    summary: &VerifySummary,
) -> io::Result<()> {
    for finding in findings {
        let word = match finding {
            Finding::StrayFile { .. } => "stray",
            finding if finding.is_damage() => "damage",
            _ => "not here",
        };
        writeln!(out, "{word}: {}", clean(&finding.to_string()))?;
    }
    if unnamed > 0 {
        writeln!(out, "… {} more", count(unnamed))?;
    }
    let checked = format!(
        "{}, {}, {}, {}, {}",
        counted(summary.receipts, "receipt"),
        counted(summary.blocks, "block"),
        counted(summary.runs, "run"),
        counted(summary.pins, "pin"),
        counted(summary.signatures, "signature")
    );
    match summary.damage {
        0 => writeln!(out, "sound: {checked}"),
        n => writeln!(out, "damaged: {} in {checked}", counted(n, "place")),
    }
}

/// How fast it was.
fn speed(summary: &VerifySummary, took: Duration) -> String {
    let rate = summary.receipts as f64 / took.as_secs_f64().max(1e-6);
    let took = duration(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    format!("in {took}: {} receipts/s", count(rate as u64))
}

/// A bar on a terminal: a large store takes minutes.
fn bar(context: &Context) -> ProgressBar {
    if context.quiet || !term::is_live() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    match ProgressStyle::with_template("{msg:10} {bar:30} {human_pos}/{human_len}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn name_of(part: VerifyPart) -> &'static str {
    match part {
        VerifyPart::Database => "database",
        VerifyPart::Receipts => "receipts",
        VerifyPart::Blocks => "blocks",
        VerifyPart::Runs => "runs",
        VerifyPart::Links => "links",
        VerifyPart::Files => "files",
    }
}
