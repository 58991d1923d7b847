"""From a crontab to tasks: settings, times, commands, and what is said about the rest."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from abreast.interfaces.importing.crontab import read_crontab
from abreast.interfaces.importing.crontab_lines import read_lines, split_percent
from abreast.interfaces.importing.found import Found, as_toml, put
from abreast.interfaces.importing.names import Names, name_of
from abreast.interfaces.settings import load


def made(text: str, **options: Any) -> tuple[dict[str, dict[str, Any]], Found]:
    """The tasks of the file that a crontab makes, and what was found."""
    found = read_crontab(text, "crontab", **options)
    return tomllib.loads(as_toml(found)).get("tasks", {}), found


def test_times_and_commands() -> None:
    tasks, found = made(
        "30 2 * * * /opt/backup.sh --all\n"
        "*/5\t*  * * mon-fri   cd /srv && ./manage.py send_mail\n"
        "@daily php /x/report.php\n"
        "@midnight php /x/night.php\n"
        "@reboot /opt/watch\n"
    )
    assert {name: (task["schedule"], task["command"]) for name, task in tasks.items()} == {
        "backup": ("30 2 * * *", "/opt/backup.sh --all"),
        "send_mail": ("*/5 * * * mon-fri", "cd /srv && ./manage.py send_mail"),
        "report": ("@daily", "php /x/report.php"),
        "night": ("@daily", "php /x/night.php"),
        "watch": ("@reboot", "/opt/watch"),
    }
    assert all(task["cwd"] == "~" for task in tasks.values())
    assert found.notes[0].startswith("line 5: @reboot starts it when the service starts")
    assert "here such an instant is skipped and recorded" in found.notes[-1]
    assert len(found.notes) == 2


def test_settings_count_from_their_line_on() -> None:
    tasks, _ = made(
        "0 0 * * * first\n"
        'LANG = "de_DE.UTF-8"\n'
        "'EMPTY'=''\n"
        "SHELL=/bin/bash\n"
        "CRON_TZ=America/New_York\n"
        "HOME=/srv\n"
        "0 0 * * * second\n"
        "CRON_TZ=\n"
        "SHELL=/bin/sh\n"
        "0 0 * * * third\n"
    )
    assert tasks["first"] == {"command": "first", "schedule": "0 0 * * *", "cwd": "~"}
    env = {"LANG": "de_DE.UTF-8", "EMPTY": "", "HOME": "/srv"}
    assert tasks["second"] == {
        "command": ["/bin/bash", "-c", "second"],
        "schedule": "0 0 * * *",
        "timezone": "America/New_York",
        "env": env,
        "cwd": "/srv",
    }
    assert tasks["third"] == {
        "command": "third",
        "schedule": "0 0 * * *",
        "env": env,
        "cwd": "/srv",
    }


def test_settings_that_are_not_kept() -> None:
    tasks, found = made(
        "CRON_TZ=Mars/Base\nTZ=UTC\nLOGNAME=anna\nMAILFROM=x@y\nRANDOM_DELAY=6\n0 0 * * * a\n"
    )
    assert tasks["a"]["env"] == {"TZ": "UTC"}
    assert tasks["a"]["jitter"] == "6m"
    assert [note.partition(": ")[0] for note in found.notes[:-1]] == [
        f"line {number}" for number in range(1, 6)
    ]
    assert "timezone 'Mars/Base' is not known" in found.notes[0]
    assert "TZ is what commands see" in found.notes[1]


def test_what_commands_read(tmp_path: Path) -> None:
    assert split_percent("date +\\%F") == ("date +%F", None)
    assert split_percent("cat%a%%b") == ("cat", "a\n\nb")
    tasks, _ = made(
        "0 0 * * * cat -; printf '[\\%s]' x%Dear root,%%pay $HOME's bill%END_OF_INPUT\n"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", tasks["cat"]["command"]], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout == "Dear root,\n\npay $HOME's bill\nEND_OF_INPUT\n[x]"


def test_comments_above_a_line_describe_it() -> None:
    tasks, found = made(
        "# For more information see the manual pages of crontab(5) and cron(8)\n"
        "#\n"
        "# m h  dom mon dow   command\n"
        "0 0 * * * a\n"
        "# about nothing\n"
        "\n"
        "# the nightly\n"
        "#   backup\n"
        "0 1 * * * b\n"
        "0 2 * * * c\n"
        "#0 3 * * * d\n"
        "# @daily e\n"
        "0 4 * * * f\n"
    )
    assert {name: task.get("description") for name, task in tasks.items()} == {
        "a": None,
        "b": "the nightly backup",
        "c": None,
        "f": None,
    }
    assert found.notes[:2] == [
        "line 11: is switched off by its '#' and left out: 0 3 * * * d",
        "line 12: is switched off by its '#' and left out: @daily e",
    ]


def test_what_no_crontab_says() -> None:
    tasks, found = made("hello\n0 0 * * *\n0 0 * * * %x\n61 * * * * a\n0 0 * * * b\n")
    assert found.notes[:-1] == [
        "line 1: is no line of a crontab and left out: hello",
        "line 2: is no line of a crontab and left out: 0 0 * * *",
        "line 3: names no command and is left out",
        "line 4: its time '61 * * * *' is not kept: minute 61 is not between 0 and 59",
    ]
    assert "schedule" not in tasks["a"]
    assert "# schedule = '61 * * * *'" in as_toml(found)
    assert list(tasks) == ["a", "b"]


def test_a_user_before_the_command() -> None:
    text = "17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly\n"
    tasks, found = made(text, system=True)
    assert tasks["cron.hourly"]["command"] == "cd / && run-parts --report /etc/cron.hourly"
    tasks, found = made("0 0 * * * no-such-user-x /bin/a\n", system=True)
    assert tasks["a"] == {"command": "/bin/a", "schedule": "0 0 * * *"}
    assert "there is no user no-such-user-x here" in found.notes[0]
    assert "runs as no-such-user-x; the service starts everything as its own" in found.notes[1]
    _, found = made(text)
    assert "if so: --system" in found.notes[0]


def test_mail_is_suggested_and_not_sent(tmp_path: Path) -> None:
    _, found = made("MAILTO=ops@example.com\n0 0 * * * a\nMAILTO=\n0 0 * * * b\n")
    assert "MAILTO=ops@example.com: cron mails all that commands print" in found.notes[0]
    text = as_toml(found)
    assert "notify" not in tomllib.loads(text)
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if "cron mailed what these print" in line)
    assert lines[start].endswith("ops@example.com: a")
    said = "\n".join(line.removeprefix("# ") for line in lines[start + 1 : start + 7])
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "abreast.toml").write_text(said)
    assert load(str(folder)).notify.rules.on_failure == ("mail",)
    _, found = made("MAILTO=a@b\n0 0 * * * a\nMAILTO=c@d\n0 0 * * * b\n")
    assert sum("[notify.channels.mail" in line for line in found.suggested) == 2


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/local/bin/backup.sh --all >/dev/null 2>&1", "backup"),
        ("cd / && run-parts --report /etc/cron.hourly", "cron.hourly"),
        ("test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )",
         "cron.daily"),
        ("python3 -m app.report --x", "report"),
        ("FOO=1 nice -n 10 /opt/x/bin/python /opt/x/sync.py", "sync"),
        ("flock -n /tmp/l -c 'php /var/www/cron.php'", "cron"),
        ("flock -n /tmp/l php artisan schedule:run", "schedule-run"),
        ("timeout 10m curl -s https://x", "curl"),
        ("bash -c 'cd /x; tar czf y .'", "tar"),
        ("[ -x /y ] && if [ ! -d /run ]; then /x/z; fi", "z"),
        ("sudo -u www-data /usr/bin/certbot renew", "certbot"),
        ("echo 'open", "echo"),
        ("###", "task"),
        ("flock", "flock"),
        ("python3", "python3"),
        ("../../etc/passwd", "passwd"),
        ("'a b/c d'", "c-d"),
    ],
)  # fmt: skip
def test_names(command: str, name: str) -> None:
    assert name_of(command) == name


def test_every_name_is_given_once() -> None:
    names = Names()
    assert [names.free("a") for _ in range(3)] == ["a", "a-2", "a-3"]


@given(st.text(max_size=60))
def test_any_text_has_a_name_that_a_task_may_have(command: str) -> None:
    name = name_of(command)
    assert name
    assert "/" not in name
    assert len(name) <= 40


ENTRIES = st.lists(
    st.sampled_from(["0 0 * * * ", "@daily ", "A=", "#", "MAILTO=", "", "CRON_TZ="]).flatmap(
        lambda head: st.text(max_size=30).map(lambda rest: head + rest)
    ),
    max_size=8,
)


@hypothesis_settings(deadline=None)
@given(ENTRIES)
def test_any_crontab_makes_a_file_that_can_be_read(lines: list[str]) -> None:
    text = "\n".join(lines).encode("utf-8", "replace").decode()
    found = read_crontab(text, "crontab")
    tasks = tomllib.loads(as_toml(found)).get("tasks", {})
    assert len(tasks) == len(found.tasks)
    assert len(list(read_lines(text))) == len(text.split("\n"))


def test_what_is_written_is_a_configuration(tmp_path: Path) -> None:
    found = read_crontab("CRON_TZ=UTC\nA=b\n0 0 * * * cat%x\n@reboot y\n", "crontab")
    written = put(found, str(tmp_path / "new"))
    assert written == [str(tmp_path / "new" / "abreast.toml")]
    settings = load(str(tmp_path / "new"))
    assert list(settings.tasks) == ["cat", "y"]
    assert settings.store_url == f"sqlite:///{tmp_path}/new/.abreast/abreast.db"
