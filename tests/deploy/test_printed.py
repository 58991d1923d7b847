"""The files that start abreast: as they are kept in deploy/, and for an installation as it is."""

from __future__ import annotations

import configparser
import getpass
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from abreast.errors import UsageError
from abreast.interfaces.cli.main import cli
from abreast.interfaces.deploy import others, systemd
from abreast.interfaces.deploy.installation import Installation, here, standard
from abreast.interfaces.settings import load

pytestmark = pytest.mark.needs("posix")
ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = {
    "abreast.service": "systemd print --standard",
    "abreast-strict.service": "systemd print --standard --strict",
    "supervisor.conf": "supervisor print --standard",
    "crontab": "cron print --standard",
    "Dockerfile": "docker print --standard",
    "compose.yaml": "docker print --standard --compose",
}
# What systemd-analyze says of a unit, at most: 0 is locked up, 10 is open. Recorded in
# docs/running-it-for-real.md.
SCORES = {"abreast.service": 1.5, "abreast-strict.service": 1.2}
SANDBOX = """
    NoNewPrivileges=yes CapabilityBoundingSet= AmbientCapabilities= ProtectSystem=strict
    ProtectHome=yes PrivateTmp=yes PrivateMounts=yes PrivateDevices=yes ProtectClock=yes
    ProtectHostname=yes ProtectKernelTunables=yes ProtectKernelModules=yes ProtectKernelLogs=yes
    ProtectControlGroups=yes ProtectProc=invisible RestrictNamespaces=yes RestrictRealtime=yes
    RestrictSUIDSGID=yes LockPersonality=yes RemoveIPC=yes SystemCallArchitectures=native
    SystemCallErrorNumber=EPERM UMask=0077 OOMPolicy=continue Type=notify WatchdogSec=30
""".split()  # noqa: SIM905 - a list of words is easier to read


def printed(*words: str) -> str:
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_is_what_is_printed(name: str) -> None:
    kept = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    assert kept == printed(*KEPT[name].split()), (
        f"print it again:  abreast {KEPT[name]} > deploy/{name}"
    )


def test_nothing_else_is_kept() -> None:
    assert {path.name for path in (ROOT / "deploy").iterdir()} == set(KEPT)


def test_what_is_printed_for_the_standard_does_not_depend_on_who_prints_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("ABREAST_HOME", str(tmp_path))
    (tmp_path / "abreast.toml").write_text('[scheduler]\ndrain = "5m"\n')
    monkeypatch.chdir(tmp_path)
    for name, words in KEPT.items():
        assert printed(*words.split()) == (ROOT / "deploy" / name).read_text(encoding="utf-8")


# -- systemd ----------------------------------------------------------------------------------


def directives(unit: str) -> list[str]:
    return [line for line in unit.splitlines() if line and line[0] not in "#["]


@pytest.mark.parametrize("name", SCORES)
def test_a_unit_is_hardened(name: str) -> None:
    found = directives((ROOT / "deploy" / name).read_text(encoding="utf-8"))
    assert not [wanted for wanted in SANDBOX if wanted not in found]
    strict = {"MemoryDenyWriteExecute=yes", "ProcSubset=pid", "PrivateUsers=yes"}
    assert strict & set(found) == (strict if "strict" in name else set())


