//! Functions over written text as a WebAssembly component that imports nothing.
//!
//! [`tokens`], [`keywords`], [`language`], [`measures`], [`moderation`] and [`report`] hold the
//! functions themselves in plain Rust that also runs (and is tested) on the host; `component` only
//! lends them their WIT names. The interface users see is described in `wit/text.wit`. The lists of
//! words are in `data/`.

pub mod disguise;
pub mod keywords;
pub mod language;
pub mod lists;
pub mod measures;
pub mod moderation;
pub mod problem;
pub mod report;
pub mod tokens;

#[cfg(target_arch = "wasm32")]
mod component;
