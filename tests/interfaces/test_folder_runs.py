"""Runs of the tasks of a folder, executed by a worker in processes of their own."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interfaces.folder_help import Home

from abreast.errors import Busy, RemoteError
from abreast.interfaces.folder import FolderFunction

pytestmark = pytest.mark.needs("posix")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.app.close()


def test_a_plain_file_gets_its_configuration(home: Home) -> None:
    home.write("plain.py", "def run_task(config):\n    return config\n")
    home.write("none.py", "def run_task():\n    return 'nothing'\n")
    home.load()
    plain, none = home.app.find_task("plain"), home.app.find_task("none")
    plain = plain.with_options(limits=[])
    with home.working():
        runs = [
            plain.submit(),
            plain.submit({"a": 1}),
            plain.submit(config={"a": 1}, b=2),
            plain.submit(b=[3]),
            none.submit(),
        ]
        assert [run.result(30) for run in runs] == [
            {},
            {"a": 1},
            {"a": 1, "b": 2},
            {"b": [3]},
            "nothing",
        ]
        with pytest.raises(TypeError, match="takes one dict, not 'text'"):
            plain.submit("text").result(30)


def test_a_plain_file_refuses_a_second_run(home: Home) -> None:
    home.write("plain.py", "def run_task(config): ...\n")
    home.load()
    home.app.find_task("plain").submit()
    with pytest.raises(Busy, match="held by 'plain'"):
        home.app.find_task("plain").submit()


def test_where_and_with_what_a_task_runs(home: Home) -> None:
    home.write(
        "where.py",
        """
        import os, sys
        from abreast import current_run, progress, step, task
        import helper

        @task
        async def where(a):
            print("to the log")
            print("this too", file=sys.stderr)
            progress(1, 2, "half")
            return step("look", look, a)

        def look(a):
            return [os.getpid(), os.getcwd(), os.environ.get("WORD"), current_run().id, helper.X, a]
        """,
    )
    home.write("helper.py", "X = 'helped'\n")
    home.write("../inner/keep", "")
    home.toml("[tasks.where]\ncwd = 'inner'\nenv = { WORD = 'said' }\n")
    home.load()
    task = home.app.find_task("where")
    with home.working():
        run, again = task.submit(1), task.submit(2)
        pid, *rest = run.result(30)
        other = again.result(30)[0]
    assert rest == [str(home.path / "inner"), "said", run.id, "helped", 1]
    assert len({pid, other, os.getpid()}) == 3
    assert "to the log\n" in run.log()
    assert "this too\n" in run.log()
    assert run.progress is not None
    assert run.progress.message == "half"
    assert [step.name for step in run.steps()] == ["look"]


def test_every_run_uses_the_file_as_it_is_then(home: Home) -> None:
    home.write("word.py", "from helper import W\ndef run_task(config):\n    return W\n")
    home.write("helper.py", "W = 'one'\n")
    home.load()
    task = home.app.find_task("word")
    with home.working():
        assert task.submit().result(30) == "one"
        home.write("helper.py", "W = 'two'\n")
        assert task.submit().result(30) == "two"  # nobody has looked at the folder meanwhile
        home.write("word.py", "def run_task(config):\n    return 'new'\n")
        assert task.submit().result(30) == "new"
        home.write("word.py", "def run_task(config)\n")
        with pytest.raises(SyntaxError, match="expected ':'"):
            task.submit().result(30)
        home.write("word.py", "def renamed(config): ...\n")
        with pytest.raises(AttributeError, match="run_task"):
            task.submit().result(30)
        home.remove("word.py")
        with pytest.raises(FileNotFoundError):
            task.submit().result(30)


def test_apps_packages_and_names_of_the_standard_library(home: Home) -> None:
    home.write(
        "shop.py",
        """
        from abreast import App
        app = App("memory://")

        @app.task
        def one(): return 1

        app.task(name="two")(lambda: 2)
        """,
    )
    home.write("etl/__init__.py", "from .jobs import three\nfrom . import more\n")
    home.write("etl/jobs.py", "from abreast import task\n@task\ndef three(): return 3\n")
    home.write("etl/more.py", "from abreast import task\n@task\ndef four(): return 4\n")
    home.write(
        "email.py",
        """
        import smtplib, email.message
        def run_task(config):
            return email.message.__name__
        """,
    )
    home.load()
    with home.working():
        runs = [home.app.find_task(name).submit() for name in ("one", "two", "three", "four")]
        assert [run.result(30) for run in runs] == [1, 2, 3, 4]
        assert home.app.find_task("email").submit().result(30) == "email.message"


def test_results_are_plain_values(home: Home) -> None:
    home.write(
        "values.py",
        """
        import dataclasses, datetime
        from abreast import task

        @dataclasses.dataclass
        class Row:
            day: datetime.date

        @task
        def row(): return Row(datetime.date(2024, 2, 29)), {1}

        @task
        def odd(): return object()
        """,
    )
    home.load()
    with home.working():
        assert home.app.find_task("row").submit().result(30) == [{"day": "2024-02-29"}, [1]]
        with pytest.raises(TypeError, match=r"task 'odd': its result \(type 'object'\)"):
            home.app.find_task("odd").submit().result(30)
    assert "values" not in sys.modules


def test_errors_of_the_file_arrive_with_their_names(home: Home) -> None:
    home.write(
        "fails.py",
        """
        from abreast import task

        class Odd(ValueError):
            def __init__(self, a, b):
                super().__init__(f"{a} and {b}")

        @task
        def own():
            deeper()

        def deeper():
            raise Odd(1, 2) from KeyError("below")

        @task
        def known():
            raise OSError(2, "No such file", "x")

        @task
        def leaves():
            import sys
            sys.exit("gone")
        """,
    )
    home.load()
    with home.working():
        own = home.app.find_task("own").submit()
        with pytest.raises(RemoteError, match=r"^Odd: 1 and 2$") as caught:
            own.result(30)
        assert caught.value.type_name == "Odd"
        trace = own.traceback or ""
        assert "in deeper" in trace
        assert "KeyError: 'below'" in trace
        assert "exec_module" not in trace
        with pytest.raises(FileNotFoundError, match="No such file"):
            home.app.find_task("known").submit().result(30)
        with pytest.raises(BaseException, match="gone"):
            home.app.find_task("leaves").submit().result(30)
    assert "fails" not in sys.modules


def test_retries_on_classes_that_only_the_file_knows(home: Home) -> None:
    home.write(
        "tries.py",
        """
        from abreast import Retry, current_run, task
        from kinds import Flaky

        class Worse(Flaky): pass

        @task(retry=Retry(3, on=(Flaky, KeyError)))
        def flaky(how):
            attempt = current_run().attempt
            if attempt == 1:
                raise Worse("once")
            if attempt == 2:
                raise KeyError("twice")
            if how == "other":
                raise ValueError("not this")
            return attempt
        """,
    )
    home.write("kinds.py", "class Flaky(Exception): pass\n")
    home.load()
    with home.working():
        assert home.app.find_task("flaky").submit("good").result(30) == 3
        other = home.app.find_task("flaky").submit("other")
        with pytest.raises(ValueError, match="not this"):
            other.result(30)
        assert other.attempt == 3


def test_limits_by_argument(home: Home) -> None:
    home.write(
        "keys.py",
        """
        from abreast import Limit, Unique, task

        @task(limits=Limit(1, "{who}", then="fail"), unique=Unique("{who}-{n}"))
        def keys(who, n=object()): ...
        """,
    )
    home.load()
    task = home.app.find_task("keys")
    first = task.submit("a", 1)
    assert task.submit("a", 1).id == first.id
    task.submit("b", 1)
    with pytest.raises(Busy):
        task.submit("a", 2)


def test_a_folder_that_is_gone(home: Home) -> None:
    home.write("plain.py", "def run_task(config): ...\n")
    home.toml("[tasks.plain]\ncwd = 'nowhere'\n")
    home.load()
    with home.working(), pytest.raises(ValueError, match="'plain' cannot start in its folder"):
        home.app.find_task("plain").submit().result(30)


def test_the_function_travels_as_names() -> None:
    fn = FolderFunction(
        "/tasks/a.py", "b", "python3", None, "/", {"A": "b"}, name="n", project="/p", plain=True
    )
    again = pickle.loads(pickle.dumps(fn))
    assert again.__name__ == "n"
    for name in ("path", "attribute", "python", "requirements", "cwd", "env", "folder", "project"):
        assert getattr(again, name) == getattr(fn, name)
    assert again.plain is True
    assert b"/tasks/a.py" in pickle.dumps(fn)
    assert repr(fn) == "FolderFunction('/tasks/a.py', 'b')"
