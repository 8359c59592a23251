//! Tests of what only the inside can reach: cut keys, small limits, a full disk, a busy writer, a
//! crash after each step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod authority;
mod collisions;
mod crash;
mod files;
#[path = "../../tests/it/fixture.rs"]
mod fixture;
mod gc;
mod graph;
mod journal;
mod layouts;
mod limits;
mod model;
mod wal;