@pytest.mark.parametrize("name", SCORES)
def test_systemd_finds_it_hardened(name: str) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("needs systemd-analyze (package systemd); the directives were looked at")
    done = subprocess.run(
        [tool, "security", "--offline=true", "--no-pager", str(ROOT / "deploy" / name)],
        capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    if "Overall exposure level" not in done.stdout:
        pytest.skip(f"needs systemd 250 or newer: {done.stderr.strip()}; the directives were "
                    "looked at")  # fmt: skip
    score = float(done.stdout.rpartition("Overall exposure level")[2].split(":")[1].split()[0])
    assert score <= SCORES[name], done.stdout


def test_systemd_understands_it(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("needs systemd-analyze (package systemd)")
    folder = tmp_path / "a b%n $HOME \\x"
    folder.mkdir()
    unit = systemd.unit(made(folder), strict=True)
    (tmp_path / "abreast.service").write_text(unit)
    done = subprocess.run(
        [tool, "verify", "--man=no", str(tmp_path / "abreast.service")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "abreast.service" in line]
    assert not said, done.stderr


def made(folder: Path, **more: Any) -> Installation:
    """This installation, serving a folder."""
    return here(load(str(folder)), str(folder), user=getpass.getuser(), **more)


def test_a_unit_for_this_installation(tmp_path: Path) -> None:
    (tmp_path / "abreast.toml").write_text(
        '[scheduler]\ndrain = "2m"\ntimezone = "Asia/Tokyo"\n[store]\nurl = "sqlite:////srv/x/a.db"'
    )
    words = ["systemd", "print", str(tmp_path), "--user", "jobs", "--name", "nightly",
             "--writable", "/srv/out put", "--strict"]  # fmt: skip
    unit = printed(*words)
    found = directives(unit)
    start = next(line for line in found if line.startswith("ExecStart="))
    program = shlex.split(start.removeprefix("ExecStart="))
    assert program[-2:] == ["serve", str(tmp_path)]
    assert os.access(program[0], os.X_OK)
    assert any(line.endswith(f" config check --quiet {tmp_path}") for line in found)
    for wanted in ("User=jobs", "Group=jobs", "StateDirectory=nightly", "TimeoutStopSec=180",
                   "ReadWritePaths=/srv/x", 'ReadWritePaths="/srv/out put"',
                   f"WorkingDirectory={tmp_path}", "PrivateUsers=yes"):  # fmt: skip
        assert wanted in found
    assert "Schedules that name no zone go by Asia/Tokyo ([scheduler] timezone in " in unit
    assert f"abreast systemd print {tmp_path} --user jobs --name nightly --strict" in unit


def test_the_program_that_is_printed_can_be_started(tmp_path: Path) -> None:
    start = next(
        line
        for line in printed("systemd", "print", str(tmp_path)).splitlines()
        if line.startswith("ExecStart=")
    )
    program = shlex.split(start.removeprefix("ExecStart="))[:-2]
    done = subprocess.run([*program, "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("abreast "), done


def test_words_that_mean_something_to_systemd_are_written_so_that_they_do_not() -> None:
    assert systemd.words(("/a b/x", "50%", "$HOME", 'say "hi"', "a\\b")) == (
        '"/a b/x" 50%% $$HOME "say \\"hi\\"" "a\\\\b"'
    )


@pytest.mark.parametrize(
    ("folder", "homes", "tmp"),
    [("/srv/jobs", "yes", "yes"), ("/home/anna/jobs", "read-only", "yes"),
     (os.path.expanduser("~root/jobs"), "read-only", "yes"), ("/tmp/jobs", "yes", "no"),
     ("/homes/x", "yes", "yes")],
)  # fmt: skip
def test_what_it_serves_stays_visible(folder: str, homes: str, tmp: str) -> None:
    found = directives(systemd.unit(Installation(("/opt/abreast",), folder)))
    assert f"ProtectHome={homes}" in found
    assert f"PrivateTmp={tmp}" in found


def test_of_a_persons_account_nothing_is_removed() -> None:
    unit = systemd.unit(Installation(("/opt/abreast",), "/srv", user="anna", dedicated=False))
    assert "RemoveIPC" not in unit


def test_runs_that_are_there_already_stay_its_own(tmp_path: Path) -> None:
    (tmp_path / ".abreast").mkdir()
    found = made(tmp_path)
    unit = directives(systemd.unit(found))
    assert f"Environment=ABREAST_HOME={tmp_path}/.abreast" in unit
    assert f"ReadWritePaths={tmp_path}/.abreast" in unit
    assert f"ABREAST_HOME={tmp_path}/.abreast" in others.cron(found)


def test_a_folder_that_has_to_be_there_is_made_before_the_rest_is_locked(tmp_path: Path) -> None:
    (tmp_path / "abreast.toml").write_text('[store]\nurl = "sqlite:///data/jobs.db"')
    found = directives(systemd.unit(made(tmp_path)))
    prepare = [line for line in found if line.startswith("ExecStartPre=+")]
    assert len(prepare) == 1
    assert prepare[0].startswith("ExecStartPre=+/usr/bin/install -d -m 0700 -o ")
    assert prepare[0].endswith(f" {tmp_path}/data")
    assert found.index(prepare[0]) < found.index(f"ReadWritePaths={tmp_path}/data")
    (tmp_path / "data").mkdir()
    assert "/usr/bin/install" not in systemd.unit(made(tmp_path))


def test_without_any_the_manager_makes_the_folder(tmp_path: Path) -> None:
    unit = systemd.unit(made(tmp_path))
    assert "ABREAST_HOME" not in unit
    assert "ReadWritePaths" not in unit
    assert "StateDirectory=abreast" in unit


def test_variables_that_say_which_configuration_counts_come_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABREAST_STORE", "sqlite:////srv/my jobs/a.db")
    found = made(tmp_path)
    assert 'Environment="ABREAST_STORE=sqlite:////srv/my jobs/a.db"' in systemd.unit(found)
    assert 'ReadWritePaths="/srv/my jobs"' in systemd.unit(found)
    assert 'ABREAST_STORE="sqlite:////srv/my jobs/a.db"' in others.supervisor(found)
    assert "\nABREAST_STORE=sqlite:////srv/my jobs/a.db\n" in others.cron(found)


@pytest.mark.parametrize("wrong", ["a\nUser=root", 'a"b', "a\tb"])
def test_what_would_break_a_file_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a file"):
        Installation(("/opt/abreast",), f"/srv/{wrong}")
    with pytest.raises(UsageError):
        Installation(("/opt/abreast",), "/srv", name=wrong)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["systemd", "print", str(tmp_path / "no")])
    assert isinstance(done.exception, UsageError)
    assert "abreast init" in str(done.exception)


# -- supervisor, cron, containers -------------------------------------------------------------


def test_supervisor_reads_it() -> None:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(others.supervisor(standard()))
    said = dict(parser["program:abreast"])
    assert said["command"] == "/opt/abreast/venv/bin/abreast serve /etc/abreast"
    assert said["stopsignal"] == "TERM"
    assert int(said["stopwaitsecs"]) > standard().drain
    assert said["killasgroup"] == said["stopasgroup"] == said["redirect_stderr"] == "true"
    assert (said["autorestart"], said["exitcodes"]) == ("unexpected", "0")
    assert 'ABREAST_HOME="/var/lib/abreast"' in said["environment"]


def test_a_crontab_has_one_line_that_does_the_work() -> None:
    lines = [line for line in others.cron(standard()).splitlines() if not line.startswith("#")]
    assert lines == [
        "SHELL=/bin/sh",
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "ABREAST_HOME=/var/lib/abreast",
        "* * * * * /opt/abreast/venv/bin/abreast once --quiet /etc/abreast",
    ]


def test_percent_signs_mean_nothing(tmp_path: Path) -> None:
    found = Installation(("/opt/abreast",), "/srv/50%")
    assert r"/srv/50\%" in others.cron(found)
    assert "directory=/srv/50%%\n" in others.supervisor(found)


def test_what_cron_is_told_to_do_can_be_done(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    line = others.cron(made(tmp_path)).splitlines()[-1]
    program = shlex.split(line.split(None, 5)[5])
    done = subprocess.run(
        program, capture_output=True, text=True, timeout=100, cwd="/", env=clean()
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def clean() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("ABREAST_")}


def test_a_container_without_root() -> None:
    lines = others.dockerfile(standard()).splitlines()
    assert "USER 10001:10001" in lines
    assert "VOLUME /data" in lines
    check = next(line for line in lines if line.strip().startswith("CMD") and "health" in line)
    assert check.strip() == 'CMD ["abreast", "health", "--quiet", "/etc/abreast"]'
    assert lines[-1] == 'CMD ["serve", "/etc/abreast"]'
    assert not any("--privileged" in line or "docker.sock" in line for line in lines)


def test_compose_is_yaml_and_gives_nothing_away() -> None:
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load(others.compose(standard()))["services"]["abreast"]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["user"] == "10001:10001"
    assert found["ports"] == ["127.0.0.1:7000:7000"]
    assert found["volumes"] == ["data:/data", "./etc:/etc/abreast:ro"]
    assert found["stop_grace_period"] == "90s"


def test_a_container_for_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yaml = pytest.importorskip("yaml")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    found = yaml.safe_load(printed("docker", "print", str(tmp_path), "--compose"))
    service = found["services"]["abreast"]
    assert service["environment"] == {"TZ": "Asia/Tokyo"}
    assert service["volumes"][1] == f"{tmp_path}:/etc/abreast:ro"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"FROM python:{python}-slim\n" in printed("docker", "print", str(tmp_path))


Printer = Callable[[Installation], str]


@pytest.mark.parametrize("printer", [systemd.unit, others.supervisor, others.cron, others.compose])
def test_the_zone_is_always_shown(printer: Printer) -> None:
    assert "zone" in printer(standard())
