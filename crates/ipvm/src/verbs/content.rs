//! `ipvm add`, `ls`, `cat`, `get`: content in and out.

use super::keep;
use crate::cli::{Add, Cat, Get, Ls};
use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::outputs;
use crate::ui::human::{clean, count, counted};
use crate::ui::json;
use crate::ui::table::Table;
use crate::ui::term;
use crate::unpack::{Unpacked, unpack};
use crate::value;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ipvm_ipld::unixfs::Stat;
use ipvm_node::{AddOptions, Added, Imported, Listed, Located, Node, NodeError, PinKind};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub(crate) fn add(context: &mut Context, verb: &Add) -> anyhow::Result<Code> {
    if verb.car {
        return add_car(context, verb);
    }
    let mut node = context.writer()?;
    let stdin = verb.path == Path::new("-");
    let found = std::fs::metadata(&verb.path).ok().filter(|_| !stdin);
    let folder = found.as_ref().is_some_and(|found| found.is_dir());
    let bar = bar(context, found.filter(|_| !folder).map(|found| found.len()));
    let coming = found_bytes(&verb.path, stdin);
    keep::make_room(context, &mut node, coming)?;
    let mut progress = |read| bar.set_position(read);
    let options = AddOptions {
        hidden: verb.hidden,
    };
    let name = Path::new("standard input");
    let added = if verb.secret && stdin {
        node.add_secret_reader(io::stdin().lock(), name, &mut progress)?
    } else if verb.secret {
        node.add_secret(&verb.path, options, &mut progress)?
    } else if stdin {
        node.add_reader(io::stdin().lock(), name, &mut progress)?
    } else if folder {
        node.add_folder(&verb.path, options, &mut progress)?
    } else {
        node.add(&verb.path, &mut progress)?
    };
    bar.finish_and_clear();
    if !verb.secret {
        node.pin(&added.cid, keep::kind(verb.public))?;
    }
    keep::hold_limit(context, &mut node);
    if folder {
        say_of_folder(context, &added);
    }
    if context.quiet {
        writeln!(context.out, "{}", added.cid)?;
    } else {
        let path = verb.path.to_string_lossy();
        writeln!(context.out, "{} {} {}", added.cid, added.size, clean(&path))?;
    }
    Ok(Code::Done)
}

/// Bytes that are to be added, as far as they are known: those of a file.
fn found_bytes(path: &Path, stdin: bool) -> u64 {
    let found = std::fs::metadata(path).ok();
    let file = found.filter(|found| found.is_file() && !stdin);
    file.map_or(0, |file| file.len())
}

fn say_of_folder(context: &Context, added: &Added) {
    context.note(&format!(
        "{} in {}, {} new",
        counted(added.files, "file"),
        counted(added.blocks, "block"),
        added.written
    ));
    if added.left_out > 0 {
        context.note(&format!(
            "left out: {} with a dot at the beginning of the name; --hidden takes them too",
            count(added.left_out)
        ));
    }
}

fn add_car(context: &mut Context, verb: &Add) -> anyhow::Result<Code> {
    let path = verb.path.as_path();
    let stdin = path == Path::new("-");
    let (reader, length): (Box<dyn Read>, _) = if stdin {
        (Box::new(io::stdin().lock()), None)
    } else {
        let unreadable = |source| NodeError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        };
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        (Box::new(file), Some(length))
    };
    let mut node = context.writer()?;
    keep::make_room(context, &mut node, length.unwrap_or(0))?;
    let bar = bar(context, length);
    let Imported {
        roots,
        blocks,
        written,
    } = node.import_car(reader, &mut |read| bar.set_position(read))?;
    bar.finish_and_clear();
    for root in &roots {
        // A CAR may name roots that are not in it.
        if node.store().has(root).map_err(NodeError::from)? {
            node.pin(root, keep::kind(verb.public))?;
        }
    }
    keep::hold_limit(context, &mut node);
    context.note(&format!("{}, {written} new", counted(blocks, "block")));
    if roots.is_empty() {
        context.note("the CAR names no root");
    }
    for root in roots {
        if context.quiet {
            writeln!(context.out, "{root}")?;
        } else {
            writeln!(context.out, "{root} {}", clean(&path.to_string_lossy()))?;
        }
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

pub(crate) fn ls(context: &mut Context, verb: &Ls) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let folder = content(context, &node, &verb.path)?;
    let listed = node.list(&folder.cid)?;
    let out = &mut context.out;
    if verb.json {
        let mut pins = Vec::new();
        for listed in &listed {
            pins.push(pin_of(&node, listed)?);
        }
        json::list(out, |all| {
            listed
                .iter()
                .zip(pins)
                .try_for_each(|(listed, pin)| all.object(|o| write_listed(o, listed, pin)))
        })?;
        writeln!(out)?;
        return Ok(Code::Done);
    }
    let mut table = Table::default().right(1);
    for listed in &listed {
        let name = match &listed.stat {
            Some(Stat::Directory { .. }) => format!("{}/", listed.name),
            Some(Stat::Symlink { target }) => format!("{} -> {target}", listed.name),
            _ => listed.name.clone(),
        };
        let mut kind = type_of(listed).unwrap_or("?").to_owned();
        if pin_of(&node, listed)? == Some(PinKind::Public) {
            kind += ", public";
        }
        table.row([
            kind,
            size_of(listed).to_string(),
            listed.cid.to_string(),
            clean(&name).into_owned(),
        ]);
    }
    table.write(out)?;
    Ok(Code::Done)
}

