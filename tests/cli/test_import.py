"""``abreast import crontab`` and ``abreast import cronpilot``, as people call them."""

from __future__ import annotations

import json
import sqlite3
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from abreast.errors import UsageError
from abreast.interfaces.importing.cronpilot import read_cronpilot
from abreast.interfaces.importing.cronpilot_db import schedule_of
from abreast.interfaces.importing.found import as_toml

from .conftest import Abreast

CRONTAB = """\
MAILTO=ops@example.com
# nightly
30 2 * * * /opt/backup.sh
nonsense
"""

CONFIG = """\
admin:
  username: "admin"
  password: "hunter2"
server:
  host: "0.0.0.0"
  port: 8000
database:
  url: "sqlite:///./cronpilot.db"
scheduler:
  timezone: "Europe/Berlin"
  max_workers: 5
email:
  smtp_host: "smtp.example.com"
  smtp_port: 587
  username: "jobs@example.com"
  password: "hunter2"
  from_email: "jobs@example.com"
  use_tls: true
logging:
  retention_days: 14
  log_dir: "./logs"
tasks:
  directory: "./tasks"
extra:
  a: 1
"""

TASK = "def run_task(config=None):\n    return {'status': 'success'}\n"
Row = tuple[str, str, str, dict[str, Any], int, str | None, str | None]
ROWS: list[Row] = [
    ("hourly_one", "tasks/hourly_one.py", "hourly", {}, 1, None, None),
    ("daily_one", "./tasks/daily_one.py", "daily", {"hour": 6, "minute": 30}, 1, None, None),
    ("Weekly", "tasks/weekly_one.py", "weekly", {"day_of_week": 6, "hour": 1}, 1, None, None),
    ("custom_one", "tasks/custom_one.py", "custom", {"cron_expression": "*/5 * * * *"}, 1,
     "envs/one", "tasks/requirements.txt"),
    ("off_one", "tasks/off_one.py", "daily", {"hour": 4}, 0, None, None),
    ("by_hand", "tasks/by_hand.py", "manual", {}, 1, None, None),
    ("gone", "tasks/gone.py", "hourly", {}, 1, None, None),
    ("broken", "tasks/broken.py", "custom", {"cron_expression": "61 * * * *"}, 1, None, None),
    ("outside", "elsewhere/outside.py", "hourly", {}, 1, None, None),
]  # fmt: skip


@pytest.fixture
def cronpilot(tmp_path: Path) -> Path:
    """A CronPilot with a task of every kind; returns its config.yaml."""
    home = tmp_path / "pilot"
    for name in ("hourly_one", "daily_one", "weekly_one", "custom_one", "off_one", "by_hand"):
        put(home / "tasks" / f"{name}.py", TASK)
    put(home / "tasks" / "broken.py", TASK)
    put(home / "elsewhere" / "outside.py", TASK)
    put(home / "tasks" / "requirements.txt", "requests\n")
    put(home / "tasks" / "lib" / "helper.py", "X = 1\n")
    put(home / "tasks" / "notes.py", "X = 1\n")
    put(home / "tasks" / "__pycache__" / "x.pyc", "")
    put(home / "tasks" / "env" / "pyvenv.cfg", "")
    put(home / "envs" / "one" / "pyvenv.cfg", "")
    with closing(sqlite3.connect(home / "cronpilot.db")) as db:
        db.execute(
            "CREATE TABLE tasks (id INTEGER PRIMARY KEY, name, file_path, module_name, description,"
            " schedule_type, schedule_config, is_active, environment_path, requirements_path,"
            " python_executable, created_at, updated_at)"
        )
        db.executemany(
            "INSERT INTO tasks (name, file_path, schedule_type, schedule_config, is_active,"
            " environment_path, requirements_path, description) VALUES (?, ?, ?, ?, ?, ?, ?, 'A')",
            [(*row[:3], json.dumps(row[3]), *row[4:]) for row in ROWS],
        )
        db.execute(
            "CREATE TABLE task_emails (id INTEGER PRIMARY KEY, task_id, email_address,"
            " notify_on_success, notify_on_failure)"
        )
        db.executemany(
            "INSERT INTO task_emails VALUES (?, ?, ?, ?, ?)",
            [(1, 1, "a@example.com", 0, 1), (2, 1, "b@example.com", 1, 1),
             (3, 2, "a@example.com", 0, 1), (4, 99, "x@example.com", 1, 1)],
        )  # fmt: skip
        db.commit()
    config = home / "config.yaml"
    config.write_text(CONFIG)
    return config


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# -- crontab ----------------------------------------------------------------------------------


def test_a_crontab_on_standard_input(abreast: Abreast) -> None:
    done = abreast("import", "crontab", "-", stdin=CRONTAB)
    assert done.code == 0, done
    task = tomllib.loads(done.out)["tasks"]["backup"]
    assert task["schedule"] == "30 2 * * *"
    assert task["description"] == "nightly"
    assert done.err.splitlines()[0] == "line 4: is no line of a crontab and left out: nonsense"
    assert "MAILTO=ops@example.com" in done.err


