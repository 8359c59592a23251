#!/usr/bin/env bash
# Builds ../python.wasm, and with `wasi` also ../python-wasi.wasm, which may read clocks and print. Needs Python 3.9 or
# later; installs componentize-py in $IPVM_TOOLS, once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

COMPONENTIZE_PY=0.25.1
tools=${IPVM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvm-tools}/componentize-py-$COMPONENTIZE_PY
if [ ! -x "$tools/bin/componentize-py" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check "componentize-py==$COMPONENTIZE_PY"
fi
componentize() {
    "$tools/bin/componentize-py" --wit-path ../wit --world example componentize app "$@" >/dev/null
}
componentize --stub-wasi --output ../python.wasm
[ "${1:-}" != wasi ] || componentize --output ../python-wasi.wasm
