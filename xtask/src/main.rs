//! The repository's own chores, started by its developers and by `.ci/run`: `cargo xtask --help`.
#![allow(
    clippy::print_stdout,
    reason = "it talks to the developer who started it"
)]

mod bench;
mod draw;
mod guests;
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
    Bench {
        /// Only benches whose name contains this
        only: Option<String>,
    },
}

fn main() -> Result<()> {
    match Chore::parse() {
        Chore::Tidy => tidy::run(),
        Chore::Guests(options) => guests::run(&options),
        Chore::Draw(options) => draw::run(&options),
        Chore::Bench { only } => bench::run(only.as_deref()),
    }
}
