//! `cargo xtask bench`: how fast it is, each figure beside a floor measured in the same run.
//!
//! A figure counts as a ratio to its floor: machines are shared and noisy. Ours and the floor are
//! measured in turn. Where the floor moved by more than 1.5 × between start and end, the row is measured
//! again, and after the last attempt no figure is reported. Results go to the screen, as JSON to
//! `target/bench.json` and as a Markdown table to `target/bench.md`.

mod cached_run;
mod chain;
mod durable;
mod fan_out;
mod floors;
mod growth;
mod http_read;
mod image_call;
mod languages;
mod measure;
mod memo_hit;
mod process;
mod resume;
mod setting;
mod small_task;
mod ucan;
mod workflows;

pub(crate) use fan_out::{MemoryOptions, memory};

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use measure::Row;
use setting::Setting;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only these rows: a number of the list of targets, or a name such as `memo-hit`
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    only: Vec<String>,
    /// A home with very many receipts, made by `cargo xtask-release receipts`; it grows a little with each bench.
    /// Default: the environment variable `IPVM_BENCH_HOME`
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Only see that every bench works: tiny counts, figures that mean nothing
    #[arg(long)]
    quick: bool,
}

/// One bench: its number in the list of targets, its name, and how its rows come about.
struct Bench {
    number: u32,
    name: &'static str,
    rows: fn(&Setting) -> Result<Vec<Row>>,
}

const BENCHES: &[Bench] = &[
    bench(1, "memo-hit", memo_hit::run),
    bench(3, "cached-run", cached_run::run),
    bench(4, "small-task", small_task::run),
    bench(5, "image-call", image_call::run),
    bench(6, "durable", durable::run),
    bench(7, "chain", chain::run),
    bench(8, "fan-out", fan_out::run),
    bench(9, "ucan", ucan::run),
    bench(11, "resume", resume::run),
    bench(13, "growth", growth::run),
    bench(0, "http-read", http_read::run),
    bench(0, "languages", languages::run),
];

const fn bench(number: u32, name: &'static str, rows: fn(&Setting) -> Result<Vec<Row>>) -> Bench {
    Bench { number, name, rows }
}

impl Bench {
    fn is_wanted(&self, only: &[String]) -> bool {
        only.is_empty()
            || only
                .iter()
                .any(|wanted| *wanted == self.name || *wanted == self.number.to_string())
    }
}

/// The engine's error as everybody else's.
#[allow(clippy::needless_pass_by_value, reason = "taken as `map_err` gives it")]
fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// Runs the benches that are wanted.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(
        options.quick || !cfg!(debug_assertions),
        "figures of a debug build mean nothing; use `cargo xtask-release bench`"
    );
    let unknown = |wanted: &&String| {
        !BENCHES
            .iter()
            .any(|bench| bench.is_wanted(std::slice::from_ref(wanted)))
    };
    if let Some(wanted) = options.only.iter().find(unknown) {
        let known: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        anyhow::bail!(
            "no bench is called `{wanted}`; there are {}",
            known.join(", ")
        );
    }
    let home = options.home.clone();
    let home = home.or_else(|| std::env::var_os("IPVM_BENCH_HOME").map(PathBuf::from));
    let setting = Setting::new(options.quick, home.as_deref())?;
    let load_before = load();
    let mut rows = Vec::new();
    println!("{}", Row::header());
    for bench in BENCHES
        .iter()
        .filter(|bench| bench.is_wanted(&options.only))
    {
        let measured = (bench.rows)(&setting);
        for row in measured.with_context(|| format!("bench {}", bench.name))? {
            println!("{row}");
            rows.push(row);
        }
        if !options.quick {
            // Each time, so that a run that is broken off leaves what it has measured.
            write(&rows, [&load_before, &load()])?;
        }
    }
    println!(
        "\n{} cores, load {load_before} before and {} after; floor and ours measured in turn",
        cores(),
        load()
    );
    let refused: Vec<&str> = rows.iter().filter_map(Row::refused).collect();
    if !refused.is_empty() {
        println!(
            "not reported, because the floor moved: {}",
            refused.join("; ")
        );
    }
    if options.quick {
        println!("a quick run: the figures mean nothing");
    }
    Ok(())
}

/// Writes the rows as JSON and as a Markdown table.
fn write(rows: &[Row], load: [&str; 2]) -> Result<()> {
    let all: Vec<_> = rows.iter().map(Row::to_json).collect();
    let document = json!({ "cores": cores(), "load": load, "rows": all });
    let table: Vec<String> = rows.iter().map(Row::to_markdown).collect();
    let table = format!("{}\n{}\n", Row::markdown_header(), table.join("\n"));
    for (name, text) in [
        ("bench.json", format!("{document:#}\n")),
        ("bench.md", table),
    ] {
        let path = setting::root().join("target").join(name);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many threads wanted to run during the last minute; empty where the system does not say.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
