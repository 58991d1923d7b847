"""What one file declares, asked in a child process, however the file behaves."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from abreast.interfaces.folder.probing import Probed, Request, probe

pytestmark = pytest.mark.needs("posix")


def ask(folder: Path, text: str, name: str = "jobs.py", **more: Any) -> Probed:
    tasks = folder / "tasks"
    (tasks / name).parent.mkdir(parents=True, exist_ok=True)
    (tasks / name).write_text(dedent(text))
    first = tasks / Path(name).parts[0]
    return probe(Request(str(first), str(tasks), str(folder), **more))


def options(folder: Path, text: str) -> dict[str, Any]:
    found = ask(folder, text)
    assert found.error is None, found.error
    result: dict[str, Any] = found.tasks[0]["options"]
    return result


def test_a_task_with_everything(tmp_path: Path) -> None:
    found = ask(
        tmp_path,
        '''
        from datetime import timedelta
        from abreast import Adaptive, Limit, Retry, Unique, task

        @task
        def first(): ...

        @task(
            name="sync", schedule=[{"spec": "@daily", "jitter": timedelta(seconds=30)}],
            timezone="Europe/Berlin", overlap="skip", catch_up="latest", window=timedelta(hours=1),
            jitter="30s", tags=("a", "b"), after=[first, "other"], after_any=True,
            notify={"failure": ["ops"]}, description="Says it.", timeout=timedelta(minutes=1),
            retry=Retry(3, backoff="exponential", on=(OSError, ValueError)), unique=Unique("{a}"),
            limits=[Limit(2, "{a}", then="skip"), Limit(Adaptive(1, 9), "/api", per="1m")],
            needs={"memory": "2GB"}, priority=5, executor="process", fresh=True,
        )
        def synchronise(a: int, /, b: "list[str]" = [], *rest, c=print, **more) -> None:
            """One.

            Two.
            """
        ''',
    )
    assert found.error is None
    first, sync = found.tasks
    assert first["name"] == "first"
    assert sync == {
        "name": "sync",
        "attribute": "synchronise",
        "doc": "One.\n\nTwo.",
        "plain": False,
        "limited": False,
        "options": {
            "schedule": [{"spec": "@daily", "jitter": 30.0}],
            "timezone": "Europe/Berlin",
            "overlap": "skip",
            "catch_up": "latest",
            "window": 3600.0,
            "jitter": "30s",
            "tags": ["a", "b"],
            "after": ["first", "other"],
            "after_any": True,
            "notify": {"failure": ["ops"]},
            "description": "Says it.",
            "timeout": 60.0,
            "retry": {
                "n": 3,
                "backoff": "exponential",
                "base": 1.0,
                "cap": 3600.0,
                "jitter": 0.1,
                "on": ["builtins:OSError", "builtins:ValueError"],
            },
            "unique": {"key": "{a}", "until": "end", "then": "join"},
            "limits": [
                {"key": "{a}", "then": "skip", "n": 2, "waiting": 0},
                {"key": "/api", "then": "wait", "n": [1, 9], "per": 60.0},
            ],
            "needs": {"memory": 2e9},
            "priority": 5,
        },
        "parameters": [
            {"name": "a", "kind": "POSITIONAL_ONLY", "annotation": "int"},
            {
                "name": "b",
                "kind": "POSITIONAL_OR_KEYWORD",
                "default": [],
                "annotation": "list[str]",
            },
            {"name": "rest", "kind": "VAR_POSITIONAL"},
            {"name": "c", "kind": "KEYWORD_ONLY", "shown": "<built-in function print>"},
            {"name": "more", "kind": "VAR_KEYWORD"},
        ],
    }


def test_the_tasks_of_an_app_in_the_file(tmp_path: Path) -> None:
    found = ask(
        tmp_path,
        """
        from abreast import App, task
        app = App("memory://")

        @app.task(timeout=5)
        def one(): ...

        @task
        def two(): ...

        app.add(two)
        for n in (1, 2):
            app.task(name=f"made-{n}")(lambda n=n: n)
        """,
    )
    assert [(task["name"], task["attribute"]) for task in found.tasks] == [
        ("one", "one"),
        ("two", "two"),
        ("made-1", "app::made-1"),
        ("made-2", "app::made-2"),
    ]


def test_what_is_imported_from_elsewhere_is_not_a_task_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from abreast import App, task\napp = App('memory://')\n"
        "@task\ndef theirs(): ...\n@app.task\ndef of_app(): ...\n"
    )
    found = ask(
        tmp_path,
        """
        from functools import partial, wraps
        from abreast import task
        from shop import app, theirs
        from wrapping import careful

        @task
        @careful
        def ours(): ...

        added = task(name="added")(partial(print, 1))
        """,
    )
    assert "No module named 'wrapping'" in str(found.error)
    (tmp_path / "tasks" / "wrapping.py").write_text(
        "from functools import wraps\ndef careful(fn):\n    @wraps(fn)\n"
        "    def inner():\n        fn()\n    return inner\n"
    )
    found = ask(tmp_path, (tmp_path / "tasks" / "jobs.py").read_text())
    assert [task["name"] for task in found.tasks] == ["ours", "added"]
    assert [os.path.basename(path) for path in found.used] == ["jobs.py", "wrapping.py"]


@pytest.mark.parametrize(
    ("parameters", "plain"),
    [("config", True), ("config=None", True), ("", False), ("a, b", False), ("**config", False)],
)
def test_a_plain_file(tmp_path: Path, parameters: str, plain: bool) -> None:
    (found,) = ask(tmp_path, f"def run_task({parameters}): ...\n", "daily-report.py").tasks
    assert found["name"] == "daily-report"
    assert found["attribute"] == "run_task"
    assert found["plain"] is plain
    assert found["limited"] is True


def test_run_task_beside_tasks_is_an_ordinary_function(tmp_path: Path) -> None:
    found = ask(tmp_path, "from abreast import task\n@task\ndef a(): ...\ndef run_task(c): ...\n")
    assert [task["name"] for task in found.tasks] == ["a"]


def test_files_named_like_the_standard_library(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "json.py").write_text("raise RuntimeError('not me')\n")
    found = ask(
        tmp_path,
        "import json, smtplib\njson.dumps(1)\ndef run_task(config): ...\n",
        "email.py",
    )
    assert found.error is None
    assert [task["name"] for task in found.tasks] == ["email"]


def test_no_compiled_file_of_before_is_used_or_left(tmp_path: Path) -> None:
    for word in ("aaaa", "bbbb"):  # same size, most likely the same second
        (tmp_path / "tasks").mkdir(exist_ok=True)
        (tmp_path / "tasks" / "helper.py").write_text(f"WORD = '{word}'\n")
        text = "from helper import WORD\ndescription = WORD\ndef run_task(config): ...\n"
        assert options(tmp_path, text) == {"description": word}
    assert not list(tmp_path.rglob("*.pyc"))


# -- what can go wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ny = (\n", "tasks/jobs.py, line 2: SyntaxError: '(' was never closed: y = ("),
        ("\n\n1 / 0\n", "tasks/jobs.py, line 3: ZeroDivisionError: division by zero"),
        (
            "import sys\nsys.exit('bye')\n",
            (
                "tasks/jobs.py, line 2: the file ends the program when it is imported: "
                "sys.exit('bye'); put what a script does below: if __name__ == '__main__':"
            ),
        ),
        (
            "import os\nos._exit(7)\n",
            "tasks/jobs.py: importing it ended the process: exit code 7",
        ),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
            "tasks/jobs.py: importing it ended the process: killed by signal SIGSEGV (11)",
        ),
        (
            "def f():\n    raise KeyboardInterrupt\nf()\n",
            "tasks/jobs.py, line 2: KeyboardInterrupt",
        ),
        (
            "from abreast import task\n@task(timeot=3)\ndef a(): ...\n",
            "tasks/jobs.py, line 2: task: unknown option 'timeot'; did you mean 'timeout'?",
        ),
        (
            "from abreast import task\n@task(timeout='soon')\ndef a(): ...\n",
            "tasks/jobs.py, line 2: timeout 'soon' is not a duration",
        ),
        ("concurrent = 3\ndef run_task(config): ...\n", "concurrent must be True or False, not 3"),
        ("def run_task(config): ...\nschedule = print\n", "task 'jobs': option 'schedule'"),
    ],
)
def test_errors_name_the_place(tmp_path: Path, text: str, said: str) -> None:
    found = ask(tmp_path, text)
    assert found.tasks == []
    assert found.error is not None
    assert said in found.error


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("limits=Limit(lambda a: 1)", "option 'limits' has a callable n or cost"),
        ("retry=Retry(1, on=lambda e: True)", "option 'retry' has a callable on="),
        ("retry=Retry(1, backoff=lambda n: 1)", "option 'retry' has a callable backoff"),
        ("executor='thread'", "executor='thread' is not possible here"),
    ],
)
def test_what_only_an_app_can_say(tmp_path: Path, option: str, said: str) -> None:
    found = ask(tmp_path, f"from abreast import *\n\n@task({option})\ndef a(a=1): ...\n")
    assert found.error is not None
    assert found.error.startswith("tasks/jobs.py, line 3: task 'a': ")
    assert said in found.error
    assert "App" in found.error


def test_a_file_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = ask(
            tmp_path,
            f"""
            import subprocess, time
            held = open(r"{fifo}", "w")
            subprocess.Popen(["sleep", "600"], pass_fds=[held.fileno()])
            print("before it waits")
            time.sleep(600)  # the task sleeps
            """,
            limit=1.0,
        )
        assert found.error is not None
        assert found.error.startswith("tasks/jobs.py, line 6: importing it took longer than 1 s")
        assert "before it waits" in found.detail
        assert select.select([reader], [], [], 10)[0]
        assert os.read(reader, 1) == b""  # nobody has it open any more
    finally:
        os.close(reader)


def test_what_a_file_leaves_running_is_ended_and_its_words_are_kept(tmp_path: Path) -> None:
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = ask(
            tmp_path,
            f"""
            import os, subprocess, sys, threading
            held = open(r"{fifo}", "w")
            subprocess.Popen(["sleep", "600"], pass_fds=[held.fileno()])
            threading.Thread(target=threading.Event().wait).start()
            print("to stdout"); print("to stderr", file=sys.stderr)
            os.close(1); os.close(2)
            def run_task(config): ...
            """,
        )
        assert found.error is None
        assert found.detail == "to stdout\nto stderr"
        assert select.select([reader], [], [], 10)[0]
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def test_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "jobs.py"
    path.write_text("print('x')\ndef run_task(config): ...\n")
    command = [sys.executable, "-m", "abreast.interfaces.folder.probe", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.removeprefix("x\n"))["tasks"][0]["name"] == "jobs"