def test_a_crontab_into_a_folder(abreast: Abreast, tmp_path: Path) -> None:
    (tmp_path / "crontab").write_text(CRONTAB)
    done = abreast("import", "crontab", "crontab", "--into", "jobs")
    assert done.code == 0, done
    assert done.out.splitlines()[:2] == [
        "wrote  jobs/abreast.toml",
        "1 task in abreast.toml, 1 of them with a schedule.",
    ]
    assert "line 4: " in done.err
    checked = abreast("config", "check", "jobs", ABREAST_SERVER_LISTEN="127.0.0.1:0")
    assert checked.code == 0, checked
    before = (tmp_path / "jobs" / "abreast.toml").read_text()
    done = abreast("import", "crontab", "-", "--into", "jobs", stdin="@daily x\n")
    assert done.code == 2
    assert "is there already and nothing is overwritten" in done.err
    assert (tmp_path / "jobs" / "abreast.toml").read_text() == before


def test_crontabs_that_are_none(abreast: Abreast, tmp_path: Path) -> None:
    done = abreast("import", "crontab", "gone")
    assert (done.code, done.err) == (3, "Error: there is no file gone\n")
    done = abreast("import", "crontab", str(tmp_path))
    assert done.code == 2
    assert "is a folder" in done.err
    done = abreast("import", "crontab", "-", "--into", "jobs", stdin="hello\n")
    assert done.code == 2
    assert "has no line that starts a command\n  line 1: is no line of a crontab" in done.err
    assert not (tmp_path / "jobs").exists()


# -- CronPilot --------------------------------------------------------------------------------


def test_a_cronpilot(abreast: Abreast, tmp_path: Path, cronpilot: Path) -> None:
    done = abreast("import", "cronpilot", str(cronpilot), "--into", "jobs")
    assert done.code == 0, done
    jobs = tmp_path / "jobs"
    text = (jobs / "abreast.toml").read_text()
    assert "hunter2" not in text + done.out + done.err
    made = tomllib.loads(text)
    assert made["server"] == {"listen": "0.0.0.0:8000", "compat": True}
    assert made["scheduler"] == {"max_workers": 5, "timezone": "Europe/Berlin"}
    assert made["retention"] == {"older_than": "14d"}
    tasks = made["tasks"]
    assert {name: task.get("schedule") for name, task in tasks.items()} == {
        "hourly_one": "0 * * * *",
        "daily_one": "30 6 * * *",
        "weekly_one": "0 1 * * sun",
        "custom_one": "*/5 * * * *",
        "off_one": None,
        "by_hand": None,
        "broken": None,
        "outside": "0 * * * *",
    }
    assert '# schedule = "0 4 * * *"' in text
    assert tasks["custom_one"]["python"] == str(cronpilot.parent / "envs" / "one")
    assert tasks["custom_one"]["requirements"] == "tasks/requirements.txt"
    assert tasks["custom_one"]["timeout"] == "1h"
    assert tasks["hourly_one"]["description"] == "A"
    files = sorted(str(p.relative_to(jobs)) for p in jobs.rglob("*") if p.is_file())
    assert files == [
        "abreast.toml",
        *(f"tasks/{name}.py" for name in ("broken", "by_hand", "custom_one", "daily_one",
                                          "hourly_one")),
        "tasks/lib/helper.py",
        *(f"tasks/{name}.py" for name in ("notes", "off_one", "outside")),
        "tasks/requirements.txt",
        "tasks/weekly_one.py",
    ]  # fmt: skip
    for said in (
        "admin: user and password are not copied",
        "extra: is not known here",
        "server.host: others can reach 0.0.0.0",
        "logging.log_dir: is not kept",
        "tasks/notes.py: is copied but is no task",
        "task 'Weekly': is called 'weekly_one' here",
        "task 'off_one': is not active there",
        "task 'gone': is left out: there is no file",
        "task 'broken': its schedule is not kept: schedule '61 * * * *': minute 61",
        "email.password: is not copied",
        "ABREAST_NOTIFY_MAIL_PASSWORD",
    ):
        assert said in done.err, said


def test_mail_of_a_cronpilot(cronpilot: Path) -> None:
    made = tomllib.loads(as_toml(read_cronpilot(str(cronpilot))))
    channels = made["notify"]["channels"]
    assert channels["mail"] == {
        "type": "mail",
        "to": ["a@example.com", "b@example.com"],
        "host": "smtp.example.com",
        "port": 587,
        "starttls": True,
        "user": "jobs@example.com",
        "sender": "jobs@example.com",
    }
    assert {name: channel["to"] for name, channel in channels.items()} == {
        "mail": ["a@example.com", "b@example.com"],
        "mail-2": ["b@example.com"],
        "mail-3": ["a@example.com"],
    }
    assert made["tasks"]["hourly_one"]["notify"] == {
        "on_failure": ["mail"],
        "on_success": ["mail-2"],
    }
    assert made["tasks"]["daily_one"]["notify"] == {"on_failure": ["mail-3"]}


