"""Tasks with an interpreter of their own: one that is there, or one made from requirements."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import threading
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interfaces.folder_help import Home

from abreast.errors import Crashed, RemoteError, UsageError
from abreast.interfaces import folder as package
from abreast.interfaces.folder import environment

pytestmark = pytest.mark.needs("posix")


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which nothing is installed."""
    path = tmp_path_factory.mktemp("env") / "bare"
    venv.create(path, with_pip=False, symlinks=True)
    return path


@pytest.fixture
def home(tmp_path: Path, bare: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    (tmp_path / ".venv").symlink_to(bare)
    yield home
    home.app.close()


def own(home: Home, text: str, **names: str) -> None:
    """Write a file whose tasks run in that environment."""
    home.write("own.py", text)
    home.toml(
        "".join(f"[tasks.{name}]\npython = '.venv'\n{more}\n" for name, more in names.items())
    )
    home.load()
    assert home.state("own.py").error is None


def test_the_scripts_work_in_old_interpreters() -> None:
    folder = Path(next(iter(package.__path__)))
    for name in ("standalone.py", "loading.py"):
        tree = ast.parse((folder / name).read_text(), feature_version=(3, 8))
        for node in ast.walk(tree):  # nothing of abreast, and nothing installed
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Import):
                names = [item.name for item in node.names]
            for module in names:
                assert str(module).partition(".")[0] in sys.stdlib_module_names


def test_a_task_runs_in_the_interpreter_it_names(home: Home, bare: Path) -> None:
    own(
        home,
        """
        import os, sys
        import helper
        from abreast import current_run, progress, step, task

        try:
            import msgspec
        except ImportError:
            msgspec = None

        @task(timeout="1m")
        def own(a, *, b=2):
            print("to the log", flush=False)
            print("this too", file=sys.stderr)
            progress(1, 4, "begun")
            five = step("add", add, a, 3)
            with_two = step("add", add, five, b=2)
            return {
                "prefix": sys.prefix, "b": b, "sum": with_two, "bare": msgspec is None,
                "run": current_run().id, "word": os.environ.get("WORD"), "cwd": os.getcwd(),
                "argv": sys.argv, "stdin": sys.stdin.read(), "x": helper.X,
                "ours": [p for p in sys.path if "abreast" in p],
            }

        def add(a, b):
            return a + b
        """,
        own="env = { WORD = 'said' }",
    )
    home.write("helper.py", "X = {1, 2}\n")
    with home.working():
        run = home.app.find_task("own").submit(2, b=7)
        found = run.result(30)
    assert found == {
        "prefix": str(home.path / ".venv"),
        "b": 7,
        "sum": 7,
        "bare": True,
        "run": run.id,
        "word": "said",
        "cwd": str(home.path),
        "argv": [str(home.tasks / "own.py")],
        "stdin": "",
        "x": [1, 2],
        "ours": [],
    }
    assert "to the log\n" in run.log()
    assert "this too\n" in run.log()
    assert run.progress is not None
    assert (run.progress.done, run.progress.total, run.progress.message) == (1, 4, "begun")
    assert [(step.name, step.output) for step in run.steps()] == [("add", 5), ("add-2", 7)]


def test_a_plain_file_and_a_coroutine(home: Home) -> None:
    own(
        home,
        """
        schedule = "@daily"
        async def run_task(config):
            return config
        """,
        own="",
    )
    task = home.app.find_task("own")
    assert task.declared["schedule"] == "@daily"
    with home.working():
        assert task.submit({"a": [1]}, b=None).result(30) == {"a": [1], "b": None}


def test_errors_keep_type_text_and_traceback(home: Home) -> None:
    own(
        home,
        """
        import sys
        from abreast import Backoff, task

        class Odd(LookupError): pass

        @task
        def fails(how):
            deeper(how)

        def deeper(how):
            if how == "own": raise Odd("very", "odd")
            if how == "key": raise KeyError("k")
            if how == "os": open("/nowhere/x")
            if how == "exit": sys.exit(3)
            if how == "object": raise ValueError(object)
            if how == "backoff":
                try:
                    open("tried", "x").close()
                except FileExistsError:
                    return
                raise Backoff(0.01, "later")

        @task
        def odd(): return print
        """,
        fails="",
        odd="",
    )
    task = home.app.find_task("fails")
    with home.working():
        run = task.submit("own")
        with pytest.raises(RemoteError) as odd:
            run.result(30)
        assert str(odd.value) == "Odd: ('very', 'odd')"
        assert odd.value.type_name == "Odd"
        assert 'own.py", line 12, in deeper' in str(run.traceback)
        assert "standalone.py" not in str(run.traceback).rpartition("In the interpreter")[2]
        with pytest.raises(KeyError) as caught:
            task.submit("key").result(30)
        assert caught.value.args == ("k",)
        with pytest.raises(FileNotFoundError) as missing:
            task.submit("os").result(30)
        assert missing.value.errno == 2
        with pytest.raises(RuntimeError, match=r"the task ended its process: sys.exit\(3\)"):
            task.submit("exit").result(30)
        with pytest.raises(ValueError, match=r"^<class .object.>"):
            task.submit("object").result(30)
        with pytest.raises(TypeError, match=r"type 'builtin_function_or_method'.*is not JSON"):
            home.app.find_task("odd").submit().result(30)
        assert task.submit("backoff").result(30) is None
    assert (home.path / "tried").exists()


