//! `ipvm run`: a workflow from file to outputs.

use super::keep;
use crate::cli::{ProgressForm, Run};
use crate::context::Context;
use crate::fault::Code;
use crate::interrupt::Interrupt;
use crate::outputs::OutputDir;
use crate::report::{self, Outputs};
use crate::ui::human::{clean, counted};
use crate::ui::progress::Follower;
use crate::ui::term::{self, Out, Paint, Passing};
use crate::value::Body;
use anyhow::Context as _;
use ipvm_ipld::{Cid, Ipld};
use ipvm_node::{FileRequest, Node, Prepared, RunOptions, RunReport, RunState, Status, StepReport};
use ipvm_ucan::Outcome;
use std::collections::HashMap;
use std::io::Write;

/// How a run went, and whether it was the user of this process who stopped it.
pub(crate) struct Ran {
    pub(crate) report: RunReport,
    pub(crate) interrupted: bool,
}

/// Most failed tasks whose logs are pointed to.
const MAX_LOGS_NAMED: usize = 5;

impl Ran {
    /// The exit code that the run asks for; `complete` says whether all that was asked for is there,
    /// which a failed step on the side does not change.
    pub(crate) fn code(&self, complete: bool) -> Code {
        match self.report.status {
            RunState::Error if complete => Code::Done,
            _ if self.interrupted && self.report.status == RunState::Cancelled => Code::Interrupted,
            RunState::Ok => Code::Done,
            RunState::Error | RunState::Cancelled | RunState::Running => Code::Failed,
        }
    }
}

pub(crate) fn run(context: &mut Context, verb: Run) -> anyhow::Result<Code> {
    let mut node = context.writer()?;
    keep::make_room(context, &mut node, 0)?;
    let request = FileRequest {
        file: verb.file,
        set: verb.source.set,
        allow: verb.source.allow_path,
    };
    let passing = Passing::show("reading files and preparing modules …", context.quiet);
    let prepared = node.prepare(&request)?;
    drop(passing);
    // Before the work: nobody wants to wait for results that cannot be written.
    let folder = match prepared.outputs.is_empty() {
        true => None,
        false => Some(OutputDir::create(verb.out.as_deref(), &prepared.name)?),
    };
    let options = RunOptions {
        memo: !verb.no_memo,
        again: verb.again,
        ..RunOptions::default()
    };
    let ran = carry_out(context, &node, &prepared, &options, verb.progress)?;
    let outputs = match &folder {
        Some(folder) => Outputs::Files(write_outputs(&node, &prepared, &ran.report, folder)?),
        None => Outputs::Values,
    };
    close(context, &ran, &outputs, folder.as_ref());
    point_to_logs(context, &node, &ran.report);
    if verb.json {
        report::write_json(&mut context.out, &node, &ran.report, &outputs)?;
    } else {
        print(&mut context.out, &node, &ran.report, &outputs)?;
    }
    keep::hold_limit(context, &mut node);
    let complete =
        matches!(&outputs, Outputs::Files(written) if written.len() == prepared.outputs.len());
    Ok(ran.code(complete))
}

/// Runs what is prepared, followed on stderr, stopped by Ctrl-C.
pub(crate) fn carry_out(
    context: &Context,
    node: &Node,
    prepared: &Prepared,
    options: &RunOptions,
    form: ProgressForm,
) -> anyhow::Result<Ran> {
    let interrupt = Interrupt::listen()?;
    let mut follower = Follower::new(form, context.quiet, interrupt.cancel());
    let report = node.run(prepared, options, interrupt.cancel(), &mut |progress| {
        follower.observe(&progress)
    })?;
    follower.finish();
    Ok(Ran {
        report,
        interrupted: interrupt.was_asked(),
    })
}

/// Writes the outputs whose tasks are ok.
fn write_outputs(
    node: &Node,
    prepared: &Prepared,
    report: &RunReport,
    folder: &OutputDir,
) -> anyhow::Result<Vec<(String, std::path::PathBuf)>> {
    let steps: HashMap<&str, &StepReport> = report
        .steps
        .iter()
        .map(|step| (step.label.as_str(), step))
        .collect();
    let mut written = Vec::new();
    for output in &prepared.outputs {
        let receipt = steps
            .get(output.label.as_str())
            .and_then(|step| step.receipt);
        let Some(value) = ok_value(node, receipt)? else {
            continue;
        };
        let body = Body::of(node, value)?;
        let path = folder.write(&output.path, |file| body.write(node, file));
        let path = path.with_context(|| format!("output `{}`", output.label))?;
        written.push((output.label.clone(), path));
    }
    Ok(written)
}

fn ok_value(node: &Node, receipt: Option<Cid>) -> anyhow::Result<Option<Ipld>> {
    let Some(receipt) = receipt else {
        return Ok(None);
    };
    match node.outcome(&receipt)? {
        Outcome::Ok(value) => Ok(Some(value)),
        Outcome::Error(_) => Ok(None),
    }
}

/// Says on stderr how it went.
fn close(context: &Context, ran: &Ran, outputs: &Outputs, folder: Option<&OutputDir>) {
    let paint = Paint::stderr();
    let report = &ran.report;
    let word = match report.status {
        RunState::Ok => paint.good("done"),
        RunState::Error => paint.bad("failed"),
        RunState::Cancelled | RunState::Running => paint.busy("stopped"),
    };
    let told = format!("{word}: {}", report::summary(report));
    match report.status {
        // Whoever asked for quiet still wants to know that it went wrong.
        RunState::Error => term::note(&told),
        _ => context.note(&told),
    }
    if let (Outputs::Files(files), Some(folder)) = (outputs, folder) {
        match files.as_slice() {
            [] => {}
            [(_, path)] => context.note(&format!("wrote {}", clean(&path.to_string_lossy()))),
            many => {
                let count = counted(many.len() as u64, "file");
                context.note(&format!(
                    "wrote {count} in {}",
                    clean(&folder.shown().to_string_lossy())
                ));
            }
        }
    }
    if ran.interrupted && report.status == RunState::Cancelled {
        let done = report
            .steps
            .iter()
            .filter(|step| step.status != Status::Pending)
            .count() as u64;
        context.note(&format!(
            "{} kept; the same command goes on from there",
            counted(done, "finished task")
        ));
    }
}

/// Says where to read what failed functions printed: often the reason is there.
fn point_to_logs(context: &Context, node: &Node, report: &RunReport) {
    let failed = report
        .steps
        .iter()
        .filter(|step| step.status == Status::Error && step.because.is_none());
    for step in failed.take(MAX_LOGS_NAMED) {
        let Some(receipt) = step.receipt else {
            continue;
        };
        // One that was given up for space is no reason to fail.
        if node
            .log_of(&receipt)
            .is_ok_and(|log| !log.pieces.is_empty())
        {
            let label = clean(&step.label);
            context.note(&format!(
                "what `{label}` printed: ipvm receipt logs {receipt}"
            ));
        }
    }
}

/// The results on stdout: paths of outputs, or labels and values.
fn print(out: &mut Out, node: &Node, report: &RunReport, outputs: &Outputs) -> anyhow::Result<()> {
    match outputs {
        Outputs::Files(files) => {
            for (_, path) in files {
                out.write_all(path.as_os_str().as_encoded_bytes())?;
                writeln!(out)?;
            }
        }
        Outputs::Values => report::values(node, report, |label, value| {
            writeln!(out, "{}\t{value}", clean(label))
        })?,
    }
    Ok(())
}
