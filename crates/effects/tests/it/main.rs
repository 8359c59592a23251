//! Integration tests of `ipvm-effects`, in one binary: every provider against real servers on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

mod ask;
mod authority;
mod dns;
mod dns_server;
mod file;
mod http;
mod http_faults;
mod http_server;
mod ipfs;
mod knot;
mod leaving;
mod offered;
mod raw;
mod smtp;
mod smtp_server;
mod ssrf;
mod tls;