def test_what_ends_without_an_answer(home: Home) -> None:
    own(
        home,
        """
        import os, subprocess, sys
        from abreast import task

        @task
        def leaves():
            subprocess.Popen(["sleep", "600"], close_fds=False)
            print("last words")
            os._exit(4)
        """,
        leaves="",
    )
    with home.working():
        run = home.app.find_task("leaves").submit()
        with pytest.raises(Crashed, match="ended before the task had answered: exit code 4"):
            run.result(30)
    assert "last words" in run.log()


def test_a_step_is_not_repeated_by_the_next_attempt(home: Home) -> None:
    own(
        home,
        """
        from abreast import Retry, current_run, step, task

        @task(retry=Retry(1))
        def twice():
            first = step("first", note)
            if current_run().attempt == 1:
                step("second", fail)
            return first

        def note():
            with open("noted", "a") as file:
                file.write("x")
            return "noted"

        def fail():
            raise ValueError("once")
        """,
        twice="",
    )
    with home.working():
        run = home.app.find_task("twice").submit()
        assert run.result(30) == "noted"
    assert (home.path / "noted").read_text() == "x"
    assert [(s.name, s.attempt, s.error) for s in run.steps()] == [
        ("first", 1, None),
        ("second", 1, "ValueError: once"),
    ]


def test_a_cancelled_run_ends_its_interpreter(home: Home) -> None:
    fifo = home.path / "alive"
    os.mkfifo(fifo)
    own(
        home,
        """
        import threading
        def run_task(config):
            with open("alive", "w") as held:
                held.write("x")
                held.flush()
                threading.Event().wait()
        """,
        own="",
    )
    with home.working():
        run = home.app.find_task("own").submit()
        with open(fifo, "rb") as reader:
            assert reader.read(1) == b"x"
            run.cancel()
            assert reader.read(1) == b""  # it has gone
        assert run.wait(30)
        assert str(run.state) == "cancelled"


def test_a_cancelled_task_may_tidy_up(home: Home) -> None:
    os.mkfifo(home.path / "alive")
    own(
        home,
        """
        import signal, threading
        def run_task(config):
            ended = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: ended.set())
            with open("alive", "w") as held:
                held.write("x")
                held.flush()
                while not ended.wait(0.01):
                    pass
                print("tidied up")
        """,
        own="",
    )
    with home.working():
        run = home.app.find_task("own").submit()
        with open(home.path / "alive", "rb") as reader:
            assert reader.read(1) == b"x"
            run.cancel()
            assert reader.read(1) == b""
        assert run.wait(30)
    assert "tidied up" in run.log()


def test_an_app_cannot_be_had_there(home: Home) -> None:
    own(home, "from abreast import App\ndef run_task(c):\n    App()\n", own="")
    with home.working(), pytest.raises(ImportError, match="cannot have an App"):
        home.app.find_task("own").submit().result(30)


def test_an_interpreter_that_is_not_there(home: Home) -> None:
    home.write("own.py", "def run_task(config): ...\n")
    home.write("two.py", "def run_task(config): ...\n")
    home.write("../folder/x", "")
    home.toml("[tasks.own]\npython = 'gone/python'\n[tasks.two]\npython = 'folder'\n")
    home.load()
    with home.working():
        with pytest.raises(ValueError, match=r"there is no interpreter python = .*gone/python"):
            home.app.find_task("own").submit().result(30)
        with pytest.raises(ValueError, match="is no virtual environment"):
            home.app.find_task("two").submit().result(30)


def test_a_name_on_the_path(tmp_path: Path) -> None:
    assert environment.find("sh") == shutil.which("sh")
    assert environment.find(sys.executable) == sys.executable


# -- what is only read, because it cannot be imported here --------------------------------------


