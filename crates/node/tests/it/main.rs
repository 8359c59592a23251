//! A whole node, driven as the command line drives it, on real folders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod authority;
mod clock;
mod crew;
mod effects;
mod helpers;
mod history;
mod limits;
mod memo;
mod running;
mod secrets;
mod sources;
