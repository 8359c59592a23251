//! Whom one trusts, and through whom, as a WebAssembly component that imports nothing.
//!
//! [`statement`] reads what people say of each other, [`web`] follows it from one person outwards,
//! and [`report`] tells the result with its reasons. All of it is plain Rust that also runs (and is
//! tested) on the host; `component` only lends it its WIT names. The interface users see is described
//! in `wit/trust.wit`.

pub mod report;
pub mod statement;
pub mod web;

#[cfg(target_arch = "wasm32")]
mod component;
