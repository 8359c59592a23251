# What the examples' run.sh share. To be sourced, after `name=` of the example; not to be run.
# Sets `here` (the example's folder), `scratch` (a folder that goes when the script ends) and `ipvm` (the one on the PATH, or
# one that is built now), and IPVM_HOME to an empty home.
# shellcheck shell=bash disable=SC2034,SC2154

here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export IPVM_HOME=$scratch/home

fail() {
    printf '%s: FAILED: %s\n' "$name" "$*" >&2
    exit 1
}

# The number that belongs to key $1 in file $2, a run's JSON.
number() {
    grep -oE "\"$1\": *[0-9]+" "$2" | head -n 1 | grep -oE '[0-9]+$'
}

# The receipts in file $1, a run's JSON; a receipt's CID covers the CID of its result.
receipts() {
    grep -oE '"receipt": *"[a-z0-9]+"' "$1" | sort
}

# Runs the workflow in folder $2 into $scratch/$1 and its report into $scratch/$1.json. A task may end in an error: the exit
# code says that the outputs are there all the same.
run() {
    "$ipvm" run "$2/workflow.yaml" --out "$scratch/$1" --json >"$scratch/$1.json" ||
        fail "the $1 run ended with exit code $?"
}

# Fails unless the report of run $1 says that all of it went well.
all_ok() {
    # The first status is the run's own; those of its tasks follow.
    grep -oE '"status": *"[a-z-]+"' "$scratch/$1.json" | head -n 1 | grep -q '"ok"' ||
        fail "the $1 run does not say that it is ok"
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

# Fails unless both runs gave the same receipts, $3 of them.
same_receipts() {
    [ "$(receipts "$scratch/$1.json" | wc -l)" -eq "$3" ] || fail "not every task of the $1 run has a receipt"
    [ "$(receipts "$scratch/$1.json")" = "$(receipts "$scratch/$2.json")" ] || fail "the $1 and the $2 run have other receipts"
}

# Fails unless $scratch/first has the pictures given, and nothing else; by their first bytes.
pictures_are() {
    local picture file found
    found=("$scratch"/first/*)
    [ "${#found[@]}" -eq $# ] || fail "${#found[@]} files were written, not $#"
    for picture in "$@"; do
        file=$scratch/first/$picture
        [ -s "$file" ] || fail "$picture is missing or empty"
        case $picture in
            *.jpg) [ "$(magic "$file" 3)" = ffd8ff ] || fail "$picture is not a JPEG" ;;
            *.png) [ "$(magic "$file" 8)" = 89504e470d0a1a0a ] || fail "$picture is not a PNG" ;;
        esac
    done
}

# The first $2 bytes of file $1, in hex.
magic() {
    head -c "$2" "$1" | od -An -tx1 | tr -d ' \n'
}

if ! ipvm=$(command -v ipvm); then
    printf '%s: no ipvm on the PATH, building it\n' "$name" >&2
    root=$(cd "$here/../.." && pwd)
    (cd "$root" && cargo build --quiet --release --package ipvm)
    ipvm=${CARGO_TARGET_DIR:-$root/target}/release/ipvm
fi
