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

. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

# Fails unless file $1 of the last run has a line that starts with $2.
has() {
    grep -q "^$2" "$1" || fail "$(basename "$1") has no line that starts with: $2"
}

run first "$here"
all_ok first
counted first "$tasks" 0
table=$scratch/first/flagged.csv
cat "$table"
has "$table" '4,review,insult,45,en,idiot,'
has "$table" '8,reject,threat,90,de,'
has "$table" '11,review,insult,69,en,i d i o t | l0$er,'
[ "$(wc -l <"$table")" -eq 13 ] || fail "flagged.csv has not 12 posts below its headings"
has "$scratch/first/report.json" "    \"posts\": $posts,"

run second "$here"
all_ok second
counted second 0 "$tasks"
for file in report.json flagged.csv; do
    cmp -s "$scratch/first/$file" "$scratch/second/$file" || fail "$file differs between the runs"
done

cp -R "$here" "$scratch/copy"
echo 'My fault: the 8:15 train does not stop there on Sundays.' >"$scratch/copy/posts/04-train.txt"
echo 'Never mind, I found the recipe. It was in the red box, of course.' >"$scratch/copy/posts/01-apple-pie.txt"
echo 'I will find you, and then you will pay for this!' >"$scratch/copy/posts/31-late.txt"
run third "$scratch/copy"
all_ok third
counted third $((3 * each + after)) $(((posts - 2) * each))
table=$scratch/third/flagged.csv
has "$table" '31,reject,threat,'
if grep -q '^4,' "$table"; then
    fail "the post that was changed is still flagged"
fi

printf '%s: ok; posts: %d, tasks: %d; after three changes only %d were executed\n' \
    "$name" "$posts" "$tasks" $((3 * each + after))
