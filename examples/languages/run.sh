#!/usr/bin/env bash
# Builds the same world in Rust, C, JavaScript and Python, calls every function of each, alone and in a workflow, and
# compares; exit 0 only if all results are equal. Then runs a WASI program in two homes, which must see the same world.
# With the argument `wasi`, JavaScript and Python are also built with their usual imports. Uses the ipvm on the PATH, or
# builds it. Needs Rust, Python 3.9, Node.js 20 and their package registries; what is installed goes to $IPVM_TOOLS
# (default: ipvm-tools in the cache folder).
set -euo pipefail

name=languages
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

languages=(rust c js python)
for language in "${languages[@]}"; do
    began=$SECONDS
    "$here/$language/build.sh" "$@"
    printf 'built %s.wasm in %d s\n' "$language" $((SECONDS - began))
done
[ "${1:-}" != wasi ] || languages+=(js-wasi python-wasi)
python3 "$here/check.py" "$ipvm" "${languages[@]}"

"$here/wasi-program/build.sh"
# The second home is two days later, if the machine can pretend so.
moved=()
! command -v faketime >/dev/null || moved=(faketime -f +2d)
for home in one two; do
    export IPVM_HOME=$scratch/$home
    clock=()
    [ "$home" = one ] || clock=("${moved[@]}")
    "${clock[@]}" "$ipvm" call "$here/wasi-program.wasm" run --json >"$scratch/$home.json"
    receipt=$(grep -oE '"receipt": *"[a-z0-9]+"' "$scratch/$home.json" | grep -oE '[a-z0-9]{20,}')
    "$ipvm" receipt logs "$receipt" >"$scratch/$home.log" 2>&1
    "$ipvm" receipt show "$receipt" --json | grep -oE '"started": *[0-9]+' | grep -oE '[0-9]+' >"$scratch/$home.started"
    grep -oE '"(out|fuel)":[^,]*' "$scratch/$home.json" >>"$scratch/$home.log"
done
cat "$scratch/one.log"
apart=$(($(<"$scratch/two.started") - $(<"$scratch/one.started")))
if [ ${#moved[@]} -gt 0 ] && [ "$apart" -lt 172800 ]; then
    fail "the clock was not moved"
fi
printf 'the second home ran it %d s later, by the clock\n' "$apart"
if ! cmp "$scratch/one.log" "$scratch/two.log"; then
    fail "the WASI program saw something else in the second home"
fi
printf 'languages: ok; equal results from all languages, and the same world in two homes\n'
