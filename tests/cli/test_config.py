"""``abreast config show`` and ``abreast config check``."""

from __future__ import annotations

import json
import os
import re
import socket
import tomllib
from pathlib import Path

import pytest

from abreast.interfaces import settings_probe

from .conftest import Abreast


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """Variables with which nothing of this machine counts."""
    return {
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "CONFIGURATION_DIRECTORY": str(tmp_path / "etc"),
    }


def write(folder: Path, text: str) -> Path:
    path = folder / "abreast.toml"
    path.write_text(text, encoding="utf-8")
    return path


TEXT = """
[server]
listen = "127.0.0.1:0"
[notify.channels.ops]
type = "webhook"
url = "https://example.com/hunter2"
[tasks.backup]
command = "true"
schedule = ["0 2 * * *", { spec = "every 10s", name = "often" }]
limits = [{ n = 1, then = "fail" }]
env = { API_KEY = "hunter2" }
"""


def test_show(abreast: Abreast, tmp_path: Path, nowhere: dict[str, str]) -> None:
    file = write(tmp_path, TEXT)
    done = abreast("config", "show", **nowhere)
    assert done.code == 0, done
    assert done.out.startswith(f"# from {file}; relative paths are relative to {tmp_path}\n")
    shown = tomllib.loads(done.out)  # it is a configuration itself
    assert shown["server"]["listen"] == "127.0.0.1:0"
    assert shown["scheduler"]["max_workers"] == 10
    assert shown["tasks"]["backup"]["env"] == {"API_KEY": "********"}
    assert "# base_url is not set\n" in done.out
    assert "hunter2" not in done.out


def test_show_with_origins(abreast: Abreast, tmp_path: Path, nowhere: dict[str, str]) -> None:
    file = write(tmp_path, TEXT)
    done = abreast("config", "show", "--origin", ABREAST_SCHEDULER_DRAIN="9s", **nowhere)
    assert done.code == 0, done
    plain = re.sub(" +", " ", done.out)
    assert f'listen = "127.0.0.1:0" # [server] listen in {file}\n' in plain
    assert 'drain = "9s" # ABREAST_SCHEDULER_DRAIN\n' in plain
    assert "max_workers = 10 # default\n" in plain
    tomllib.loads(done.out)


def test_show_as_json(abreast: Abreast, tmp_path: Path, nowhere: dict[str, str]) -> None:
    file = write(tmp_path, TEXT)
    below = tmp_path / "below"
    below.mkdir()
    done = abreast("config", "show", str(below), "--json", **nowhere)
    assert done.code == 0, done
    said = json.loads(done.out)
    assert (said["files"], said["folder"]) == ([str(file)], str(tmp_path))
    values = {row["key"]: (row["value"], row["origin"]) for row in said["values"]}
    assert values["server.listen"] == ("127.0.0.1:0", f"[server] listen in {file}")
    assert values["server.compat"] == (False, "default")
    assert "hunter2" not in done.out


def test_show_says_what_is_wrong(abreast: Abreast, tmp_path: Path) -> None:
    write(tmp_path, "[server]\nlistn = 1\n")
    done = abreast("config", "show")
    assert done.code == 2
    said = "unknown key in [server]: 'listn'; did you mean 'listen'?"
    assert done.err == f"Error: {tmp_path}/abreast.toml: {said}\n"
    done = abreast("config", "show", "--config", "gone.toml")
    assert (done.code, done.out) == (2, "")
    assert "there is no configuration file" in done.err


