//! Target 6: durable tasks a second with 64 in flight, through the node and through the store alone, in an empty home
//! and in a large one.

use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Context, Result};
use ipvm_node::{Access, Node, Progress, RunOptions};
use ipvm_store::{Batch, NewReceipt, Store, StoreError};

use super::floors::{Disk, sign};
use super::measure::{Figure, Plan, Row, micros, percentile};
use super::process::written_bytes;
use super::setting::{Setting, grouped};
use super::workflows::{Folder, Shape, run as run_workflow};
use crate::receipts::Mint;

/// Receipts that are given to the store at once.
const IN_FLIGHT: usize = 64;
/// Tasks of a home that are taken in and not durable, at most: 64 under way and 192 whose commit is.
const NOT_DURABLE: usize = 64 + 192;
/// Signatures a task costs: the invocation's and the receipt's.
const SIGNATURES: usize = 2;
/// Bytes of an invocation and a receipt together, about.
const TASK_BYTES: usize = 1_200;
/// Bytes of a receipt, about.
const RECEIPT_BYTES: usize = 600;

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let folder = Folder::new(setting)?;
    let mut rows = Vec::new();
    for (name, measure) in [
        (
            "6 durable tasks",
            tasks as fn(&Setting, &Folder, &Path, &str) -> Result<Figure>,
        ),
        ("6 store alone", receipts),
    ] {
        let home = folder.path().join(name);
        let empty = measure(setting, &folder, &home, &format!("{name}, empty home"))?;
        rows.push(empty.into());
        rows.push(match &setting.large {
            Some(large) => {
                let name = format!("{name}, {}", large.name());
                measure(setting, &folder, &large.home, &name)?.into()
            }
            None => Setting::without_large(name),
        });
    }
    Ok(rows)
}

/// Workflows of independent tasks through the node.
fn tasks(setting: &Setting, folder: &Folder, home: &Path, name: &str) -> Result<Figure> {
    let count = setting.count(20_000, 100);
    let node = Node::open(home, Access::Write)?;
    let mut disk = Disk::new(folder.path())?;
    let (mut executions, mut steps) = (Vec::new(), Vec::new());
    let (mut written, mut runs) = (0, 0);
    let plan = Plan {
        name,
        floor: "per 64 tasks: 128 signatures on all cores, then 77 KB and one fdatasync",
        target: "≥ 15,000 tasks/s, p99 ≤ 20 ms, ≤ 15 KB written",
        conditions: &format!(
            "workflow of {} small Wasm tasks, 64 under way; time of a whole run, each commit fdatasynced",
            grouped(count as u64)
        ),
        rounds: setting.count(5, 1),
    };
    let figure = Figure::measure_timed(
        &plan,
        |_| {
            micros(|| {
                sign(count * SIGNATURES)?;
                disk.write_shared(count, TASK_BYTES)
            })
        },
        |_| {
            let prepared = folder.prepare(setting, &node, Shape::Wide, count)?;
            let before = written_bytes();
            let mut clock = Latencies::new(count);
            let took = micros(|| {
                run_workflow(&node, &prepared, &RunOptions::default(), &mut |progress| {
                    clock.observe(&progress);
                })
            })?;
            executions.extend(clock.of_executions());
            steps.extend(clock.of_steps());
            written += bytes_since(before).unwrap_or(0);
            runs += 1;
            Ok(took)
        },
    )?;
    let before = written_bytes();
    drop(node);
    written += bytes_since(before).unwrap_or(0);
    let rate = count as f64 / figure.p50() * 1e6;
    let mut figure = figure.timed("tasks", rate, "tasks/s");
    for (name, mut latencies) in [
        ("execution to durable", executions),
        ("taken in to durable, at most", steps),
    ] {
        latencies.sort_by(f64::total_cmp);
        for (percent, part) in [("p50", 0.5), ("p99", 0.99)] {
            let latency = percentile(&latencies, part) / 1e3;
            figure = figure.timed(format!("{percent} {name}"), latency, "ms");
        }
    }
    Ok(figure.with_written(written, count * runs, "a task, closing included"))
}

/// When each step of a run of independent tasks started and was durable, as the caller of the run is told it.
struct Latencies {
    began: Instant,
    /// When each step began to be executed, by index, in microseconds.
    started: Vec<f64>,
    /// When each step ended, by index, in microseconds.
    ended: Vec<f64>,
    /// The same, in the order in which they ended.
    order: Vec<f64>,
}

impl Latencies {
    fn new(steps: usize) -> Self {
        Self {
            began: Instant::now(),
            started: vec![f64::NAN; steps],
            ended: vec![f64::NAN; steps],
            order: Vec::with_capacity(steps),
        }
    }

    fn observe(&mut self, progress: &Progress<'_>) {
        let now = self.began.elapsed().as_secs_f64() * 1e6;
        let (times, step) = match progress {
            Progress::Began { .. } | Progress::Doubted { .. } => {
                self.began = Instant::now();
                return;
            }
            Progress::Started { step } => (&mut self.started, *step),
            Progress::Ended { step, .. } => {
                self.order.push(now);
                (&mut self.ended, *step)
            }
        };
        if let Some(slot) = times.get_mut(step as usize) {
            *slot = now;
        }
    }

