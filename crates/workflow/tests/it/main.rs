//! Tests of the vocabulary and the file format from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod content;
mod errors;
mod failure;
mod fake;
mod format;
mod graph;
mod limits;
mod reader;
mod secrecy;
mod wire;
