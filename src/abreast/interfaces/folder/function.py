"""What a run of a task of a folder calls: it imports the file in its own process and calls it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from inspect import Signature
from typing import Any

from ...errors import NotStorable, UsageError
from . import loading


class FolderFunction:
    """A function named by its file and where it stands there.

    It travels as these names; calling it imports the file anew, so it is to be called in a fresh
    process. A coroutine is run to its end.

    Parameters
    ----------
    path : str
        The file, or the folder of a package.
    attribute : str
        See :func:`abreast.interfaces.folder.loading.find`.
    python : str, optional
        An interpreter, or the folder of a virtual environment, that calls it instead.
    requirements : str, optional
        A file of requirements, for which an environment is made below ``envs``.
    cwd : str, optional
        The folder in which it runs.
    env : mapping, optional
        Variables added to those of the service.
    name : str
        The name of the task.
    folder, project : str
        The folder of the tasks, by default that of the file; and the one around it.
    envs : str, optional
        The folder for environments.
    plain : bool
        Whether it takes one dict, made of what a run is given (``run_task(config)``).
    """

    __slots__ = ("__name__", "__signature__", "attribute", "cwd", "env", "envs", "folder", "path",
                 "plain", "project", "python", "requirements")  # fmt: skip

    def __init__(
        self,
        path: str,
        attribute: str,
        python: str | None = None,
        requirements: str | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        *,
        name: str = "",
        folder: str = "",
        project: str | None = None,
        envs: str | None = None,
        plain: bool = False,
        signature: Signature | None = None,
    ) -> None:
        self.path = path
        self.attribute = attribute
        self.python = python
        self.requirements = requirements
        self.cwd = cwd
        self.env = dict(env or {})
        self.folder = folder or os.path.dirname(path)
        self.project = project
        self.envs = envs
        self.plain = plain
        self.__name__ = name or attribute.rpartition(".")[2]
        if signature is not None:  # asked for by inspect.signature, for keys such as "{tenant}"
            self.__signature__ = signature

    @property
    def separate(self) -> bool:
        """Whether another interpreter than that of the service calls it."""
        return self.python is not None or self.requirements is not None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.separate:
            from . import outside

            return outside.call(self, args, kwargs)
        os.environ.update(self.env)
        if self.cwd is not None:
            go_to(self.cwd, self.__name__)
        from .standing import let_travel

        try:
            value = self._call(args, kwargs)
        except BaseException as error:
            let_travel(error)
            raise error.with_traceback(
                loading.below_imports(error.__traceback__, self.folder)
            ) from error.__cause__
        return plain_value(value, self.__name__)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        from ..tasks import TaskFunction

        found = loading.find(loading.load(self.path, self.folder, self.project), self.attribute)
        fn = found.fn if isinstance(found, TaskFunction) else found
        if self.plain:
            args, kwargs = loading.config_of(args, kwargs), {}
        value = fn(*args, **kwargs)
        if hasattr(value, "__await__"):
            import asyncio

            value = asyncio.run(_await(value))
        return value

    def __reduce__(self) -> Any:
        return _made, tuple(getattr(self, name) for name in _TRAVELS)

    def __repr__(self) -> str:
        return f"FolderFunction({self.path!r}, {self.attribute!r})"


_TRAVELS = ("path", "attribute", "python", "requirements", "cwd", "env", "__name__", "folder",
            "project", "envs", "plain")  # fmt: skip


def _made(*said: Any) -> FolderFunction:
    path, attribute, python, requirements, cwd, env, name, folder, project, envs, plain = said
    return FolderFunction(
        path,
        attribute,
        python,
        requirements,
        cwd,
        env,
        name=name,
        folder=folder,
        project=project,
        envs=envs,
        plain=plain,
    )


async def _await(value: Any) -> Any:
    return await value


def go_to(folder: str, name: str) -> None:
    """Make a folder the current one; raises ``UsageError`` saying what is wrong with it."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise UsageError(
            f"task {name!r} cannot start in its folder cwd = {folder!r}: {error.strerror}"
        ) from None


def plain_value(value: Any, name: str) -> Any:
    """A result as the store would give it back: nothing in it needs the file to be read.

    Raises
    ------
    NotStorable
        When it is not JSON, naming its type.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    from ... import values

    try:
        return values.loads(values.dumps(value))
    except Exception as error:
        raise NotStorable(
            f"task {name!r}: its result (type {type(value).__name__!r}) is not JSON: {error}; "
            "return numbers, text, lists, dicts, dataclasses or dates, or the path of a file"
        ) from None
