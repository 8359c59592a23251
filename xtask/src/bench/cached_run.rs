//! Target 3: `ipvm run` of a workflow whose results are all in memory, as a whole process.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::measure::{Figure, Plan, Row};
use super::setting::{Setting, root};

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let binary = setting.binary()?;
    let folder = setting.folder()?;
    let name = "3 cached run, whole process";
    let small = measure(setting, &binary, &folder.path().join("home"), name)?;
    let large = match &setting.large {
        Some(large) => measure(
            setting,
            &binary,
            &large.home,
            &format!("{name}, {}", large.name()),
        )?,
        None => Setting::without_large(name),
    };
    Ok(vec![small, large])
}

fn measure(setting: &Setting, binary: &Path, home: &Path, name: &str) -> Result<Row> {
    let out = setting.folder()?;
    let run = |json: bool| -> Result<String> {
        let mut command = Command::new(binary);
        command
            .arg("run")
            .arg(root().join("examples/thumbnails/workflow.yaml"))
            .arg("--out")
            .arg(out.path().join("out"));
        if json {
            command.arg("--json");
        }
        command.env("IPVM_HOME", home).stderr(Stdio::null());
        let output = command.output().context("starting ipvm")?;
        ensure!(output.status.success(), "ipvm ended with {}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    };
    run(true)?;
    let again: serde_json::Value = serde_json::from_str(&run(true)?)?;
    ensure!(
        again["executed"] == 0 && again["reused"].as_u64().is_some_and(|reused| reused > 0),
        "not all is cached"
    );
    let plan = Plan {
        name,
        floor: "spawn of `true`",
        target: "≤ 10 ms",
        conditions: "examples/thumbnails, the pictures are there already and compared",
        rounds: setting.count(100, 2),
    };
    let figure = Figure::measure(
        &plan,
        |_| Ok(Command::new("true").status()?),
        |_| run(false),
    )?;
    Ok(figure.into())
}
