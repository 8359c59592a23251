//! Workflows of many small tasks that nobody has run before.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ipvm_node::{Cancel, FileRequest, Node, Prepared, Progress, RunOptions, RunReport, RunState};
use tempfile::TempDir;

use super::setting::Setting;

/// How the tasks of a workflow hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shape {
    /// Not at all.
    Wide,
    /// All before one that takes their results as a list.
    Gather,
    /// Each awaits the one before.
    Chain,
}

/// A folder with the module and the workflow files that call it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(setting: &Setting) -> Result<Self> {
        let folder = setting.folder()?;
        std::fs::write(
            folder.path().join("calc.wasm"),
            ipvm_testkit::component(ipvm_testkit::CALC),
        )?;
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a workflow of `tasks` small tasks (and one that gathers), none of which was ever run.
    pub(crate) fn write(&self, setting: &Setting, shape: Shape, tasks: usize) -> Result<PathBuf> {
        let path = self.path().join("workflow.yaml");
        std::fs::write(&path, text(setting, shape, tasks)?)?;
        Ok(path)
    }

    /// Such a workflow, prepared.
    pub(crate) fn prepare(
        &self,
        setting: &Setting,
        node: &Node,
        shape: Shape,
        tasks: usize,
    ) -> Result<Prepared> {
        Ok(node.prepare(&FileRequest {
            file: self.write(setting, shape, tasks)?,
            ..FileRequest::default()
        })?)
    }
}

fn text(setting: &Setting, shape: Shape, tasks: usize) -> Result<String> {
    let [first, second] = setting.fresh(tasks)?;
    let mut text = String::from("ipvm: \"0.2\"\nname: bench\ntasks:\n");
    let call = "mod: ./calc.wasm, fun: add";
    match shape {
        Shape::Wide | Shape::Gather => {
            write!(
                text,
                "  t: {{ {call}, args: [{{item: true}}, {second}], each: ["
            )?;
            for number in first..first + u32::try_from(tasks)? {
                write!(text, "{number}, ")?;
            }
            writeln!(text, "] }}")?;
            if shape == Shape::Gather {
                writeln!(
                    text,
                    "  total: {{ mod: ./calc.wasm, fun: total, args: [{{await: t}}] }}"
                )?;
            }
        }
        Shape::Chain => {
            writeln!(text, "  t00000: {{ {call}, args: [{first}, {second}] }}")?;
            for number in 1..tasks {
                let before = number - 1;
                writeln!(
                    text,
                    "  t{number:05}: {{ {call}, args: [{{await: t{before:05}}}, 1] }}"
                )?;
            }
        }
    }
    Ok(text)
}

/// Runs a workflow, all of which has to be executed and to succeed.
pub(crate) fn run(
    node: &Node,
    prepared: &Prepared,
    options: &RunOptions,
    observe: &mut dyn FnMut(Progress<'_>),
) -> Result<RunReport> {
    let report = node.run(prepared, options, &Cancel::new(), observe)?;
    ensure!(
        report.status == RunState::Ok && report.executed == report.steps.len() as u64,
        "{} of {} tasks were executed, status {}",
        report.executed,
        report.steps.len(),
        report.status.as_str()
    );
    let last = report.steps.iter().last().context("a task")?;
    ensure!(last.receipt.is_some(), "no receipt");
    Ok(report)
}
