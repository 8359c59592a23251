//! The binary as a user meets it: what it prints, where, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod archive;
mod bad_input;
mod call;
mod car;
mod content;
mod corrupt;
mod disk;
mod folders;
mod help;
mod home;
mod hostile;
mod housekeeping;
mod interrupt;
mod kill;
mod layouts;
mod logs;
mod names;
mod new;
mod run;
mod several;
mod streams;
mod workflows;
