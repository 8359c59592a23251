//! JSON Web Tokens checked by a WebAssembly component that imports nothing.
//!
//! [`check`] holds the functions themselves in plain Rust that also runs (and is tested) on the
//! host; `component` only lends them their WIT names. The interface users see is described in
//! `wit/jwt.wit`. The time is an argument, so a check is a pure function.

pub mod check;
pub mod claims;
pub mod did;
mod json;
pub mod key;
pub mod keyset;
pub mod refusal;
pub mod report;
pub mod token;

#[cfg(target_arch = "wasm32")]
mod component;
