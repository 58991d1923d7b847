"""What the tests of the tasks folder share: a folder of a service, with its app."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

from abreast import App
from abreast.interfaces import settings as settings_of
from abreast.interfaces.folder import FileState, Folder
from abreast.interfaces.settings import Settings
from abreast.interfaces.toml_tasks import TomlTasks


class Home:
    """A folder with ``abreast.toml`` and ``tasks/``, and what a service makes of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tasks = path / "tasks"
        self.tasks.mkdir()
        self.toml("")
        self.app = App(f"sqlite:///{path}/jobs.db")
        self._folder: Folder | None = None
        self.commands = TomlTasks(self.app)

    def toml(self, text: str) -> None:
        """Write ``abreast.toml``."""
        self.write("../abreast.toml", text)

    def write(self, name: str, text: str) -> Path:
        """Write a file of ``tasks/``, as editors do: another one takes its name."""
        path = Path(os.path.normpath(self.tasks / name))
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(dedent(text), encoding="utf-8")
        beside.replace(path)
        return path

    def remove(self, name: str) -> None:
        path = self.tasks / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def settings(self) -> Settings:
        return settings_of.load(str(self.path))

    @property
    def folder(self) -> Folder:
        if self._folder is None:
            self._folder = Folder(self.app, self.settings())
        return self._folder

    def load(self) -> Folder:
        self.commands.load(self.settings())
        self.folder.load()
        return self.folder

    def change(self) -> list[str]:
        """Take in ``abreast.toml`` as it is now."""
        new = self.settings()
        return [*self.commands.reload(new), *self.folder.change(new)]

    def state(self, name: str) -> FileState:
        """What is known of a file."""
        path = os.path.normpath(self.tasks / name)
        return next(state for state in self.folder.files if state.path == path)

    def error(self, name: str) -> str:
        error = self.state(name).error
        assert error is not None
        return error

    @property
    def names(self) -> set[str]:
        return set(self.app.tasks)

    @contextmanager
    def working(self, concurrency: int = 4) -> Iterator[None]:
        with self.app.worker(concurrency):
            yield
