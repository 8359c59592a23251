//! The repository's own chores, started by its developers and by `.ci/run`: `cargo xtask --help`.
#![allow(
    clippy::print_stdout,
    reason = "it talks to the developer who started it"
)]

mod tidy;

use anyhow::Result;
use clap::Parser;

/// Chores of the ipvm repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Check the repository's habits: layers, sizes, purity of the core, links, examples.
    Tidy,
}

fn main() -> Result<()> {
    match Chore::parse() {
        Chore::Tidy => tidy::run(),
    }
}
