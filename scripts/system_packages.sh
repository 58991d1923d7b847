#!/bin/sh
# The Debian packages that the tests of the service need beyond Python. As root they are installed;
# otherwise this names what is missing, and the tests that need it say so themselves.
set -eu

need() { # program, package
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

missing=""
need curl curl
need jq jq
need watch procps
need systemd-analyze systemd
command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 ||
    need chromium chromium

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing$missing ..."
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
elif [ "${CI:-}" = true ]; then
    echo "missing:$missing; sudo apt-get install$missing" >&2
    exit 1
else
    echo "missing:$missing; tests that need them are left out (sudo apt-get install$missing)" >&2
fi
