#!/usr/bin/env bash
# Builds the same world in Rust, C, JavaScript and Python, calls every function of each, alone and in a workflow, and
# compares; exit 0 only if all results are equal. Uses the ipvm on the PATH, or builds it. Needs Rust, Python 3.9,
# Node.js 20 and their package registries; what is installed goes to $IPVM_TOOLS (default: ipvm-tools in the cache folder).
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

for language in rust c js python; do
    began=$SECONDS
    "$here/$language/build.sh"
    printf 'built %s.wasm in %d s\n' "$language" $((SECONDS - began))
done
python3 "$here/check.py" "$ipvm"
printf 'languages: ok; equal results from all four\n'
