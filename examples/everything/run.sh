#!/usr/bin/env bash
# A DNS record, two mails and a report, in one workflow, at real servers on this machine: Knot DNS, aiosmtpd, http.server.
# What happened is looked at there, not believed. `run.sh crash` kills ipvm at each step of it instead; `run.sh servers`
# only starts the servers, for trying it by hand. Exit 0 only if all of it is right.
# Uses the ipvm on the PATH, or builds it. Needs Python 3.11 or later, and the packages knot and knot-dnsutils, which are installed with
# apt-get if they are missing; aiosmtpd of a fixed version goes to $IPVM_TOOLS (default: ipvm-tools in the cache folder).
set -euo pipefail

name=everything
PACKAGES=(aiosmtpd==1.4.6 atpublic==9.0.0 attrs==26.1.0)

. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
export PATH=$PATH:/usr/sbin # where Debian has knotd
servers=

# Whatever happens: the servers end when their standard input does.
leave() {
    if [ -n "$servers" ]; then
        exec {stop}>&-
        wait "$servers" || true
    fi
    rm -rf "$scratch"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n%s: %s\n' "$name" "$*"; }

# --- what it needs ---

missing=()
command -v knotd >/dev/null || missing+=(knot)
command -v kdig >/dev/null || missing+=(knot-dnsutils)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ]; then
    printf '%s: installing %s\n' "$name" "${missing[*]}"
    install=(apt-get install --yes --quiet --no-install-recommends "${missing[@]}")
    "${install[@]}" || { apt-get update --quiet && "${install[@]}"; } || fail "install these packages: ${missing[*]}"
fi

tools=${IPVM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvm-tools}/aiosmtpd-1.4.6
# The last file says that all before it went well: what was cut short is not taken for whole.
if [ ! -e "$tools/whole" ]; then
    printf '%s: installing %s\n' "$name" "${PACKAGES[*]}"
    rm -rf "$tools"
    mkdir -p "$(dirname "$tools")"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps "${PACKAGES[@]}" ||
        fail "pip could not install ${PACKAGES[*]}"
    touch "$tools/whole"
fi
python=$tools/bin/python

# --- the servers ---

if [ "${1:-}" = servers ]; then
    printf '%s: how to reach the servers, for a shell; they stop with Ctrl-D or Ctrl-C\n' "$name" >&2
    printf 'KEY=%s\nMAILS=%s\n' "$scratch/servers/names/tsig.key" "$scratch/servers/mails/new"
    "$python" "$here/servers.py" "$scratch/servers"
    exit
fi
if [ "${1:-}" = crash ]; then
    "$python" "$here/crash.py" "$ipvm" "$scratch" "${@:2}"
    exit
fi

coproc SERVERS { exec "$python" "$here/servers.py" "$scratch/servers"; }
servers=$SERVERS_PID
exec {stop}>&"${SERVERS[1]}" {told}<&"${SERVERS[0]}"
eval "exec ${SERVERS[1]}>&-"
for each in DNS KNOT MAIL WEB; do
    read -r "${each?}" <&"$told" || fail "the servers did not start"
    declare "$each=${!each#*=}"
done
KEY=$scratch/servers/names/tsig.key
mails=$scratch/servers/mails/new
page=$scratch/servers/pages/report

# --- what the servers have ---

record() { kdig @127.0.0.1 -p "$KNOT" example.com TXT +short; }
mails() { find "$mails" -type f | wc -l; }
# Fails unless there are so many mails.
mails_are() { [ "$(mails)" = "$1" ] || fail "the mail server has $(mails) mails, not $1"; }
# Fails unless file $1 has a line that matches $2.
has() { grep -qE "$2" "$1" || fail "$1 has no line with $2: $(cat "$1")"; }
# The mails to somebody, in the order in which they came.
to() { grep -lE "^To: $1@example.com" "$mails"/* | xargs ls -tr; }
# Runs a workflow; the report goes to $scratch/report.json. Fails unless it executes $1 tasks.
run() {
    local executed
    "$ipvm" run --json "${@:2}" >"$scratch/report.json" || fail "exit code $? of: ipvm run ${*:2}"
    executed=$(number executed "$scratch/report.json")
    [ "$executed" = "$1" ] || fail "$executed tasks were executed, not $1: ipvm run ${*:2}"
}
# Fails unless a run ends with exit code 3 because Alice's condition is not met, and no mail came of it.
refused() {
    local code=0 before talks
    before=$(mails)
    talks=$(grep -c '^mail: connected' "$scratch/servers/stages")
    "$ipvm" run "$here/$1" >"$scratch/out" 2>"$scratch/err" || code=$?
    cat "$scratch/err"
    [ "$code" = 3 ] || fail "exit code $code, not 3, of: ipvm run $1"
    has "$scratch/err" 'not met: all .to'
    mails_are "$before"
    [ "$(grep -c '^mail: connected' "$scratch/servers/stages")" = "$talks" ] || fail "the mail server was connected to"
}

# --- the example ---

say "three owners, each with a home of their own, lend part of what they have"
export DNS MAIL WEB KEY IPVM="$ipvm" HOMES="$scratch/homes"
mkdir "$HOMES"
bash "$here/setup.sh"
export IPVM_HOME=$HOMES/me
for account in zone alice site; do
    "$ipvm" provider test "$account"
done

say "before: $(record), $(mails) mails"
run 4 "$here/workflow.yaml" --set record=v=1 --set "page=http://$WEB/report"
"$ipvm" workflow show everything
say "after, at the servers: $(record), $(mails) mails"
[ "$(record)" = '"v=1"' ] || fail "the record is $(record)"
mails_are 2
for who in bob carol; do
    mail=$(to "$who")
    has "$mail" '^From: alice@example.com'
    has "$mail" '^\{"records":\["v=1"\],"ttl":60\}'
    id=$(grep -oiE '^Message-ID: <[a-z0-9]+@ipvm>' "$mail" | grep -oE '<.*>')
    has "$page" "\"id\":\"$id\""
done
cat "$(to bob)" "$page"

say "the same again: what is done stays done"
run 0 "$here/workflow.yaml" --set record=v=1 --set "page=http://$WEB/report"
mails_are 2

say "once more, because it is asked for"
run 4 "$here/workflow.yaml" --set record=v=1 --set "page=http://$WEB/report" --again
mails_are 4
[ "$(grep -ihE '^Message-ID:' "$mails"/* | sort -u | wc -l)" = 4 ] || fail "the four mails do not have four names"

say "to somebody whom Alice did not lend her address for"
refused eve.yaml
say "… and the same by way of a value that is known only when the run is under way"
"$ipvm" run --quiet "$here/subscribe.yaml" --set address=bob@example.com >/dev/null
"$ipvm" run --quiet "$here/subscribe.yaml" --set address=eve@evil.test >/dev/null
refused news.yaml
has "$scratch/err" '^error news: refused \(MatchError\): delegation [a-z0-9]+ '

printf '\n%s: ok; one record, four mails in two runs, one report; nothing was done twice, and nothing to Eve\n' "$name"
