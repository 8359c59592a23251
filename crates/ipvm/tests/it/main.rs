//! The binary as a user meets it: what it prints, where, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod call;
mod content;
mod help;
mod home;
mod names;
mod streams;
