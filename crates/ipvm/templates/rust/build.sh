#!/usr/bin/env bash
# Builds {{name}}.wasm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# Cargo can build the standard library itself, if told so; else rustup has it.
if [ ! -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ] && [ -z "${CARGO_UNSTABLE_BUILD_STD:-}" ]; then
    rustup target add wasm32-unknown-unknown
fi
cargo build --release --target-dir target
cp target/wasm32-unknown-unknown/release/guest.wasm {{name}}.wasm