def test_check_of_a_good_one(abreast: Abreast, tmp_path: Path, nowhere: dict[str, str]) -> None:
    file = write(tmp_path, TEXT)
    done = abreast("config", "check", **nowhere)
    assert (done.code, done.err) == (0, ""), done
    assert done.out.startswith(f"ok: {file}; 1 task in it")
    assert not (tmp_path / ".abreast").exists()
    done = abreast("config", "check", "--quiet", **nowhere)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_check_names_every_place(abreast: Abreast, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        [app]
        tasks = "jobs"
        [store]
        url = "sqlite:///abreast.toml/x.db"
        [server]
        listen = ["127.0.0.1:99999", "127.0.0.1:0"]
        [scheduler]
        timezone = "Mars"
        [tasks.a]
        command = ["no-such-program-here"]
        cwd = "gone"
        [tasks.b]
        file = "b.py"
        python = "envs/none"
        requirements = "r.txt"
        [tasks.c]
        command = "true"
        schedule = "0 25 * * *"
        [tasks.off]
        command = ["no-such-program-here"]
        enabled = false
        """,
    )
    done = abreast("config", "check", str(tmp_path))
    assert (done.code, done.out) == (2, "")
    places = [line.removeprefix(f"Error: {file}: ") for line in done.err.splitlines()]
    wanted = [
        "listen in [server] must be HOST:PORT",
        "timezone in [scheduler]: timezone 'Mars' is not known",
        "schedule in [tasks.c]: ",
        f"Error: [app] tasks in {file}: there is no folder {tmp_path}/jobs",
        f"Error: the folder {file} of the store cannot be made: {file} is no folder",
        f"cwd in [tasks.a]: there is no folder {tmp_path}/gone",
        "command in [tasks.a]: there is no program 'no-such-program-here'",
        f"file in [tasks.b]: there is no file {tmp_path}/b.py",
        f"requirements in [tasks.b]: there is no file {tmp_path}/r.txt",
        f"python in [tasks.b]: {tmp_path}/envs/none is neither an interpreter",
    ]
    for line in wanted:
        assert any(place.startswith(line) for place in places), (line, done)
    assert "tasks.off" not in done.err


def test_check_of_a_file_that_is_none(abreast: Abreast, tmp_path: Path) -> None:
    write(tmp_path, "[server\n")
    done = abreast("config", "check")
    assert done.code == 2
    assert "is not valid TOML" in done.err
    done = abreast("config", "check", "gone")
    assert done.code == 2
    assert "there is no folder" in done.err


def test_check_without_anything_to_serve(
    abreast: Abreast, tmp_path: Path, nowhere: dict[str, str]
) -> None:
    done = abreast("config", "check", **nowhere)
    assert done.code == 2
    assert "there is nothing to serve" in done.err
    (tmp_path / "tasks").mkdir()
    assert abreast("config", "check", **nowhere).code == 0


def test_check_of_addresses(abreast: Abreast, tmp_path: Path, nowhere: dict[str, str]) -> None:
    (tmp_path / "tasks").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        place = f"127.0.0.1:{busy.getsockname()[1]}"
        done = abreast("config", "check", ABREAST_SERVER_LISTEN=place, **nowhere)
        assert done.code == 0, done
        assert f"note: {place} is in use now" in done.err
    done = abreast("config", "check", ABREAST_SERVER_LISTEN="192.0.2.1:7000", **nowhere)
    assert done.code == 2
    assert "192.0.2.1:7000 cannot be listened on: " in done.err
    assert "ABREAST_SERVER_LISTEN" in done.err


def test_check_asks_for_a_user_where_others_can_come(
    abreast: Abreast, tmp_path: Path, nowhere: dict[str, str]
) -> None:
    write(tmp_path, "[store]\nurl = 'sqlite:///x.db'\n[server]\nlisten = '0.0.0.0:0'\n")
    (tmp_path / "tasks").mkdir()
    done = abreast("config", "check", **nowhere)
    assert done.code == 2
    assert "there are no users yet; add one first: abreast user add NAME" in done.err
    assert not (tmp_path / "x.db").exists()
    added = abreast("user", "add", "anna", "--role", "admin", "--password-file", "-",
                    stdin="correct horse battery staple\n", **nowhere)  # fmt: skip
    assert added.code == 0, added
    done = abreast("config", "check", **nowhere)
    assert done.code == 0, done


def test_check_imports_the_app(abreast: Abreast, tmp_path: Path, nowhere: dict[str, str]) -> None:
    file = write(tmp_path, "[app]\napp = 'jobs:app'\n")
    done = abreast("config", "check", **nowhere)
    assert done.code == 2
    assert f"[app] app in {file}: there is no module 'jobs'" in done.err
    jobs = tmp_path / "jobs.py"
    jobs.write_text("print('hello')\nfrom abreast import App\napp = App('sqlite:///a/x.db')\n")
    done = abreast("config", "check", **nowhere)
    assert done.code == 0, done
    assert "hello" not in done.out
    jobs.write_text("from abreast import App\napp = App('memory://')\n")
    done = abreast("config", "check", **nowhere)
    assert done.code == 2
    assert "keeps its runs in memory://; a service needs a file" in done.err


def test_check_of_folders_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The superuser may write everywhere, so the system's answer is given here."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked)
    said = list(settings_probe._writable(f"{locked}/x.db", "[store] url"))
    assert len(said) == 1
    assert f"the folder {locked} of the store cannot be written by this user" in said[0]


def test_check_says_what_is_odd(abreast: Abreast, tmp_path: Path, nowhere: dict[str, str]) -> None:
    write(
        tmp_path,
        """
        [notify.channels.ops]
        type = "mail"
        to = "a@example.com"
        user = "jobs"
        [tasks.a]
        command = "true"
        schedule = "30 2 * * *"
        timezone = "Europe/Berlin"
        [tasks.b]
        command = "true"
        schedule = "*/15 2 * * *"
        timezone = "Europe/Berlin"
        """,
    )
    done = abreast("config", "check", **nowhere)
    assert done.code == 0, done
    assert "note: the channel 'ops' logs in as jobs without a password" in done.err
    assert "ABREAST_NOTIFY_OPS_PASSWORD" in done.err
    assert "schedule in [tasks.b] '*/15 2 * * *':" in done.err
