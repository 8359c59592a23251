#!/usr/bin/env bash
# Alice lends Bob a function on her machine, Bob lends Carol part of it, and then takes Carol's part back. Three homes that
# never meet: they exchange files. Checks that each may do exactly what was given; exit 0 only if all of it is right.
# Uses the ipvm on the PATH, or builds it. Needs bash, coreutils and grep besides.
set -euo pipefail

name=sharing
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
photo=$here/../thumbnails/photo.jpg
cd "$scratch"

# What each of the three does, in a home of their own.
alice() { IPVM_HOME=$scratch/alice "$ipvm" "$@"; }
bob() { IPVM_HOME=$scratch/bob "$ipvm" "$@"; }
carol() { IPVM_HOME=$scratch/carol "$ipvm" "$@"; }

# The DID of one of the two keys of a home: who, which.
did() { "$1" key show --json | grep -oE "\"$2\": *\"did:[^\"]*\"" | grep -oE 'did:[^"]*'; }

# Fails unless the command ends with exit code 3 and says $1.
refused() {
    local says=$1 code=0
    shift
    "$@" >refused.out 2>refused.err || code=$?
    [ "$code" = 3 ] || fail "exit code $code, not 3: $*"
    grep -q "$says" refused.out refused.err || fail "not refused as $says: $*"
    printf '%s: refused, as it should be: %s\n' "$name" "$says"
}

# They know one another by name. These names are nobody's but the one's who gives them.
alice name add bob "$(did bob owner)"
bob name add alice-machine "$(did alice agent)"
bob name add carol "$(did carol owner)"
carol name add alice-machine "$(did alice agent)"

# Alice: Bob may use two functions of this module on my machine, for a week.
module=$(alice add --quiet "$here/../thumbnails/image.wasm")
alice ucan delegate --to bob --cmd /wasm/run --expires 7d -o bob.ucan \
    --policy ".mod == {\"/\": \"$module\"}" \
    --policy '.fun == "ipvm:image/image@0.1.0#thumbnail" or .fun == "ipvm:image/image@0.1.0#grayscale"'
bob ucan import bob.ucan
bob ucan inspect bob.ucan

# Bob asks for a small picture of his photo, which goes along. Alice's machine has never seen it, and never seen Bob.
content=$(bob add --quiet "$photo")
bob get "$content" --car -o photo.car >/dev/null
call() { printf '{"mod": {"/": "%s"}, "fun": "ipvm:image/image@0.1.0#%s", "args": %s}' "$module" "$1" "$2"; }
bob ucan invoke /wasm/run --sub alice-machine -o request.ucan \
    --args "$(call thumbnail "[{\"/\": \"$content\"}, 128, 128]")"
alice ucan execute request.ucan --content photo.car -o answer.ucan
bob ucan import answer.ucan
receipt=$(bob receipt list --limit 1 --json | grep -oE '"receipt": *"[a-z0-9]+"' | grep -oE 'baf[a-z0-9]+')
bob receipt show "$receipt" -o small.jpg >/dev/null
[ -s small.jpg ] || fail "there is no small picture"

# Bob: Carol may make pictures grey, until tomorrow. Alice is not asked.
bob ucan delegate --to carol --cmd /wasm/run --sub alice-machine --expires 1d -o carol.ucan \
    --policy '.fun == "ipvm:image/image@0.1.0#grayscale"'
carol ucan import carol.ucan
grey="$(call grayscale "[{\"/\": \"$content\"}]")"
carol ucan invoke /wasm/run --sub alice-machine --args "$grey" -o grey.ucan
carol ucan verify grey.ucan
alice ucan execute grey.ucan --content photo.car --result grey.car -o grey-answer.ucan
carol ucan import grey-answer.ucan
# This result is too large for a receipt: it came as content.
grey_content=$(carol add --quiet --car grey.car | grep -oE 'baf[a-z0-9]+' | head -n 1)
carol get "$grey_content" -o grey.jpg >/dev/null
[ -s grey.jpg ] || fail "there is no grey picture"

# More than she was given, her own program does not even sign; nor would Alice's machine do it.
refused 'grayscale' carol ucan invoke /wasm/run --sub alice-machine \
    --args "$(call thumbnail "[{\"/\": \"$content\"}, 8, 8]")"
# Somebody else's right is no use to Bob's neighbour.
refused 'no delegations lead' bob ucan invoke /wasm/run --sub "$(did carol agent)"

# Bob takes Carol's part back, and tells Alice's machine. That cuts off Carol, and nobody else.
bob ucan revoke carol.ucan -o revoked.ucan
alice ucan import revoked.ucan
refused 'Revoked' alice ucan execute grey.ucan --content photo.car
bob ucan invoke /wasm/run --sub alice-machine --args "$grey" -o bobs.ucan
alice ucan execute bobs.ucan --content photo.car -o bobs-answer.ucan
refused 'Revoked' alice ucan verify grey.ucan

printf '%s: ok; nobody but Alice and Bob was asked for anything, and no server at all\n' "$name"
