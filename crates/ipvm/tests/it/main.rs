//! The binary as a user meets it: what it prints, where, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

mod archive;
mod asked;
mod attacks;
mod bad_input;
mod call;
mod car;
mod content;
mod corrupt;
mod deputies;
mod did_web;
mod disk;
mod documents;
mod effects;
mod folders;
mod givers;
mod help;
mod home;
mod hostile;
mod housekeeping;
mod interrupt;
mod keys;
mod kill;
mod layouts;
mod logs;
mod lost;
mod names;
mod needles;
mod new;
mod parties;
mod people;
mod providers;
mod refused_effects;
mod run;
mod secret_effects;
mod secrets;
mod several;
mod sharing;
mod streams;
mod vectors;
mod waiting;
mod workflows;
