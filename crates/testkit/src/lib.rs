//! What tests share: small functions as Wasm text, folders with workflow files, crashes after a named step, disks
//! that are full, servers for HTTP and mail, and a second validator of UCAN chains.
//!
//! For tests only: everything here panics on failure, so that a test says at once what broke.
#![allow(clippy::expect_used, clippy::panic)]

mod asking;
mod disk;
pub mod failpoint;
mod folder;
mod functions;
mod hostile;
pub mod mail;
pub mod naive_ucan;
mod program;
pub mod web;

pub use asking::{Asked, asking};
pub use disk::Disk;
pub use folder::Folder;
pub use functions::{CALC, component};
pub use hostile::{End, Hostile, hostile};
pub use program::program;
