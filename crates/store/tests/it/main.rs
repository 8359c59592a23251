//! Tests of the store from outside: what a user of the crate relies on, across processes and crashes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod basics;
mod damage;
mod disk;
mod fixture;
mod index;
mod opening;
mod processes;
mod runs;
mod sealed;
mod torn;
mod verify;
