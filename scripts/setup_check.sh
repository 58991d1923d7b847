#!/bin/sh
# Usage: setup_check.sh PYTHON
# Says whether PYTHON can make a virtual environment for abreast and, when it cannot, what to
# install. Installs Debian packages only as root with CI=true.
python=${1:-python3}

on_debian() { command -v apt-get >/dev/null 2>&1; }

install() { # packages
    on_debian && [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] || return 1
    echo "installing $* ..." >&2
    apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >&2
}

refuse() {
    echo "abreast: $1" >&2
    shift
    for line in "$@"; do echo "  $line" >&2; done
    exit 1
}

works() { # can this Python make an environment with pip in it?
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1
}

if ! command -v "$python" >/dev/null 2>&1; then
    if ! { [ "$python" = python3 ] && install python3 python3-venv && command -v python3 >/dev/null; }; then
        if on_debian; then
            refuse "there is no '$python' on this machine." \
                "Debian or Ubuntu: sudo apt-get install python3 python3-venv" \
                "or name another one: make test PYTHON=/path/to/python3"
        fi
        refuse "there is no '$python' on this machine." \
            "Install Python 3.11 or later, or name one: make test PYTHON=/path/to/python3"
    fi
fi

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
    refuse "'$python' does not start as a Python."

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    for other in python3.14 python3.13 python3.12 python3.11; do
        if command -v "$other" >/dev/null 2>&1 &&
            "$other" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            refuse "Python 3.11 or later is needed; '$python' is $version." \
                "This machine also has $other: make test PYTHON=$other"
        fi
    done
    refuse "Python 3.11 or later is needed; '$python' is $version." \
        "Debian 12 or later, Ubuntu 24.04 or later: sudo apt-get install python3 python3-venv" \
        "or name another one: make test PYTHON=/path/to/python3"
fi

if ! works; then
    package="python$version-venv"
    install "$package" || install python3-venv || true
fi
if ! works; then
    if on_debian; then
        refuse "'$python' ($version) cannot make virtual environments: venv or ensurepip is missing." \
            "Debian or Ubuntu: sudo apt-get install python$version-venv" \
            "(python3-venv brings it when $version is the system's Python)"
    fi
    refuse "'$python' ($version) cannot make virtual environments: venv or ensurepip is missing." \
        "Install these modules of the standard library, or name another one: make test PYTHON=..."
fi
