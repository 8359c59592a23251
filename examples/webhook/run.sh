#!/usr/bin/env bash
# Reads orders from a web server on this machine, picks out what is unpaid and tells a webhook, while the server has a bad
# day; then counts what the server saw; exit 0 only if all of it is right.
# Uses the ipvm on the PATH, or builds it. Needs Python 3, bash, coreutils and grep besides.
set -euo pipefail

name=webhook
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
server=

# Whatever happens: the server ends when its standard input does.
leave() {
    if [ -n "$server" ]; then
        exec {stop}>&-
        wait "$server" || true
    fi
    rm -rf "$scratch"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '\n%s: %s\n' "$name" "$*"; }

command -v python3 >/dev/null || fail "there is no python3, which the web server is written in: install Python 3"

shop=$scratch/shop
mkdir "$shop"
cp "$here/orders.json" "$shop"
coproc SHOP { exec python3 "$here/server.py" "$shop"; }
server=$SHOP_PID
exec {stop}>&"${SHOP[1]}" {told}<&"${SHOP[0]}"
eval "exec ${SHOP[1]}>&-" # the copy above is the one that is closed in the end
read -r address <&"$told" || fail "the server did not start"

# Runs the workflow; fails unless it executes $1 tasks and takes the results of $2 from memory.
run() {
    local got
    "$ipvm" run "$here/workflow.yaml" --json --set "orders=http://$address/orders.json" --set "hook=http://$address/hook" "${@:3}" \
        >"$scratch/report.json" || fail "the run ended with exit code $?"
    got="$(number executed "$scratch/report.json") executed, $(number reused "$scratch/report.json") reused"
    [ "$got" = "$1 executed, $2 reused" ] || fail "$got; expected were $1 and $2"
}
# Fails unless the server has seen so many requests that begin so.
saw() { [ "$(grep -c "^$1" "$shop/log")" = "$2" ] || fail "not $2 times $1 at the server: $(cat "$shop/log")"; }
# Fails unless the hook was told this last, and so many things in all.
was_told() {
    [ "$(wc -l <"$shop/told")" = "$1" ] || fail "the hook was told $(wc -l <"$shop/told") things, not $1"
    [ "$(tail -n 1 "$shop/told")" = "$2" ] || fail "the hook was told $(tail -n 1 "$shop/told")"
}

# The server is on this machine, which has to be allowed; and it recognises a request by its Idempotency-Key.
"$ipvm" provider add shop http --host "$address" --allow-private "$address" --idempotent
"$ipvm" provider test shop

say "the first run, on the server's bad day"
run 3 0
cat "$shop/log"
saw 'GET 429' 1
saw 'GET 200' 1
saw 'POST done' 1
saw 'POST known' 1
[ "$(grep '^POST' "$shop/log" | cut -d' ' -f3 | sort -u | wc -l)" = 1 ] || fail "the two requests do not have one key"
was_told 1 '{"orders":4,"unpaid":[1042,1044]}'

say "the same command again: nothing is asked, nothing is told"
run 0 3
saw GET 2
saw POST 2

say "a new run: asked again; the orders are as they were, so nothing is computed; told again, because it was asked for"
run 2 1 --again
saw 'GET 200' 2
saw 'POST done' 2
was_told 2 '{"orders":4,"unpaid":[1042,1044]}'

say "a new run after Grace has paid"
sed -i.old '/"Grace"/s/false/true/' "$shop/orders.json"
run 3 0 --again
was_told 3 '{"orders":4,"unpaid":[1044]}'

printf '\n%s: ok; three runs told the hook three things, once each, though one answer was lost\n' "$name"
