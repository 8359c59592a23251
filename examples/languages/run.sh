#!/usr/bin/env bash
# Builds the same world in Rust, C, JavaScript and Python, calls every function of each, alone and in a workflow, and
# compares; exit 0 only if all results are equal. Then runs a WASI program in two homes, which must see the same world.
# With the argument `wasi`, JavaScript and Python are also built with their usual imports. Uses the ipvm on the PATH, or
# builds it. Needs Rust, Python 3.9, Node.js 20 and their package registries; what is installed goes to $IPVM_TOOLS
# (default: ipvm-tools in the cache folder).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export IPVM_HOME=$scratch/home

if ! ipvm=$(command -v ipvm); then
    printf 'languages: no ipvm on the PATH, building it\n'
    root=$(cd "$here/../.." && pwd)
    (cd "$root" && cargo build --quiet --release --package ipvm)
    ipvm=${CARGO_TARGET_DIR:-$root/target}/release/ipvm
fi

languages=(rust c js python)
for language in "${languages[@]}"; do
    began=$SECONDS
    "$here/$language/build.sh" "$@"
    printf 'built %s.wasm in %d s\n' "$language" $((SECONDS - began))
done
[ "${1:-}" != wasi ] || languages+=(js-wasi python-wasi)
python3 "$here/check.py" "$ipvm" "${languages[@]}"

"$here/wasi-program/build.sh"
for home in one two; do
    export IPVM_HOME=$scratch/$home
    "$ipvm" call "$here/wasi-program.wasm" run --json >"$scratch/$home.json"
    receipt=$(grep -oE '"receipt": *"[a-z0-9]+"' "$scratch/$home.json" | grep -oE '[a-z0-9]{20,}')
    "$ipvm" receipt logs "$receipt" >"$scratch/$home.log" 2>&1
    grep -oE '"(out|fuel)":[^,]*' "$scratch/$home.json" >>"$scratch/$home.log"
done
cat "$scratch/one.log"
if ! cmp "$scratch/one.log" "$scratch/two.log"; then
    printf 'languages: FAILED: the WASI program saw something else in the second home\n' >&2
    exit 1
fi
printf 'languages: ok; equal results from all languages, and the same world in two homes\n'
