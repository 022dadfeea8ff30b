#!/usr/bin/env bash
# Command-line tools that some tests drive: kcat and a Chromium. Installed where that is possible,
# and asked for only once: $1 is the mark of an attempt. Tests skip, with their reason, without.
set -euo pipefail
tried=$1

missing=()
command -v kcat >/dev/null || missing+=(kcat)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || missing+=(chromium)

if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if [ -e "$tried" ]; then
    echo "note: without ${missing[*]}; remove $tried to try an install again" >&2
    exit 0
fi
touch "$tried"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "note: without ${missing[*]}: installing needs root and apt-get; tests of it skip" >&2
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get -q update && apt-get -q install -y --no-install-recommends "${missing[@]}"; } \
    >"$tried" 2>&1; then
    echo "note: could not install ${missing[*]} (see $tried); tests of it skip" >&2
fi
