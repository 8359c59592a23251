//! A run's report as JSON and as text: the same for `run` and `workflow show`.

use crate::people::People;
use crate::ui::human::{clean, count, counted, duration};
use crate::ui::json::{self, Done, Object};
use crate::ui::table::Table;
use crate::value;
use ipvm_ipld::Cid;
use ipvm_node::{Node, RunReport, Status, StepReport};
use ipvm_ucan::Outcome;
use std::io::Write;
use std::path::PathBuf;

/// What is shown in the place of something secret.
pub(crate) const SECRET: &str = "secret";

/// What a run's outputs became.
pub(crate) enum Outputs {
    /// Files: label and path.
    Files(Vec<(String, PathBuf)>),
    /// The workflow asks for no files: the value of every task that is ok.
    Values,
}

/// Writes the report in the shape that scripts rely on.
pub(crate) fn write_json(
    out: &mut dyn Write,
    node: &Node,
    report: &RunReport,
    outputs: &Outputs,
) -> Done {
    json::object(out, |o| write_report(o, node, report, outputs))?;
    writeln!(out)
}

/// The members of a report.
pub(crate) fn write_report(
    o: &mut Object<'_>,
    node: &Node,
    report: &RunReport,
    outputs: &Outputs,
) -> Done {
    if report.secret {
        o.flag("secret", true)?;
    }
    let open = |cid: Cid| (!report.secret).then(|| cid.to_string());
    o.maybe("workflow", open(report.workflow).as_deref())?;
    o.maybe("run", open(report.run).as_deref())?;
    o.text("status", report.status.as_str())?;
    o.number("executed", report.executed)?;
    o.number("reused", report.reused)?;
    o.number("saved_us", report.saved_us)?;
    o.object("tasks", |tasks| {
        report
            .steps
            .iter()
            .try_for_each(|step| tasks.object(&step.label, |o| write_step(o, node, &step)))
    })?;
    o.object("outputs", |o| match outputs {
        Outputs::Files(files) => files
            .iter()
            .try_for_each(|(label, path)| o.text(label, &path.to_string_lossy())),
        Outputs::Values => values(node, report, |label, value| o.raw(label, &value)),
    })
}

/// The members of one task.
pub(crate) fn write_step(o: &mut Object<'_>, node: &Node, step: &StepReport) -> Done {
    if step.secret {
        o.flag("secret", true)?;
    }
    let receipt = step.receipt.filter(|_| !step.secret);
    let task = (!step.secret).then(|| step.task.to_string());
    o.maybe("task", task.as_deref())?;
    o.maybe("receipt", receipt.map(|cid| cid.to_string()).as_deref())?;
    o.text("status", step.status.as_str())?;
    o.flag("memo", step.memo)?;
    o.text("class", step.class.as_str())?;
    o.number("fuel", step.fuel)?;
    o.number("took_us", step.took_us)?;
    match receipt {
        Some(receipt) => {
            let outcome = node
                .outcome(&receipt)
                .map_err(|error| value::as_io(error.into()))?;
            o.raw("out", &value::outcome_json(&outcome))?;
        }
        None => o.raw("out", "null")?,
    }
    o.maybe("because", step.because.as_deref())
}

/// Gives label and DAG-JSON value of every task that is ok and not secret, in order.
pub(crate) fn values(
    node: &Node,
    report: &RunReport,
    mut told: impl FnMut(&str, String) -> Done,
) -> Done {
    let shown = |step: &StepReport| step.status == Status::Ok && !step.secret;
    for step in report.steps.iter().filter(shown) {
        let Some(receipt) = step.receipt else {
            continue;
        };
        let outcome = node
            .outcome(&receipt)
            .map_err(|error| value::as_io(error.into()))?;
        if let Outcome::Ok(value) = outcome {
            told(&step.label, ipvm_ipld::json::to_string(&value))?;
        }
    }
    Ok(())
}

/// Writes the report for people: what run it is, then a line per task.
pub(crate) fn write_text(
    out: &mut dyn Write,
    node: &Node,
    report: &RunReport,
) -> anyhow::Result<()> {
    writeln!(out, "{}  {}", clean(&report.name), report.status.as_str())?;
    let mut head = Table::default();
    let shown = |cid: Cid| match report.secret {
        true => SECRET.to_owned(),
        false => cid.to_string(),
    };
    head.row(["workflow".to_owned(), shown(report.workflow)]);
    head.row(["run".to_owned(), shown(report.run)]);
    head.row(["in all".to_owned(), summary(report)]);
    head.write(out)?;
    writeln!(out)?;
    let people = People::of(node)?;
    let mut table =
        Table::with_heading(&["STATUS", "TASK", "CLASS", "TOOK", "RECEIPT", ""]).right(3);
    for step in report.steps.iter() {
        let status = if step.memo {
            format!("{} ↺", step.status.as_str())
        } else {
            step.status.as_str().to_owned()
        };
        let took = if step.receipt.is_some() {
            duration(step.took_us)
        } else {
            String::new()
        };
        let receipt = match step.secret {
            true => SECRET.to_owned(),
            false => step.receipt.map(|cid| cid.to_string()).unwrap_or_default(),
        };
        table.row([
            status,
            clean(&step.label).into_owned(),
            step.class.as_str().to_owned(),
            took,
            receipt,
            people.in_text(&remark(node, &step)?),
        ]);
    }
    table.write(out)?;
    Ok(())
}

fn remark(node: &Node, step: &StepReport) -> anyhow::Result<String> {
    if let Some(because) = &step.because {
        return Ok(format!("because of {}", clean(because)));
    }
    match (step.status, step.receipt) {
        (Status::Error, Some(receipt)) if !step.secret => match node.outcome(&receipt)? {
            Outcome::Error(error) => Ok(value::reason(&error)),
            Outcome::Ok(_) => Ok(String::new()),
        },
        _ => Ok(String::new()),
    }
}

/// The one line that closes a run: `9 tasks: 8 executed, 1 reused, 340 ms saved, in 1.2 s`.
pub(crate) fn summary(report: &RunReport) -> String {
    let mut line = counted(report.steps.len() as u64, "task");
    line.push_str(&format!(
        ": {} executed, {} reused",
        count(report.executed),
        count(report.reused)
    ));
    let counts = [
        (Status::Error, "failed"),
        (Status::InDoubt, "in doubt"),
        (Status::Pending, "pending"),
    ];
    for (status, word) in counts {
        let n = report.steps.count(status) as u64;
        if n > 0 {
            line.push_str(&format!(", {} {word}", count(n)));
        }
    }
    if report.saved_us > 0 {
        line.push_str(&format!(", {} saved", duration(report.saved_us)));
    }
    format!("{line}, in {}", duration(report.took_us))
}
