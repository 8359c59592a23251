//! Tests of the crate from outside, in one binary. Fixtures are WAT text.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod cid;
mod core_modules;
mod document;
mod fixture;
mod generate;
mod guests;
mod hostile;
mod interface;
mod limits;
mod loading;
mod lowering;
mod measure;
mod refusals;
mod table;
mod wasi;
mod world;
mod wit;
