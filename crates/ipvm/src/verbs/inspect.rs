//! `ipvm inspect`: what a CID or a file is.

use super::call::{print_functions, write_functions};
use super::keep;
use super::ucan::signed;
use crate::cli::Inspect;
use crate::context::Context;
use crate::fault::{Code, Fault};
use crate::people::People;
use crate::ui::human::{clean, clean_lines, count, size, time};
use crate::ui::json;
use crate::ui::table::Table;
use crate::ui::term::Paint;
use crate::value;
use crate::when;
use anyhow::Context as _;
use ipvm_ipld::unixfs::Stat;
use ipvm_ipld::{Cid, Ipld, Limits, MAX_BLOCK_BYTES, cbor, cid_of, codec, unixfs};
use ipvm_node::{FileRequest, Node, NodeError, Pin};
use ipvm_ucan::{Delegation, Did, DocumentCache, Invocation, Receipt};
use ipvm_wasm::Interface;
use ipvm_workflow::{Computation, Plan, Task};
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// First bytes of a Wasm module or component.
const WASM_MAGIC: &[u8] = b"\0asm";
/// Bytes of a text file searched for the key that makes it a workflow.
const SNIFFED: usize = 64 << 10;

/// Kinds of content.
const RAW: &str = "raw content";
const FILE: &str = "file (UnixFS)";

/// What was found.
struct Found {
    kind: &'static str,
    cid: Cid,
    /// Length in bytes: of the content (of a folder, of all its blocks), else of the block.
    size: u64,
    /// What people are told first.
    facts: Vec<(&'static str, Fact)>,
    /// Whether the value is shown to people in full, below the facts.
    in_full: bool,
    value: Option<Ipld>,
    functions: Option<Arc<Interface>>,
    pin: Option<Pin>,
}

/// One thing that people are told.
enum Fact {
    Text(String),
    /// A principal, to be shown with its name.
    Who(Did),
}

pub(crate) fn inspect(context: &mut Context, verb: &Inspect) -> anyhow::Result<Code> {
    let path = Path::new(&verb.what);
    let found = if path.exists() {
        of_file(context, path)?
    } else {
        of_cid(&context.reader()?, &verb.what)?
    };
    if verb.json {
        write_json(&mut context.out, &found)?
    } else {
        let people = People::here(context)?;
        write_text(&mut context.out, &found, &people)?
    }
    Ok(Code::Done)
}

fn of_cid(node: &Node, name: &str) -> anyhow::Result<Found> {
    let cid = node.find_cid(name)?;
    let mut found = of_known(node, cid)?;
    found.pin = node.store().pin_of(&cid).map_err(NodeError::from)?;
    if let Some(pin) = found.pin {
        found.fact(
            "kept",
            format!("{} since {}", keep::word(pin.kind), time(pin.since)),
        );
    }
    Ok(found)
}

fn of_known(node: &Node, cid: Cid) -> anyhow::Result<Found> {
    let Some(block) = node.block(&cid)? else {
        return of_known_task(node, &cid);
    };
    if cid.codec() == codec::DAG_CBOR {
        let mut found = of_value(cid, &block, &node.documents_with(&[], when::now())?)?;
        if found.kind == "workflow" {
            tasks_of(&node.plan(&cid)?, &mut found);
        }
        return Ok(found);
    }
    let mut found = of_content(node, cid).with_context(|| format!("{cid}"))?;
    if !matches!(found.kind, RAW | FILE) {
        return Ok(found);
    }
    if is_wasm(node, &cid)? {
        found.wasm(node.interface(&cid.to_string())?.1);
    }
    Ok(found)
}

/// What UnixFS content is, as its root says.
fn of_content(node: &Node, cid: Cid) -> anyhow::Result<Found> {
    Ok(match node.stat(&cid)? {
        Stat::File { size } if cid.codec() == codec::RAW => Found::content(RAW, cid, size),
        Stat::File { size } => Found::content(FILE, cid, size),
        Stat::Directory {
            sharded,
            tree_bytes,
        } => {
            let kind = if sharded {
                "folder (UnixFS, sharded)"
            } else {
                "folder (UnixFS)"
            };
            let mut found = Found::content(kind, cid, tree_bytes);
            // Some of a sharded folder may not be here.
            let entries = node.entries(&cid);
            found.fact(
                "entries",
                entries.map_or_else(
                    |error| error.to_string(),
                    |entries| count(entries.len() as u64),
                ),
            );
            found
        }
        Stat::Symlink { target } => {
            let mut found = Found::content("symbolic link (UnixFS)", cid, target.len() as u64);
            found.fact("target", target);
            found
        }
    })
}

/// A task has no block of its own: it is read out of the invocation that a receipt of it answers.
fn of_known_task(node: &Node, cid: &Cid) -> anyhow::Result<Found> {
    let Some(receipt) = node.receipts_of_task(cid)?.pop() else {
        return Err(value::not_here(cid));
    };
    let invocation = node.invocation_of(&receipt)?;
    let asked = invocation.payload().clone();
    let task = Task {
        sub: asked.sub,
        cmd: asked.cmd,
        args: asked.args,
        nonce: asked.nonce,
    };
    let mut found = of_value(*cid, task.block()?.data(), &DocumentCache::default())?;
    found.fact("receipt", receipt.cid().to_string());
    Ok(found)
}

/// Whether the content begins like Wasm.
fn is_wasm(node: &Node, cid: &Cid) -> anyhow::Result<bool> {
    let mut head: Vec<u8> = Vec::new();
    let read = node.export(cid, &mut |bytes| {
        head.extend(bytes.iter().take(WASM_MAGIC.len() - head.len()));
        if head.len() < WASM_MAGIC.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::Interrupted.into())
        }
    });
    match read {
        Err(error) if head.len() < WASM_MAGIC.len() => Err(error.into()),
        _ => Ok(head == WASM_MAGIC),
    }
}

