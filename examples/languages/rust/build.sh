#!/usr/bin/env bash
# Builds ../rust.wasm. Needs Rust; gets the target from rustup if it is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [ ! -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ] && [ -z "${CARGO_UNSTABLE_BUILD_STD:-}" ]; then
    rustup target add wasm32-unknown-unknown
fi
cargo build --quiet --release --locked --target-dir target
cp target/wasm32-unknown-unknown/release/values.wasm ../rust.wasm
