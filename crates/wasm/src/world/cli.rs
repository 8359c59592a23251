//! What surrounds a program (`wasi:cli`): nothing, two outputs, and a way to end.

use super::define::{Definer, Interface};
use super::io::{InputStream, OutputStream};
use super::log::Stream;
use wasmtime::component::Resource;

/// A terminal, which nobody has.
struct TerminalInput;
struct TerminalOutput;

/// A guest that ended its program instead of returning from its function.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the program ended with exit code {code}")]
pub(crate) struct Exit {
    /// 0 if all went well.
    pub(crate) code: u8,
}

pub(super) fn define(definer: &mut Definer<'_>) -> wasmtime::Result<()> {
    let mut environment = definer.interface("wasi:cli/environment")?;
    environment.function("get-environment", |_, ()| {
        Ok((Vec::<(String, String)>::new(),))
    })?;
    environment.function("get-arguments", |_, ()| Ok((Vec::<String>::new(),)))?;
    environment.function("initial-cwd", |_, ()| Ok((None::<String>,)))?;

    let mut exit = definer.interface("wasi:cli/exit")?;
    exit.function("exit", |_, (status,): (Result<(), ()>,)| {
        ended(u8::from(status.is_err()))
    })?;
    exit.function("exit-with-code", |_, (code,): (u8,)| ended(code))?;

    let mut stdin = definer.interface("wasi:cli/stdin")?;
    stdin.function("get-stdin", |caller, ()| {
        Ok((caller.data_mut().resource(InputStream)?,))
    })?;
    output(
        &mut definer.interface("wasi:cli/stdout")?,
        "get-stdout",
        Stream::Out,
    )?;
    output(
        &mut definer.interface("wasi:cli/stderr")?,
        "get-stderr",
        Stream::Err,
    )?;
    terminals(definer)
}

fn ended(code: u8) -> wasmtime::Result<()> {
    Err(wasmtime::Error::new(Exit { code }))
}

fn output(
    interface: &mut Interface<'_>,
    name: &'static str,
    stream: Stream,
) -> wasmtime::Result<()> {
    interface.function(name, move |caller, ()| {
        Ok((caller.data_mut().resource(OutputStream(stream))?,))
    })
}

/// No stream is a terminal, or programs would print colours.
fn terminals(definer: &mut Definer<'_>) -> wasmtime::Result<()> {
    let mut input = definer.interface("wasi:cli/terminal-input")?;
    input.resource::<TerminalInput>("terminal-input")?;
    let mut output = definer.interface("wasi:cli/terminal-output")?;
    output.resource::<TerminalOutput>("terminal-output")?;
    let mut stdin = definer.interface("wasi:cli/terminal-stdin")?;
    stdin.function("get-terminal-stdin", |_, ()| {
        Ok((None::<Resource<TerminalInput>>,))
    })?;
    for (interface, function) in [
        ("wasi:cli/terminal-stdout", "get-terminal-stdout"),
        ("wasi:cli/terminal-stderr", "get-terminal-stderr"),
    ] {
        definer
            .interface(interface)?
            .function(function, |_, ()| Ok((None::<Resource<TerminalOutput>>,)))?;
    }
    Ok(())
}
