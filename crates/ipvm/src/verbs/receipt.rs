//! `ipvm receipt`: signed results, where they came from, and whether they are right.

use crate::cli::{OneReceipt, Receipt as Verb};
use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::interrupt::Interrupt;
use crate::outputs;
use crate::people::People;
use crate::ui::human::{clean, duration, size, time};
use crate::ui::json::{self, Done, Object};
use crate::ui::log;
use crate::ui::table::Table;
use crate::ui::term::Paint;
use crate::value::{self, Body};
use ipvm_ipld::Ipld;
use ipvm_node::{Node, Trace, TraceInput};
use ipvm_ucan::{Outcome, Receipt};
use std::io::Write;
use std::path::Path;

pub(crate) fn receipt(context: &mut Context, verb: &Verb) -> anyhow::Result<Code> {
    match verb {
        Verb::List { limit, json } => list(context, *limit, *json),
        Verb::Show { one, output } => show(context, one, output.as_deref()),
        Verb::Trace(one) => trace(context, one),
        Verb::Verify(one) => verify(context, one),
        Verb::Logs(one) => logs(context, one),
    }
}

/// The receipt that the user means: itself, or the newest of a task.
fn find(node: &Node, name: &str) -> anyhow::Result<Receipt> {
    let cid = node.find_cid(name)?;
    if let Some(receipt) = node.receipt(&cid)? {
        return Ok(receipt);
    }
    let newest = node.receipts_of_task(&cid)?.pop();
    newest.ok_or_else(|| {
        let message = format!("{cid} is neither a receipt nor a task with one in this home");
        Fault::usage(message, "`ipvm receipt list` shows the receipts").into()
    })
}

fn list(context: &mut Context, limit: usize, as_json: bool) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let receipts = node.receipts(limit)?;
    let out = &mut context.out;
    if as_json {
        json::list(out, |list| {
            receipts.iter().try_for_each(|receipt| {
                list.object(|o| {
                    write_head(o, receipt)?;
                    o.text("what", &what(&node, receipt))
                })
            })
        })?;
        writeln!(out)?;
        return Ok(Code::Done);
    }
    let people = People::of(&node)?;
    let mut table =
        Table::with_heading(&["RECEIPT", "STARTED", "STATUS", "TOOK", "BY", "WHAT"]).right(3);
    for receipt in &receipts {
        let meta = &receipt.payload().meta;
        let status = format!(
            "{}{}",
            status(receipt),
            if meta.memo.is_some() { " ↺" } else { "" }
        );
        let what = clean(&what(&node, receipt)).into_owned();
        table.row([
            receipt.cid().to_string(),
            time(meta.started),
            status,
            took(receipt),
            people.brief(receipt.executor()),
            what,
        ]);
    }
    table.write(out)?;
    Ok(Code::Done)
}

fn status(receipt: &Receipt) -> &'static str {
    match receipt.payload().out {
        Outcome::Ok(_) => "ok",
        Outcome::Error(_) => "error",
    }
}

fn took(receipt: &Receipt) -> String {
    duration(u64::try_from(receipt.payload().meta.took).unwrap_or(0))
}

/// The function, else the command, that a receipt is about; nothing if its invocation is not here.
fn what(node: &Node, receipt: &Receipt) -> String {
    let Ok(invocation) = node.invocation_of(receipt) else {
        return String::new();
    };
    let asked = invocation.payload();
    match asked.args.get("fun") {
        Some(Ipld::String(name)) => name.rsplit('#').next().unwrap_or(name).to_owned(),
        _ => asked.cmd.to_string(),
    }
}

fn write_head(o: &mut Object<'_>, receipt: &Receipt) -> Done {
    let payload = receipt.payload();
    let meta = &payload.meta;
    o.text("receipt", &receipt.cid().to_string())?;
    o.text("task", &payload.ran.to_string())?;
    o.text("status", status(receipt))?;
    o.text("executor", &receipt.executor().to_string())?;
    o.maybe("memo", meta.memo.map(|cid| cid.to_string()).as_deref())?;
    o.number("fuel", meta.fuel)?;
    o.number("started", meta.started)?;
    o.number("took_us", meta.took)
}