def test_options_are_read_without_importing(home: Home) -> None:
    own(
        home,
        """
        import datetime
        import pandas_of_another_world as pd
        from datetime import timedelta
        from abreast import Limit, Retry, task as t
        import abreast as ab

        LIMIT = Limit(2, "/db", per="1m")
        HOURS = 60 * 60

        @t
        def first(): ...

        @ab.task(
            name="second", schedule=[{"spec": "@hourly", "args": [1]}], limits=[LIMIT, Limit(1)],
            timeout=2 * HOURS, retry=Retry(3, on=(OSError,)), window=timedelta(hours=1),
            after=["first"], priority=-5,
        )
        async def other(a, /, b: int = HOURS, *, c=pd.NA, **d):
            "Does it."

        def helper(): ...
        """,
        first="",
    )
    assert home.names == {"first", "second"}
    second = home.app.find_task("second")
    assert second.declared["schedule"] == [{"spec": "@hourly", "args": [1]}]
    assert [(limit.n, limit.key, limit.per) for limit in second.declared["limits"]] == [
        (2, "/db", 60),
        (1, "", None),
    ]
    assert second.declared["timeout"] == 7200
    assert second.declared["retry"].on == (OSError,)
    assert second.declared["window"] == 3600
    assert second.declared["after"] == ["first"]
    assert second.declared["priority"] == -5
    assert second.doc == "Does it."
    assert [(p.name, p.kind, p.required) for p in second.parameters] == [
        ("a", "positional", True),
        ("b", "any", False),
        ("c", "keyword", False),
        ("d", "**", False),
    ]
    assert second.parameters[1].default == 3600
    assert str(second.parameters[2].default) == "pd.NA"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@task(timeout=how_long())\ndef own(): ...", "line 2: task 'own': timeout = how_long()"),
        ("@task(limits=Limit(lambda a: 1))\ndef own(): ...", "line 2: task 'own': limits = "),
        ("@task(timeot=1)\ndef own(): ...", "line 2: task: unknown option 'timeot'"),
        ("@task(limits=Limit(0))\ndef own(): ...", "line 2: task 'own': Limit: n must be 1"),
        ("@task(limits=Limit(x=0))\ndef own(): ...", "line 2: task 'own': Limit.__init__()"),
        ("@task(**more)\ndef own(): ...", "line 2: task 'own': write options by name"),
        ("def own(:", "line 2: SyntaxError"),
        ("from abreast import App\napp = App()", "cannot have an App"),
        ("concurrent = 1\ndef run_task(c): ...", "line 3: concurrent must be True or False"),
    ],
)
def test_what_cannot_be_read_names_its_line(home: Home, text: str, said: str) -> None:
    home.write("own.py", f"from abreast import Limit, task\n{text}\n")
    home.write("own.requirements.txt", "")
    home.load()
    assert home.error("own.py").startswith("tasks/own.py, ")
    assert said in home.error("own.py")


def test_a_package_is_read_with_what_it_imports(home: Home) -> None:
    home.write("etl/__init__.py", "from .jobs import one\nfrom . import more\nimport unknown\n")
    home.write("etl/jobs.py", "from abreast import task\n@task\ndef one(): ...\n")
    home.write("etl/more/__init__.py", "from .deep import *\n")
    home.write("etl/more/deep.py", "from abreast import task\n@task(name='2')\ndef two(): ...\n")
    home.write("etl/other.py", "from abreast import task\n@task\ndef not_imported(): ...\n")
    home.write("etl/requirements.txt", "# nothing\n")
    home.load()
    assert home.names == {"one", "2"}
    assert home.app.find_task("2").fn.attribute == "more.deep.two"
    assert home.app.find_task("2").fn.requirements == str(home.tasks / "etl" / "requirements.txt")
    home.write("etl/more/deep.py", "from abreast import task\n@task(name='3')\ndef two(): ...\n")
    home.folder.refresh()
    assert home.names == {"one", "3"}


# -- environments from requirements ---------------------------------------------------------------


def wheel(folder: Path, name: str, content: str) -> None:
    """Make the package of one module, without any tool."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", content)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")


def envs(home: Home) -> list[Path]:
    folder = home.path / "jobs.db.d" / "envs"
    return [path for path in folder.iterdir() if path.is_dir()] if folder.exists() else []


def test_requirements_are_installed_once(home: Home) -> None:
    wheel(home.tasks, "tiny_thing", "WORD = 'installed'\n")
    home.write("needy.requirements.txt", "./tiny_thing-1.0-py3-none-any.whl\n")
    home.write(
        "needy.py",
        """
        import tiny_thing
        from abreast import task

        @task
        def needy():
            return tiny_thing.WORD
        """,
    )
    home.load()
    task = home.app.find_task("needy")
    with home.working():
        runs = [task.submit(), task.submit()]
        assert [run.result(100) for run in runs] == ["installed", "installed"]
        made = [run for run in runs if "making an environment" in run.log()]
        assert len(made) == 1
        assert "Successfully installed tiny" in made[0].log()
        (env,) = envs(home)
        again = task.submit()
        assert again.result(30) == "installed"
        assert again.log_path is None or "environment" not in again.log()
    assert envs(home) == [env]


STAND_IN = """#!{sh}
# Stands for a Python: knows its version, and how to make an environment that has a pip.
case "$*" in
*version*) echo 3.11 ;;
"-m venv "*)
    mkdir -p "$3/bin"
    printf '#!{sh}\\nexec {pip} "$@"\\n' > "$3/bin/python"
    chmod +x "$3/bin/python" ;;
