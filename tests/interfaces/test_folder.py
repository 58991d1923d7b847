"""A folder of tasks: files that come, change, break and go, and what the app knows of them."""

from __future__ import annotations

import inspect
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interfaces.folder_help import Home

from abreast.errors import UsageError, WrongType
from abreast.interfaces.folder import watching

pytestmark = pytest.mark.needs("posix")

ONE = """
    from abreast import task

    @task(timeout="10m", tags=["night"])
    def one(a: int | None, b=2):
        "Does one thing."
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.app.close()


def test_an_empty_folder_and_none_at_all(home: Home) -> None:
    assert home.load().files == []
    home.tasks.rmdir()
    assert home.folder.refresh() == []
    assert home.names == set()


def test_tasks_of_files_and_packages_are_registered(home: Home) -> None:
    home.write("one.py", ONE)
    home.write("plain.py", "def run_task(config):\n    'Plain.'\n")
    home.write("etl/__init__.py", "from . import jobs\n")
    home.write(
        "etl/jobs.py",
        """
        from abreast import task

        @task
        def extract(): ...

        @task(after=[extract])
        def load(): ...
        """,
    )
    home.write("_later.py", ONE)
    home.write(".hidden.py", ONE)
    home.write("notes.txt", "no tasks")
    home.write("data/one.csv", "1")
    home.write("helper.py", "X = 1\n")
    home.load()
    assert home.names == {"one", "plain", "extract", "load"}
    assert home.app.find_task("load").declared["after"] == ["extract"]
    assert [(os.path.basename(s.path), s.names, s.error) for s in home.folder.files] == [
        ("etl", ("extract", "load"), None),
        ("one.py", ("one",), None),
        ("plain.py", ("plain",), None),
    ]


def test_what_the_app_knows_of_a_task(home: Home) -> None:
    path = home.write("one.py", ONE)
    home.load()
    task = home.app.find_task("one")
    assert task.declared["timeout"] == 600
    assert task.declared["executor"] == "process"
    assert task.declared["fresh"] is True
    assert task.tags == ("night",)
    assert task.doc == "Does one thing."
    assert task.origin == ("file", str(path))
    assert [(p.name, p.required, p.default) for p in task.parameters] == [
        ("a", True, None),
        ("b", False, 2),
    ]
    with pytest.raises(WrongType, match=r"'a'; it takes one\(a: int \| None, b=2\)") as caught:
        task.submit()
    assert "missing a required argument" in str(caught.value)


def test_a_plain_file_runs_once_at_a_time_unless_it_says_otherwise(home: Home) -> None:
    home.write(
        "plain.py",
        """
        "What the file is for."
        schedule = "0 2 * * *"
        timezone = "Europe/Berlin"
        def run_task(config): ...
        """,
    )
    home.write("free.py", "concurrent = True\ndef run_task(config): ...\n")
    home.write("one.py", ONE)
    home.load()
    declared = home.app.find_task("plain").declared
    assert [(limit.n, limit.key) for limit in declared["limits"]] == [(1, "")]
    assert declared["limits"][0].then.name == "FAIL"
    assert declared["schedule"] == "0 2 * * *"
    assert declared["timezone"] == "Europe/Berlin"
    assert home.app.find_task("plain").doc == "What the file is for."
    for name in ("free", "one"):
        assert "limits" not in home.app.find_task(name).declared


def test_files_are_never_imported_by_the_service(home: Home) -> None:
    home.write(
        "one.py",
        f"""
        import os
        from abreast import task
        open(r"{home.path}/pids", "a").write(f"{{os.getpid()}}\\n")
        @task
        def one(): ...
        """,
    )
    home.load()
    pids = (home.path / "pids").read_text().split()
    assert pids
    assert str(os.getpid()) not in pids


def test_changes_are_taken_in_and_touch_nothing_else(home: Home) -> None:
    home.write("one.py", ONE)
    home.write("other.py", "def run_task(config): ...\n")
    home.load()
    other, one = home.app.find_task("other"), home.app.find_task("one")
    assert home.folder.refresh() == []

    home.write("one.py", ONE.replace("10m", "20m"))
    assert home.folder.refresh() == ["tasks/one.py: one"]
    assert home.app.find_task("one") is not one
    assert home.app.find_task("one").declared["timeout"] == 1200

    home.write("third.py", "def run_task(config): ...\n")
    assert home.folder.refresh() == ["tasks/third.py: third"]
    home.write("one.py", ONE.replace("def one", "def two"))
    assert home.folder.refresh() == ["tasks/one.py: two"]
    home.remove("third.py")
    assert home.folder.refresh() == ["tasks/third.py is gone"]
    assert home.names == {"two", "other"}
    assert home.app.find_task("other") is other


def test_an_edit_that_changes_no_word_of_a_task_registers_nothing(home: Home) -> None:
    home.write("one.py", ONE)
    home.load()
    one = home.app.find_task("one")
    home.write("one.py", ONE + "\n    # a remark\n")
    assert home.folder.refresh() == ["tasks/one.py: one"]
    assert home.app.find_task("one") is one


def test_a_broken_edit_keeps_the_last_good_version(home: Home) -> None:
    home.write("one.py", ONE)
    home.write("other.py", "def run_task(config): ...\n")
    home.load()
    one = home.app.find_task("one")
    home.write("one.py", "from abreast import task\n\ndef one(:\n")
    (said,) = home.folder.refresh()
    assert said == "tasks/one.py, line 3: SyntaxError: invalid syntax: def one(:"
    assert home.error("one.py") == said
    assert home.state("one.py").names == ("one",)
    assert home.app.find_task("one") is one
    assert home.folder.refresh() == []
    home.write("one.py", ONE)
    assert home.folder.refresh() == ["tasks/one.py: one"]
    assert home.state("one.py").error is None


def test_a_file_that_never_was_good_shows_only_its_error(home: Home) -> None:
    home.write("bad.py", "import os\nos.nothing()\n")
    home.write("one.py", ONE)
    home.load()
    assert home.names == {"one"}
    assert home.error("bad.py") == (
        "tasks/bad.py, line 2: AttributeError: module 'os' has no attribute 'nothing'"
    )
    assert "os.nothing()" in home.state("bad.py").detail
    assert home.state("bad.py").names == ()


def test_one_file_may_import_another_and_follows_its_changes(home: Home) -> None:
    home.write("one.py", "from helper import HOW\n" + inspect.cleandoc(ONE).replace('"10m"', "HOW"))
    home.load()
    assert "No module named 'helper'" in home.error("one.py")
    assert "one.requirements.txt" in home.error("one.py")
    home.write("helper.py", "HOW = '1m'\n")
    assert home.folder.refresh() == ["tasks/helper.py: no tasks", "tasks/one.py: one"]
    assert home.app.find_task("one").declared["timeout"] == 60
    home.write("helper.py", "HOW = '2m'\n")
    home.folder.refresh()
    assert home.app.find_task("one").declared["timeout"] == 120
    home.write("helper.py", "HOW = \n")
    home.folder.refresh()
    assert home.error("one.py").startswith("tasks/helper.py, line 1: SyntaxError")
    assert home.names == {"one"}


def test_modules_of_the_project_beside_the_folder_can_be_imported(home: Home) -> None:
    home.write("../shop/__init__.py", "HOW = '3m'\n")
    home.write("one.py", "from shop import HOW\n" + inspect.cleandoc(ONE).replace('"10m"', "HOW"))
    home.load()
    assert home.app.find_task("one").declared["timeout"] == 180


def test_a_changed_file_of_a_package_is_noticed(home: Home) -> None:
    home.write("etl/__init__.py", "from .jobs import one\n")
    home.write("etl/jobs.py", ONE)
    home.load()
    home.write("etl/jobs.py", ONE.replace("10m", "1m"))
    assert home.folder.refresh() == ["tasks/etl: one"]
    assert home.app.find_task("one").declared["timeout"] == 60


def test_of_two_files_with_one_name_the_first_keeps_it(home: Home) -> None:
    home.write("a.py", ONE)
    home.write("b.py", ONE + "\n    @task\n    def two(): ...\n")
    home.load()
    assert home.names == {"one", "two"}
    assert home.app.find_task("one").origin[1] == str(home.tasks / "a.py")
    assert "the task 'one' is declared in tasks/a.py already" in home.error("b.py")
    assert home.state("a.py").error is None
    assert home.state("b.py").names == ("two",)
    home.remove("a.py")
    home.folder.refresh()
    assert home.app.find_task("one").origin[1] == str(home.tasks / "b.py")
    assert home.state("b.py").error is None
    home.write("a.py", ONE)  # it comes later now, though it stands first
    (_, said) = home.folder.refresh()
    assert "'one' is declared in tasks/b.py already" in said
    assert home.error("a.py") == said


def test_a_name_of_the_app_is_not_taken_over(home: Home) -> None:
    @home.app.task
    def one() -> None: ...

    home.write("one.py", ONE)
    home.load()
    assert home.app.find_task("one").fn is one.fn
    assert "there is a task 'one' already" in home.error("one.py")
    assert home.state("one.py").names == ()


def test_a_limit_of_another_size_is_an_error_of_the_file(home: Home) -> None:
    limit = "from abreast import Limit\n" + inspect.cleandoc(ONE)
    home.write("a.py", limit.replace('"10m"', "1, limits=Limit(2, '/db')"))
    home.write(
        "b.py", limit.replace('"10m"', "1, limits=Limit(3, '/db')").replace("def one", "def two")
    )
    home.load()
    assert home.names == {"one"}
    assert "a shared limit has one size" in home.error("b.py")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("schedule='61 * * * *'", "61"),
        ("schedule={'spec': '@daily', 'zone': 'UTC'}", "unknown key 'zone'"),
        ("schedule='@daily', timezone='Mars/Base'", "Mars/Base"),
        ("schedule='@daily', overlap='never'", "never"),
        ("name='a/b'", "cannot be the name of a task"),
        ("name='abreast:x'", "cannot be the name of a task"),
    ],
)
def test_an_impossible_option_keeps_the_last_good_version(
    home: Home, option: str, said: str
) -> None:
    text = ONE.replace("(a: int | None, b=2)", "()")
    home.write("one.py", text)
    home.load()
    home.write("one.py", text.replace('timeout="10m"', option))
    home.folder.refresh()
    assert said in home.error("one.py")
    if "name=" not in option:
        assert home.app.find_task("one").declared["timeout"] == 600


def test_the_folder_may_vanish_for_a_while(home: Home) -> None:
    home.write("one.py", ONE)
    home.load()
    home.tasks.rename(home.path / "elsewhere")
    (said,) = home.folder.refresh()
    assert "cannot be read" in said
    assert home.names == {"one"}
    assert home.folder.files[0].error == said
    assert home.folder.refresh() == []
    (home.path / "elsewhere").rename(home.tasks)
    home.folder.refresh()
    assert [state.error for state in home.folder.files] == [None]


def test_four_files_are_read_at_once_and_no_more(home: Home) -> None:
    # Each waits for three others, once; the marks say how many are being read.
    text = f"""
        import os, select, time
        here = r"{home.path}"
        mark = os.path.join(here, "now", str(os.getpid()))
        open(mark, "w").close()
        most, until = 0, time.monotonic() + 15
        while most < 4 and not os.path.exists(here + "/seen") and time.monotonic() < until:
            most = max(most, len(os.listdir(here + "/now")))
            select.select([], [], [], 0.01)
        open(here + "/seen", "w").close()
        most = max(most, len(os.listdir(here + "/now")))
        open(os.path.join(here, "most"), "a").write(f"{{most}}\\n")
        os.unlink(mark)
        def run_task(config): ...
    """
    (home.path / "now").mkdir()
    for number in range(9):
        home.write(f"t{number}.py", text)
    home.load()
    assert len(home.names) == 9
    assert max(map(int, (home.path / "most").read_text().split())) == 4


def test_refresh_from_a_thread_while_others_look(home: Home) -> None:
    home.write("one.py", ONE)
    home.load()
    home.write("two.py", "def run_task(config): ...\n")
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.extend(home.folder.refresh())) for _ in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert said == ["tasks/two.py: two"]
    assert home.names == {"one", "two"}


# -- what abreast.toml says of them -----------------------------------------------------------


def test_the_configuration_counts_more_than_the_file(home: Home) -> None:
    home.write("one.py", ONE)
    home.write("plain.py", "schedule = '@daily'\ndef run_task(config): ...\n")
    home.toml(
        """
        [tasks.one]
        timeout = "5s"
        retry = { n = 2, backoff = "10s" }
        limits = 3
        cwd = "work"
        env = { A = "b" }
        description = "Other words."

        [tasks.plain]
        schedule = "@hourly"
        concurrent = true
        """
    )
    home.load()
    one = home.app.find_task("one")
    assert one.declared["timeout"] == 5
    assert (one.declared["retry"].n, one.declared["retry"].backoff) == (2, 10)
    assert [limit.n for limit in one.declared["limits"]] == [3]
    assert one.tags == ("night",)
    assert one.doc == "Other words."
    assert one.fn.cwd == str(home.path / "work")
    assert one.fn.env == {"A": "b"}
    plain = home.app.find_task("plain")
    assert plain.declared["schedule"] == "@hourly"
    assert "limits" not in plain.declared
    assert plain.fn.cwd == str(home.path)

    home.toml("[tasks.one]\nconcurrent = false\n[tasks.plain]\nenabled = false\n")
    home.change()
    assert home.names == {"one"}
    assert home.app.find_task("one").declared["timeout"] == 600
    assert [limit.n for limit in home.app.find_task("one").declared["limits"]] == [1]


def test_a_table_about_no_task_is_shown(home: Home) -> None:
    home.write("report.py", "def run_task(config): ...\n")
    home.toml("[tasks.reprot]\nschedule = '@daily'\n")
    home.load()
    error = home.error("../abreast.toml")
    assert "[tasks.reprot]: there is no task 'reprot'" in error
    assert "did you mean 'report'?" in error
    home.toml("[tasks.report]\nschedule = '@daily'\n")
    home.change()
    assert [state.error for state in home.folder.files] == [None]


def test_a_file_elsewhere_may_be_named(home: Home) -> None:
    home.write("../jobs/nightly.py", "def run_task(config): ...\n")
    home.write("../jobs/many.py", ONE + "\n    @task\n    def two(): ...\n")
    home.toml(
        """
        [tasks.clean]
        file = "jobs/nightly.py"
        schedule = "@daily"

        [tasks.two]
        file = "jobs/many.py"

        [tasks.three]
        file = "jobs/many.py"

        [tasks.four]
        file = "jobs/none.py"
        """
    )
    home.load()
    assert home.names == {"clean", "two"}
    assert home.app.find_task("clean").declared["schedule"] == "@daily"
    assert home.app.find_task("clean").declared["limits"]
    assert "[tasks.three] names this file for one task, but it has one, two" in home.error(
        "../jobs/many.py"
    )
    assert "No such file" in home.error("../jobs/none.py")
    home.write("../jobs/nightly.py", "concurrent = True\ndef run_task(config): ...\n")
    assert home.folder.refresh() == ["jobs/nightly.py: nightly"]
    assert "limits" not in home.app.find_task("clean").declared


def test_a_command_and_a_file_of_one_name(home: Home) -> None:
    home.write("one.py", ONE)
    home.toml("[tasks.one]\ncommand = 'true'\n")
    home.load()
    assert home.app.find_task("one").origin[0] == "toml"
    assert "[tasks.one] is a command of this name" in home.error("one.py")
    home.toml("")
    home.change()
    assert home.app.find_task("one").origin[0] == "file"
    home.toml("[tasks.one]\ncommand = 'true'\n")
    with pytest.raises(UsageError, match="there is a task 'one' already"):
        home.change()
    assert home.app.find_task("one").origin[0] == "file"


def test_what_has_not_changed_is_not_read_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write("one.py", ONE)
    home.write("bad.py", "import nothing_of_this_name\n")
    home.write("etl/__init__.py", "")
    home.load()

    def never(request: object) -> object:
        raise AssertionError(request)

    monkeypatch.setattr(watching, "probe", never)
    for _ in range(20):
        assert home.folder.refresh() == []


# -- the page -------------------------------------------------------------------------------------


def test_the_files_of_the_page_are_tasks(home: Home) -> None:
    page = (Path(__file__).parents[2] / "docs" / "tasks-folder.md").read_text(encoding="utf-8")
    files = re.findall(r"^```python\n# tasks/(\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    tables = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for name, text in files:
        (home.tasks / name).write_text(text, encoding="utf-8")
    home.write("shop_client.py", "orders_of = write = print\n")
    home.write("report.py", "def run_task(config): ...\n")
    home.write("../reports/nightly.py", "def run_task(config): ...\n")
    home.toml("")
    home.load()
    assert home.names == {"cleanup", "extract", "summarise", "report"}
    (home.path / "abreast.toml").write_text("\n".join(tables), encoding="utf-8")
    home.change()
    assert [state.error for state in home.folder.files] == [None] * 4
    assert home.names == {"cleanup", "summarise", "report", "nightly", "dump"}
