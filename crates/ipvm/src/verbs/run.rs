//! `ipvm run`: workflows from file to outputs.

use super::keep;
use crate::cli::{ProgressForm, Run};
use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::interrupt::Interrupt;
use crate::outputs::OutputDir;
use crate::report::{self, Outputs};
use crate::ui::human::{clean, counted};
use crate::ui::json;
use crate::ui::progress::Follower;
use crate::ui::term::{self, Out, Paint, Passing};
use crate::value::Body;
use crate::waiting::Patience;
use anyhow::Context as _;
use ipvm_ipld::{Cid, Ipld};
use ipvm_node::{
    FileRequest, Node, NodeError, Prepared, RunOptions, RunReport, RunState, Status, StepReport,
    awaited_by,
};
use ipvm_ucan::Outcome;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// How a run went, and whether it was the user of this process who stopped it.
pub(crate) struct Ran {
    pub(crate) report: RunReport,
    /// Whether it failed for want of a right.
    refused: bool,
    pub(crate) interrupted: bool,
}

/// Most steps of a workflow that are warned of.
const MAX_WARNINGS: usize = 5;
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
            RunState::InDoubt => Code::InDoubt,
            RunState::Error if self.refused => Code::Refused,
            RunState::Error | RunState::Cancelled | RunState::Running => Code::Failed,
        }
    }
}

/// Most workflows that one command runs at once.
const MAX_FILES: usize = 64;

pub(crate) fn run(context: &mut Context, verb: &Run) -> anyhow::Result<Code> {
    if verb.files.len() > MAX_FILES {
        let message = format!("{} workflows are more than {MAX_FILES}", verb.files.len());
        return Err(Fault::usage(message, "run them in several commands").into());
    }
    let (mut node, prepared) = prepare(context, verb)?;
    // Before the work: nobody wants to wait for results that cannot be written.
    let folders = folders(&prepared, verb.out.as_deref())?;
    let options = RunOptions {
        memo: !verb.no_memo,
        again: verb.again,
        ..RunOptions::default()
    };
    let ran = carry_out_all(context, &node, &prepared, &options, verb.progress)?;
    let mut outputs = Vec::with_capacity(ran.len());
    for ((prepared, ran), folder) in prepared.iter().zip(&ran).zip(&folders) {
        let written = match folder {
            Some(folder) => Outputs::Files(write_outputs(&node, prepared, &ran.report, folder)?),
            None => Outputs::Values,
        };
        close(context, ran, &written, folder.as_ref());
        point_to_logs(context, &node, &ran.report);
        outputs.push(written);
    }
    match (ran.as_slice(), outputs.as_slice()) {
        ([ran], [outputs]) if verb.json => {
            report::write_json(&mut context.out, &node, &ran.report, outputs)?;
        }
        _ if verb.json => {
            json::list(&mut context.out, |list| {
                ran.iter().zip(&outputs).try_for_each(|(ran, outputs)| {
                    list.object(|o| report::write_report(o, &node, &ran.report, outputs))
                })
            })?;
            writeln!(context.out)?;
        }
        _ => {
            for (ran, outputs) in ran.iter().zip(&outputs) {
                let name = (verb.files.len() > 1).then_some(ran.report.name.as_str());
                print(&mut context.out, &node, name, &ran.report, outputs)?;
            }
        }
    }
    keep::hold_limit(context, &mut node);
    let codes = prepared.iter().zip(&ran).zip(&outputs);
    let codes = codes.map(|((prepared, ran), outputs)| {
        let complete =
            matches!(outputs, Outputs::Files(written) if written.len() == prepared.outputs.len());
        ran.code(complete)
    });
    Ok(codes.max_by_key(|code| *code as i32).unwrap_or(Code::Done))
}

