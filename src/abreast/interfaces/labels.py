"""The names of the runs of one runner: unique, given or numbered, also before they exist."""

from __future__ import annotations

from collections.abc import Iterable

from ..domain.graph import find_cycle
from ..errors import CycleError, DuplicateLabel, UnknownLabel, WrongType
from .run import Run
from .tasks import unknown_label


class Labels:
    """Given labels are kept in a table; the others follow from the name and a count.

    Parameters
    ----------
    runs : list of Run
        All runs of the runner, shared with it.
    """

    def __init__(self, runs: list[Run]) -> None:
        self.forward: dict[str, list[Run]] = {}  # labels waited for when nobody had them
        self.late = False  # whether a run came after one that was added later
        self._runs = runs
        self._given: dict[str, Run] = {}
        self._taken: set[str] = set()  # labels that numbering has to step over
        self._counts: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Return the number of the next run of this name, past labels that were given."""
        number = self._counts.get(name, 0) + 1
        if number == 1 and name[-1:].isdigit() and "-" in name:
            # a name like that of the second run of another name: from now on it is looked for
            if self.find(name) is not None:
                number = 2
            self._taken.add(name)
        if self._taken:
            while (number > 1 and f"{name}-{number}" in self._taken) or (
                number == 1 and name in self._given
            ):
                number += 1
        self._counts[name] = number
        return number

    def claim(self, label: str) -> int:
        """Check that a label the user chose is free."""
        if not isinstance(label, str):
            raise WrongType(f"a label must be a str, not {label!r} ({type(label).__name__})")
        if self.find(label) is not None:
            raise DuplicateLabel(
                f"there is a run labelled {label!r} already; labels are unique in a runner"
            )
        return 1

    def keep(self, label: str, run: Run) -> None:
        """Register the run of a given label; refuse it when that closes a circle.

        Raises
        ------
        CycleError
            With the path, when runs that wait for this label are among those it comes after.
        """
        self._given[label] = run
        self._taken.add(label)
        waiting = self.forward.get(label)
        if not waiting:
            return
        for other in waiting:
            other.after = (*other.after, run)
        circle = find_cycle(run, lambda record: record.after)
        if circle is not None:
            for other in waiting:
                other.after = other.after[:-1]
            self._taken.discard(label)
            del self._given[label]
            raise CycleError([member.label for member in circle])
        del self.forward[label]

    def name_for_many(self, name: str) -> str:
        """Return ``name``, or ``name-2`` and so on, as a free base for ``base[0]`` and so on."""
        number = self.number(name)
        return name if number == 1 else f"{name}-{number}"

    def expect(self, names: Iterable[str], run: Run) -> None:
        """Note that ``run`` comes after labels nobody has yet."""
        self.late = True
        for name in names:
            self.forward.setdefault(name, []).append(run)

    def find(self, label: str) -> Run | None:
        """Return the run with a label, or None."""
        run = self._given.get(label)
        if run is not None:
            return run
        name, _, tail = label.rpartition("-")
        if label in self._counts or (
            tail.isascii() and tail.isdigit() and int(tail) <= self._counts.get(name, 0)
        ):
            return next(
                (run for run in self._runs if run.given is None and run.label == label), None
            )
        return None

    def drop(self, run: Run) -> None:
        """Forget a run that was refused after all."""
        self.stop_waiting(run)
        if run.given is None:
            name = run.task.name
            if self._counts.get(name) == run.number:
                self._counts[name] = run.number - 1
        elif self._given.get(run.given) is run:
            del self._given[run.given]
            self._taken.discard(run.given)

    def stop_waiting(self, run: Run) -> None:
        """Forget the labels a run waits for."""
        for name, waiting in list(self.forward.items()):
            if run in waiting:
                waiting.remove(run)
                if not waiting:
                    del self.forward[name]

    def waiting(self, staged: list[Run]) -> set[Run]:
        """Those of the staged runs that wait for labels nobody has, directly or through others."""
        found = {run for runs in self.forward.values() for run in runs}
        for run in staged if found else ():
            if not found.isdisjoint(run.after):
                found.add(run)
        return found

    def known(self) -> list[str]:
        """All labels."""
        return [run.label for run in self._runs]

    def check(self) -> None:
        """Link the labels that automatic numbering has brought about meanwhile.

        Raises
        ------
        UnknownLabel
            For the first label waited for that nobody has.
        CycleError
            When a link would close a circle. Nothing has been linked for that label.
        """
        for name in list(self.forward):
            found = self.find(name)
            if found is None:
                continue
            waiting = self.forward[name]
            for run in waiting:
                run.after = (*run.after, found)
            circle = find_cycle(found, lambda record: record.after)
            if circle is not None:
                for run in waiting:
                    run.after = run.after[:-1]
                raise CycleError([member.label for member in circle])
            del self.forward[name]
        for name, waiting in self.forward.items():
            raise UnknownLabel(unknown_label(name, self.known(), waiting[0].label))
