//! Tests of the crate from outside, in one binary. Fixtures are WAT text.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod cid;
mod compiling;
mod core_modules;
mod determinism;
mod document;
mod fixture;
mod fuzz;
mod generate;
mod guests;
mod hostile;
mod interface;
mod limits;
mod loading;
mod lowering;
mod measure;
mod random;
mod refusals;
mod table;
mod wasi;
mod wit;
mod world;
