"""Wrong calls and broken files: exit code 2, a short text that helps, nothing started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

GOOD = "@task\ndef build(): open('started', 'w')\n@task(after=['build'])\ndef test(): ...\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "Missing argument 'FILE'"),
        (["run", "missing.py"], "there is no file 'missing.py'"),
        (["run", "task.py"], "did you mean 'tasks.py'"),
        (["run", "."], "is a folder"),
        (["run", "tasks.py", "biuld"], "there is no task 'biuld'; did you mean 'build'?"),
        (["run", "tasks.py", "xyz"], "there are: build, test"),
        (["run", "tasks.py", "-j", "0"], "0 is not in the range x>=1"),
        (["run", "tasks.py", "-j", "many"], "'many' is not a valid integer"),
        (["run", "tasks.py", "--timeout", "soon"], "'soon' is not a duration"),
        (["run", "tasks.py", "--timeout", "-1"], "is not a duration"),
        (["run", "tasks.py", "--timeout", "0"], "leaves no time"),
        (["run", "tasks.py", "--timeout", "nan"], "is not a duration"),
        (["run", "tasks.py", "--executor", "rocket"], "'rocket' is not one of"),
        (["run", "tasks.py", "--output", "loud"], "'loud' is not one of"),
        (["run", "tasks.py", "--progress", "loud"], "'loud' is not one of"),
        (["run", "tasks.py", "--timeot", "3"], "--timeout"),
        (["run", "tasks.py", "--html", "no/such/r.html"], "the folder of 'no/such/r.html'"),
        (["run", "tasks.py", "--trace", "."], "is a directory"),
        (["run", "tasks.py", "-a", "x"], "write NAME=VALUE"),
        (["run", "tasks.py", "-a", "x=1"], "no task that runs has a parameter of this name"),
        (["run", "tasks.py", "-a", "x=1", "-a", "x=2"], "given twice"),
        (["exec"], "no command is given"),
        (["exec", "--", ":::", "a"], "no command is given"),
        (["exec", "--", "echo", ":::"], "nothing follows ':::'"),
        (["exec", "--", "echo", ":::", "a", ":::"], "nothing follows ':::' 2"),
        (["exec", "--", "echo", "{2}", ":::", "a"], "{2}: there is no such list"),
        (["exec", "-j", "-1", "--", "echo", ":::", "a"], "-1 is not in the range"),
        (["rnu"], "No such command 'rnu'"),
        (["--nonsense"], "No such option"),
        (["demo", "--html", "no/such/r.html"], "does not exist"),
    ],
)
def test_wrong_calls(abreast: Any, tasks: Any, tmp_path: Path, words: list[str], said: str) -> None:
    tasks(GOOD)
    done = abreast(*words)
    assert done.code == 2, done
    assert said in " ".join(done.err.split()), done
    assert done.out == ""
    assert "Traceback" not in done.err
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def broken(:\n    pass", "tasks.py:2: invalid syntax"),
        ("x = 1\nraise RuntimeError('at import')", "tasks.py:3: RuntimeError: at import"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("import sys; sys.exit(3)", "tasks.py:2: it ends the program (SystemExit: 3)"),
        ("def plain(): ...", "declares no tasks. Put @task above"),
        ("@task(timeot=3)\ndef a(): ...", "tasks.py:2: task: unknown option 'timeot'; did you"),
        ("@task(timeout='soon')\ndef a(): ...", "timeout 'soon' is not a duration"),
        ("@task(executor='rocket')\ndef a(): ...", "unknown executor 'rocket'"),
        ("@task\ndef a(path): ...", "'a' needs a value for its parameter 'path'"),
        ("@task\ndef a(*, path): ...", "-a path=VALUE"),
        ("@task(after='b')\ndef a(): ...", "task 'a' comes after 'b', which does not exist"),
        ("def b(): ...\n@task(after=[b])\ndef a(): ...", "after b, which is no task"),
        ("@task(after=[3])\ndef a(): ...", "must be tasks or names of tasks, not 3"),
        ("@task(after=3)\ndef a(): ...", "must be tasks or names of tasks, not 3"),
        ("@task(after='a')\ndef a(): ...", "in a circle, so none could start: a -> a"),
        (
            (
                "@task(after='b')\ndef a(): ...\n@task(after='c')\ndef b(): ...\n"
                "@task(after='a')\ndef c(): ..."
            ),
            "in a circle",
        ),
        ("@task(name='x')\ndef a(): ...\n@task(name='x')\ndef b(): ...", "two tasks are named 'x'"),
        ("@task(needs={'gpu': 1})\ndef a(): ...", "the runner has no pool 'gpu'"),
        ("\x00", "null bytes"),
    ],
)
@pytest.mark.parametrize("more", [[], ["--json"], ["--dry-run"]])
def test_broken_files(abreast: Any, tasks: Any, text: str, said: str, more: list[str]) -> None:
    tasks(text)
    done = abreast("run", "tasks.py", *more)
    assert done.code == 2, done
    assert said in " ".join(done.err.split()), done
    assert "Traceback" not in done.err
    assert done.out == ""


def test_the_circle_is_shown(abreast: Any, tasks: Any) -> None:
    tasks("@task(after='b')\ndef a(): ...\n@task(after='a')\ndef b(): ...")
    done = abreast("run", "tasks.py")
    assert "a -> b -> a" in done.err or "b -> a -> b" in done.err


def test_a_value_of_the_wrong_kind(abreast: Any, tasks: Any) -> None:
    tasks("@task\ndef a(n: int): ...")
    done = abreast("run", "tasks.py", "-a", "n=three")
    assert done.code == 2
    assert "-a n=three: task 'a' wants a whole number" in done.err


def test_file_without_permission_or_text(abreast: Any, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_bytes(b"\xff\xfe not text")
    done = abreast("run", "tasks.py")
    assert done.code == 2, done
    assert "Traceback" not in done.err


def test_exec_without_arguments_on_a_terminal(terminal: Any) -> None:
    screen = terminal("exec", "--", "echo")
    assert screen.end() == 2
    assert "put them after ':::'" in " ".join(screen.text.split())


def test_help(abreast: Any) -> None:
    for words in ([], ["run"], ["exec"], ["demo"]):
        done = abreast(*words, "--help")
        assert done.code == 0, done
        assert "Usage: abreast" in done.out
    assert "abreast exec -j 4 -- gzip -k {} ::: *.csv" in abreast("--help").out
    assert abreast().code == 2


def test_version(abreast: Any) -> None:
    import abreast as package

    assert abreast("--version").out == f"abreast {package.__version__}\n"
