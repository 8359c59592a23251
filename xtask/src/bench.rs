//! `cargo xtask bench`: how fast it is, each figure beside a floor measured in the same run.
//!
//! A figure counts as a ratio to its floor: machines are shared and noisy. Ours and the floor are
//! measured in turn. Where the floor moved by more than 1.5 × between start and end, no figure is
//! reported. Results go to the screen and, as JSON, to `target/bench.json`.

mod cached_run;
mod image_call;
mod languages;
mod measure;
mod memo_hit;
mod small_task;

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use measure::Figure;

/// The engine's error as everybody else's.
#[allow(clippy::needless_pass_by_value, reason = "taken as `map_err` gives it")]
fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// One bench: its figures.
type Bench = fn() -> Result<Vec<Figure>>;

/// Runs the benches whose name contains `only` (all without it).
pub(crate) fn run(only: Option<&str>) -> Result<()> {
    if cfg!(debug_assertions) {
        anyhow::bail!("figures of a debug build mean nothing; use `cargo xtask-release bench`");
    }
    let benches: [(&str, Bench); 5] = [
        ("1-memo-hit", memo_hit::run),
        ("3-cached-run", cached_run::run),
        ("4-small-task", small_task::run),
        ("5-image-call", image_call::run),
        ("7-languages", languages::run),
    ];
    let wanted = benches
        .iter()
        .filter(|(name, _)| only.is_none_or(|only| name.contains(only)));
    let mut figures = Vec::new();
    for (name, bench) in wanted {
        println!("{name} …");
        figures.extend(bench().with_context(|| format!("bench {name}"))?);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\n{}", Figure::header());
    for figure in &figures {
        println!("{figure}");
    }
    println!("\n{cores} cores; times in µs; floor and ours measured in turn");
    let all: Vec<_> = figures.iter().map(Figure::to_json).collect();
    let document = json!({ "cores": cores, "figures": all });
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench.json");
    std::fs::write(&path, format!("{document:#}\n"))
        .with_context(|| format!("writing {}", path.display()))
}
