//! The repository's own chores, started by its developers and by `.ci/run`: `cargo xtask --help`.
#![allow(
    clippy::print_stdout,
    reason = "it talks to the developer who started it"
)]

mod bench;
mod deep;
mod draw;
mod guests;
mod receipts;
mod tidy;

use anyhow::Result;
use clap::Parser;

/// Chores of the ipvm repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Check the repository's habits: layers, sizes, purity of the core, links, examples
    Tidy,
    /// Build the example functions and write them, their manifest and the examples' copies
    Guests(guests::Options),
    /// Paint the examples' input pictures
    Draw(draw::Options),
    /// Measure speed beside its floors (with `cargo xtask-release`)
    Bench(bench::Options),
    /// Part of `bench`: run one workflow in a process of its own and say what memory it took
    #[command(hide = true)]
    BenchMemory(bench::MemoryOptions),
    /// Simulate many more seeds than the tests do (with `cargo xtask-release`)
    Deep(deep::Options),
    /// Fill a home with signed receipts, for measuring on it (with `cargo xtask-release`)
    Receipts(receipts::Options),
}

fn main() -> Result<()> {
    match Chore::parse() {
        Chore::Tidy => tidy::run(),
        Chore::Guests(options) => guests::run(&options),
        Chore::Draw(options) => draw::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::BenchMemory(options) => bench::memory(&options),
        Chore::Deep(options) => deep::run(&options),
        Chore::Receipts(options) => receipts::run(&options),
    }
}
