"""What ``abreast init`` writes."""

from __future__ import annotations

from typing import Final

CONFIG: Final = """\
# What 'abreast serve' does in this folder. Lines with '#' show what else there is; the page
# "Configuration" of the documentation lists every key. Who says what: abreast config show --origin

[store]
url = "sqlite:///.abreast/abreast.db"

[server]
listen = "127.0.0.1:7000"       # this machine only; others need a user first: abreast user add
# base_url = "https://jobs.example.com"   # behind a proxy

[scheduler]
max_workers = 10                # runs at once; the rest waits
timezone = {zone}{pad}# of schedules that name none
# drain = "30s"                 # what runs may finish when the service stops

[retention]
older_than = "30d"              # ended runs and their logs go then ...
failed_older_than = "90d"       # ... failed ones later

# Who is told, and how. Try it with: abreast notify test ops
# [notify]
# on_failure = ["ops"]
# on_recovery = ["ops"]
# [notify.channels.ops]
# type = "mail"                 # or "webhook", "command"
# to = ["ops@example.com"]
# host = "mail.example.com"
# user = "jobs"
# password_file = "/etc/abreast/mail-password"

# Tasks are the Python files in tasks/, and commands:
# [tasks.disk-space]
# command = "df -h / | tail -1"
# schedule = "@hourly"          # or "30 2 * * *", "every 90s", a list of these
# timeout = "1m"
# retry = 2

# A plain file of tasks/ gets its schedule here:
# [tasks.hello]
# schedule = "0 9 * * mon-fri"
"""

COUNT: Final = '''\
"""A task with a schedule and progress. Change it: the service notices, without a restart."""

from pathlib import Path

from abreast import progress, task


@task(schedule="*/5 * * * *", timeout="1m")
def count_lines(folder: str = str(Path(__file__).parent)) -> dict[str, int]:
    """Count the lines of the Python files in a folder, every five minutes."""
    files = sorted(Path(folder).rglob("*.py"))
    lines = 0
    for number, file in enumerate(files, 1):
        lines += len(file.read_text(encoding="utf-8").splitlines())
        progress(number, len(files), file.name)
    print(f"{lines} lines in {len(files)} files")
    return {"files": len(files), "lines": lines}
'''

HELLO: Final = '''\
"""A plain file: its run_task is a task named as the file. It runs once at a time."""


def run_task(config):
    name = config.get("name", "world")
    print(f"hello, {name}")
    return {"greeted": name}
'''

IGNORE: Final = """\
.abreast/
.venv/
__pycache__/
*.pyc
"""


def files(zone: str) -> dict[str, str]:
    """The files by their path in the new folder."""
    quoted = f'"{zone}"'
    pad = " " * max(1, 21 - len(quoted))
    return {
        "abreast.toml": CONFIG.format(zone=quoted, pad=pad),
        "tasks/count_lines.py": COUNT,
        "tasks/hello.py": HELLO,
        ".gitignore": IGNORE,
    }
