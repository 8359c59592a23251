//! One test program: links once, runs in parallel.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod crashes;
mod seeds;
mod wrong;
