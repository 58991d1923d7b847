"""What counts as the configuration: files, variables and options, merged, each with its origin."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from abreast.errors import UsageError
from abreast.interfaces import settings_sections
from abreast.interfaces.settings import Settings, load
from abreast.interfaces.settings_merge import Problems
from abreast.interfaces.settings_sections import SECTIONS, RetentionSettings, Scheduler, Server


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of its own, in which nothing of this machine counts."""
    for name in list(os.environ):
        if name.startswith("ABREAST_") or name in ("STATE_DIRECTORY", "TZ"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def shown(settings: Settings, key: str) -> tuple[Any, str]:
    return next((value, origin) for name, value, origin in settings.explain() if name == key)


def test_without_a_file(nowhere: Path) -> None:
    settings = load()
    assert (settings.app, settings.store_url, settings.path) == (None, None, None)
    assert settings.folder == str(nowhere)
    assert settings.server.listen == ["127.0.0.1:7000"]
    assert settings.server.loopback
    assert settings.server.anonymous is None
    assert settings.scheduler.max_workers == 10
    assert settings.tasks == {}
    assert settings.tasks_dir == str(nowhere / "tasks")
    assert settings.service_store == f"sqlite:///{nowhere}/.abreast/abreast.db"
    assert shown(settings, "server.listen") == (["127.0.0.1:7000"], "default")


def test_everything_at_once(nowhere: Path) -> None:
    file = write(
        nowhere / "abreast.toml",
        """
        [app]
        app = "shop.jobs:app"
        tasks = "jobs"
        [store]
        url = "sqlite:///data/x.db"
        [server]
        listen = ["0.0.0.0:80", "[::1]:7000", 7001]
        compat = true
        anonymous = "viewer"
        hosts = ["Jobs.Example.com"]
        base_url = "https://jobs.example.com/"
        trusted_proxies = ["10.0.0.0/8", "::1"]
        log_requests = true
        [scheduler]
        max_workers = "auto"
        timezone = "Europe/Berlin"
        drain = "90s"
        executor = "thread"
        [retention]
        older_than = "never"
        keep = 100
        failed_older_than = "1w"
        events = 5000
        """,
    )
    settings = load()
    assert settings.app == "shop.jobs:app"
    assert settings.app_folder == str(nowhere)
    assert settings.store_url == f"sqlite:///{nowhere}/data/x.db"
    assert settings.tasks_dir == str(nowhere / "jobs")
    assert settings.server == Server(
        listen=["0.0.0.0:80", "[::1]:7000", "127.0.0.1:7001"],
        compat=True,
        anonymous="viewer",
        hosts=["jobs.example.com"],
        base_url="https://jobs.example.com",
        trusted_proxies=["10.0.0.0/8", "::1"],
        log_requests=True,
    )
    assert not settings.server.loopback
    assert settings.scheduler == Scheduler("auto", "Europe/Berlin", 90.0, "thread")
    assert settings.retention == RetentionSettings(None, 100, 604800.0, 5000)
    assert settings.path == str(file)
    assert settings.files == (str(file),)
    assert settings.origin("scheduler.drain") == f"[scheduler] drain in {file}"
    assert shown(settings, "scheduler.drain") == ("90s", f"[scheduler] drain in {file}")


def test_the_defaults_shown_are_those_that_count() -> None:
    for section, kind in (
        ("server", Server),
        ("scheduler", Scheduler),
        ("retention", RetentionSettings),
    ):
        plain = kind()
        for key, about in SECTIONS[section].items():
            if about.default is not None:
                place = settings_sections.Place("test", section, key)
                assert about.check(place, about.default) == getattr(plain, key), key


def test_who_counts_more(nowhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def drain(**options: Any) -> tuple[float, str]:
        found = load(**options)
        return found.scheduler.drain, found.origin("scheduler.drain")

    assert drain() == (30.0, "default")
    etc = write(tmp_path / "etc" / "abreast.toml", "[scheduler]\ndrain = 1\n")
    assert drain() == (1.0, f"[scheduler] drain in {etc}")
    own = write(tmp_path / "xdg" / "abreast" / "abreast.toml", "[scheduler]\ndrain = 2\n")
    assert drain() == (2.0, f"[scheduler] drain in {own}")
    project = write(nowhere / "pyproject.toml", "[tool.abreast.scheduler]\ndrain = 3\n")
    assert drain() == (3.0, f"[tool.abreast.scheduler] drain in {project}")
    nearest = write(nowhere / "abreast.toml", "[scheduler]\ndrain = 4\n")
    assert drain() == (4.0, f"[scheduler] drain in {nearest}")
    other = write(tmp_path / "other.toml", "[scheduler]\ndrain = 5\n")
    assert drain(config=str(other)) == (5.0, f"[scheduler] drain in {other}")
    monkeypatch.setenv("ABREAST_CONFIG", str(other))
    assert drain() == (5.0, f"[scheduler] drain in {other}")
    monkeypatch.setenv("ABREAST_SCHEDULER_DRAIN", "6s")
    assert drain() == (6.0, "ABREAST_SCHEDULER_DRAIN")
    assert drain(flags={"scheduler.drain": "7s"}) == (7.0, "--drain")
    assert drain(flags={"scheduler.drain": None})[0] == 6.0


def test_every_key_is_merged_by_itself(nowhere: Path, tmp_path: Path) -> None:
    write(
        tmp_path / "etc" / "abreast.toml", "[server]\nlog_requests = true\n[scheduler]\ndrain=1\n"
    )
    write(nowhere / "abreast.toml", "[scheduler]\nmax_workers = 3\n")
    settings = load()
    assert settings.server.log_requests
    assert (settings.scheduler.max_workers, settings.scheduler.drain) == (3, 1.0)
    assert settings.folder == str(nowhere)


def test_a_machine_wide_file_alone_does_not_say_the_folder(nowhere: Path, tmp_path: Path) -> None:
    etc = write(tmp_path / "etc" / "abreast.toml", "[scheduler]\ndrain = 1\n")
    assert load().folder == str(nowhere)
    assert load(config=str(etc)).folder == str(etc.parent)


def test_variables_of_every_kind(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABREAST_APP", "jobs:app")
    monkeypatch.setenv("ABREAST_STORE", "sqlite:///x.db")
    monkeypatch.setenv("ABREAST_APP_TASKS", "other")
    monkeypatch.setenv("ABREAST_SERVER_LISTEN", "127.0.0.1:1, 127.0.0.1:2")
    monkeypatch.setenv("ABREAST_SERVER_COMPAT", "yes")
    monkeypatch.setenv("ABREAST_SCHEDULER_MAX_WORKERS", "4")
    monkeypatch.setenv("ABREAST_RETENTION_KEEP", "all")
    settings = load()
    assert (settings.app, settings.store_url) == ("jobs:app", f"sqlite:///{nowhere}/x.db")
    assert settings.tasks_dir == str(nowhere / "other")
    assert settings.server.listen == ["127.0.0.1:1", "127.0.0.1:2"]
    assert settings.server.compat
    assert settings.scheduler.max_workers == 4
    assert settings.retention.keep is None
    monkeypatch.setenv("ABREAST_SERVER_LISTN", "x")
    with pytest.raises(UsageError, match="SERVER_LISTN is no setting; did you mean ABREAST_"):
        load()


def test_a_store_from_a_file_and_its_password(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = write(tmp_path / "secret", "sqlite:////srv/x.db\n")
    monkeypatch.setenv("ABREAST_STORE_FILE", str(secret))
    assert load().store_url == "sqlite:////srv/x.db"
    secret.write_text("postgresql://anna:hunter2@db/jobs\n")
    with pytest.raises(UsageError, match="not available in this version") as caught:
        load()
    assert "hunter2" not in str(caught.value)
    assert "ABREAST_STORE_FILE" in str(caught.value)
    secret.write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        load()
    secret.unlink()
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nlisten = 'x'\n", r"listen in \[server\] must be HOST:PORT"),
        ("[server]\nlisten = '::1:7000'\n", "must be HOST:PORT"),
        ("[server]\nlisten = '127.0.0.1:70000'\n", "must be HOST:PORT"),
        ("[server]\nlisten = []\n", "at least one HOST:PORT"),
        ("[server]\nlisten = [true]\n", "must be HOST:PORT"),
        ("[server]\nlistn = 'x'\n", r"unknown key in \[server\]: 'listn'; did you mean 'listen'"),
        ("[server]\ncompat = 'yes'\n", "compat in .* must be true or false, not 'yes'"),
        ("[server]\nanonymous = 'admin'\n", "must be 'viewer', not 'admin'"),
        ("[server]\nhosts = ['https://x']\n", "without https"),
        ("[server]\nhosts = [1]\n", "a text or a list of texts"),
        ("[server]\nbase_url = 'jobs.example.com'\n", "must be an address such as"),
        ("[server]\ntrusted_proxies = ['x']\n", "must be IP addresses"),
        ("[scheduler]\nmax_workers = 0\n", "must be a whole number of 1 or more, or 'auto', not 0"),
        ("[scheduler]\nmax_workers = true\n", "whole number"),
        ("[scheduler]\ntimezone = 'Europe/Berln'\n", "did you mean 'Europe/Berlin'"),
        ("[scheduler]\ndrain = 'soon'\n", "drain in .* must be a duration such as .*, not 'soon'"),
        ("[scheduler]\ndrain = -1\n", "must be a duration"),
        ("[scheduler]\nexecutor = 'proces'\n", "did you mean 'process'"),
        ("[retention]\nkeep = -1\n", "whole number of 0 or more"),
        ("[retention]\nolder_than = 'long'\n", "must be a duration"),
        ("[retention]\nevents = 1\n", "whole number of 1000 or more"),
        ("[shed]\n", r"unknown section \[shed\]; (known|did)"),
        ("tasks = 3\n", r"'tasks' must be a section, \[tasks\], with keys"),
        ("x = 3\n", r"unknown section \[x\]"),
        ("[store]\nurl = 'jobs.db'\n", "for this file write 'sqlite:///jobs.db'"),
    ],
)
def test_wrong_values(nowhere: Path, text: str, said: str) -> None:
    file = write(nowhere / "abreast.toml", text)
    with pytest.raises(UsageError, match=said) as caught:
        load()
    assert str(file) in str(caught.value)


def test_wrong_values_elsewhere_name_where(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project = write(nowhere / "pyproject.toml", "[tool.abreast.server]\nlistn = 'x'\n")
    with pytest.raises(UsageError) as caught:
        load()
    assert str(caught.value).startswith(f"{project}: unknown key in [tool.abreast.server]: 'listn'")
    project.write_text("[tool.abreast]\nservr = 1\n")
    with pytest.raises(UsageError, match=r"unknown section \[tool.abreast.servr\]; did you mean"):
        load()
    project.write_text("[tool.other]\nx = [broken\n# of tool-abreast\n")  # not ours to judge
    load()
    monkeypatch.setenv("ABREAST_SCHEDULER_MAX_WORKERS", "many")
    with pytest.raises(UsageError, match=r"^ABREAST_SCHEDULER_MAX_WORKERS must be a whole number"):
        load()
    monkeypatch.delenv("ABREAST_SCHEDULER_MAX_WORKERS")
    with pytest.raises(UsageError, match=r"^--listen must be HOST:PORT"):
        load(flags={"server.listen": "x"})
    with pytest.raises(UsageError, match=r"no setting 'server\.listn'"):
        load(flags={"server.listn": "x"})
    with pytest.raises(UsageError, match=r"no configuration file .*missing\.toml; 'abreast init'"):
        load(config=str(tmp_path / "missing.toml"))
    with pytest.raises(UsageError, match="there is no folder"):
        load(str(tmp_path / "gone"))


def test_a_mistake_is_named_also_where_something_else_counts_more(
    nowhere: Path, tmp_path: Path
) -> None:
    write(tmp_path / "etc" / "abreast.toml", "[scheduler]\ndrain = 'soon'\n")
    write(nowhere / "abreast.toml", "[scheduler]\ndrain = 1\n")
    with pytest.raises(UsageError, match="etc"):
        load()


def test_all_problems_at_once(nowhere: Path) -> None:
    write(
        nowhere / "abreast.toml",
        """
        [server]
        listen = "x"
        [scheduler]
        drain = "soon"
        max_workers = 3
        [notify]
        on_failure = ["ops"]
        [notify.channels.mail]
        type = "mail"
        [tasks.a]
        command = 3
        [tasks.b]
        command = "true"
        """,
    )
    wrong = Problems(strict=False)
    settings = load(problems=wrong)
    assert [text.partition(": ")[2].partition(" must")[0][:40] for text in wrong] == [
        "listen in [server]",
        "drain in [scheduler]",
        "[notify.channels.mail] needs to = ...",
        "on_failure in [notify] names the channel",
        "command in [tasks.a]",
    ]
    assert settings.scheduler.max_workers == 3
    assert list(settings.tasks) == ["b"]


def test_the_tasks_of_the_folder_that_is_named(nowhere: Path) -> None:
    write(nowhere / "abreast.toml", "[scheduler]\ndrain = 1\n")
    below = nowhere / "below"
    (below / "tasks").mkdir(parents=True)
    settings = load(str(below))
    assert (settings.folder, settings.tasks_dir) == (str(nowhere), str(below / "tasks"))
    assert settings.again().tasks_dir == settings.tasks_dir


def test_read_again_as_it_was_asked_for(nowhere: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.toml", "[scheduler]\nmax_workers = 5\n")
    first = load(config=str(other), flags={"scheduler.drain": 9})
    other.write_text("[scheduler]\nmax_workers = 6\n")
    again = first.again()
    assert (again.scheduler.max_workers, again.scheduler.drain) == (6, 9.0)
    other.write_text("[scheduler]\nmax_workers = 0\n")
    with pytest.raises(UsageError, match="max_workers"):
        again.again()


def test_where_the_data_is_kept(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/abreast:/var/lib/other")
    assert load().service_store == "sqlite:////var/lib/abreast/abreast.db"
    monkeypatch.setenv("ABREAST_HOME", "/srv/data")
    assert load().service_store == "sqlite:////srv/data/abreast.db"
    monkeypatch.setenv("ABREAST_STORE", "sqlite:////srv/x.db")
    assert load().service_store == "sqlite:////srv/x.db"


def test_commands_find_the_store_that_a_service_has_made(nowhere: Path) -> None:
    from abreast.interfaces import config

    assert config.find().store is None
    made = write(nowhere / ".abreast" / "abreast.db", "")
    deep = nowhere / "a" / "b"
    deep.mkdir(parents=True)
    found = config.find(start=str(deep))
    assert found.store_url == f"sqlite:///{made}"
    assert found.store is not None
    assert not found.store.given
    write(nowhere / "pyproject.toml", "[tool.abreast.store]\nurl = 'sqlite:///p.db'\n")
    assert config.find(start=str(deep)).store_url == f"sqlite:///{nowhere}/p.db"


def test_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", ":America/New_York")
    settings = load()
    assert settings.scheduler.timezone == "America/New_York"
    assert settings.origin("scheduler.timezone") == "TZ"
    monkeypatch.setenv("TZ", "/etc/whatever")
    assert "/" not in settings_sections.local_zone()[0][:1]


def test_secrets_are_masked(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        nowhere / "abreast.toml",
        """
        [notify.channels.ops]
        type = "mail"
        to = ["a@example.com"]
        user = "u"
        password = "hunter2"
        [notify.channels.chat]
        type = "webhook"
        url = "https://chat.example.com/services/hunter2"
        secret = "hunter2"
        headers = { Authorization = "Bearer hunter2" }
        [notify.channels.script]
        type = "command"
        command = "true"
        env = { KEY = "hunter2" }
        [tasks.a]
        command = "true"
        env = { API_TOKEN = "hunter2", DB = "postgresql://anna:hunter2@db/x", LANG = "C" }
        """,
    )
    settings = load()
    assert "hunter2" not in repr(settings.explain())
    assert "hunter2" not in repr(settings)
    assert shown(settings, "tasks.a.env")[0] == {
        "API_TOKEN": "********",
        "DB": "postgresql://anna:********@db/x",
        "LANG": "C",
    }
    assert shown(settings, "notify.channels.chat.url")[0] == "https://chat.example.com/********"
    assert settings.tasks["a"]["env"]["API_TOKEN"] == "hunter2"
