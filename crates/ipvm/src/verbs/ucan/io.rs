//! Tokens from files and into files.

use crate::context::Context;
use crate::fault::Fault;
use crate::outputs;
use anyhow::Context as _;
use ipvm_node::{Document, Node, TokenFile};
use ipvm_ucan::{Container, Delegation, Encoding, MAX_CONTAINER_BYTES};
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;

/// Largest file with tokens, in bytes: base64 takes a third more.
const MAX_FILE: u64 = 2 * MAX_CONTAINER_BYTES as u64;

/// The bytes of a file, or of stdin for `-`.
pub(super) fn read(name: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut take = |source: &mut dyn Read| source.take(MAX_FILE + 1).read_to_end(&mut bytes);
    let done = match name {
        "-" => take(&mut std::io::stdin().lock()),
        _ => File::open(name).and_then(|mut file| take(&mut file)),
    };
    if let Err(error) = done {
        let help = "write the path of a file with tokens, or `-` for stdin";
        return Err(Fault::usage(format!("cannot read {name}: {error}"), help).into());
    }
    if bytes.is_empty() {
        let what = if name == "-" { "stdin" } else { name };
        let help = "did the command that was to write it fail?";
        return Err(Fault::usage(format!("{what} is empty"), help).into());
    }
    if bytes.len() as u64 > MAX_FILE {
        let message = format!("{name} has more than {MAX_FILE} bytes");
        return Err(Fault::usage(message, "a container has at most 1 MiB").into());
    }
    Ok(bytes)
}

/// The bytes of a file, or of a token that is kept here.
pub(super) fn read_or_find(node: &Node, name: &str) -> anyhow::Result<Vec<u8>> {
    if name == "-" || Path::new(name).exists() || !name.starts_with("baf") {
        return read(name);
    }
    let cid = node.find_cid(name)?;
    let held = node.delegations()?;
    if let Some(held) = held.iter().find(|held| held.delegation.cid() == cid) {
        return Ok(held.delegation.bytes().to_vec());
    }
    if let Some(known) = node.revocations()?.iter().find(|known| known.cid() == cid) {
        return Ok(known.bytes().to_vec());
    }
    match node.block(&cid)? {
        Some(bytes) => Ok(bytes),
        None => Err(crate::value::not_here(&cid)),
    }
}

/// The delegations in files.
pub(super) fn proofs(names: &[String]) -> anyhow::Result<Vec<Delegation>> {
    let mut all = Vec::new();
    for name in names {
        let file = TokenFile::read(&read(name)?).with_context(|| format!("in {name}"))?;
        if file.delegations.is_empty() {
            let message = format!("there is no delegation in {name}");
            return Err(Fault::usage(message, "`ipvm ucan inspect` shows what is in it").into());
        }
        all.extend(file.delegations);
    }
    Ok(all)
}

/// The DID documents in files.
pub(super) fn documents(names: &[String]) -> anyhow::Result<Vec<Document>> {
    let mut all = Vec::new();
    for name in names {
        all.push(Document::read(&read(name)?).with_context(|| format!("in {name}"))?);
    }
    Ok(all)
}

/// Writes a container: text on a terminal, else bytes.
pub(super) fn write(
    context: &mut Context,
    container: &Container,
    output: Option<&Path>,
) -> anyhow::Result<()> {
    match output.filter(|path| *path != Path::new("-")) {
        Some(path) => {
            let bytes = container.encode(Encoding::Raw)?;
            outputs::write_named(path, |file| Ok(file.write_all(&bytes)?))
        }
        None if std::io::stdout().is_terminal() => {
            let text = container.encode(Encoding::GzipBase64Url)?;
            context.out.write_all(&text)?;
            Ok(writeln!(context.out)?)
        }
        None => Ok(context.out.write_all(&container.encode(Encoding::Raw)?)?),
    }
}
