"""Finds the tasks of a file by reading it, without importing it.

For files whose tasks run in an interpreter of their own: the packages they import are not
installed beside the service. Options must then be written as plain values.
"""

from __future__ import annotations

import ast
import builtins
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from ...domain.adaptive import Adaptive
from ...domain.limits import Limit
from ...domain.policy import Retry
from ...domain.unique import Unique
from ...errors import UsageError
from ..tasks import task as declare
from . import describe, loading

_Function = ast.FunctionDef | ast.AsyncFunctionDef

_VALUES: Final[dict[str, Any]] = {
    "Adaptive": Adaptive, "Limit": Limit, "Retry": Retry, "Unique": Unique, "timedelta": timedelta,
}  # fmt: skip
_SUMS: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}


class _Unreadable(Exception):
    """A value that only importing the file would tell."""


def tasks_of(path: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The tasks of a file or a package, as :func:`describe.tasks_of` gives them; the files read.

    Raises
    ------
    SyntaxError, UsageError
        Naming the line, and the option that cannot be read.
    """
    files: dict[str, _File] = {}
    _read(loading.source_of(path), "", files)
    found = [task for file in files.values() for task in file.tasks()]
    first = next(iter(files.values()))
    if not found and (run := first.run_task()) is not None:
        found = [first.plain(run, loading.stem_of(path))]
    for file in files.values():
        if not found and "App" in file.known.values():
            text = "a file with an environment of its own cannot have an App; write @task"
            raise describe.Placed(text, file.path, 1)
    return found, list(files)


def names_of(path: str) -> set[str]:
    """The names of a file's tasks as far as they can be read; errors are left to others."""
    files: dict[str, _File] = {}
    try:
        _read(loading.source_of(path), "", files)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return set()
    names = {name for file in files.values() for _, _, name in file.declared()}
    return names or {loading.stem_of(path)}


def _read(source: str, before: str, files: dict[str, _File]) -> None:
    """Read a file, and for ``__init__.py`` the files beside it that it imports."""
    file = files[source] = _File(source, before)
    if os.path.basename(source) != "__init__.py":
        return
    folder = os.path.dirname(source)
    for name in file.beside():
        for below in (f"{name}.py", os.path.join(name, "__init__.py")):
            full = os.path.join(folder, below)
            if os.path.isfile(full) and full not in files:
                _read(full, f"{before}{name}.", files)


class _File:
    """One file as a tree."""

    def __init__(self, path: str, before: str) -> None:
        with open(path, "rb") as file:
            self.tree = ast.parse(file.read(), path)
        self.path = path
        self.before = before  # how its names are reached from the package
        self.known: dict[str, str] = {}  # names of abreast by what they are called here
        self.modules: set[str] = set()  # what abreast itself is called here
        self.constants: dict[str, ast.expr] = {}
        for statement in self.tree.body:
            if isinstance(statement, ast.ImportFrom) and not statement.level:
                if statement.module in ("abreast", "datetime"):
                    for item in statement.names:
                        self.known[item.asname or item.name] = item.name
            elif isinstance(statement, ast.Import):
                for item in statement.names:
                    if item.name == "abreast":
                        self.modules.add(item.asname or item.name)
            elif isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value:
                targets = getattr(statement, "targets", None) or [statement.target]  # type: ignore[union-attr]
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.constants[target.id] = statement.value

    def beside(self) -> Iterator[str]:
        """Names of the files of the same package that are imported."""
        for statement in self.tree.body:
            if isinstance(statement, ast.ImportFrom) and statement.level == 1:
                if statement.module:
                    yield statement.module.partition(".")[0]
                else:
                    yield from (item.name for item in statement.names)

    def declared(self) -> Iterator[tuple[_Function, ast.expr, str]]:
        """Functions with their ``@task`` and the name of the task, as far as it can be read."""
        for node in self.tree.body:
            if not isinstance(node, _Function):
                continue
            for decorator in node.decorator_list:
                call = decorator if isinstance(decorator, ast.Call) else None
                if self._abreast(call.func if call else decorator) == "task":
                    yield node, decorator, self._name(node, call)
                    break

    def tasks(self) -> Iterator[dict[str, Any]]:
        for node, decorator, _ in self.declared():
            options = self._options(node, decorator)

            def stand_in() -> None:
                """Carries the options through the checks they meet when the file is imported."""

            stand_in.__name__ = node.name
            try:
                name = declare(**options)(stand_in).name
                options.pop("name", None)
                said = describe.options_json(options, name)
            except UsageError as error:
                raise self._wrong(decorator, str(error)) from None
            yield {
                "name": name,
                "attribute": f"{self.before}{node.name}",
                "options": said,
                "parameters": self._parameters(node.args),
                "doc": ast.get_docstring(node),
                "plain": False,
                "limited": False,
            }

    def run_task(self) -> _Function | None:
        """The function of a plain file."""
        for node in self.tree.body:
            if isinstance(node, _Function) and node.name == describe.RUN:
                return node
        return None

    def plain(self, node: _Function, name: str) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for key in describe.PLAIN_OPTIONS:
            if key in self.constants:
                said[key] = self._value_or_error(self.constants[key], key, name)
        doc = ast.get_docstring(node) or ast.get_docstring(self.tree)
        try:
            return describe.plain_task(name, self._parameters(node.args), said, doc)
        except UsageError as error:
            raise self._wrong(node, str(error)) from None

    # -- values -----------------------------------------------------------------------------

    def _abreast(self, node: ast.expr) -> str | None:
        """The name in abreast that an expression stands for."""
        if isinstance(node, ast.Name):
            return self.known.get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.attr if node.value.id in self.modules else None
        return None

    def _name(self, node: _Function, call: ast.Call | None) -> str:
        for keyword in call.keywords if call else ():
            if keyword.arg == "name":
                try:
                    return str(self._value(keyword.value))
                except _Unreadable:
                    break
        return node.name

    def _options(self, node: _Function, decorator: ast.expr) -> dict[str, Any]:
        if not isinstance(decorator, ast.Call):
            return {}
        if decorator.args or any(keyword.arg is None for keyword in decorator.keywords):
            raise self._wrong(decorator, f"task {node.name!r}: write options by name: key=value")
        return {
            str(keyword.arg): self._value_or_error(keyword.value, str(keyword.arg), node.name)
            for keyword in decorator.keywords
        }

    def _value_or_error(self, node: ast.expr, key: str, name: str) -> Any:
        try:
            return self._value(node)
        except _Unreadable:
            raise self._wrong(
                node,
                f"task {name!r}: {key} = {ast.unparse(node)[:60]} cannot be read without importing "
                "the file, which has an environment of its own; write it as a plain value",
            ) from None
        except UsageError as error:
            raise self._wrong(node, f"task {name!r}: {error}") from None

    def _value(self, node: ast.expr, depth: int = 0) -> Any:
        """What an expression of plain values is. It looks up and calls nothing else."""
        if depth > 20:
            raise _Unreadable
        again = depth + 1
        match node:
            case ast.Constant():
                return node.value
            case ast.Name() if node.id in self.constants:
                return self._value(self.constants[node.id], again)
            case ast.Name():
                return _error_class(node.id)
            case ast.List() | ast.Tuple():
                items = [self._value(item, again) for item in node.elts]
                return items if isinstance(node, ast.List) else tuple(items)
            case ast.Dict() if None not in node.keys:
                keys = [self._value(key, again) for key in node.keys if key is not None]
                return dict(zip(keys, (self._value(v, again) for v in node.values), strict=True))
            case ast.UnaryOp(op=ast.USub()):
                return -self._number(node.operand, again)
            case ast.BinOp() if type(node.op) in _SUMS:
                sides = self._number(node.left, again), self._number(node.right, again)
                return _SUMS[type(node.op)](*sides)
            case ast.Call() if (made := _VALUES.get(self._abreast(node.func) or "")) is not None:
                args = [self._value(item, again) for item in node.args]
                kwargs = {k.arg or "": self._value(k.value, again) for k in node.keywords}
                try:
                    return made(*args, **kwargs)
                except TypeError as error:
                    raise UsageError(str(error)) from None
        raise _Unreadable

    def _number(self, node: ast.expr, depth: int) -> int | float:
        value = self._value(node, depth)
        if isinstance(value, (int, float)):
            return value
        raise _Unreadable

    def _parameters(self, given: ast.arguments) -> list[dict[str, Any]]:
        plain = [*given.posonlyargs, *given.args]
        defaults = [None] * (len(plain) - len(given.defaults)) + given.defaults
        found = [
            self._parameter(
                item,
                "POSITIONAL_ONLY" if n < len(given.posonlyargs) else "POSITIONAL_OR_KEYWORD",
                default,
            )
            for n, (item, default) in enumerate(zip(plain, defaults, strict=True))
        ]
        if given.vararg:
            found.append(self._parameter(given.vararg, "VAR_POSITIONAL", None))
        for item, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            found.append(self._parameter(item, "KEYWORD_ONLY", default))
        if given.kwarg:
            found.append(self._parameter(given.kwarg, "VAR_KEYWORD", None))
        return found

    def _parameter(self, item: ast.arg, kind: str, default: ast.expr | None) -> dict[str, Any]:
        found: dict[str, Any] = {"name": item.arg, "kind": kind}
        if default is not None:
            try:
                found |= describe.default_json(self._value(default))
            except (_Unreadable, UsageError):
                found["shown"] = ast.unparse(default)[:200]
        if item.annotation is not None:
            found["annotation"] = ast.unparse(item.annotation)
        return found

    def _wrong(self, node: ast.expr | _Function, text: str) -> UsageError:
        return describe.Placed(text, self.path, node.lineno)


def _error_class(name: str) -> Any:
    found = getattr(builtins, name, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        return found
    raise _Unreadable