def test_what_was_imported_is_a_configuration(
    abreast: Abreast, tmp_path: Path, cronpilot: Path
) -> None:
    assert abreast("import", "cronpilot", str(cronpilot), "--into", "jobs").code == 0
    done = abreast("config", "check", "jobs", ABREAST_SERVER_LISTEN="127.0.0.1:0",
                   ABREAST_NOTIFY_MAIL_PASSWORD="x")  # fmt: skip
    lines = [line for line in done.err.splitlines() if line.startswith("Error")]
    assert len(lines) == 1, done  # its environment has no interpreter
    assert "python in [tasks.custom_one]" in lines[0]


def test_a_cronpilot_without_a_database(tmp_path: Path, cronpilot: Path) -> None:
    cronpilot.with_name("cronpilot.db").write_bytes(b"no database at all, but long enough" * 10)
    found = read_cronpilot(str(cronpilot))
    assert any("cannot be read: file is not a database" in note for note in found.notes)
    cronpilot.with_name("cronpilot.db").unlink()
    found = read_cronpilot(str(cronpilot))
    assert any("all tasks are without a schedule" in note for note in found.notes)
    made = tomllib.loads(as_toml(found))
    assert "tasks" not in made
    assert made["notify"]["channels"]["mail"]["to"] == ["jobs@example.com"]
    cronpilot.write_text("database: {url: 'postgresql://u:hunter2@h/x'}\n")
    found = read_cronpilot(str(cronpilot))
    assert any("schedules in postgresql are not read" in note for note in found.notes)
    assert "hunter2" not in "".join(found.notes)


def test_another_tasks_folder(abreast: Abreast, tmp_path: Path, cronpilot: Path) -> None:
    put(tmp_path / "other" / "one.py", TASK)
    done = abreast("import", "cronpilot", str(cronpilot), "--tasks", "other", "--into", "jobs")
    assert done.code == 0, done
    assert (tmp_path / "jobs" / "tasks" / "one.py").read_text() == TASK
    done = abreast("import", "cronpilot", str(cronpilot), "--tasks", "nope", "--into", "more")
    assert done.code == 2
    assert "there is no tasks folder" in done.err


def test_nothing_is_overwritten_nor_half_written(
    abreast: Abreast, tmp_path: Path, cronpilot: Path
) -> None:
    put(tmp_path / "jobs" / "tasks" / "daily_one.py", "# mine\n")
    done = abreast("import", "cronpilot", str(cronpilot), "--into", "jobs")
    assert done.code == 2
    assert "daily_one.py is there already" in done.err
    assert [p.name for p in (tmp_path / "jobs").rglob("*") if p.is_file()] == ["daily_one.py"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is not valid YAML"),
        ("- a\n", "is no configuration of a CronPilot"),
        ("!!python/object/apply:os.system ['true']\n", "is not valid YAML"),
    ],
)
def test_configurations_that_are_none(cronpilot: Path, text: str, said: str) -> None:
    cronpilot.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_cronpilot(str(cronpilot))


def test_an_empty_configuration_has_the_defaults(cronpilot: Path) -> None:
    cronpilot.write_text("")
    made = tomllib.loads(as_toml(read_cronpilot(str(cronpilot))))
    assert made["server"]["listen"] == "0.0.0.0:7000"
    assert made["scheduler"] == {"max_workers": 10, "timezone": "UTC"}
    assert made["tasks"]["daily_one"]["schedule"] == "30 6 * * *"


def test_without_pyyaml(cronpilot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UsageError, match=r"pip install 'abreast\[import\]'"):
        read_cronpilot(str(cronpilot))


@pytest.mark.parametrize(
    ("kind", "config", "wanted"),
    [
        ("manual", "", None),
        ("hourly", "{}", "0 * * * *"),
        ("hourly", '{"minute": "15"}', "15 * * * *"),
        ("weekly", '{"day_of_week": "Friday", "hour": 3, "minute": 5}', "5 3 * * fri"),
        ("weekly", "{}", "0 0 * * mon"),
        ("custom", '{"cron_expression": " 0  0 * * 1 "}', "0 0 * * 1"),
    ],
)
def test_schedules(kind: str, config: str, wanted: str | None) -> None:
    assert schedule_of(kind, config) == wanted


@pytest.mark.parametrize(
    ("kind", "config", "said"),
    [
        ("daily", '{"hour": 24}', "its hour 24 is not a number from 0 to 23"),
        ("daily", "{", "is no JSON"),
        ("custom", "[]", "has no cron_expression"),
        ("weekly", '{"day_of_week": 7}', "its day_of_week 7 is neither"),
        ("monthly", "{}", "schedule_type 'monthly' is not known"),
    ],
)
def test_wrong_schedules(kind: str, config: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        schedule_of(kind, config)
