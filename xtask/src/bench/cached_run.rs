//! Target 3: `ipvm run` of a workflow whose results are all in memory, as a whole process.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::measure::{Figure, Plan};

pub(crate) fn run() -> Result<Vec<Figure>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--package", "ipvm"])
        .current_dir(&root)
        .status()
        .context("building ipvm")?;
    ensure!(built.success(), "ipvm does not build");
    let binary = std::env::current_exe()?.with_file_name("ipvm");
    let folder = tempfile::tempdir()?;
    let run = |json: bool| -> Result<String> {
        let mut command = Command::new(&binary);
        command
            .arg("run")
            .arg(root.join("examples/thumbnails/workflow.yaml"));
        command.arg("--out").arg(folder.path().join("out"));
        if json {
            command.arg("--json");
        }
        command
            .env("IPVM_HOME", folder.path().join("home"))
            .stderr(Stdio::null());
        let output = command.output().context("starting ipvm")?;
        ensure!(output.status.success(), "ipvm ended with {}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    };
    let first: serde_json::Value = serde_json::from_str(&run(true)?)?;
    let again: serde_json::Value = serde_json::from_str(&run(true)?)?;
    ensure!(
        again["executed"] == 0 && again["reused"] == first["executed"],
        "not all is cached"
    );
    let plan = Plan {
        name: "3 cached run, whole process",
        floor: "spawn of `true`",
        target: "≤ 10 ms",
        conditions: "examples/thumbnails, the pictures are there already and compared",
        rounds: 100,
    };
    let figure = Figure::measure(
        &plan,
        |_| Ok(Command::new("true").status()?),
        |_| run(false),
    )?;
    Ok(vec![figure])
}
