"""The care of a store: copies of it, what it forgets, and whether all is well with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ..domain.policy import Duration, seconds
from ..errors import StoreError, UsageError, WrongType

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from .app import App

EVERY_S = 600.0  # how often one of the workers prunes


class Retention:
    """How long ended runs are kept.

    Parameters
    ----------
    older_than : duration, optional
        Runs go that ended longer ago than this.
    keep : int, optional
        Of every task only so many ended runs stay, the newest.
    failed_older_than : duration, optional
        Failed runs go only when they ended longer ago than this, and are not counted by ``keep``.
        As other runs by default.
    """

    __slots__ = ("failed_older_than", "keep", "older_than")

    def __init__(
        self,
        older_than: Duration | None = None,
        keep: int | None = None,
        failed_older_than: Duration | None = None,
    ) -> None:
        if older_than is None and keep is None and failed_older_than is None:
            raise UsageError(
                "say which ended runs may go: older_than='30d' (age), keep=1000 (number of each "
                "task), failed_older_than='90d'"
            )
        if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int)):
            raise WrongType(f"keep must be a whole number of runs, not {keep!r}")
        if keep is not None and keep < 0:
            raise UsageError(f"keep must be 0 or more runs, not {keep}")
        self.older_than = None if older_than is None else seconds(older_than, "older_than")
        self.keep = keep
        self.failed_older_than = (
            None if failed_older_than is None else seconds(failed_older_than, "failed_older_than")
        )

    def __repr__(self) -> str:
        given = [
            (name, getattr(self, name)) for name in ("older_than", "keep", "failed_older_than")
        ]
        return f"Retention({', '.join(f'{n}={v!r}' for n, v in given if v is not None)})"


def prune(
    app: App,
    older_than: Duration | None = None,
    keep: int | None = None,
    failed_older_than: Duration | None = None,
    dry_run: bool = False,
) -> dict[str, int]:
    """Remove ended runs that are too old or too many, with all that belongs to them.

    A run stays while one that comes after it has not ended, while its unique key still counts, and
    a flow goes as a whole. Workers go on meanwhile: what is removed is removed in small turns.
    Files that nothing names any more go, too.

    Parameters
    ----------
    older_than, keep, failed_older_than
        See :class:`Retention`; at least one.
    dry_run : bool
        Remove nothing, only count.

    Returns
    -------
    dict
        How many ``runs``, ``lanes``, ``keys`` and ``files`` went, and the ``bytes`` of the files.

    Raises
    ------
    UsageError
        Nothing says what may go, or the store is ``memory://``.
    StoreError
        The store cannot be written, or a backup of it is being made.
    """
    retention = Retention(older_than, keep, failed_older_than)
    _refuse_memory(app, "prune")
    node = app.node
    return prune_store(node.store, node.engine, retention, dry_run=dry_run)


def prune_store(
    store: Any, engine: Engine, retention: Retention, *, dry_run: bool = False, sweep: bool = True
) -> dict[str, int]:
    """:func:`prune` for an open store; call it from a thread that nobody waits for.

    ``sweep`` also looks for files that no row names, which reads all rows.
    """
    from ..stores.backup import CareLock
    from ..stores.leftovers import Files, look_only
    from ..stores.mishaps import translate
    from ..stores.sql_care import Pruner, Rule

    now = engine.now()
    age, failed_age = retention.older_than, retention.failed_older_than
    apart = failed_age is not None
    before = None if age is None else now - age
    rule = Rule(
        before, now - failed_age if failed_age is not None else before, retention.keep, apart
    )
    files = Files(store.folder, store.log_folder, dry_run)
    with (
        CareLock(store.folder),
        translate(store.path),
        closing(look_only(store.path)) as look,
    ):
        pruner = Pruner(store, _poster(engine, store), look, files, dry_run)
        pruner.prune(rule, now)
        if sweep:
            files.sweep(look)
    return {
        "runs": pruner.runs,
        "lanes": pruner.lanes,
        "keys": pruner.keys,
        "files": files.count,
        "bytes": files.bytes,
    }


def forget(app: App, id: int) -> None:
    """Remove one ended run, or a flow with all its runs; see :meth:`abreast.App.forget`."""
    from ..stores.backup import CareLock
    from ..stores.leftovers import Files, look_only
    from ..stores.mishaps import translate
    from ..stores.sql_care import Pruner

    run = app.run(id)
    if not run.done:
        raise UsageError(f"run {id} is {run.state}; only what has ended can be removed")
    if run.flow is not None:
        raise UsageError(f"run {id} is part of flow {run.flow}, which is removed as a whole")
    node = app.node
    store = node.store
    files = Files(store.folder, store.log_folder, False)
    with (
        CareLock(store.folder),
        translate(store.path),
        closing(look_only(store.path)) as look,
    ):
        pruner = Pruner(store, _poster(node.engine, store), look, files, False)
        pruner.remove_runs([id], node.now())
    if not pruner.runs:
        raise UsageError(
            f"run {id} cannot be removed yet: a run that has not ended comes after it, or another "
            "submit of the same work would still be told of it"
        )


def retention_due(store: Any, engine: Engine, every_s: float = EVERY_S) -> bool:
    """Whether it is time to prune, and nobody else does: of several that ask one is told so."""

    def ask(now: float) -> bool:
        store.open(False)
        return bool(
            store.db.execute(
                "INSERT INTO counters (name, value) VALUES ('pruned', ?1) ON CONFLICT (name) "
                "DO UPDATE SET value=excluded.value WHERE value<=?1-?2 OR value>?1",
                (int(now), every_s),
            ).rowcount
        )

    row = store.db.read("SELECT value FROM counters WHERE name='pruned'")
    if row and 0 <= engine.now() - row[0][0] < every_s:
        return False  # usual, and costs no turn
    return bool(_poster(engine, store)(ask))


def backup(app: App, path: str | os.PathLike[str]) -> int:
    """Copy the store of an app while its workers go on.

    The copy is the file ``path`` and, when there are large arguments or results, the folder
    ``PATH.d`` beside it; keep both together. Logs are not in it. It is on the disk on return.

    Returns
    -------
    int
        Bytes written.

    Raises
    ------
    UsageError
        There is something at ``path`` already, or the store is ``memory://``.
    StoreError
        The store cannot be read or ``path`` not be written; nothing is left of the copy.
    """
    _refuse_memory(app, "back up")
    from ..stores.backup import back_up

    store = app.node.store  # opened: brought up to date, and proven to be a store
    return back_up(store.path, store.folder, os.fspath(path))


def restore(app: App, path: str | os.PathLike[str], force: bool = False) -> str | None:
    """Put a backup in the place of the app's store.

    The backup is checked first. Then its file takes the place of the store's in one step; the old
    file is kept as ``STORE.replaced``. Other programs that have the store open are refused from
    then on, until they open it again.

    Parameters
    ----------
    path : path
        The file a backup made.
    force : bool
        Also when the store has runs.

    Returns
    -------
    str or None
        Where the old file is.

    Raises
    ------
    UsageError
        The store has runs, and ``force`` was not said.
    StoreError
        A worker is alive; or the backup is damaged, not whole, or made by a newer abreast.
    """
    _refuse_memory(app, "restore")
    from ..stores.backup import restore as put_back

    app.close()
    return put_back(os.fspath(path), app.url.removeprefix("sqlite:///"), force)


def check(app: App) -> list[str]:
    """Look for damage and for rows that contradict one another, while workers go on.

    Returns
    -------
    list of str
        One sentence for each problem, with what to do; empty when all is well.
    """
    _refuse_memory(app, "check")
    from ..stores.leftovers import look_only
    from ..stores.mishaps import translate
    from ..stores.sql_check import Checker

    try:
        store = app.node.store
        with translate(store.path), closing(look_only(store.path)) as look:
            return Checker(look, store.path, store.folder).check()
    except StoreError as error:
        return [str(error)]


def _refuse_memory(app: App, what: str) -> None:
    if app.url == "memory://":
        raise UsageError(
            f"cannot {what} the store 'memory://', which ends with this process; use a file: "
            "App('sqlite:///jobs.db')"
        )


def _poster(engine: Engine, store: Any) -> Callable[[Callable[[float], Any]], Any]:
    """Carries something out in a turn of the engine and returns, or raises, what came of it."""

    def post(what: Callable[[float], Any]) -> Any:
        answer: list[Any] = []
        failure: list[Exception] = []

        def message(now: float) -> tuple[()]:
            try:
                answer.append(what(now))
            except Exception as error:
                if store.trouble_of(error) is not None:
                    raise  # the whole turn comes to nothing, and engine.post says so
                failure.append(error)
            return ()

        engine.post(message)
        if failure:
            raise failure[0]
        return answer[0]

    return post