    /// From the start of each execution until its receipt was durable.
    fn of_executions(&self) -> impl Iterator<Item = f64> {
        self.ended
            .iter()
            .zip(&self.started)
            .map(|(ended, started)| ended - started)
    }

    /// From the moment at which each step could be taken in, at the earliest: steps are taken in by index, and at most
    /// [`NOT_DURABLE`] of them are not durable at any time.
    fn of_steps(&self) -> impl Iterator<Item = f64> {
        self.ended.iter().enumerate().map(|(index, ended)| {
            let place = index.checked_sub(NOT_DURABLE);
            let freed = place.and_then(|place| self.order.get(place));
            ended - freed.copied().unwrap_or(0.0)
        })
    }
}

/// Receipts that are signed already, each in a batch of its own.
fn receipts(setting: &Setting, folder: &Folder, home: &Path, name: &str) -> Result<Figure> {
    let count = setting.count(20_000, 100);
    let node = Node::open(home, Access::Write)?;
    let [_, second] = setting.fresh(0)?;
    let mint = Mint::new(&node)?.adding(second);
    let mut next = 0;
    let mut make = |count: usize| {
        let first = next;
        next += count as u64;
        let minted = mint.make_all(first..next)?;
        anyhow::Ok(minted.into_iter().map(|minted| minted.receipt).collect())
    };
    let mut disk = Disk::new(folder.path())?;
    let plan = Plan {
        name,
        floor: "per 64 receipts: 38 KB and one fdatasync",
        target: "≥ 40,000 receipts/s, ≤ 15 KB written",
        conditions: &format!(
            "{} signed receipts, one a batch, {IN_FLIGHT} in flight; each commit fdatasynced",
            grouped(count as u64)
        ),
        rounds: setting.count(10, 1),
    };
    let figure = Figure::measure_timed(
        &plan,
        |_| micros(|| disk.write_shared(count, RECEIPT_BYTES)),
        |_| {
            let receipts: Vec<NewReceipt> = make(count)?;
            micros(|| commit_all(node.store(), receipts))
        },
    )?;
    let rate = count as f64 / figure.p50() * 1e6;
    // Without pauses for the floor, and so many that the index is filled, too, under load.
    let many = setting.count(300_000, 100);
    let receipts = make(many)?;
    let before = written_bytes();
    let took = micros(|| commit_all(node.store(), receipts))?;
    drop(node);
    let figure = figure.timed("receipts", rate, "receipts/s").timed(
        format!("{} without a pause", grouped(many as u64)),
        many as f64 / took * 1e6,
        "receipts/s",
    );
    Ok(figure.with_written(
        bytes_since(before).unwrap_or(0),
        many,
        "a receipt of these, closing included",
    ))
}

/// Stores each receipt by itself, 64 at a time; returns when the last is durable.
fn commit_all(store: &Store, receipts: Vec<NewReceipt>) -> Result<()> {
    let (told, durable) = mpsc::channel::<Result<(), StoreError>>();
    let mut in_flight = 0;
    let wait = |in_flight: &mut usize, most: usize| {
        while *in_flight > most {
            durable.recv().context("the store has ended")??;
            *in_flight -= 1;
        }
        anyhow::Ok(())
    };
    for receipt in receipts {
        let mut batch = Batch::new();
        batch.receipt(receipt);
        let told = told.clone();
        store.submit(batch, Box::new(move |result| drop(told.send(result))));
        in_flight += 1;
        wait(&mut in_flight, IN_FLIGHT - 1)?;
    }
    wait(&mut in_flight, 0)
}

fn bytes_since(before: Option<u64>) -> Option<u64> {
    Some(written_bytes()?.saturating_sub(before?))
}

impl Figure {
    /// Adds what was written to the disk for each of `count`, where the system says it.
    fn with_written(self, bytes: u64, count: usize, of_what: &str) -> Self {
        if bytes == 0 {
            return self;
        }
        self.counted(
            format!("written {of_what}"),
            bytes as f64 / count.max(1) as f64 / 1e3,
            "KB",
        )
    }
}

#[cfg(test)]
mod tests {
    //! Without this a task's latency could be counted from the wrong moment.
    #![allow(clippy::float_cmp)]

    use super::*;

    #[test]
    fn a_step_waits_from_the_moment_its_place_is_free() {
        let mut clock = Latencies::new(NOT_DURABLE + 2);
        // All end in order, one a microsecond, each started half a microsecond before.
        clock.ended = (1..=NOT_DURABLE + 2).map(|at| at as f64).collect();
        clock.started = clock.ended.iter().map(|ended| ended - 0.5).collect();
        clock.order.clone_from(&clock.ended);
        assert!(clock.of_executions().all(|latency| latency == 0.5));
        let latencies: Vec<f64> = clock.of_steps().collect();
        assert_eq!(latencies[0], 1.0);
        let full = NOT_DURABLE as f64;
        // The first that has to wait takes the place of the first of all, which ended after one microsecond.
        assert_eq!(latencies[NOT_DURABLE - 1..], [full, full, full]);
    }
}
