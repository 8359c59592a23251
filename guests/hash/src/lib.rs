//! Digests, encodings and Merkle trees as a WebAssembly component that imports nothing.
//!
//! [`digest`], [`encoding`] and [`merkle`] hold the functions themselves in plain Rust that also runs
//! (and is tested) on the host; `component` only lends them their WIT names. The interface users see
//! is described in `wit/hash.wit`.

pub mod digest;
pub mod encoding;
pub mod merkle;
pub mod problem;

#[cfg(target_arch = "wasm32")]
mod component;
