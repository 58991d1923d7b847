"""Commands of ``abreast.toml`` as tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interfaces.folder_help import Home

from abreast import Command
from abreast.errors import Busy, CommandFailed, UsageError

pytestmark = pytest.mark.needs("posix")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.app.close()


def test_what_the_app_knows_of_a_command(home: Home) -> None:
    home.toml(
        """
        [tasks.dump]
        command = "pg_dump shop | gzip > shop.gz"
        schedule = "0 3 * * *"
        timezone = "Europe/Berlin"
        overlap = "queue_one"
        timeout = "10m"
        retry = { n = 2, backoff = "1m" }
        tags = ["night", "db"]
        after = ["clean"]
        priority = 5
        notify = { on_failure = [] }

        [tasks.clean]
        command = ["rm", "-f", "old file"]
        cwd = "/tmp"
        env = { LANG = "C" }
        concurrent = true
        description = "Tidies up."

        [tasks.later]
        command = "true"
        enabled = false
        """
    )
    home.load()
    assert home.names == {"dump", "clean"}
    dump, clean = home.app.find_task("dump"), home.app.find_task("clean")
    assert isinstance(dump.fn, Command)
    assert dump.fn.shell == "pg_dump shop | gzip > shop.gz"
    assert dump.fn.cwd == str(home.path)
    assert dump.doc == "pg_dump shop | gzip > shop.gz"
    assert dump.origin == ("toml", str(home.path / "abreast.toml"))
    assert dump.declared["schedule"] == "0 3 * * *"
    assert dump.declared["timezone"] == "Europe/Berlin"
    assert dump.declared["overlap"] == "queue_one"
    assert dump.declared["timeout"] == 600
    assert (dump.declared["retry"].n, dump.declared["retry"].backoff) == (2, 60)
    assert dump.tags == ("night", "db")
    assert list(dump.declared["after"]) == ["clean"]
    assert dump.declared["priority"] == 5
    assert "notify" in dump.declared
    assert [limit.n for limit in dump.declared["limits"]] == [1]
    assert isinstance(clean.fn, Command)
    assert clean.fn.args == ("rm", "-f", "old file")
    assert clean.fn.cwd == "/tmp"
    assert clean.fn.env == {"LANG": "C"}
    assert clean.doc == "Tidies up."
    assert "limits" not in clean.declared


def test_output_is_in_the_log(home: Home) -> None:
    home.toml(
        """
        [tasks.says]
        command = "echo out; echo err >&2; echo $WORD; pwd"
        env = { WORD = "said" }

        [tasks.fails]
        command = ["sh", "-c", "echo why; exit 3"]
        """
    )
    home.load()
    with home.working():
        says, fails = home.app.find_task("says").submit(), home.app.find_task("fails").submit()
        assert says.wait(30)
        with pytest.raises(CommandFailed, match="return code 3"):
            fails.result(30)
        words = [line.partition(" ")[2] for line in says.log().splitlines()]
        assert words == ["out", "err", "said", str(home.path)]
        assert fails.log().endswith(" why\n")


def test_a_command_refuses_a_second_run(home: Home) -> None:
    home.toml("[tasks.one]\ncommand = 'true'\n[tasks.many]\ncommand = 'true'\nconcurrent = true\n")
    home.load()
    home.app.find_task("one").submit()
    with pytest.raises(Busy):
        home.app.find_task("one").submit()
    for _ in range(2):
        home.app.find_task("many").submit()


def test_changes_of_the_configuration(home: Home) -> None:
    home.toml("[tasks.a]\ncommand = 'true'\n[tasks.b]\ncommand = 'true'\n")
    home.load()
    a = home.app.find_task("a")
    assert home.commands.reload(home.settings()) == []
    home.toml("[tasks.a]\ncommand = 'true'\n[tasks.c]\ncommand = 'false'\n")
    assert home.commands.reload(home.settings()) == ["task 'b' is gone", "task 'c' is new"]
    assert home.names == {"a", "c"}
    assert home.app.find_task("a") is a
    home.toml("[tasks.a]\ncommand = 'echo'\n[tasks.c]\ncommand = 'false'\n")
    assert home.commands.reload(home.settings()) == ["task 'a' has changed"]


def test_a_change_that_is_refused_changes_nothing(home: Home) -> None:
    @home.app.task
    def taken() -> None: ...

    home.toml("[tasks.a]\ncommand = 'true'\n[tasks.b]\ncommand = 'true'\n")
    home.load()
    home.toml(
        """
        [tasks.a]
        command = "false"
        [tasks.c]
        command = "false"
        [tasks.taken]
        command = "false"
        """
    )
    with pytest.raises(UsageError, match="there is a task 'taken' already"):
        home.commands.reload(home.settings())
    assert home.names == {"a", "b", "taken"}
    command = home.app.find_task("a").fn
    assert isinstance(command, Command)
    assert command.shell == "true"
    assert home.app.find_task("taken").fn is taken.fn
