//! Integration tests of `ipvm-ipld`, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod car;
mod conformance;
mod fields;
mod fixtures;
mod json;
mod properties;
mod strict;
mod unixfs;