fn of_file(context: &Context, path: &Path) -> anyhow::Result<Found> {
    let failed = || format!("cannot read {}", path.display());
    if path.is_dir() {
        let message = format!("{} is a folder of this machine", path.display());
        let help = "`ipvm add` adds it; `ipvm inspect CID` then shows it";
        return Err(Fault::usage(message, help).into());
    }
    let mut head = Vec::new();
    let mut file = File::open(path).with_context(failed)?;
    (&mut file)
        .take(MAX_BLOCK_BYTES as u64 + 1)
        .read_to_end(&mut head)
        .with_context(failed)?;
    if is_workflow(path, &head) {
        return of_workflow_file(context, path);
    }
    if head.starts_with(WASM_MAGIC) {
        let (cid, interface) = context.writer()?.interface(&path.to_string_lossy())?;
        let size = path.metadata().with_context(failed)?.len();
        let mut found = Found::content("", cid, size);
        found.wasm(interface);
        return Ok(found);
    }
    if is_list_or_map(&head) && head.len() <= MAX_BLOCK_BYTES {
        let cid = cid_of(codec::DAG_CBOR, &head);
        if let Ok(found) = of_value(cid, &head, &DocumentCache::default()) {
            return Ok(found);
        }
    }
    let (cid, size) = address(&head, &mut file).with_context(failed)?;
    Ok(Found::content("content", cid, size))
}

/// Whether bytes begin like a DAG-CBOR list or map. Almost any short text begins like some DAG-CBOR scalar.
fn is_list_or_map(bytes: &[u8]) -> bool {
    bytes
        .first()
        .is_some_and(|first| (0x80..0xc0).contains(first))
}