fn pin_of(node: &Node, listed: &Listed) -> anyhow::Result<Option<PinKind>> {
    let pin = node.store().pin_of(&listed.cid).map_err(NodeError::from)?;
    Ok(pin.map(|pin| pin.kind))
}

fn write_listed(o: &mut json::Object<'_>, listed: &Listed, pin: Option<PinKind>) -> json::Done {
    o.text("name", &listed.name)?;
    o.maybe("type", type_of(listed))?;
    o.number("size", size_of(listed))?;
    o.text("cid", &listed.cid.to_string())?;
    if let Some(kind) = pin {
        o.text("pin", keep::word(kind))?;
    }
    match &listed.stat {
        Some(Stat::Symlink { target }) => o.text("target", target),
        _ => Ok(()),
    }
}

fn type_of(listed: &Listed) -> Option<&'static str> {
    Some(match listed.stat.as_ref()? {
        Stat::File { .. } => "file",
        Stat::Directory { .. } => "folder",
        Stat::Symlink { .. } => "symlink",
    })
}

fn size_of(listed: &Listed) -> u64 {
    match &listed.stat {
        Some(Stat::File { size }) => *size,
        Some(Stat::Symlink { target }) => target.len() as u64,
        Some(Stat::Directory { .. }) | None => listed.tree_bytes,
    }
}

pub(crate) fn cat(context: &mut Context, verb: &Cat) -> anyhow::Result<Code> {
    let node = context.reader()?;
    let file = content(context, &node, &verb.path)?;
    let end = verb.length.map(|length| verb.offset.saturating_add(length));
    let range = verb.offset..end.unwrap_or(u64::MAX);
    let out = &mut context.out;
    let written = node.export_range(&file.cid, range, &mut |bytes| {
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

pub(crate) fn get(context: &mut Context, verb: &Get) -> anyhow::Result<Code> {
    let node = context.reader()?;
    if verb.car {
        return get_car(context, &node, verb);
    }
    let found = content(context, &node, &verb.path)?;
    let output = verb.output.clone();
    let path = output.unwrap_or_else(|| PathBuf::from(&found.name));
    let mut code = Code::Done;
    match node.stat(&found.cid)? {
        Stat::File { .. } => outputs::write_named(&path, |file| {
            node.export(&found.cid, &mut |bytes| file.write_all(bytes))?;
            Ok(())
        })?,
        Stat::Directory { .. } => {
            let bar = bar(context, None);
            let unpacked = unpack(&node, &found.cid, &path, verb.force, &bar)?;
            bar.finish_and_clear();
            code = say_of_unpacked(context, &unpacked);
        }
        Stat::Symlink { target } => {
            let message = format!("{} is a symbolic link to {target:?}", verb.path);
            return Err(Fault::usage(message, "get the folder it is in").into());
        }
    }
    print_path(context, &path)?;
    Ok(code)
}

fn say_of_unpacked(context: &Context, unpacked: &Unpacked) -> Code {
    context.note(&format!(
        "{}, {} of them there already",
        counted(unpacked.files, "file"),
        unpacked.equal
    ));
    for refused in &unpacked.refused {
        term::note(&format!("not made: {}", clean(refused)));
    }
    if unpacked.refused.is_empty() {
        Code::Done
    } else {
        Code::Failed
    }
}

fn get_car(context: &mut Context, node: &Node, verb: &Get) -> anyhow::Result<Code> {
    let found = node.locate(&verb.path)?;
    if node.block(&found.cid)?.is_none() {
        return Err(value::not_here(&found.cid));
    }
    let output = verb.output.clone();
    let path = output.unwrap_or_else(|| PathBuf::from(format!("{}.car", found.cid)));
    let left_out = std::cell::Cell::new(0);
    outputs::write_named(&path, |file| {
        let exported = node.export_car(&found.cid, &mut |bytes| file.write_all(bytes))?;
        left_out.set(exported.left_out);
        Ok(())
    })?;
    if left_out.get() > 0 {
        context.note(&format!(
            "left out: {} to blocks that are not in this home",
            counted(left_out.get(), "link")
        ));
    }
    print_path(context, &path)?;
    Ok(Code::Done)
}

fn print_path(context: &mut Context, path: &Path) -> anyhow::Result<()> {
    context.out.write_all(path.as_os_str().as_encoded_bytes())?;
    writeln!(context.out)?;
    Ok(())
}

/// The content that the user means: here, and a file, a folder or a symbolic link.
fn content(context: &Context, node: &Node, path: &str) -> anyhow::Result<Located> {
    let found = node.locate(path)?;
    let Located { cid, .. } = found;
    if !value::is_content(&cid) {
        let message = format!("{cid} is a value, not content");
        return Err(Fault::usage(message, format!("`ipvm inspect {cid}` shows it")).into());
    }
    if node.is_given_up(&cid)? {
        keep::remake(context, &cid)?;
    }
    match node.block(&cid)? {
        Some(_) => Ok(found),
        None => Err(value::not_here(&cid)),
    }
}