/// The workflows, ready to be run; with `--wait`, once what they await of others is here.
fn prepare(context: &Context, verb: &Run) -> anyhow::Result<(Node, Vec<Prepared>)> {
    // Without --wait, Ctrl-C ends at once what is only prepared.
    let interrupt = verb.wait.map(|_| Interrupt::listen()).transpose()?;
    let patience = interrupt.and_then(|interrupt| Patience::of(verb.wait, interrupt.cancel()));
    loop {
        let mut node = match &patience {
            Some(patience) => patience.writer(context)?,
            None => context.writer()?,
        };
        keep::make_room(context, &mut node, 0)?;
        let prepared = prepare_all(context, &node, verb)?;
        let Some(patience) = &patience else {
            return Ok((node, prepared));
        };
        let awaited = awaited_by(&prepared);
        match node.first_unmet(&awaited, true)? {
            None => return Ok((node, prepared)),
            Some(unmet) if patience.is_over() => return Err(patience.given_up(&unmet)),
            // Nothing was begun; whoever brings the result needs the home.
            Some(_) => drop(node),
        }
        patience.wait_for(context, &awaited, true)?;
    }
}

fn prepare_all(context: &Context, node: &Node, verb: &Run) -> anyhow::Result<Vec<Prepared>> {
    let passing = Passing::show("reading files and preparing modules …", context.quiet);
    let mut prepared = Vec::with_capacity(verb.files.len());
    for file in &verb.files {
        let request = FileRequest {
            file: file.clone(),
            set: verb.source.set.clone(),
            allow: verb.source.allow_path.clone(),
            again: verb.again,
        };
        prepared.push(node.prepare(&request).inspect_err(|_| {
            // What is wrong with `--set` names no file.
            if verb.files.len() > 1 {
                term::note(&format!("{}:", clean(&file.to_string_lossy())));
            }
        })?);
    }
    drop(passing);
    prepared.iter().for_each(|prepared| warn(context, prepared));
    Ok(prepared)
}

/// Where the outputs of each workflow go, if it has any.
fn folders(prepared: &[Prepared], out: Option<&Path>) -> anyhow::Result<Vec<Option<OutputDir>>> {
    let mut seen: HashMap<&str, ()> = HashMap::new();
    let mut folders = Vec::with_capacity(prepared.len());
    for one in prepared {
        if one.outputs.is_empty() {
            folders.push(None);
            continue;
        }
        if seen.insert(&one.name, ()).is_some() {
            let message = format!(
                "two of these workflows are called {:?}, and both have outputs",
                one.name
            );
            let help = "give one of them another `name`, or run them one after the other";
            return Err(Fault::usage(message, help).into());
        }
        folders.push(Some(match (out, prepared) {
            (Some(out), [_]) => OutputDir::create(Some(out), &one.name)?,
            (Some(out), _) => OutputDir::create_in(out, &one.name)?,
            (None, _) => OutputDir::create(None, &one.name)?,
        }));
    }
    Ok(folders)
}

/// Runs what is prepared, followed on stderr, stopped by Ctrl-C.
pub(crate) fn carry_out(
    context: &Context,
    node: &Node,
    prepared: Prepared,
    options: &RunOptions,
    form: ProgressForm,
) -> anyhow::Result<Ran> {
    let ran = carry_out_all(context, node, &[prepared], options, form)?;
    ran.into_iter().next().context("the run has no report")
}

/// The same for several at once; they share the machine fairly.
fn carry_out_all(
    context: &Context,
    node: &Node,
    prepared: &[Prepared],
    options: &RunOptions,
    form: ProgressForm,
) -> anyhow::Result<Vec<Ran>> {
    let interrupt = Interrupt::listen()?;
    let cancel = interrupt.cancel();
    let follower = Follower::new(form, context.quiet, prepared.len(), cancel);
    let follower = Mutex::new(follower);
    let run = |number: usize, prepared: &Prepared| {
        let report = node.run(prepared, options, cancel, &mut |progress| {
            let mut follower = follower.lock().unwrap_or_else(PoisonError::into_inner);
            follower.observe(number, &progress);
        });
        report.map_err(Box::new)
    };
    let reports: Vec<Result<RunReport, Box<NodeError>>> = match prepared {
        [one] => vec![run(0, one)],
        several => std::thread::scope(|scope| {
            let threads = several.iter().enumerate();
            let threads = threads.map(|(number, one)| scope.spawn(move || run(number, one)));
            let threads: Vec<_> = threads.collect();
            let gone = |_| {
                Box::new(NodeError::Internal(
                    "the thread of a run has panicked".into(),
                ))
            };
            let joined = threads
                .into_iter()
                .map(|thread| thread.join().map_err(gone)?);
            joined.collect()
        }),
    };
    let follower = follower
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let ran = reports.into_iter().map(|report| {
        let report = report.map_err(|error| *error)?;
        Ok(Ran {
            refused: node.was_refused(&report)?,
            report,
            interrupted: interrupt.was_asked(),
        })
    });
    let ran: anyhow::Result<Vec<Ran>> = ran.collect();
    if ran.is_ok() {
        follower.finish();
    }
    ran
}

