#!/usr/bin/env bash
# Runs this example twice from an empty home, then on a copy in which one statement is replaced, then on one with
# a veto withdrawn, and checks the trust in everybody and that only what changed is computed; exit 0 only if all is right.
# Uses the ipvm on the PATH, or builds it. Needs bash, coreutils and grep besides.
set -euo pipefail

name=transitive-trust
statements=21
tasks=$((statements + 1))

. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

# Reads what run $1 says of the trust in each person into $scratch/$1.told, in order: the line of the reason, then (a few
# lines on) the one of the trust.
told() {
    grep -oE '^      "(because|trust)": .*[^,]' "$scratch/$1/trust.json" >"$scratch/$1.told"
}

# Fails unless the $1 run says of the path $2 that its trust is $3.
trusts() {
    grep -A 1 -F "\"because\": \"$2\"" "$scratch/$1.told" | grep -qF "\"trust\": $3" ||
        fail "the $1 run does not give \"$2\" the trust $3: $(cat "$scratch/$1.told")"
}

# Fails unless the $1 run says of statement $2 that it does not count because of $3.
ignores() {
    tr -d ' \n' <"$scratch/$1/trust.json" | grep -qF "{\"statement\":$2,\"why\":\"$3" ||
        fail "the $1 run does not ignore statement $2 as $3"
}

# Fails unless the $1 run names $2 people.
people() {
    [ "$(grep -c because "$scratch/$1.told")" = "$2" ] || fail "the $1 run names other people: $(cat "$scratch/$1.told")"
}

run first "$here"
counted first "$tasks" 0
told first
sed 's/^ */  /' "$scratch/first.told"
people first 8
trusts first 'Alice -90-> Bob' 90.0
trusts first 'Alice -80-> Carol' 80.0
trusts first 'Alice -80-> Carol -90-> Erin' 64.8
trusts first 'Alice -60-> Judy' 60.0
trusts first 'Alice -90-> Bob -70-> Dave' 56.7
trusts first 'Alice -90-> Bob -80-> Ivan; against it Carol (-50)' 38.88
trusts first 'Alice -80-> Carol -90-> Erin -60-> Frank' 34.99
trusts first 'Alice -60-> Judy -100-> Mallory; against it Alice (-100)' 0.0
ignores first 12 replacedbystatement13
ignores first 20 bad-signature
ignores first 21 saiduntil

run second "$here"
counted second 0 "$tasks"
cmp -s "$scratch/first/trust.json" "$scratch/second/trust.json" || fail "trust.json differs between the runs"

# Bob takes back that he trusts Dave, and warns of him.
cp -R "$here" "$scratch/copy"
cp "$here"/changes/05-bob-dave.jwt "$scratch/copy/statements/"
run third "$scratch/copy"
counted third 2 "$((tasks - 2))"
told third
people third 7
! grep -q 'Dave' "$scratch/third.told" || fail "Dave is still trusted"

# A file says what another says already, and Alice withdraws her veto by removing the file.
cp "$here"/statements/06-bob-ivan.jwt "$scratch/copy/statements/05-bob-dave.jwt"
rm "$scratch/copy/statements/04-alice-mallory.jwt"
run fourth "$scratch/copy"
counted fourth 1 "$((tasks - 2))" # all signatures are known; only the trust is computed
told fourth
trusts fourth 'Alice -60-> Judy -100-> Mallory' 54.0
trusts fourth 'Alice -60-> Judy -100-> Mallory -100-> Sybil 1' 48.6

printf '%s: ok; statements: %d; after one changed, two tasks were executed\n' "$name" "$statements"
