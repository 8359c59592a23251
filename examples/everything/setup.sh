#!/usr/bin/env bash
# Three owners lend part of what they have to the owner of the home $HOMES/me, who says how their servers are reached.
# $IPVM is the program; $DNS, $MAIL and $WEB are the servers, and $KEY the file with the key for DNS updates.
set -euo pipefail

me() { IPVM_HOME=$HOMES/me "$IPVM" "$@"; }
zone() { IPVM_HOME=$HOMES/zone "$IPVM" "$@"; }
alice() { IPVM_HOME=$HOMES/alice "$IPVM" "$@"; }
site() { IPVM_HOME=$HOMES/site "$IPVM" "$@"; }
owner() { "$1" key show --json | grep -oE '"owner": *"did:[^"]*"' | grep -oE 'did:[^"]*'; }

# Whoever owns the zone, Alice, and whoever owns the web site are called by these names.
for who in zone alice site; do
    me name add "$who" "$(owner "$who")"
    "$who" name add me "$(owner me)"
done

# One record of the zone may be changed.
zone ucan delegate --to me --cmd /crud/update --policy '.uri == "dns:example.com?TYPE=TXT"' -o "$HOMES/zone.ucan"

# Mails may go out in Alice's name, to example.com alone.
alice ucan delegate --to me --cmd /msg/send -o "$HOMES/alice.ucan" \
    --policy '.from == "mailto:alice@example.com"' \
    --policy 'all .to: . like "*@example.com"' \
    --policy '.cc? == null'

# What is below this page may be replaced.
site ucan delegate --to me --cmd /crud/update --policy ".uri like \"http://$WEB/*\"" -o "$HOMES/site.ucan"

for who in zone alice site; do
    me ucan import "$HOMES/$who.ucan"
done

# How their servers are reached. They are on this machine, which has to be allowed.
me provider add zone dns --subject zone --server "$DNS" --zone example.com --key ddns.example.com --secret-file "$KEY" \
    --allow-private 127.0.0.1
me provider add alice smtp --subject alice --server "$MAIL" --tls none --from alice@example.com --allow-private 127.0.0.1
me provider add site http --subject site --host "$WEB" --allow-private "$WEB"
