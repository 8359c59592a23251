//! `ipvm home`: the whole home in one file, and back.

use crate::cli::Home;
use crate::context::{self, Context};
use crate::fault::{Code, Fault};
use crate::ui::human::{clean, counted, size};
use crate::ui::term;
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ipvm_node::{Archived, import_home};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

pub(crate) fn home(context: &mut Context, verb: &Home) -> anyhow::Result<Code> {
    match verb {
        Home::Export { file } => export(context, file),
        Home::Import { file } => import(context, file),
    }
}

fn export(context: &mut Context, file: &Path) -> anyhow::Result<Code> {
    let to_stdout = file == Path::new("-");
    if to_stdout && io::stdout().is_terminal() {
        let help = "name a file, or send it on: ipvm home export - | ssh HOST 'cat > backup.tar'";
        return Err(Fault::usage("an archive does not go to a terminal", help).into());
    }
    let mut node = context.writer()?;
    let bar = bar(context);
    let mut tell = |bytes| bar.set_position(bytes);
    let written = if to_stdout {
        node.export_home(&mut context.out, &mut tell)?
    } else {
        let part = Part::create(file)?;
        let mut out = BufWriter::new(&part.file);
        let written = node.export_home(&mut out, &mut tell)?;
        out.flush()
            .with_context(|| format!("cannot write {}", file.display()))?;
        drop(out);
        part.finish(file)?;
        written
    };
    bar.finish_and_clear();
    told(context, "exported", &written);
    context.note("it holds the keys of this home: whoever can read it can act as you");
    if !to_stdout {
        context.out.write_all(file.as_os_str().as_encoded_bytes())?;
        writeln!(context.out)?;
    }
    Ok(Code::Done)
}

fn import(context: &mut Context, file: &Path) -> anyhow::Result<Code> {
    let root = context::home()?;
    let bar = bar(context);
    let mut tell = |bytes| bar.set_position(bytes);
    let from_stdin = file == Path::new("-");
    let input: Box<dyn Read> = if from_stdin {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(file).map_err(|error| {
            let message = format!("cannot read {}: {error}", file.display());
            Fault::usage(
                message,
                "name a file that `ipvm home export` wrote, or `-` for stdin",
            )
        })?;
        Box::new(BufReader::new(opened))
    };
    let name = match from_stdin {
        true => "standard input".to_owned(),
        false => clean(&file.to_string_lossy()).into_owned(),
    };
    let read = import_home(&root, input, &name, &mut tell)?;
    bar.finish_and_clear();
    told(context, "imported", &read);
    context.out.write_all(root.as_os_str().as_encoded_bytes())?;
    writeln!(context.out)?;
    Ok(Code::Done)
}

fn told(context: &Context, verb: &str, carried: &Archived) {
    let files = counted(carried.files, "file");
    context.note(&format!("{verb} {files}, {}", size(carried.bytes)));
}

fn bar(context: &Context) -> ProgressBar {
    if context.quiet || !term::is_live() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    match ProgressStyle::with_template("{bytes}  {bytes_per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// An archive that is being written, removed unless it is finished.
struct Part {
    file: File,
    path: Option<PathBuf>,
}

impl Part {
    /// Refuses to replace anything: what is there may be the only other copy.
    fn create(target: &Path) -> anyhow::Result<Self> {
        if target.symlink_metadata().is_ok() {
            let message = format!("{} exists", target.display());
            return Err(Fault::usage(message, "name a file that is not there yet").into());
        }
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let path = target.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|error| {
            let message = format!("cannot write {}: {error}", path.display());
            Fault::usage(message, "name a file in a folder that you may write to; remove what an interrupted export left")
        })?;
        Ok(Self {
            file,
            path: Some(path),
        })
    }

    fn finish(mut self, target: &Path) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", target.display());
        self.file.sync_all().with_context(failed)?;
        if let Some(path) = &self.path {
            fs::rename(path, target).with_context(failed)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // The error that led here is the one that matters.
            let _ = fs::remove_file(path);
        }
    }
}
