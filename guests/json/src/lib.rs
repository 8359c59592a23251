//! Functions over JSON as a WebAssembly component that imports nothing.
//!
//! [`path`], [`template`], [`change`], [`canonical`] and [`table`] hold the functions themselves, from
//! the bytes of documents to bytes, in plain Rust that also runs (and is tested) on the host;
//! `component` only lends them their WIT names. The interface users see is described in
//! `wit/json.wit`.

pub mod canonical;
pub mod change;
pub mod document;
pub mod path;
mod pattern;
pub mod problem;
pub mod table;
pub mod template;

#[cfg(target_arch = "wasm32")]
mod component;
