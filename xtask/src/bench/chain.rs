//! Target 7: a chain of 1,000 dependent tasks, durable.

use anyhow::Result;
use ipvm_node::{Access, Node, RunOptions};

use super::floors::Disk;
use super::measure::{Figure, Plan, Row, micros};
use super::setting::Setting;
use super::workflows::{Folder, Shape, run as run_workflow};

/// Bytes that the floor makes durable for each link.
const LINK_BYTES: usize = 256;

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let links = setting.count(1_000, 10);
    let folder = Folder::new(setting)?;
    let node = Node::open(&folder.path().join("home"), Access::Write)?;
    let mut disk = Disk::new(folder.path())?;
    let mut rows = Vec::new();
    for (name, target, conditions, options) in variants() {
        let plan = Plan {
            name,
            floor: "1,000 fdatasyncs of 256 B, in a file of full length",
            target,
            conditions,
            rounds: setting.count(9, 1),
        };
        let figure = Figure::measure_timed(
            &plan,
            |_| micros(|| disk.write(LINK_BYTES, links)),
            |_| {
                let prepared = folder.prepare(setting, &node, Shape::Chain, links)?;
                micros(|| run_workflow(&node, &prepared, &options, &mut |_| ()))
            },
        )?;
        rows.push(figure.into());
    }
    Ok(rows)
}

/// Name, target, conditions and options of each way to run a chain.
fn variants() -> [(&'static str, &'static str, &'static str, RunOptions); 2] {
    let options = |share_commits| RunOptions {
        share_commits,
        ..RunOptions::default()
    };
    [
        (
            "7 chain of 1,000, strict",
            "≤ 1.8 ×",
            "small Wasm tasks, each committed before the next starts",
            options(false),
        ),
        (
            "7 chain of 1,000, shared commits",
            "≤ 0.1 s",
            "small Wasm tasks, links share commits, nobody is told of one before it is durable",
            options(true),
        ),
    ]
}
