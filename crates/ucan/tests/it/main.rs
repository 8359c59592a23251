//! Integration tests of `ipvm-ucan`, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod chains;
mod conformance;
mod did_key;
mod naive;
mod official;
mod promises;
mod properties;
mod random;
mod tokens;
mod values;
mod worked_example;
