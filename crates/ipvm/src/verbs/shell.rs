//! `ipvm completions` and `ipvm man`: made from the same words as `--help`.

use crate::cli::{Cli, Completions};
use crate::context::Context;
use crate::fault::Code;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::io::{self, Write};

pub(crate) fn completions(context: &mut Context, verb: &Completions) -> anyhow::Result<Code> {
    // Made in memory: the generator panics where a write fails.
    let mut script = Vec::new();
    clap_complete::generate(verb.shell, &mut Cli::command(), "ipvm", &mut script);
    context.out.write_all(&script)?;
    Ok(Code::Done)
}

pub(crate) fn man(context: &mut Context) -> anyhow::Result<Code> {
    let mut command = Cli::command();
    command.build();
    let out = &mut context.out;
    let man = Man::new(command.clone());
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    write_notes(&command, ".SH NOTES", out)?;
    verbs_below(&command, "ipvm", out)?;
    Ok(Code::Done)
}

/// The verbs below a command, each as a section of the one page.
fn verbs_below(command: &Command, name: &str, out: &mut dyn Write) -> io::Result<()> {
    for verb in command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
    {
        let name = format!("{name} {}", verb.get_name());
        let man = Man::new(verb.clone());
        let mut page = Vec::new();
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        writeln!(out, ".SH \"{}\"", name.to_uppercase())?;
        out.write_all(
            String::from_utf8_lossy(&page)
                .replace(".SH ", ".SS ")
                .as_bytes(),
        )?;
        write_notes(verb, ".SS EXAMPLES", out)?;
        verbs_below(verb, &name, out)?;
    }
    Ok(())
}

/// What stands below the options in `--help`, line by line.
fn write_notes(command: &Command, heading: &str, out: &mut dyn Write) -> io::Result<()> {
    let Some(notes) = command.get_after_help() else {
        return Ok(());
    };
    writeln!(out, "{heading}\n.nf")?;
    for line in notes
        .to_string()
        .lines()
        .filter(|line| !line.starts_with("Example"))
    {
        // `\&` keeps a leading point or quote from being a request.
        writeln!(out, "\\&{}", line.replace('\\', "\\e").replace('-', "\\-"))?;
    }
    writeln!(out, ".fi")
}
