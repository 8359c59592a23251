//! Target 8: 10,000 tasks and one that gathers their results, durable; and the memory that a task takes.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use ipvm_node::{Access, Node, RunOptions};
use serde_json::{Value, json};

use super::floors::sign;
use super::measure::{Figure, Plan, Row, micros};
use super::process::{forget_peak, peak_bytes, resident_bytes};
use super::setting::Setting;
use super::workflows::{Folder, Shape, run as run_workflow};

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let tasks = setting.count(10_000, 50);
    let folder = Folder::new(setting)?;
    let node = Node::open(&folder.path().join("home"), Access::Write)?;
    let plan = Plan {
        name: "8 fan-out of 10,000 + gather",
        floor: "20,000 signatures on all cores",
        target: "≤ 0.5 s; memory ≤ 1 KB a task",
        conditions: "small Wasm tasks and one that takes the list of their results, durable",
        rounds: setting.count(7, 1),
    };
    let figure = Figure::measure_timed(
        &plan,
        |_| micros(|| sign(tasks * 2)),
        |_| {
            let prepared = folder.prepare(setting, &node, Shape::Gather, tasks)?;
            micros(|| run_workflow(&node, &prepared, &RunOptions::default(), &mut |_| ()))
        },
    )?;
    let figure = with_memory(figure, Shape::Gather, [tasks / 10, tasks])?;
    Ok(vec![figure.into()])
}

/// Adds what each further task costs in memory, between two sizes of a workflow, each run in a process of its own.
pub(crate) fn with_memory(figure: Figure, shape: Shape, [few, many]: [usize; 2]) -> Result<Figure> {
    let [Some(small), Some(large)] = [use_of(shape, few)?, use_of(shape, many)?] else {
        return Ok(figure);
    };
    let each = |what: fn(&Use) -> f64| (what(&large) - what(&small)) / (many - few) as f64;
    let whole = |memory: &Use| memory.prepare + memory.run;
    Ok(figure
        .counted("memory of a run", each(|memory| memory.run), "B a task")
        .counted("with what preparing it takes", each(whole), "B a task"))
}

/// What a process took, in bytes.
struct Use {
    /// What remains after preparing the workflow.
    prepare: f64,
    /// The peak of the run above that.
    run: f64,
}

/// `None` where the system does not say.
fn use_of(shape: Shape, tasks: usize) -> Result<Option<Use>> {
    let gather = if shape == Shape::Gather {
        "gather"
    } else {
        "wide"
    };
    let output = Command::new(std::env::current_exe()?)
        .args(["bench-memory", gather, &tasks.to_string()])
        .output()
        .context("starting the process whose memory is measured")?;
    ensure!(
        output.status.success(),
        "it ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let bytes = |key: &str| told[key].as_f64();
    Ok(bytes("prepare")
        .zip(bytes("run"))
        .map(|(prepare, run)| Use { prepare, run }))
}

/// `xtask bench-memory`: runs one workflow in this process and says what it took.
#[derive(clap::Args)]
pub(crate) struct MemoryOptions {
    shape: Shape,
    tasks: usize,
}

pub(crate) fn memory(options: &MemoryOptions) -> Result<()> {
    let setting = Setting::new(true, None)?;
    let folder = Folder::new(&setting)?;
    let node = Node::open(&folder.path().join("home"), Access::Write)?;
    // What is there once, whatever the size: engine, module, threads' stacks.
    let first = folder.prepare(&setting, &node, options.shape, 100)?;
    run_workflow(&node, &first, &RunOptions::default(), &mut |_| ())?;
    drop(first);
    let before = resident_bytes();
    let prepared = folder.prepare(&setting, &node, options.shape, options.tasks)?;
    let ready = resident_bytes();
    let watched = forget_peak().is_some();
    run_workflow(&node, &prepared, &RunOptions::default(), &mut |_| ())?;
    let peak = peak_bytes().filter(|_| watched);
    let growth = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
    println!(
        "{}",
        json!({ "prepare": growth(before, ready), "run": growth(ready, peak) })
    );
    Ok(())
}