fn show(context: &mut Context, one: &OneReceipt, output: Option<&Path>) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let receipt = find(&node, &one.cid)?;
    let payload = receipt.payload();
    match (output, &payload.out) {
        (None, _) => {}
        (Some(path), Outcome::Ok(value)) => {
            let body = Body::of(&node, value.clone())?;
            outputs::write_named(path, |file| body.write(&node, file))?;
        }
        (Some(_), Outcome::Error(error)) => {
            let message = format!("the task ended in an error: {}", value::reason(error));
            return Err(Fault::failed(message, "there is no result to write").into());
        }
    }
    let meta = &payload.meta;
    let out = &mut context.out;
    if one.json {
        json::object(out, |o| {
            write_head(o, &receipt)?;
            o.text("invocation", &meta.inv.to_string())?;
            o.maybe(
                "computation",
                meta.computation.map(|cid| cid.to_string()).as_deref(),
            )?;
            o.maybe("log", meta.log.map(|cid| cid.to_string()).as_deref())?;
            o.text("engine", &meta.engine)?;
            o.raw("out", &value::outcome_json(&payload.out))?;
            o.raw(
                "run",
                &payload.run.as_ref().map_or_else(
                    || "null".to_owned(),
                    |run| ipvm_ipld::json::to_string(&run.to_ipld()),
                ),
            )
        })?;
        writeln!(out)?;
        return Ok(Code::Done);
    }
    let people = People::of(&node)?;
    let mut table = Table::default();
    let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
    row("receipt", receipt.cid().to_string());
    row("what", clean(&what(&node, &receipt)).into_owned());
    row("status", status(&receipt).to_owned());
    row(status(&receipt), value::shown(payload.out.value()));
    if let Some(run) = &payload.run {
        row("effects", value::shown(&run.to_ipld()));
    }
    row("task", payload.ran.to_string());
    row("executor", people.full(receipt.executor()));
    row("invocation", meta.inv.to_string());
    if let Some(computation) = meta.computation {
        row("computation", computation.to_string());
    }
    if let Some(memo) = meta.memo {
        row("memo of", memo.to_string());
    }
    if let Some(log) = meta.log {
        row("printed", log.to_string());
    }
    row("started", time(meta.started));
    row("took", took(&receipt));
    row("fuel", crate::ui::human::count(meta.fuel));
    row("engine", clean(&meta.engine).into_owned());
    table.write(out)?;
    Ok(Code::Done)
}

fn trace(context: &mut Context, one: &OneReceipt) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let trace = node.trace(&find(&node, &one.cid)?.cid())?;
    let out = &mut context.out;
    if one.json {
        json::object(out, |o| write_trace(o, &trace))?;
        writeln!(out)?;
    } else {
        let shown = Shown {
            people: People::of(&node)?,
            paint: Paint::stdout(),
        };
        writeln!(out, "{}", shown.task_line(&trace))?;
        shown.inputs(out, &trace, "")?;
    }
    Ok(Code::Done)
}

/// A trace for people.
struct Shown {
    people: People,
    paint: Paint,
}

impl Shown {
    /// Goes as deep as the walk did, which is limited.
    fn inputs(&self, out: &mut dyn Write, trace: &Trace, indent: &str) -> anyhow::Result<()> {
        let cause = trace.cause.iter().map(|cause| ("asked for by ", &**cause));
        let inputs = trace.inputs.iter().map(|input| ("", input));
        let all: Vec<(&str, &TraceInput)> = cause.chain(inputs).collect();
        for (place, (role, input)) in all.iter().enumerate() {
            let last = place + 1 == all.len();
            let (branch, below) = if last {
                ("└ ", "  ")
            } else {
                ("├ ", "│ ")
            };
            let lead = self.paint.dim(&format!("{indent}{branch}"));
            match input {
                TraceInput::Task(task) => {
                    writeln!(out, "{lead}{role}{}", self.task_line(task))?;
                    self.inputs(out, task, &format!("{indent}{below}"))?;
                }
                TraceInput::Content {
                    cid,
                    size: bytes,
                    path,
                } => {
                    let path = path
                        .as_deref()
                        .map(|path| format!("{}  ", clean(path)))
                        .unwrap_or_default();
                    let bytes = bytes
                        .map(|bytes| format!("  {}", size(bytes)))
                        .unwrap_or_default();
                    writeln!(out, "{lead}{path}{cid}{bytes}")?;
                }
                TraceInput::Seen(task) => {
                    writeln!(out, "{lead}{role}task {task}  (see elsewhere in this tree)")?
                }
            }
        }
        Ok(())
    }

