//! `ipvm ucan execute`: another's request, done here.

use super::io;
use super::verify::write_refusal;
use crate::cli::{ProgressForm, Ucan};
use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::interrupt::Interrupt;
use crate::outputs;
use crate::people::People;
use crate::ui::human::clean;
use crate::ui::json;
use crate::ui::progress::Follower;
use crate::value;
use crate::waiting::Patience;
use ipvm_ipld::Cid;
use ipvm_node::{Answer, Foreign, Node, NodeError, RunState};
use ipvm_ucan::Refusal;
use std::io::Write;
use std::path::Path;

pub(super) fn execute(context: &mut Context, verb: &Ucan) -> anyhow::Result<Code> {
    let Ucan::Execute {
        file,
        content,
        result,
        output,
        wait,
        did_document,
        json,
    } = verb
    else {
        return Ok(Code::Usage);
    };
    let bytes = io::read(file)?;
    let documents = io::documents(did_document)?;
    let request = Foreign {
        tokens: &bytes,
        content: content.as_deref(),
        documents: &documents,
    };
    let (node, done) = carry_out(context, &request, *wait)?;
    let answer = match done {
        Err(NodeError::Refused(refusal)) if *json => {
            write_refused(context, &refusal)?;
            return Ok(Code::Refused);
        }
        done => done?,
    };
    tell(context, &node, &answer, result.is_some())?;
    if *json {
        write_json(context, &answer)?;
    }
    if !answer.container.is_empty() && (!*json || output.is_some()) {
        io::write(context, &answer.container, output.as_deref())?;
    }
    // Last: whatever becomes of the content, the answer is there.
    match result {
        Some(_) if answer.content.is_empty() => {
            context.note("no CAR file is written: the receipt holds the whole result")
        }
        Some(path) => write_content(&node, &answer.content, path)?,
        None => {}
    }
    Ok(match answer.status {
        RunState::Ok => Code::Done,
        RunState::InDoubt => Code::InDoubt,
        _ => Code::Failed,
    })
}

/// Carries a request out; with `--wait`, once what it awaits is here. One that awaits something leaves nothing behind.
fn carry_out(
    context: &Context,
    request: &Foreign<'_>,
    wait: Option<u64>,
) -> anyhow::Result<(Node, Result<Answer, NodeError>)> {
    let interrupt = Interrupt::listen()?;
    let patience = Patience::of(wait, interrupt.cancel());
    loop {
        let node = match &patience {
            Some(patience) => patience.writer(context)?,
            None => context.writer()?,
        };
        let mut follower = Follower::new(ProgressForm::Auto, context.quiet, 1, interrupt.cancel());
        let done = node.execute_request(request, interrupt.cancel(), &mut |progress| {
            follower.observe(0, &progress)
        });
        follower.finish();
        let (Some(patience), Err(NodeError::Unmet { task, .. })) = (&patience, &done) else {
            return Ok((node, done));
        };
        match done {
            Err(unmet) if patience.is_over() => return Err(patience.given_up(&unmet)),
            _ => drop(node),
        }
        patience.wait_for(context, &[*task], false)?;
    }
}

/// One CAR with the content of the answer: what it links to comes along.
fn write_content(node: &Node, content: &[Cid], path: &Path) -> anyhow::Result<()> {
    match content {
        [one] => outputs::write_named(path, |file| {
            node.export_car(one, &mut |bytes| file.write_all(bytes))?;
            Ok(())
        }),
        several => Err(Fault::usage(
            format!(
                "the answer has {} contents, and a CAR file takes one",
                several.len()
            ),
            "hand them over one by one with `ipvm get CID --car`",
        )
        .into()),
    }
}

fn tell(context: &Context, node: &Node, answer: &Answer, written: bool) -> anyhow::Result<()> {
    let people = People::of(node)?;
    let asker = people.short(&answer.asker);
    for receipt in &answer.receipts {
        let payload = receipt.payload();
        let how = if answer.memo {
            "from memory"
        } else {
            "done now"
        };
        let line = format!(
            "{}  for {asker}, {how}: {}",
            receipt.cid(),
            value::shown(&payload.out.to_ipld())
        );
        context.note(&clean(&line));
    }
    if !written {
        for cid in &answer.content {
            context.note(&format!(
                "{cid}  belongs to the answer; hand it over with --result CAR"
            ));
        }
    }
    Ok(())
}

fn write_json(context: &mut Context, answer: &Answer) -> anyhow::Result<()> {
    let out = &mut context.out;
    json::object(out, |o| {
        o.flag("admitted", true)?;
        o.text("status", answer.status.as_str())?;
        o.flag("memo", answer.memo)?;
        o.list("receipts", |list| {
            answer.receipts.iter().try_for_each(|receipt| {
                list.object(|o| {
                    o.text("receipt", &receipt.cid().to_string())?;
                    o.text("task", &receipt.payload().ran.to_string())?;
                    o.raw("out", &value::outcome_json(&receipt.payload().out))
                })
            })
        })?;
        o.list("content", |list| {
            answer
                .content
                .iter()
                .try_for_each(|cid| list.text(&cid.to_string()))
        })?;
        o.raw("error", "null")
    })?;
    Ok(writeln!(out)?)
}

fn write_refused(context: &mut Context, refusal: &Refusal) -> anyhow::Result<()> {
    let out = &mut context.out;
    json::object(out, |o| {
        o.flag("admitted", false)?;
        o.object("error", |o| write_refusal(o, refusal))
    })?;
    Ok(writeln!(out)?)
}