/// The CID that `ipvm add` gives to what was read already and what is still to be read.
fn address(head: &[u8], rest: &mut dyn Read) -> io::Result<(Cid, u64)> {
    let mut builder = unixfs::Builder::new();
    let mut ignore = |_| Ok::<(), Infallible>(());
    let never = |never: Infallible| -> io::Error { match never {} };
    builder.push(head, &mut ignore).map_err(never)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => {
                let root = builder.finish(&mut ignore).map_err(never)?;
                return Ok((root.cid, root.size));
            }
            Ok(n) => builder
                .push(buffer.get(..n).unwrap_or_default(), &mut ignore)
                .map_err(never)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a file is meant as a workflow: YAML or JSON by its name, with the key `ipvm` at the top.
fn is_workflow(path: &Path, head: &[u8]) -> bool {
    let named = path
        .extension()
        .is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
    let text = String::from_utf8_lossy(head.get(..SNIFFED).unwrap_or(head));
    let mut lines = text
        .lines()
        .map(|line| line.trim_start_matches([' ', '{', '\u{feff}']));
    named
        && lines.any(|line| {
            ["ipvm:", "\"ipvm\":", "\"ipvm\" :"]
                .iter()
                .any(|key| line.starts_with(key))
        })
}

fn of_workflow_file(context: &Context, path: &Path) -> anyhow::Result<Found> {
    let request = FileRequest {
        file: path.to_path_buf(),
        ..FileRequest::default()
    };
    let prepared = context.writer()?.prepare(&request)?;
    let root = &prepared.plan.encoded().root;
    let mut found = of_value(*root.cid(), root.data(), &DocumentCache::default())?;
    found.fact("name", prepared.name.clone());
    tasks_of(&prepared.plan, &mut found);
    for (path, cid) in &prepared.inputs {
        found.fact("reads", format!("{path}  {cid}"));
    }
    for output in &prepared.outputs {
        found.fact("writes", format!("{}  from {}", output.path, output.label));
    }
    Ok(found)
}

fn tasks_of(plan: &Plan, found: &mut Found) {
    let mut subjects: Vec<Did> = Vec::new();
    for step in (0..plan.len() as u32).filter_map(|index| plan.step(index)) {
        if !subjects.contains(&step.task.sub) {
            subjects.push(step.task.sub.clone());
        }
    }
    for subject in &subjects {
        found.who("subject", subject);
    }
    found.fact("tasks", count(plan.len() as u64));
    for (index, label) in (0..).zip(plan.labels()) {
        if let (Some(task), Some(step)) = (plan.graph().task(index), plan.step(index)) {
            found.fact("task", format!("{task}  {label}  {}", what(&step.task)));
        }
    }
}

fn what(task: &Task) -> String {
    match task.args.get("fun") {
        Some(Ipld::String(function)) => format!("{} {function}", task.cmd),
        _ => task.cmd.to_string(),
    }
}

/// What one DAG-CBOR block is.
fn of_value(cid: Cid, bytes: &[u8], keys: &DocumentCache) -> anyhow::Result<Found> {
    let value = cbor::decode(bytes, Limits::default()).with_context(|| format!("{cid}"))?;
    let mut found = Found {
        value: None,
        ..Found::content("value (DAG-CBOR)", cid, bytes.len() as u64)
    };
    found.in_full = true;
    if matches!(value, Ipld::List(_)) {
        of_token(bytes, keys, &mut found);
    } else if let Ipld::Map(map) = &value {
        if ["v", "nonce", "tasks"]
            .iter()
            .all(|key| map.contains_key(*key))
        {
            found.is("workflow");
        } else if let Ok(task) = Task::from_ipld(value.clone()) {
            found.is("task");
            found.who("subject", &task.sub);
            found.fact("does", what(&task));
            found.in_full = true;
        } else if let Ok(computation) = Computation::from_ipld(value.clone()) {
            found.is("computation");
            found.fact("does", computation.cmd.to_string());
            found.in_full = true;
        } else if is_chunk(map.values()) {
            found.is("chunk of a workflow");
            map.keys()
                .for_each(|label| found.fact("task", label.clone()));
        }
    }
    found.value = Some(value);
    Ok(found)
}

fn is_chunk<'a>(mut values: impl ExactSizeIterator<Item = &'a Ipld>) -> bool {
    let has_task = |value: &Ipld| match value {
        Ipld::Map(step) => step
            .get("task")
            .is_some_and(|task| Task::from_ipld(task.clone()).is_ok()),
        _ => false,
    };
    values.len() > 0 && values.all(has_task)
}

