//! What tests share: small functions as Wasm text, folders with workflow files, crashes after a named step, and
//! disks that are full.
//!
//! For tests only: everything here panics on failure, so that a test says at once what broke.
#![allow(clippy::expect_used, clippy::panic)]

mod disk;
pub mod failpoint;
mod folder;
mod functions;
mod hostile;
mod program;

pub use disk::Disk;
pub use folder::Folder;
pub use functions::{CALC, component};
pub use hostile::{End, Hostile, hostile};
pub use program::program;
