"""``[tasks.NAME]``: every key, what becomes of it, and what is refused."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abreast.domain.limits import Then
from abreast.errors import UsageError
from abreast.interfaces import app_options, settings_toml
from abreast.interfaces.settings_check import Place
from abreast.interfaces.settings_tasks import TASK, task


def read(text: str, folder: str = "/srv/jobs") -> dict[str, Any]:
    place = Place(f"{folder}/abreast.toml", "tasks.backup", "", folder)
    return task("backup", tomllib.loads(text), place)


def test_every_key() -> None:
    found = read(
        """
        command = ["tar", "cf", "x.tar", "."]
        schedule = "30 2 * * *"
        timezone = "Europe/Berlin"
        overlap = "allow( 3 )"
        catch_up = "all"
        window = "2h"
        jitter = 30
        timeout = "10m"
        limits = [{ n = 2, key = "/disk", per = "1m", cost = 2, waiting = 5, then = "skip" }]
        env = { LANG = "C", N = 3, ON = true }
        cwd = "data"
        retry = { n = 3, backoff = "exponential", base = "2s", cap = "1h", jitter = 0.5 }
        notify = { on_failure = ["ops"] }
        after = "extract"
        after_any = true
        concurrent = true
        tags = ["nightly"]
        priority = 60
        needs = { cpu = 1, memory = "2GB" }
        description = "The nightly backup"
        enabled = false
        """
    )
    assert found == {
        "command": ("tar", "cf", "x.tar", "."),
        "schedule": "30 2 * * *",
        "timezone": "Europe/Berlin",
        "overlap": "allow(3)",
        "catch_up": "all",
        "window": 7200.0,
        "jitter": 30.0,
        "timeout": 600.0,
        "limits": [{"n": 2, "key": "/disk", "per": 60.0, "cost": 2, "waiting": 5, "then": "skip"}],
        "env": {"LANG": "C", "N": "3", "ON": "true"},
        "cwd": "/srv/jobs/data",
        "retry": {"n": 3, "backoff": "exponential", "base": 2.0, "cap": 3600.0, "jitter": 0.5},
        "notify": {"on_failure": ("ops",)},
        "after": ("extract",),
        "after_any": True,
        "concurrent": True,
        "tags": ("nightly",),
        "priority": 60.0,
        "needs": {"cpu": 1.0, "memory": 2e9},
        "description": "The nightly backup",
        "enabled": False,
    }
    file = read('file = "jobs/report.py"\npython = ".venv/x"\nrequirements = "r.txt"\n')
    assert file == {
        "file": "/srv/jobs/jobs/report.py",
        "python": "/srv/jobs/.venv/x",
        "requirements": "/srv/jobs/r.txt",
    }
    assert {*found, *file} == {*TASK}


def test_limits_and_retries_are_what_the_options_of_a_task_are() -> None:
    found = read("limits = 1\nretry = 2\n")
    assert found == {"limits": [{"n": 1}], "retry": {"n": 2, "backoff": 0}}
    options = app_options.from_json(found)
    assert options["limits"][0].n == 1
    assert (options["retry"].n, options["retry"].backoff) == (2, 0)
    table = read('limits = { n = 1, then = "fail" }\n')
    assert app_options.from_json(table)["limits"][0].then is Then.FAIL
    adaptive = app_options.from_json(read("limits = [1, { n = [2, 9], key = '/api' }]\n"))
    assert (adaptive["limits"][1].n.lo, adaptive["limits"][1].n.hi) == (2, 9)


def test_schedules_as_text_table_and_list() -> None:
    assert read("schedule = 'every 90s'\n") == {"schedule": "every 90s"}
    assert read("schedule = 2030-01-01T02:00:00\n") == {"schedule": "2030-01-01T02:00:00"}
    assert read("schedule = ['@hourly', '@reboot']\n") == {"schedule": ["@hourly", "@reboot"]}
    found = read(
        """
        [[schedule]]
        spec = "0 2 * * *"
        name = "night"
        jitter = "1m"
        args = [1, "x"]
        kwargs = { full = true }
        [[schedule]]
        spec = "@hourly"
        timezone = "UTC"
        overlap = "queue_one"
        catch_up = "none"
        window = 60
        """
    )
    assert found["schedule"] == [
        {"spec": "0 2 * * *", "name": "night", "jitter": 60.0, "args": [1, "x"],
         "kwargs": {"full": True}},
        {"spec": "@hourly", "timezone": "UTC", "overlap": "queue_one", "catch_up": "none",
         "window": 60.0},
    ]  # fmt: skip
    assert read("[schedule]\nspec = '@daily'\n") == {"schedule": [{"spec": "@daily"}]}


def test_python_may_be_a_name_or_a_path(tmp_path: Path) -> None:
    assert read("python = 'python3.12'\n", str(tmp_path))["python"] == "python3.12"
    (tmp_path / ".venv").mkdir()
    assert read("python = '.venv'\n", str(tmp_path))["python"] == str(tmp_path / ".venv")
    home = os.path.expanduser("~")
    assert read("cwd = '~/x'\n")["cwd"] == os.path.join(home, "x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("comand = 'x'", "'comand'; did you mean 'command'"),
        ("command = ''", "line for the shell or a list of words"),
        ("command = ['a', 1]", "line for the shell or a list of words"),
        ("command = 'x'\nfile = 'a.py'", "both command and file"),
        ("command = 'x'\npython = 'a'", "python in .* belongs to a Python file"),
        ("command = 'x'\nrequirements = 'a'", "requirements in .* belongs to a Python file"),
        ("file = 'a.sh'", r"a Python file with run_task\(config\), not 'a.sh'"),
        ("schedule = '61 * * * *'", "schedule in .*minute"),
        ("schedule = ''", "must be a text"),
        (f"schedule = '{'* ' * 200}'", "at most 256 characters"),
        ("schedule = 3", "schedule such as '0 2"),
        ("schedule = []", "at least one schedule"),
        ("schedule = ['@daily', 3]", r"schedule\[1\] in"),
        ("schedule = {}", r"\[tasks.backup.schedule\] needs spec"),
        ("schedule = { spec = '@daily', tz = 'UTC' }", "unknown key .*'tz'"),
        ("schedule = { spec = '@daily', args = 3 }", "args in .* must be a list"),
        ("schedule = { spec = '@daily', kwargs = 3 }", "kwargs in .* must be a table"),
        ("timezone = 'Mars'", "timezone 'Mars' is not known"),
        ("overlap = 'allow(0)'", r"'skip', 'queue_one', .* or 'allow\(3\)'"),
        ("overlap = 1", "overlap in"),
        ("catch_up = 'lates'", "did you mean 'latest'"),
        ("window = 'x'", "must be a duration"),
        ("timeout = 0", "more than 0"),
        ("limits = 0", "Limit: n must be 1 or more"),
        ("limits = true", "a number, or a list of tables"),
        ("limits = [{ key = 'x' }]", "needs n, how many at once"),
        ("limits = [{ n = 1, then = 'wiat' }]", "did you mean 'wait'"),
        ("limits = [{ n = 1, cost = 2 }]", "one run costs 2 units"),
        ("limits = [{ n = [5, 2] }]", "hi must not be less than lo"),
        ("retry = -1", "n must be 0 or more"),
        ("retry = 'often'", "a number, or a table such as"),
        ("retry = { backoff = 1 }", "needs n, how many tries"),
        ("retry = { n = 1, backoff = 'x' }", "must be a duration"),
        ("retry = { n = 1, jitter = 2 }", "jitter must be between 0 and 1"),
        ("env = ['a']", "a table of texts"),
        ("env = { a = [] }", "env.a in .* must be a text"),
        ("env = { 'a=b' = 'x' }", "must be a text"),
        ("needs = { cpu = 'many' }", "needs.cpu in .* an amount such as"),
        ("needs = 1", "a table of amounts"),
        ("notify = 3", "names of channels or a table"),
        ("notify = { on_fail = [] }", "did you mean 'on_failure'"),
        ("after = []\nafter_any = 1", "true or false"),
        ("after_any = true", "needs after"),
        ("after = ['backup']", "names the task itself"),
        ("concurrent = 'no'", "must be true or false"),
        ("tags = [1]", "a text or a list of texts"),
        ("priority = 'high'", "must be a number, not 'high'"),
        ("priority = nan", "must be a number"),
        ("description = 3", "must be a text"),
        ("enabled = 0", "must be true or false"),
    ],
)
def test_wrong_tasks(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read(text)
    assert "/srv/jobs/abreast.toml" in str(caught.value)
    assert "tasks.backup" in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "a/b", "abreast:notify", "a\nb", "x" * 201])
def test_wrong_names(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a task"):
        task(name, {}, Place("abreast.toml").within("tasks").within(name))


def test_a_section_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"'tasks.a' must be a section, \[tasks.a\]"):
        task("a", 3, Place("abreast.toml", "tasks.a"))


VALUES = st.recursive(
    st.text() | st.integers(-(2**62), 2**62) | st.booleans() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_is_written_as_toml_is_read_back(table: dict[str, Any]) -> None:
    assert tomllib.loads("\n".join(settings_toml.lines(table))) == table