/// Recognises signed tokens and says whether the signature is right, with these keys.
fn of_token(bytes: &[u8], keys: &DocumentCache, found: &mut Found) {
    let now = when::now();
    let signed_by = if let Ok(receipt) = Receipt::decode(bytes) {
        let payload = receipt.payload();
        found.is("receipt");
        found.who("executor", receipt.executor());
        found.fact("task", payload.ran.to_string());
        found.fact("result", value::shown(&payload.out.to_ipld()));
        found.fact("started", time(payload.meta.started));
        receipt.verify_signature_with(keys, now)
    } else if let Ok(delegation) = Delegation::decode(bytes) {
        let payload = delegation.payload();
        found.is("delegation");
        found.who("from", &payload.iss);
        found.who("to", &payload.aud);
        match &payload.sub {
            Some(sub) => found.who("subject", sub),
            None => found.fact("subject", "any (powerline)".to_owned()),
        }
        found.fact("command", payload.cmd.to_string());
        payload
            .pol
            .statements()
            .iter()
            .for_each(|statement| found.fact("policy", statement.to_string()));
        payload
            .nbf
            .into_iter()
            .for_each(|from| found.fact("valid from", time(from)));
        found.fact(
            "valid until",
            payload.exp.map_or_else(|| "no end".to_owned(), time),
        );
        delegation.verify_signature_with(keys, now)
    } else if let Ok(invocation) = Invocation::decode(bytes) {
        let payload = invocation.payload();
        found.is("invocation");
        found.who("from", &payload.iss);
        found.who("to", payload.audience());
        found.who("subject", &payload.sub);
        found.fact("command", payload.cmd.to_string());
        found.fact("arguments", value::shown(&Ipld::Map(payload.args.clone())));
        payload
            .prf
            .iter()
            .for_each(|proof| found.fact("proof", proof.to_string()));
        found.fact(
            "valid until",
            payload.exp.map_or_else(|| "no end".to_owned(), time),
        );
        invocation.verify_signature_with(keys, now)
    } else {
        return;
    };
    found.fact("signature", signed(signed_by));
}

impl Found {
    fn content(kind: &'static str, cid: Cid, size: u64) -> Self {
        Self {
            kind,
            cid,
            size,
            facts: Vec::new(),
            in_full: false,
            value: None,
            functions: None,
            pin: None,
        }
    }

    fn is(&mut self, kind: &'static str) {
        self.kind = kind;
        self.in_full = false;
    }

    fn wasm(&mut self, interface: Arc<Interface>) {
        self.kind = "Wasm component";
        self.functions = Some(interface);
    }

    fn fact(&mut self, name: &'static str, text: String) {
        self.facts.push((name, Fact::Text(text)));
    }

    fn who(&mut self, name: &'static str, did: &Did) {
        self.facts.push((name, Fact::Who(did.clone())));
    }
}

fn write_json(out: &mut dyn Write, found: &Found) -> json::Done {
    json::object(out, |o| {
        o.text("kind", found.kind)?;
        o.text("cid", &found.cid.to_string())?;
        o.number("size", found.size)?;
        if let Some(pin) = found.pin {
            o.text("pin", keep::word(pin.kind))?;
        }
        if let Some(value) = &found.value {
            o.raw("value", &ipvm_ipld::json::to_string(value))?;
        }
        found
            .functions
            .as_ref()
            .map_or(Ok(()), |interface| write_functions(o, interface))
    })?;
    writeln!(out)
}

fn write_text(out: &mut dyn Write, found: &Found, people: &People) -> anyhow::Result<()> {
    writeln!(out, "{}  {}", Paint::stdout().bold(found.kind), found.cid)?;
    let mut table = Table::default();
    table.row(["size".to_owned(), size(found.size)]);
    for (name, fact) in &found.facts {
        let text = match fact {
            Fact::Text(text) => clean(text).into_owned(),
            Fact::Who(did) => people.full(did),
        };
        table.row([(*name).to_owned(), text]);
    }
    table.write(out)?;
    if let Some(interface) = &found.functions {
        writeln!(out)?;
        print_functions(out, interface)?;
    }
    if let Some(value) = found.value.as_ref().filter(|_| found.in_full) {
        writeln!(
            out,
            "\n{}",
            clean_lines(&ipvm_ipld::json::to_string_pretty(value))
        )?;
    }
    Ok(())
}
