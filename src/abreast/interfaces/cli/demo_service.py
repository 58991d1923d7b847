"""The last part of ``make demo``: a service with sample tasks, on schedules of a few seconds."""

from __future__ import annotations

import shutil
import sys
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .screen import Screen

_PIPE_S = 30.0  # how long it serves when nobody sits at a terminal


def show_service(screen: Screen) -> int:
    """Serve the sample tasks on a free port; until Ctrl-C on a terminal, else for 30 seconds."""
    from .serve import serve

    on_terminal = sys.stdin.isatty() and sys.stderr.isatty()
    with TemporaryDirectory(prefix="abreast-demo-service-", ignore_cleanup_errors=True) as folder:
        with resources.as_file(resources.files("abreast.interfaces.samples") / "service") as found:
            shutil.copytree(found, folder, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
        screen.line(
            "\nA service: tasks of a folder on schedules, over HTTP. "
            + ("Ctrl-C ends it." if on_terminal else f"It ends by itself after {_PIPE_S:g} s.")
        )
        return serve(
            str(Path(folder)), None, None, None, None, ("127.0.0.1:0",), 0.0, None,
            None if on_terminal else _PIPE_S,
        )  # fmt: skip
