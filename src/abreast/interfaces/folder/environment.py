"""Interpreters of their own for tasks: found where they are, or made from a list of requirements.

An environment is made once for every content of the list and kept below the store's folder. It is
in use only once it is complete: a mark in it is written last.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from ...errors import UsageError

_READY = "abreast-ready"  # in an environment that is complete
_NESTED = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)(?:\s+|=)(\S+)")
_PYTHONS = ("python", "python3")
# Settings of the service's own interpreter, which are none of another one's.
_OURS = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


class _Recipe(NamedTuple):
    """What an environment is made of and for whom."""

    python: str
    requirements: str
    name: str
    env: dict[str, str]


def variables(more: Mapping[str, str]) -> dict[str, str]:
    """The variables of this process without those that are about its interpreter, and more."""
    return {**{key: value for key, value in os.environ.items() if key not in _OURS}, **more}


def interpreter(
    python: str | None,
    requirements: str | None,
    envs: str | None,
    name: str = "",
    env: Mapping[str, str] | None = None,
) -> str:
    """The interpreter a task runs in; makes its environment if that does not exist yet.

    Parameters
    ----------
    python : str, optional
        An interpreter, the folder of a virtual environment, or a name on the ``PATH``. With
        ``requirements``: what the environment is made with.
    requirements : str, optional
        A file for ``pip install -r``. What pip prints goes to standard output.
    envs : str, optional
        The folder for environments.
    name : str
        The task, for errors.
    env : mapping, optional
        Variables for pip, beside those of this process.

    Raises
    ------
    UsageError
        Saying what is missing, or what could not be installed.
    """
    base = find(python, name) if python is not None else sys.executable
    if requirements is None:
        return base
    if envs is None:
        raise UsageError(f"task {name!r}: there is no folder for environments of requirements")
    return _prepared(_Recipe(base, requirements, name, variables(env or {})), envs)


def find(python: str, name: str = "") -> str:
    """The interpreter that a path or a name means."""
    if os.path.isdir(python):
        for file in _PYTHONS:
            full = os.path.join(python, "bin", file)
            if os.access(full, os.X_OK):
                return full
        raise UsageError(
            f"task {name!r}: the folder python = {python!r} is no virtual environment: it has no "
            f"bin/python; make one with: python3 -m venv {python}"
        )
    found = shutil.which(python)
    if found is None:
        raise UsageError(
            f"task {name!r}: there is no interpreter python = {python!r}; name a virtual "
            "environment, the path of an interpreter, or one on the PATH such as 'python3.12'"
        )
    return os.path.abspath(found)


# -- making one -------------------------------------------------------------------------------


def key_of(requirements: str, version: str) -> str:
    """What an environment is kept under: content of the list, and of lists in it, and Python."""
    digest = hashlib.sha256(version.encode())
    for content in _contents(requirements, set()):
        digest.update(b"\0" + content)
    return digest.hexdigest()


def _contents(path: str, seen: set[str]) -> Iterator[bytes]:
    if path in seen:
        return
    seen.add(path)
    with open(path, "rb") as file:
        content = file.read()
    yield content
    folder = os.path.dirname(path)
    for line in content.decode("utf-8", "replace").splitlines():
        nested = _NESTED.match(line)
        word = nested[1] if nested else line.partition("#")[0].partition(";")[0].strip()
        file_named = os.path.join(folder, word)
        if not word or not os.path.isfile(file_named):
            continue
        if nested:
            yield from _contents(file_named, seen)
        else:  # a package that lies here
            with open(file_named, "rb") as file:
                yield hashlib.file_digest(file, "sha256").digest()


def _prepared(recipe: _Recipe, envs: str) -> str:
    try:
        key = key_of(recipe.requirements, _version(recipe))
    except OSError as error:
        raise UsageError(
            f"task {recipe.name!r}: its requirements {recipe.requirements!r} cannot be read: "
            f"{error.strerror}"
        ) from None
    home = os.path.join(envs, key)
    python = os.path.join(home, "bin", "python")
    if _is_ready(home, python):
        return python
    os.makedirs(envs, 0o700, exist_ok=True)
    with _locked(home + ".lock") as lock:
        if not _is_ready(home, python):
            _make(recipe, home, lock)
    return python


def _is_ready(home: str, python: str) -> bool:
    return os.path.isfile(os.path.join(home, _READY)) and os.access(python, os.X_OK)


def _version(recipe: _Recipe) -> str:
    if recipe.python == sys.executable:
        return "{}.{}".format(*sys.version_info)
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run(
        [recipe.python, "-I", "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise UsageError(
            f"task {recipe.name!r}: {recipe.python!r} is no working Python: {done.stderr.strip()}"
        )
    return done.stdout.strip()


@contextmanager
def _locked(path: str) -> Iterator[int]:
    """Hold a lock that ends with the process that holds it, and with those it has passed it to."""
    import fcntl

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another run is making the environment of these requirements; waiting for it")
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


def _make(recipe: _Recipe, home: str, lock: int) -> None:
    """Make an environment; nothing of it stays if that fails."""
    shutil.rmtree(home, ignore_errors=True)  # what a killed run has left
    python = os.path.join(home, "bin", "python")
    requirements = recipe.requirements
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    advice = f"correct {requirements!r}, or name a ready environment with python = '.venv'"
    try:
        _say(f"making an environment for {requirements}")
        _do(recipe, [recipe.python, "-m", "venv", home], lock, _NO_VENV)
        _do(recipe, [*pip, "-r", requirements], lock, advice)
        with open(os.path.join(home, _READY), "w", encoding="utf-8") as file:
            file.write(requirements + "\n")
            file.flush()
            os.fsync(file.fileno())
        _say(f"the environment is complete: {home}")
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


_NO_VENV = (
    "install the module venv for this Python (on Debian and Ubuntu: apt install python3-venv)"
)


def _do(recipe: _Recipe, argv: list[str], lock: int, advice: str) -> None:
    _say("$ " + " ".join(argv))
    # With the lock: if this process is killed, nobody begins anew before that one has ended, too.
    done = subprocess.run(
        argv,
        cwd=os.path.dirname(recipe.requirements),
        env=recipe.env,
        stdin=subprocess.DEVNULL,
        pass_fds=[lock],
    )
    if done.returncode:
        raise UsageError(
            f"task {recipe.name!r}: {' '.join(argv[1:4])} failed with exit code {done.returncode}, "
            f"see the log of this run; {advice}"
        )


def _say(text: str) -> None:
    print(f"abreast: {text}", flush=True)
