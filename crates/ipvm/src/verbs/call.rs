//! `ipvm call`: one function of a module, or the list of its functions.

use super::keep;
use super::run::carry_out;
use crate::cli::{Call, ProgressForm};
use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::outputs;
use crate::report;
use crate::ui::human::clean;
use crate::ui::json;
use crate::ui::log;
use crate::ui::term::{self, Paint, Passing};
use crate::value::{self, Body};
use ipvm_ipld::{Cid, Ipld};
use ipvm_node::{CallRequest, RunOptions};
use ipvm_ucan::Outcome;
use ipvm_wasm::{Function, Interface};
use std::io::Write;

pub(crate) fn call(context: &mut Context, verb: Call) -> anyhow::Result<Code> {
    let mut node = context.writer()?;
    let Some(function) = verb.function else {
        if verb.output.is_some() {
            return Err(Fault::usage(
                "-o needs a function to call",
                "name one; without -o they are listed",
            )
            .into());
        }
        let (module, interface) = node.interface(&verb.module)?;
        return list(context, &module.to_string(), &interface, verb.json);
    };
    keep::make_room(context, &mut node, 0)?;
    let request = CallRequest {
        module: verb.module,
        function,
        args: verb.args,
    };
    let passing = Passing::show("reading files and preparing modules …", context.quiet);
    let prepared = node.prepare_call(&request)?;
    drop(passing);
    let options = RunOptions::default();
    let ran = carry_out(context, &node, prepared, &options, ProgressForm::Auto)?;
    let step = ran.report.steps.first();
    let step = step.as_ref();
    let outcome = match step.and_then(|step| step.receipt) {
        Some(receipt) => Some(node.outcome(&receipt)?),
        None => None,
    };
    if let Some(receipt) = step.and_then(|step| step.receipt)
        && !context.quiet
    {
        log::note(&node.log_of(&receipt).unwrap_or_default());
    }
    if let (Some(path), Some(Outcome::Ok(value))) = (&verb.output, &outcome) {
        let body = Body::of(&node, value.clone())?;
        outputs::write_named(path, |file| body.write(&node, file))?;
    }
    if verb.json {
        json::object(&mut context.out, |o| {
            let open = |cid: Cid| (!ran.report.secret).then(|| cid.to_string());
            o.maybe("workflow", open(ran.report.workflow).as_deref())?;
            o.maybe("run", open(ran.report.run).as_deref())?;
            step.map_or(Ok(()), |step| report::write_step(o, &node, step))
        })?;
        writeln!(context.out)?;
    }
    match outcome {
        Some(Outcome::Ok(_)) if verb.json => {}
        Some(Outcome::Ok(value)) => print(context, &value, verb.output.as_deref())?,
        Some(Outcome::Error(error)) => {
            let label = step.map_or("", |step| step.label.as_str());
            term::note(&format!(
                "{} {}: {}",
                Paint::stderr().bad("error:"),
                clean(label),
                value::reason(&error)
            ));
        }
        None => context.note("stopped; the same command goes on from there"),
    }
    Ok(ran.code(false))
}

fn print(
    context: &mut Context,
    value: &Ipld,
    written: Option<&std::path::Path>,
) -> anyhow::Result<()> {
    if let Some(path) = written {
        context.out.write_all(path.as_os_str().as_encoded_bytes())?;
        writeln!(context.out)?;
        return Ok(());
    }
    writeln!(context.out, "{}", ipvm_ipld::json::to_string(value))?;
    if let Ipld::Link(cid) = value
        && value::is_content(cid)
    {
        context.note(&format!(
            "the result is content: `-o FILE` or `ipvm get {cid} -o FILE` writes its bytes"
        ));
    }
    Ok(())
}

fn list(
    context: &mut Context,
    module: &str,
    interface: &Interface,
    as_json: bool,
) -> anyhow::Result<Code> {
    if as_json {
        json::object(&mut context.out, |o| {
            o.text("module", module)?;
            write_functions(o, interface)
        })?;
        writeln!(context.out)?;
    } else {
        print_functions(&mut context.out, interface)?;
    }
    Ok(Code::Done)
}

/// Writes the member `functions`: names, parameters, types.
pub(crate) fn write_functions(o: &mut json::Object<'_>, interface: &Interface) -> json::Done {
    o.list("functions", |list| {
        interface.functions.iter().try_for_each(|function| {
            list.object(|o| {
                o.text("name", &function.name)?;
                o.list("params", |list| {
                    function.params.iter().try_for_each(|(name, ty)| {
                        list.object(|o| {
                            o.text("name", name)?;
                            o.text("type", &ty.to_string())
                        })
                    })
                })?;
                o.maybe(
                    "result",
                    function.result.as_ref().map(ToString::to_string).as_deref(),
                )?;
                o.maybe("unsupported", function.unsupported())
            })
        })
    })
}

/// Prints one line per function; the full name where the short one stands for several.
pub(crate) fn print_functions(out: &mut dyn Write, interface: &Interface) -> anyhow::Result<()> {
    for function in &interface.functions {
        let text = function.to_string();
        let unique = interface.find(function.short_name()).is_ok();
        let prefix = if unique { "" } else { interface_of(function) };
        let remark = function
            .unsupported()
            .map(|ty| format!("  # cannot be called: {ty}"))
            .unwrap_or_default();
        writeln!(out, "{}", clean(&format!("{prefix}{text}{remark}")))?;
    }
    Ok(())
}

/// What stands before the short name in the full one.
fn interface_of(function: &Function) -> &str {
    function
        .name
        .strip_suffix(function.short_name())
        .unwrap_or("")
}
