//! Target 13: how speed and memory hold up as workflows and homes grow. What is small is the floor of what is large.

use anyhow::Result;
use ipvm_node::{Access, Node, RunOptions};

use super::fan_out::with_memory;
use super::measure::{Figure, Plan, Row, micros};
use super::memo_hit::{look_up, small_home, warm_tasks};
use super::setting::{Large, Setting, grouped};
use super::workflows::{Folder, Shape, run as run_workflow};

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let folder = Folder::new(setting)?;
    let node = Node::open(&folder.path().join("home"), Access::Write)?;
    let sizes = setting.count([1_000, 10_000, 100_000], [10, 20, 50]);
    let [small, middle, large] = sizes;
    let mut rows = vec![
        in_one_workflow(setting, &folder, &node, small, middle)?.into(),
        with_memory(
            in_one_workflow(setting, &folder, &node, small, large)?,
            Shape::Wide,
            [middle, large],
        )?
        .into(),
    ];
    drop(node);
    match &setting.large {
        Some(large) => rows.extend([
            look_ups(setting, &folder, large)?.into(),
            throughput(setting, &folder, large)?.into(),
        ]),
        None => rows.extend(["13 look-up", "13 throughput"].map(Setting::without_large)),
    }
    Ok(rows)
}

/// Microseconds a task of workflows with so many.
fn each(setting: &Setting, folder: &Folder, node: &Node, tasks: usize) -> Result<f64> {
    let prepared = folder.prepare(setting, node, Shape::Wide, tasks)?;
    let took = micros(|| run_workflow(node, &prepared, &RunOptions::default(), &mut |_| ()))?;
    Ok(took / tasks as f64)
}

fn in_one_workflow(
    setting: &Setting,
    folder: &Folder,
    node: &Node,
    small: usize,
    large: usize,
) -> Result<Figure> {
    let count = |tasks: usize| grouped(tasks as u64);
    let plan = Plan {
        name: &format!("13 time a task, {} in one workflow", count(large)),
        floor: &format!("time a task, {} in one workflow", count(small)),
        target: "≈ 1 ×: linear",
        conditions: "independent small Wasm tasks, durable; the smaller ten times in a row",
        rounds: setting.count(5, 1),
    };
    Figure::measure_timed(
        &plan,
        |_| {
            let times: Result<Vec<f64>> = (0..10)
                .map(|_| each(setting, folder, node, small))
                .collect();
            Ok(times?.iter().sum::<f64>() / 10.0)
        },
        |_| each(setting, folder, node, large),
    )
}

fn look_ups(setting: &Setting, folder: &Folder, large: &Large) -> Result<Figure> {
    let receipts = setting.count(100_000, 100);
    let few = small_home(&folder.path().join("hundred-thousand"), receipts)?;
    let many = Node::open(&large.home, Access::Write)?;
    let few_tasks = warm_tasks(&few, receipts)?;
    let many_tasks = warm_tasks(&many, large.receipts)?;
    let plan = Plan {
        name: &format!("13 look-up, {}", large.name()),
        floor: &format!("look-up, {} receipts", grouped(receipts)),
        target: "≤ 2 ×",
        conditions: "warm, random tasks",
        rounds: setting.count(50_000, 10),
    };
    Figure::measure(
        &plan,
        |round| look_up(&few, &few_tasks[round % few_tasks.len()]),
        |round| look_up(&many, &many_tasks[round % many_tasks.len()]),
    )
}

fn throughput(setting: &Setting, folder: &Folder, large: &Large) -> Result<Figure> {
    let tasks = setting.count(10_000, 50);
    let empty = Node::open(&folder.path().join("empty"), Access::Write)?;
    let many = Node::open(&large.home, Access::Write)?;
    let plan = Plan {
        name: &format!("13 time a task, {}", large.name()),
        floor: "time a task, empty home",
        target: "≤ 2 ×: ≥ 0.5 × throughput",
        conditions: &format!(
            "workflows of {} small Wasm tasks, durable",
            grouped(tasks as u64)
        ),
        rounds: setting.count(7, 1),
    };
    Figure::measure_timed(
        &plan,
        |_| each(setting, folder, &empty, tasks),
        |_| each(setting, folder, &many, tasks),
    )
}
