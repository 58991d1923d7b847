"""Peers that are not part of Python, each in an environment of its own.

A peer is a folder with ``requirements.txt`` and scripts. Its environment is made in ``.venv``
there when it is first needed, and anew when the requirements change.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).resolve().parent


class NotInstalled(SystemExit):
    """An environment could not be made."""


def environment(name: str) -> str:
    """Return the Python of a peer's environment, which is made when it is not there."""
    wanted = (PEERS / name / "requirements.txt").read_text("utf-8")
    return made(name, PEERS / name / ".venv", wanted)


def made(name: str, home: Path, wanted: str) -> str:
    """Return the Python of the environment in ``home`` that holds these requirements."""
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = home / scripts / "python"
    stamp = home / "ready.txt"
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return str(python)
    print(f"setting up the environment of {name} ...", file=sys.stderr)
    try:
        run(sys.executable, "-m", "venv", "--clear", str(home))
        quiet = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install")
        run(str(python), *quiet, *wanted.split())
    except subprocess.CalledProcessError as error:
        raise NotInstalled(
            f"{name} could not be installed ({', '.join(wanted.split())}); "
            f"is a package index in reach?\n{error.stderr}"
        ) from None
    (home / ".gitignore").write_text("*\n", "utf-8")
    stamp.write_text(wanted, "utf-8")
    return str(python)


def run(*command: str) -> None:
    subprocess.run(command, check=True, text=True, stderr=subprocess.PIPE)
