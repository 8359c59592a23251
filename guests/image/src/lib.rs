//! Picture functions as a WebAssembly component that imports nothing.
//!
//! [`ops`] and [`sheet`] hold the functions themselves, from file bytes to file bytes, in plain Rust
//! that also runs (and is tested) on the host; `component` only lends them their WIT names. The
//! interface users see is described in `wit/image.wit`.

pub mod ops;
pub mod picture;
pub mod problem;
mod scale;
pub mod sheet;

#[cfg(target_arch = "wasm32")]
mod component;
