#!/usr/bin/env bash
# Runs this example twice from an empty home, then on a copy with three tokens added, and checks every verdict against the
# name of its file, and that only what is new is checked; exit 0 only if all of it is right.
# Uses the ipvm on the PATH, or builds it. Needs bash, coreutils, grep and sed besides.
set -euo pipefail

name=jwt-did
tokens=102  # 80 with published keys, 22 that prove themselves
tasks=$((tokens + 2))

. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

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
