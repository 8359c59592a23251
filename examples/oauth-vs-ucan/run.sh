#!/usr/bin/env bash
# Lets a print shop read one of Alice's photos, with OAuth 2.0 and with UCAN, over real HTTP on this machine; counts the
# requests where they arrive, and checks that both do what they should; exit 0 only if all of it is right.
# Uses the ipvm on the PATH, or builds it. Needs npm and its registry: Node.js, oidc-provider and oauth4webapi of fixed
# versions go to $IPVM_TOOLS (default: ipvm-tools in the cache folder).
set -euo pipefail

name=oauth-vs-ucan
NODE=node@22.23.3
PACKAGES=(oidc-provider@9.13.3 oauth4webapi@3.8.8)

. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

command -v npm >/dev/null || fail "there is no npm, which installs what this example compares with: install Node.js 20 or later"
tools=${IPVM_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvm-tools}/oauth-9.13.3
# Installed into a folder beside and renamed: what was cut short is not taken for whole.
if [ ! -d "$tools" ]; then
    printf '%s: installing %s %s\n' "$name" "$NODE" "${PACKAGES[*]}"
    rm -rf "$tools.part"
    mkdir -p "$tools.part"
    npm install --prefix "$tools.part" --silent --no-audit --no-fund --no-save "$NODE" "${PACKAGES[@]}" ||
        fail "npm could not install ${PACKAGES[*]}"
    mv "$tools.part" "$tools"
fi

# The library says on stderr what is fit for a demonstration only; that is what this is.
"$tools/node_modules/.bin/node" "$here/compare.mjs" "$tools" "$ipvm" "$scratch" >"$scratch/told" 2>"$scratch/warnings" || {
    cat "$scratch/told" "$scratch/warnings" >&2
    fail "see above"
}
cat "$scratch/told"
grep '^|' "$scratch/told" >"$scratch/table"
grep '^|' "$here/README.md" | head -n "$(wc -l <"$scratch/table")" >"$scratch/promised"
diff "$scratch/promised" "$scratch/table" || fail "the table in README.md (left) is not what was counted (right)"
printf '%s: ok; the same photo was read both ways, and neither way after it was taken back\n' "$name"
