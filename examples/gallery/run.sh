#!/usr/bin/env bash
# Runs this example twice from an empty home and checks what comes out; exit 0 only if all of it is right.
# Uses the ipvm on the PATH, or builds it. Needs bash, coreutils and grep besides.
set -euo pipefail

name=gallery
tasks=202 # one for each photo, the sheet, and the poster
pictures=(gallery.jpg)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export IPVM_HOME=$scratch/home

fail() {
    printf '%s: FAILED: %s\n' "$name" "$*" >&2
    exit 1
}

# The number that belongs to a key of a run's JSON.
number() {
    grep -oE "\"$1\": *[0-9]+" "$2" | head -n 1 | grep -oE '[0-9]+$'
}

# The receipts in a run's JSON; a receipt's CID covers the CID of its result.
receipts() {
    grep -oE '"receipt": *"[a-z0-9]+"' "$1" | sort
}

# The first bytes of a file, in hex.
magic() {
    head -c "$2" "$1" | od -An -tx1 | tr -d ' \n'
}

if ! ipvm=$(command -v ipvm); then
    printf '%s: no ipvm on the PATH, building it\n' "$name"
    root=$(cd "$here/../.." && pwd)
    (cd "$root" && cargo build --quiet --release --package ipvm)
    ipvm=${CARGO_TARGET_DIR:-$root/target}/release/ipvm
fi

# Runs the workflow into $scratch/$1 and its report into $scratch/$1.json.
run() {
    "$ipvm" run "$here/workflow.yaml" --out "$scratch/$1" --json >"$scratch/$1.json" ||
        fail "the $1 run ended with exit code $?"
    # The first status is the run's own; those of its tasks follow.
    grep -oE '"status": *"[a-z-]+"' "$scratch/$1.json" | head -n 1 | grep -q '"ok"' ||
        fail "the $1 run does not say that it is ok"
}

run first
[ "$(number executed "$scratch/first.json")" = "$tasks" ] || fail "the first run did not execute $tasks tasks"
written=("$scratch"/first/*)
[ "${#written[@]}" -eq "${#pictures[@]}" ] || fail "${#written[@]} files were written, not ${#pictures[@]}"
for picture in "${pictures[@]}"; do
    file=$scratch/first/$picture
    [ -s "$file" ] || fail "$picture is missing or empty"
    case $picture in
        *.jpg) [ "$(magic "$file" 3)" = ffd8ff ] || fail "$picture is not a JPEG" ;;
        *.png) [ "$(magic "$file" 8)" = 89504e470d0a1a0a ] || fail "$picture is not a PNG" ;;
    esac
done

run second
[ "$(number executed "$scratch/second.json")" = 0 ] || fail "the second run executed something again"
[ "$(number reused "$scratch/second.json")" = "$tasks" ] || fail "the second run did not reuse $tasks results"
[ "$(receipts "$scratch/first.json" | wc -l)" -eq "$tasks" ] || fail "not every task has a receipt"
[ "$(receipts "$scratch/first.json")" = "$(receipts "$scratch/second.json")" ] || fail "the runs have other receipts"
for picture in "${pictures[@]}"; do
    cmp -s "$scratch/first/$picture" "$scratch/second/$picture" || fail "$picture differs between the runs"
done

printf '%s: ok; tasks: %d, pictures: %d; the second time all of it came from memory\n' "$name" "$tasks" "${#pictures[@]}"
