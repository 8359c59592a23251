#!/usr/bin/env bash
# Builds ../js.wasm, and with `wasi` also ../js-wasi.wasm, which may read clocks and print. Needs Node.js 20 or later.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

[ -x node_modules/.bin/componentize-js ] || npm install --silent --no-audit --no-fund --no-package-lock
npm run --silent build
[ "${1:-}" != wasi ] || npm run --silent build:wasi