    fn task_line(&self, trace: &Trace) -> String {
        let memo = if trace.memo.is_some() { " ↺" } else { "" };
        let what = self.paint.bold(&clean(&trace.what));
        format!(
            "{what}  {}{memo}  {}  by {}",
            trace.status.as_str(),
            trace.receipt,
            self.people.short(&trace.executor)
        )
    }
}

fn write_trace(o: &mut Object<'_>, trace: &Trace) -> Done {
    o.text("receipt", &trace.receipt.to_string())?;
    o.text("task", &trace.task.to_string())?;
    o.text("what", &trace.what)?;
    o.text("status", trace.status.as_str())?;
    o.text("executor", &trace.executor.to_string())?;
    o.maybe("memo", trace.memo.map(|cid| cid.to_string()).as_deref())?;
    match &trace.cause {
        Some(cause) => o.object("cause", |o| write_input(o, cause))?,
        None => o.raw("cause", "null")?,
    }
    o.list("inputs", |list| {
        let mut inputs = trace.inputs.iter();
        inputs.try_for_each(|input| list.object(|o| write_input(o, input)))
    })
}

fn write_input(o: &mut Object<'_>, input: &TraceInput) -> Done {
    match input {
        TraceInput::Task(task) => write_trace(o, task),
        TraceInput::Seen(task) => o.text("seen", &task.to_string()),
        TraceInput::Content { cid, size, path } => {
            o.text("content", &cid.to_string())?;
            match size {
                Some(size) => o.number("size", *size)?,
                None => o.raw("size", "null")?,
            }
            o.maybe("path", path.as_deref())
        }
    }
}

fn logs(context: &mut Context, one: &OneReceipt) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let receipt = find(&node, &one.cid)?;
    let log = node.log(&receipt)?;
    if one.json {
        let out = &mut context.out;
        json::object(out, |o| {
            o.text("receipt", &receipt.cid().to_string())?;
            log::write_json(o, &log)
        })?;
        writeln!(out)?;
        return Ok(Code::Done);
    }
    if log.pieces.is_empty() {
        context.note("the function printed nothing");
    }
    log::write_streams(&mut context.out, &log)?;
    Ok(Code::Done)
}

fn verify(context: &mut Context, one: &OneReceipt) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let cid = find(&node, &one.cid)?.cid();
    let interrupt = Interrupt::listen()?;
    let verified = node.verify_receipt(&cid, interrupt.cancel())?;
    let out = &mut context.out;
    if one.json {
        json::object(out, |o| {
            o.text("receipt", &cid.to_string())?;
            let again = verified.again.as_ref();
            match again {
                Some(again) => o.flag("same", again.same)?,
                None => o.raw("same", "null")?,
            }
            o.raw("recorded", &value::outcome_json(&verified.recorded))?;
            let recomputed = again.map(|again| value::outcome_json(&again.out));
            o.raw("recomputed", recomputed.as_deref().unwrap_or("null"))?;
            match again {
                Some(again) => o.number("took_us", again.took_us)?,
                None => o.raw("took_us", "null")?,
            }
            o.text("authority", &verified.authority)
        })?;
        writeln!(out)?;
    } else {
        let paint = Paint::stdout();
        let mut table = Table::default();
        let mut row = |name: &str, value: String| table.row([name.to_owned(), value]);
        row("receipt", cid.to_string());
        row(
            "result",
            match &verified.again {
                Some(again) => {
                    let word = match again.same {
                        true => paint.good("same"),
                        false => paint.bad("different"),
                    };
                    format!("{word}, executed again in {}", duration(again.took_us))
                }
                None => format!(
                    "as its executor signed it; {} asks the world outside and cannot be done again to compare",
                    verified.command
                ),
            },
        );
        row("recorded", value::shown(&verified.recorded.to_ipld()));
        if let Some(again) = &verified.again {
            row("recomputed", value::shown(&again.out.to_ipld()));
        }
        let signature = match verified.is_signed_now {
            true => paint.good("right"),
            false => {
                "right when it came; by now its executor's document is too old or names other keys"
                    .to_owned()
            }
        };
        row("signature", signature);
        let authority = People::of(&node)?.in_text(&verified.authority);
        row("authority", clean(&authority).into_owned());
        table.write(out)?;
    }
    Ok(match verified.again {
        Some(again) if !again.same => Code::Failed,
        _ => Code::Done,
    })
}
