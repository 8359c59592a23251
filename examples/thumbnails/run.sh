#!/usr/bin/env bash
# Runs this example twice from an empty home and checks what comes out; exit 0 only if all of it is right.
# Uses the ipvm on the PATH, or builds it. Needs bash, coreutils and grep besides.
set -euo pipefail

name=thumbnails
tasks=8 # of the workflow
pictures=(large.jpg medium.jpg small.jpg grey.jpg soft.jpg turned.jpg detail.jpg sheet.png)

. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

run first "$here"
all_ok first
counted first "$tasks" 0
pictures_are "${pictures[@]}"

run second "$here"
all_ok second
counted second 0 "$tasks"
same_receipts first second "$tasks"
for picture in "${pictures[@]}"; do
    cmp -s "$scratch/first/$picture" "$scratch/second/$picture" || fail "$picture differs between the runs"
done

printf '%s: ok; tasks: %d, pictures: %d; the second time all of it came from memory\n' "$name" "$tasks" "${#pictures[@]}"
