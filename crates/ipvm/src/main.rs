//! The `ipvm` binary: from words on a command line to the node and back. Thin: it decides nothing but exit
//! codes, where files go and what people see.

mod cli;
mod context;
mod fault;
mod interrupt;
mod outputs;
mod people;
mod report;
mod ui;
mod units;
mod unpack;
mod value;
mod verbs;
mod waiting;
mod when;

use clap::Parser;
use cli::Cli;
use context::Context;
use fault::Code;
use std::process::ExitCode;

fn main() -> ExitCode {
    let code = match Cli::try_parse() {
        Ok(cli) => work(cli),
        Err(told) => {
            // Help and version arrive here too; a closed stream changes nothing about the code.
            let _ = told.print();
            if told.use_stderr() {
                Code::Usage
            } else {
                Code::Done
            }
        }
    };
    ExitCode::from(code as u8)
}

fn work(cli: Cli) -> Code {
    let mut context = Context::new(cli.quiet);
    let done = verbs::dispatch(&mut context, cli.verb);
    let done = done.and_then(|code| context.finish().map(|()| code));
    done.unwrap_or_else(|error| fault::tell(&context, &error))
}
