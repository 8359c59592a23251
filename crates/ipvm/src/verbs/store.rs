//! `ipvm store`: how much there is, and whether it is sound.

use crate::cli::Store;
use crate::context::Context;
use crate::fault::Code;
use crate::ui::human::{clean, count, counted, size};
use crate::ui::json;
use crate::ui::table::Table;
use crate::ui::term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ipvm_node::NodeError;
use ipvm_store::{Finding, VerifyEvent, VerifyPart, VerifySummary};
use std::io::{self, Write};

/// Most findings that are named; the rest is counted.
const MAX_FINDINGS: usize = 10_000;

pub(crate) fn store(context: &mut Context, verb: &Store) -> anyhow::Result<Code> {
    match verb {
        Store::Stat { json } => stat(context, *json),
        Store::Verify { json } => verify(context, *json),
    }
}

fn stat(context: &mut Context, as_json: bool) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let stat = node.store().stat().map_err(NodeError::from)?;
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
    ];
    let out = &mut context.out;
    if as_json {
        json::object(out, |o| {
            o.text("home", &node.home().to_string_lossy())?;
            numbers
                .iter()
                .try_for_each(|(name, _, n)| o.number(name, *n))
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
    table.write(out)?;
    Ok(Code::Done)
}

fn verify(context: &mut Context, as_json: bool) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let bar = bar(context);
    let mut findings = Vec::new();
    let mut unnamed = 0;
    let summary = node.store().verify(&mut |event| match event {
        VerifyEvent::Progress { part, done, total } => {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(name_of(part));
        }
        VerifyEvent::Finding(finding) if findings.len() < MAX_FINDINGS => findings.push(finding),
        VerifyEvent::Finding(_) => unnamed += 1,
    });
    bar.finish_and_clear();
    let mut summary = summary.map_err(NodeError::from)?;
    node.audit_runs(&mut |finding| {
        summary.damage += 1;
        findings.push(finding);
    })?;
    let out = &mut context.out;
    if as_json {
        json::object(out, |o| {
            o.flag("sound", summary.damage == 0)?;
            o.number("receipts", summary.receipts)?;
            o.number("blocks", summary.blocks)?;
            o.number("runs", summary.runs)?;
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
        let word = if finding.is_damage() {
            "damage"
        } else {
            "stray"
        };
        writeln!(out, "{word}: {}", clean(&finding.to_string()))?;
    }
    if unnamed > 0 {
        writeln!(out, "… {} more", count(unnamed))?;
    }
    let checked = format!(
        "{}, {}, {}",
        counted(summary.receipts, "receipt"),
        counted(summary.blocks, "block"),
        counted(summary.runs, "run")
    );
    match summary.damage {
        0 => writeln!(out, "sound: {checked}"),
        n => writeln!(out, "damaged: {} in {checked}", counted(n, "place")),
    }
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
