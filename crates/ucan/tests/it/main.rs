//! Integration tests of `ipvm-ucan`, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout
)]

mod attacks;
mod chains;
mod conformance;
mod containers;
mod did_key;
mod encoded;
mod finding;
mod fuzz;
mod interop;
mod naive;
mod official;
mod policies;
mod pq_ucan;
mod principals;
mod promises;
mod properties;
mod random;
mod receipts;
mod revocations;
mod sizes;
mod tokens;
mod values;
mod varsig;
mod words;
mod worked_example;
