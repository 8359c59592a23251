//! `ipvm add`, `cat`, `get`: content in and out.

use crate::cli::{Add, Cat, Get};
use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::outputs;
use crate::ui::human::clean;
use crate::ui::term;
use crate::value;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ipvm_ipld::Cid;
use ipvm_node::{Node, NodeError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(crate) fn add(context: &mut Context, verb: &Add) -> anyhow::Result<Code> {
    let node = context.writer()?;
    let stdin = verb.path == Path::new("-");
    let bar = bar(
        context,
        if stdin {
            None
        } else {
            std::fs::metadata(&verb.path).ok().map(|found| found.len())
        },
    );
    let mut progress = |read| bar.set_position(read);
    let added = match stdin {
        true => node.add_reader(
            io::stdin().lock(),
            Path::new("standard input"),
            &mut progress,
        )?,
        false => node.add(&verb.path, &mut progress)?,
    };
    bar.finish_and_clear();
    if context.quiet {
        writeln!(context.out, "{}", added.cid)?;
    } else {
        let path = verb.path.to_string_lossy();
        writeln!(context.out, "{} {} {}", added.cid, added.size, clean(&path))?;
    }
    Ok(Code::Done)
}

/// A bar on a terminal, for what takes long enough to be seen.
fn bar(context: &Context, length: Option<u64>) -> ProgressBar {
    if context.quiet || !term::is_live() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(10));
    let template = if length.is_some() {
        "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}"
    } else {
        "{bytes}  {bytes_per_sec}"
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

pub(crate) fn cat(context: &mut Context, verb: &Cat) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let cid = content(&node, &verb.cid)?;
    let out = &mut context.out;
    let written = node.export(&cid, &mut |bytes| {
        out.write_all(bytes)?;
        // Nobody reads on: stop reading the store too.
        if out.is_closed() {
            Err(io::ErrorKind::BrokenPipe.into())
        } else {
            Ok(())
        }
    });
    match written {
        Err(NodeError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(Code::Done)
        }
        written => Ok(written.map(|_| Code::Done)?),
    }
}

pub(crate) fn get(context: &mut Context, verb: Get) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let cid = content(&node, &verb.cid)?;
    let path = verb
        .output
        .unwrap_or_else(|| PathBuf::from(cid.to_string()));
    outputs::write_named(&path, |file| {
        node.export(&cid, &mut |bytes| file.write_all(bytes))?;
        Ok(())
    })?;
    context.out.write_all(path.as_os_str().as_encoded_bytes())?;
    writeln!(context.out)?;
    Ok(Code::Done)
}

/// The content that the user means: here, and bytes.
fn content(node: &Node, name: &str) -> anyhow::Result<Cid> {
    let cid = node.find_cid(name)?;
    if !value::is_content(&cid) {
        let message = format!("{cid} is a value, not content");
        return Err(Fault::usage(message, format!("`ipvm inspect {cid}` shows it")).into());
    }
    match node.block(&cid)? {
        Some(_) => Ok(cid),
        None => Err(value::not_here(&cid)),
    }
}
