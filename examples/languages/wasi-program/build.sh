#!/usr/bin/env bash
# Builds ../wasi-program.wasm: an ordinary C program, made a component by the adapter that comes with jco. Run ../c/build.sh
# and ../js/build.sh before, which install the tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

ZIG=0.17.0
tools=${IPVM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvm-tools}

mkdir -p build
"$tools/zig-$ZIG/bin/python-zig" cc -target wasm32-wasi -O2 -Wall -Wextra -s look.c -o build/look.wasm
../js/node_modules/.bin/jco new build/look.wasm --wasi-command -o ../wasi-program.wasm >/dev/null
