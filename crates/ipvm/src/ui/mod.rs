//! What people see: streams, colours, tables, the live tree, messages about files.

pub(crate) mod board;
pub(crate) mod diagnostic;
pub(crate) mod frame;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod table;
pub(crate) mod term;
