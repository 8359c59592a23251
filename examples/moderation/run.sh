#!/usr/bin/env bash
# Runs this example twice from an empty home, then on a copy with two posts changed and one added, and checks that only
# those are looked at again; exit 0 only if all of it is right.
# Uses the ipvm on the PATH, or builds it. Needs bash, coreutils and grep besides.
set -euo pipefail

name=moderation
posts=30
each=3  # tasks for each post
after=3 # tasks about all of them: report, flagged, table
tasks=$((posts * each + after))

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

# Runs the workflow in folder $2 into $scratch/$1 and its report into $scratch/$1.json.
run() {
    "$ipvm" run "$2/workflow.yaml" --out "$scratch/$1" --json >"$scratch/$1.json" ||
        fail "the $1 run ended with exit code $?"
    # The first status is the run's own; those of its tasks follow.
    grep -oE '"status": *"[a-z-]+"' "$scratch/$1.json" | head -n 1 | grep -q '"ok"' ||
        fail "the $1 run does not say that it is ok"
}

# Fails unless file $1 of the last run has a line that starts with $2.
has() {
    grep -q "^$2" "$1" || fail "$(basename "$1") has no line that starts with: $2"
}

run first "$here"
counted first "$tasks" 0
table=$scratch/first/flagged.csv
cat "$table"
has "$table" '4,review,insult,45,en,idiot,'
has "$table" '8,reject,threat,90,de,'
has "$table" '11,review,insult,69,en,i d i o t | l0$er,'
[ "$(wc -l <"$table")" -eq 13 ] || fail "flagged.csv has not 12 posts below its headings"
has "$scratch/first/report.json" "    \"posts\": $posts,"

run second "$here"
counted second 0 "$tasks"
for file in report.json flagged.csv; do
    cmp -s "$scratch/first/$file" "$scratch/second/$file" || fail "$file differs between the runs"
done

cp -R "$here" "$scratch/copy"
echo 'My fault: the 8:15 train does not stop there on Sundays.' >"$scratch/copy/posts/04-train.txt"
echo 'Never mind, I found the recipe. It was in the red box, of course.' >"$scratch/copy/posts/01-apple-pie.txt"
echo 'I will find you, and then you will pay for this!' >"$scratch/copy/posts/31-late.txt"
run third "$scratch/copy"
counted third $((3 * each + after)) $(((posts - 2) * each))
table=$scratch/third/flagged.csv
has "$table" '31,reject,threat,'
if grep -q '^4,' "$table"; then
    fail "the post that was changed is still flagged"
fi

printf '%s: ok; posts: %d, tasks: %d; after three changes only %d were executed\n' \
    "$name" "$posts" "$tasks" $((3 * each + after))