/// Writes the outputs whose tasks are ok.
fn write_outputs(
    node: &Node,
    prepared: &Prepared,
    report: &RunReport,
    folder: &OutputDir,
) -> anyhow::Result<Vec<(String, std::path::PathBuf)>> {
    let mut written = Vec::new();
    for output in &prepared.outputs {
        let step = report.steps.get(output.step);
        let receipt = step.and_then(|step| step.receipt);
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

/// Warns of steps that come after what they should come before.
fn warn(context: &Context, prepared: &Prepared) {
    let paint = Paint::stderr();
    let label = |step: u32| clean(prepared.plan.label(step).unwrap_or_default()).into_owned();
    for (step, on) in prepared.plan.misplaced().take(MAX_WARNINGS) {
        let class = prepared.plan.class(step);
        context.note(&format!(
            "{} `{}` ({class}) awaits `{}` ({}): if it fails, what was done stays done; let queries and functions come first",
            paint.busy("warning:"),
            label(step),
            label(on),
            prepared.plan.class(on),
        ));
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
        RunState::InDoubt => paint.busy("in doubt"),
    };
    let told = format!("{word}: {}", report::summary(report));
    match report.status {
        // Whoever asked for quiet still wants to know that it went wrong.
        RunState::Error | RunState::InDoubt => term::note(&told),
        _ => context.note(&told),
    }
    if report.status == RunState::InDoubt {
        term::note(
            "`ipvm workflow doubt list` shows what may have been done; settle it with `ipvm workflow doubt resolve TASK --done` or \
             `--not-done`, then run the same command again",
        );
    }
    let writes = |step: StepReport| step.class.writes();
    let is_over = matches!(report.status, RunState::Ok | RunState::Error);
    if is_over && report.executed == 0 && report.steps.iter().any(writes) {
        context.note("nothing was done: this run has ended before; `--again` makes a new one, with effects of its own");
    }
    if report.secret {
        let steps = report.steps.secret();
        let kept = match outputs {
            Outputs::Files(_) => "",
            Outputs::Values => "; `outputs:` in the file says which results become files",
        };
        context.note(&format!(
            "{} kept sealed{kept}",
            counted(steps as u64, "secret task")
        ));
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
        let done = report.steps.len() - report.steps.count(Status::Pending);
        context.note(&format!(
            "{} kept; the same command goes on from there",
            counted(done as u64, "finished task")
        ));
    }
}

/// Says where to read what failed functions printed: often the reason is there.
fn point_to_logs(context: &Context, node: &Node, report: &RunReport) {
    let failed = report
        .steps
        .iter()
        .filter(|step| step.status == Status::Error && step.because.is_none() && !step.secret);
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
fn print(
    out: &mut Out,
    node: &Node,
    name: Option<&str>,
    report: &RunReport,
    outputs: &Outputs,
) -> anyhow::Result<()> {
    match outputs {
        Outputs::Files(files) => {
            for (_, path) in files {
                out.write_all(path.as_os_str().as_encoded_bytes())?;
                writeln!(out)?;
            }
        }
        Outputs::Values => report::values(node, report, |label, value| match name {
            Some(name) => writeln!(out, "{}/{}\t{value}", clean(name), clean(label)),
            None => writeln!(out, "{}\t{value}", clean(label)),
        })?,
    }
    Ok(())
}
