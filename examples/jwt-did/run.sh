#!/usr/bin/env bash
# Runs this example twice from an empty home, then on a copy with three tokens added, and checks every verdict against the
# name of its file, and that only what is new is checked; exit 0 only if all of it is right.
# Uses the ipvm on the PATH, or builds it. Needs bash, coreutils, grep and sed besides.
set -euo pipefail

name=jwt-did
tokens=102  # 80 with published keys, 22 that prove themselves
tasks=$((tokens + 2))

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

# Fails unless run $1 executed $2 tasks and reused the results of $3.
counted() {
    local executed reused
    executed=$(number executed "$scratch/$1.json")
    reused=$(number reused "$scratch/$1.json")
    [ "$executed" = "$2" ] || fail "the $1 run executed $executed tasks, not $2"
    [ "$reused" = "$3" ] || fail "the $1 run reused $reused results, not $3"
    printf '%s: the %s run: %d executed, %d reused\n' "$name" "$1" "$executed" "$reused"
}

if ! ipvm=$(command -v ipvm); then
    printf '%s: no ipvm on the PATH, building it\n' "$name"
    root=$(cd "$here/../.." && pwd)
    (cd "$root" && cargo build --quiet --release --package ipvm)
    ipvm=${CARGO_TARGET_DIR:-$root/target}/release/ipvm
fi

# Runs the workflow in folder $2 into $scratch/$1 and its report into $scratch/$1.json. A refused token is a task that ends in
# an error; the exit code says that the outputs are there all the same.
run() {
    "$ipvm" run "$2/workflow.yaml" --out "$scratch/$1" --json --quiet >"$scratch/$1.json" ||
        fail "the $1 run ended with exit code $?"
}

# Fails unless report $1 has for each file of folder $2, in their order, the verdict that its name says.
as_named() {
    local file
    for file in "$2"/*.jwt; do
        basename "$file" .jwt | sed 's/^[0-9]*-//'
    done >"$scratch/named"
    grep -oE '"refused": "[a-z-]+"|"valid": true' "$1" |
        sed 's/.*"valid": true/valid/; s/.*"refused": "\(.*\)"/\1/' >"$scratch/told"
    diff "$scratch/named" "$scratch/told" >&2 || fail "$(basename "$1") (right) is not what the files' names say (left)"
}

run first "$here"
counted first "$tasks" 0
as_named "$scratch/first/report.json" "$here/tokens"
as_named "$scratch/first/proofs.json" "$here/did-tokens"
sort "$scratch/named" | uniq -c | sed "s/^/$name: did:key /"
for file in "$here"/tokens/*.jwt; do
    basename "$file" .jwt | sed 's/^[0-9]*-//'
done | sort | uniq -c | sed "s/^/$name: jwks    /"

run second "$here"
counted second 0 "$tasks"
for file in report.json proofs.json; do
    cmp -s "$scratch/first/$file" "$scratch/second/$file" || fail "$file differs between the runs"
done

cp -R "$here" "$scratch/copy"
cp "$here"/more/*.jwt "$scratch/copy/tokens/"
run third "$scratch/copy"
counted third 4 "$((tasks - 1))" # the three, and the report about all
as_named "$scratch/third/report.json" "$scratch/copy/tokens"

printf '%s: ok; %d tokens, each verdict as its file is named; after three more only those and the report were executed\n' \
    "$name" "$tokens"