esac
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """An interpreter whose pip is the script ``pip`` beside it, called with pip's arguments."""
    path = tmp_path / "stand-in" / "python"
    path.parent.mkdir()
    sh = shutil.which("sh")
    path.write_text(STAND_IN.format(sh=sh, pip=path.parent / "pip"))
    path.chmod(0o755)
    return path


def pip(stand_in: Path, text: str) -> None:
    script = stand_in.parent / "pip"
    script.write_text(f"#!{shutil.which('sh')}\n{text}\n")
    script.chmod(0o755)


def test_a_failed_installation_leaves_nothing(
    tmp_path: Path, stand_in: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    needs, folder = tmp_path / "a.requirements.txt", tmp_path / "envs"
    needs.write_text("nothing-like-this\n")
    pip(stand_in, "echo no such package >&2; exit 1")
    with pytest.raises(UsageError, match=r"task 'a': -m pip install failed with exit code 1"):
        environment.interpreter(str(stand_in), str(needs), str(folder), "a")
    said = capfd.readouterr()
    assert "no such package" in said.err
    assert f"-r {needs}" in said.out
    assert [path for path in folder.iterdir() if path.is_dir()] == []
    pip(stand_in, 'echo "pip with $WORD in $PWD"')
    env = {"WORD": "settings of its own"}
    python = environment.interpreter(str(stand_in), str(needs), str(folder), "a", env)
    assert f"pip with settings of its own in {tmp_path}" in capfd.readouterr().out
    assert environment.interpreter(str(stand_in), str(needs), str(folder), "a") == python
    assert capfd.readouterr().out == ""


def test_what_decides_about_an_environment(tmp_path: Path) -> None:
    needs, more, package = tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c-1.whl"
    more.write_text("one\n")
    package.write_text("content")
    needs.write_text("-r b.txt\n./c-1.whl ; python_version > '3'\n-r a.txt\n")

    def key(version: str = "3.11") -> str:
        return environment.key_of(str(needs), version)

    keys = [key(), key("3.12")]
    assert key() == keys[0]
    more.write_text("two\n")
    keys.append(key())
    package.write_text("other")
    keys.append(key())
    needs.write_text("three\n")
    keys.append(key())
    assert len(set(keys)) == len(keys)
    copy = tmp_path / "elsewhere.txt"
    copy.write_text("three\n")
    assert environment.key_of(str(copy), "3.11") == key()


def test_one_makes_it_and_the_others_wait(
    tmp_path: Path, stand_in: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    needs, folder, gate = tmp_path / "a.txt", tmp_path / "envs", tmp_path / "gate"
    needs.write_text("slow\n")
    os.mkfifo(gate)
    pip(stand_in, f"echo one more >> {tmp_path}/count; cat {gate}")
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(
                environment.interpreter(str(stand_in), str(needs), str(folder), "a")
            )
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    with open(gate, "w"):  # opens when pip reads it, and lets it end
        pass
    for thread in threads:
        thread.join(30)
    assert len(set(found)) == 1
    assert len(found) == 4
    assert (tmp_path / "count").read_text() == "one more\n"


def test_a_killed_installation_is_begun_anew_once_it_has_ended(
    tmp_path: Path, stand_in: Path
) -> None:
    needs, folder, gate = tmp_path / "a.txt", tmp_path / "envs", tmp_path / "gate"
    needs.write_text("slow\n")
    os.mkfifo(gate)
    pip(stand_in, f"cat {gate}")
    code = (
        "import sys; from abreast.interfaces.folder import environment; "
        "environment.interpreter(*sys.argv[1:])"
    )
    arguments = [str(stand_in), str(needs), str(folder)]
    first = subprocess.Popen([sys.executable, "-c", code, *arguments])
    held = os.open(gate, os.O_WRONLY)  # waits for its pip
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    pip(stand_in, "echo again")
    second = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert second.stdout is not None
    with second.stdout:
        assert "waiting for it" in second.stdout.readline()
        os.close(held)  # the first pip ends, and with it the lock goes
        assert "again" in second.stdout.read()
    assert second.wait(30) == 0
