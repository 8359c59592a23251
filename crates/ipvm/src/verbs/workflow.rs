//! `ipvm workflow`: what was run here, and how it went.

use crate::cli::{Doubt, Workflow};
use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::report::{self, Outputs};
use crate::ui::human::{clean, time};
use crate::ui::json;
use crate::ui::table::Table;
use ipvm_node::Settlement;
use std::io::Write;

pub(crate) fn workflow(context: &mut Context, verb: &Workflow) -> anyhow::Result<Code> {
    match verb {
        Workflow::List { limit, json } => list(context, *limit, *json),
        Workflow::Show { id, json, reveal } => show(context, id, *json, *reveal),
        Workflow::Doubt(verb) => doubt(context, verb),
        Workflow::Cancel { id } => cancel(context, id),
    }
}

fn list(context: &mut Context, limit: usize, as_json: bool) -> anyhow::Result<Code> {
    let runs = context.reader()?.runs(limit)?;
    let out = &mut context.out;
    if as_json {
        json::list(out, |list| {
            runs.iter().try_for_each(|run| {
                list.object(|o| {
                    let workflow = (!run.secret).then(|| run.workflow.to_string());
                    o.maybe("workflow", workflow.as_deref())?;
                    o.text("name", &run.name)?;
                    o.text("status", run.status.as_str())?;
                    o.number("started", run.started)?;
                    o.number("tasks", run.tasks)?;
                    o.number("done", run.done)
                })
            })
        })?;
        writeln!(out)?;
        return Ok(Code::Done);
    }
    let mut table =
        Table::with_heading(&["WORKFLOW", "STARTED", "STATUS", "DONE", "NAME"]).right(3);
    for run in &runs {
        let done = format!("{}/{}", run.done, run.tasks);
        let name = clean(&run.name).into_owned();
        table.row([
            match run.secret {
                true => report::SECRET.to_owned(),
                false => run.workflow.to_string(),
            },
            time(run.started),
            run.status.as_str().to_owned(),
            done,
            name,
        ]);
    }
    table.write(out)?;
    Ok(Code::Done)
}

fn show(context: &mut Context, id: &str, as_json: bool, reveal: bool) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let mut found = node.run_report(&node.find_run(id)?)?;
    if reveal {
        found.reveal();
    }
    if as_json {
        report::write_json(&mut context.out, &node, &found, &Outputs::Values)?;
    } else {
        report::write_text(&mut context.out, &node, &found)?;
    }
    Ok(Code::Done)
}

fn cancel(context: &mut Context, id: &str) -> anyhow::Result<Code> {
    let (node, at_work) = context.writer_or_reader()?;
    let run = node.find_run(id)?;
    node.cancel_run(&run)?;
    let word = if at_work {
        "asked to stop"
    } else {
        "cancelled"
    };
    let which = match run.secret {
        true => String::new(),
        false => format!(" {}", run.run),
    };
    context.note(&format!("{word}: {}{which}", clean(&run.name)));
    Ok(Code::Done)
}

fn doubt(context: &mut Context, verb: &Doubt) -> anyhow::Result<Code> {
    match verb {
        Doubt::List { json } => doubts(context, *json),
        Doubt::Resolve {
            task, done, result, ..
        } => {
            let settlement = match done {
                true => Settlement::Done(result.as_deref().map(result_of).transpose()?),
                false => Settlement::NotDone,
            };
            let settled = context.writer()?.settle_doubt(task, &settlement)?;
            let label = clean(&settled.label).into_owned();
            context.note(&match (done, result) {
                (true, Some(_)) => {
                    format!("`{label}` was done, by your word; run the workflow again: it goes on")
                }
                (true, None) => format!(
                    "`{label}` was done, by your word; its result is null, since nobody awaits it; run the workflow again: it goes on"
                ),
                (false, _) => format!(
                    "`{label}` was not done, by your word; run the workflow again: it is done then"
                ),
            });
            Ok(Code::Done)
        }
    }
}

fn result_of(json: &str) -> Result<ipvm_ipld::Ipld, Fault> {
    ipvm_ipld::json::from_str(json, ipvm_ipld::Limits::default()).map_err(|error| {
        let message = format!("--result is not DAG-JSON: {error}");
        Fault::usage(message, "write for instance --result '{\"id\": 7}'")
    })
}

fn doubts(context: &mut Context, as_json: bool) -> anyhow::Result<Code> {
    const UNASKED: &str = "a process ended in the middle; run the workflow again: the far side is asked, if it can tell";
    const LOOK: &str = "look for it at the far side: a mail has the Message-ID <TASK@ipvm>, a request by HTTP the Idempotency-Key TASK; then say \
                        `ipvm workflow doubt resolve TASK --done` or `--not-done`, and run the workflow again";
    let doubts = context.reader()?.doubts()?;
    let out = &mut context.out;
    if as_json {
        json::list(out, |list| {
            doubts.iter().try_for_each(|doubt| {
                list.object(|o| {
                    o.text("task", &doubt.task.to_string())?;
                    o.text("command", &doubt.command)?;
                    o.text("subject", &doubt.subject)?;
                    o.text("run", &doubt.run.to_string())?;
                    o.text("name", &doubt.name)?;
                    o.text("label", &doubt.label)?;
                    o.number("since", doubt.since)?;
                    o.maybe("reason", doubt.reason.as_deref())
                })
            })
        })?;
        writeln!(out)?;
        return Ok(Code::Done);
    }
    if doubts.is_empty() {
        context.note("nothing is in doubt");
        return Ok(Code::Done);
    }
    let mut table = Table::with_heading(&["TASK", "COMMAND", "RUN", "LABEL", "SINCE", "WHY"]);
    for doubt in &doubts {
        table.row([
            doubt.task.to_string(),
            clean(&doubt.command).into_owned(),
            clean(&doubt.name).into_owned(),
            clean(&doubt.label).into_owned(),
            time(doubt.since),
            clean(doubt.reason.as_deref().unwrap_or(UNASKED)).into_owned(),
        ]);
    }
    table.write(out)?;
    context.note(LOOK);
    Ok(Code::Done)
}
