#!/usr/bin/env bash
# Builds {{name}}.wasm. Needs Python for Zig, which is the C compiler here, and Rust for the tools of the component model;
# installs them in $IPVM_TOOLS, once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

ZIG=0.17.0
WIT_BINDGEN=0.63.0
WASM_TOOLS=1.263.0
tools=${IPVM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvm-tools}

# Builds a tool of exactly this version, unoptimised: it is started a few times, not for long.
cargo_tool() {
    local package=$1 version=$2 feature=$3
    [ -d "$tools/$package-$version/bin" ] ||
        CARGO_TARGET_DIR="$tools/build" CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --debug --locked "$package" \
            --version "$version" --no-default-features --features "$feature" --root "$tools/$package-$version"
    PATH="$tools/$package-$version/bin:$PATH"
}
cargo_tool wit-bindgen-cli $WIT_BINDGEN c
cargo_tool wasm-tools $WASM_TOOLS component
rm -rf "$tools/build"
if [ ! -x "$tools/zig-$ZIG/bin/python-zig" ]; then
    python3 -m venv "$tools/zig-$ZIG"
    "$tools/zig-$ZIG/bin/pip" install --quiet --disable-pip-version-check "ziglang==$ZIG"
fi

mkdir -p build
wit-bindgen c wit --world guest --out-dir build >&2
"$tools/zig-$ZIG/bin/python-zig" cc -target wasm32-wasi -mexec-model=reactor -O2 -Wall -Wextra -s -Ibuild \
    functions.c build/guest.c build/guest_component_type.o -o build/core.wasm
wasm-tools component new build/core.wasm -o {{name}}.wasm
