"""``abreast demo``: eight real tasks side by side, on data they make themselves; then durable runs
that a worker's death does not harm."""

from __future__ import annotations

import gzip
import random
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING

from ...domain.command import Command
from ...domain.states import COMPLETED, FAILED, Reason
from ..samples import demo_tasks as sample
from .demo_durable import show_durability
from .demo_service import show_service
from .exits import FAILED_RUNS, INTERRUPTED, OK, exit_code
from .screen import Screen
from .session import Options, Session

if TYPE_CHECKING:
    from ..report import Report
    from ..runner import Runner

_DIGEST = "111394f0956239fc5d67a8444e55fd81fd1ad18ecc00e2fba9fae0911679aef7"
_PATIENCE = 3  # seconds for the task that is meant to time out


def plan(runner: Runner, data: Path) -> None:
    """Add the tasks. This is all there is to it: functions, results passed on, options."""
    files = runner.add(sample.make_files, data / "files")
    runner.add(sample.checksum, files)  # after make_files, with its result
    numbers = runner.add(sample.sort_numbers, data / "numbers.txt", executor="process")
    runner.add(sample.load_database, numbers, data / "numbers.db")
    runner.add(Command("gzip", "-k", str(data / "numbers.txt")), label="compress", after=numbers)
    runner.add(sample.fetch_pages)
    runner.add(sample.read_settings, data / "settings.json")
    runner.add(sample.wait_for_answer, executor="process", timeout=_PATIENCE)


def demo(html: str | None = None, progress: str = "auto", serve: bool = False) -> int:
    """Carry out the command; returns the exit code."""
    options = Options(html=html, progress=progress, concurrency=8)
    options.check()
    screen = Screen()
    screen.say("Eight tasks side by side; one is meant to fail and one to exceed its time.")
    with TemporaryDirectory(prefix="abreast-demo-data-", ignore_cleanup_errors=True) as folder:
        runner = options.runner("demo")
        plan(runner, Path(folder))
        session = Session(runner, options, screen)
        report = session.carry_out(session.show_table)
        wrong = [] if report.interrupted else differences(report, Path(folder))
    page = html or str(Path(mkdtemp(prefix="abreast-demo-")) / "timeline.html")
    if report.interrupted:
        if html is None:
            shutil.rmtree(Path(page).parent, ignore_errors=True)
        return exit_code(report, session.signal)
    report.to_html(page)
    screen.line(f"\nTimeline: {Path(page).absolute().as_uri()}")
    if not wrong:
        screen.line("All as it was meant: six completed, one failed, one exceeded its time.")
        try:
            wrong = show_durability(screen)
        except KeyboardInterrupt:
            screen.say("interrupted")
            return INTERRUPTED
    if wrong:
        screen.line("\nThis is not what was meant:")
        for line in wrong:
            screen.line(f"  {line}")
        return FAILED_RUNS
    if serve:
        return show_service(screen)
    screen.line("\nNext:  abreast exec -j 4 -- gzip -k {} ::: *.csv     a command over many files")
    screen.line("       abreast run tasks.py                          your own @task functions")
    return OK


def differences(report: Report, data: Path) -> list[str]:
    """Say what is not as it was meant to be, run by run; empty when all is well."""
    wrong = []
    for label, run in report.items():
        meant = _ENDS.get(label, (COMPLETED, None))
        if (run.state, run.reason) != meant:
            wrong.append(f"{label} ended {run.state}({run.reason}): {run.exception}")
    if wrong:
        return wrong
    source = random.Random(sample.SEED)
    numbers = sorted(source.randrange(10**9) for _ in range(sample.NUMBERS))
    text = "".join(f"{number}\n" for number in numbers).encode()
    checks = {
        "make_files": len(report["make_files"].value) == sample.FILES,
        "checksum": report["checksum"].value == _DIGEST,
        "sort_numbers": (data / "numbers.txt").read_bytes() == text,
        "load_database": report["load_database"].value == (len(numbers), sum(numbers)),
        "compress": gzip.decompress((data / "numbers.txt.gz").read_bytes()) == text,
        "fetch_pages": report["fetch_pages"].value == sample.PAGES * sample.PAGE_SIZE,
        "read_settings": type(report["read_settings"].exception).__name__ == "JSONDecodeError",
        "wait_for_answer": (report["wait_for_answer"].run_seconds or 0) >= _PATIENCE,
    }
    return [f"{label}: its result is wrong" for label, right in checks.items() if not right]


_ENDS = {
    "read_settings": (FAILED, Reason.ERROR),
    "wait_for_answer": (FAILED, Reason.TIMEOUT),
}
