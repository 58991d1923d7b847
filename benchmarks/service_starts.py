"""How many runs a second can be started over HTTP, and how long one takes at half that rate."""

from __future__ import annotations

import statistics
from typing import Any

from common import Benchmarks, Figure
from service_side import (
    API,
    APP,
    Served,
    folder_of_its_own,
    loading,
    percentile,
    process_of,
    served,
    stream_of,
    told,
)

CLIENTS = 32
benchmarks = Benchmarks()
REQUEST = {"path": f"{API}/tasks/noop/runs", "body": '{"args": [7]}', "clients": CLIENTS}


class Starts:
    """What was started, and what became of it."""

    def __init__(self, service: Served) -> None:
        self._service = service
        self.ids: list[int] = []
        self.executed: list[float] = []  # part that had ended at the last acknowledgement

    def take(self, found: dict[str, Any]) -> None:
        """Note what the load was told, and wait until that has been executed."""
        check(found)
        self._service.wait_until_idle()
        self.ids += found["ids"]
        self.executed.append(self._ended_by(found["ended"], found["ids"]) / len(found["ids"]))

    def _ended_by(self, at: float, ids: list[int]) -> int:
        found = "SELECT count(*) FROM runs WHERE ended <= ? AND id BETWEEN ? AND ?"
        return int(self._service.rows(found, at, min(ids), max(ids))[0][0])

    def check_all_are_stored(self) -> None:
        """Raise unless every run that was acknowledged is in the store, once, and has completed."""
        states = dict(self._service.rows("SELECT id, state FROM runs"))
        lost = [id for id in self.ids if states.get(id) != 4]
        if lost or len(set(self.ids)) != len(self.ids):
            raise RuntimeError(
                f"{len(lost)} of {len(self.ids)} acknowledged runs are not there or have not "
                f"completed, {len(self.ids) - len(set(self.ids))} were acknowledged twice"
            )


def check(found: dict[str, Any]) -> None:
    if set(found["statuses"]) != {"202"}:
        raise RuntimeError(f"answers were {found['statuses']}: {found['first_bad']}")


@benchmarks.of("start_per_s", "start_bare_per_s", "start_vs_bare", "start_p99_ms")
def starts(quick: bool) -> dict[str, Figure]:
    turns, at_half = (1, 1) if quick else (5, 3)
    window = {"warm": 0.1, "seconds": 0.4} if quick else {"warm": 0.5, "seconds": 3.0}
    ours: list[float] = []
    bare: list[float] = []
    middle: list[float] = []
    with (
        folder_of_its_own() as folder,
        served(folder, "--app", APP) as service,
        process_of("service_bare.py", str(folder)) as other,
    ):
        address = ["127.0.0.1", int(stream_of(other.stdout).readline())]
        made = Starts(service)

        def one() -> None:
            found = service.load("closed", **REQUEST, **window)
            made.take(found)
            ours.append(len(found["times"]) / window["seconds"])
            middle.append(percentile(found["times"], 0.5) * 1e3)

        def peer() -> None:
            with loading(address, "none", "closed", **REQUEST, **window) as process:
                found = told(process)
            check(found)
            bare.append(len(found["times"]) / window["seconds"])

        for turn in range(turns):
            for side in (one, peer) if turn % 2 == 0 else (peer, one):
                side()
        rate = statistics.median(ours) / 2
        tails, about = open_loop(service, made, rate, at_half, quick)
        made.check_all_are_stored()
    details = {
        "clients": CLIENTS,
        "answer_p50_ms": round(statistics.median(middle), 2),
        "executed_meanwhile": round(statistics.median(made.executed), 3),
        "started_and_completed": len(made.ids),
    }
    ratios = [a / b for a, b in zip(ours, bare, strict=True)]
    return {
        "start_per_s": Figure(ours, details=details, lines=[shown(details)]),
        "start_bare_per_s": Figure(bare),
        "start_vs_bare": Figure(ratios, 1 / statistics.median(ours), 1 / statistics.median(bare)),
        "start_p99_ms": Figure(tails, details=about, lines=[shown(about)]),
    }


def open_loop(
    service: Served, made: Starts, rate: float, times: int, quick: bool
) -> tuple[list[float], dict[str, object]]:
    """Return the p99 of each time, and what else was seen."""
    window = {"warm": 0.1, "seconds": 0.4} if quick else {"warm": 1.0, "seconds": 5.0}
    tails: list[float] = []
    middle: list[float] = []
    most = late = 0.0
    for _ in range(times):
        found = service.load("open", rate=rate, **REQUEST, **window)
        made.take(found)
        tails.append(percentile(found["times"], 0.99) * 1e3)
        middle.append(percentile(found["times"], 0.5) * 1e3)
        most = max(most, max(found["times"]) * 1e3)
        late = max(late, percentile(found["late"], 0.99) * 1e3)
    return tails, {
        "rate": round(rate),
        "p50_ms": round(statistics.median(middle), 2),
        "max_ms": round(most, 1),
        "sent_late_p99_ms": round(late, 2),  # the load's own share
    }


def shown(details: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in details.items())
