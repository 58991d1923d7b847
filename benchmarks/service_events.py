"""How soon those who follow events hear that a run has ended."""

from __future__ import annotations

import statistics
import time

from common import Benchmarks, Figure
from service_side import (
    API,
    APP,
    Served,
    folder_of_its_own,
    loading,
    percentile,
    served,
    stream_of,
    tell,
    told,
)
from service_starts import REQUEST, check, shown

benchmarks = Benchmarks()


def one_time(service: Served, clients: int, rate: float, seconds: float) -> dict[str, float]:
    """Let clients follow while runs are started at a rate; return what they saw."""
    address, token = service.address, service.token
    follows = {"path": f"{API}/events", "clients": clients}
    with loading(address, token, "follow", **follows) as followers:
        if stream_of(followers.stdout).readline() != "following\n":
            raise RuntimeError("the clients could not follow")
        found = service.load("open", **REQUEST, rate=rate, warm=0.0, seconds=seconds)
        check(found)
        service.wait_until_idle()
        tell(followers, found["ids"])
        seen = told(followers)
    ids = found["ids"]
    asked = "SELECT ended FROM runs WHERE id BETWEEN ? AND ?"
    ends = [ended for (ended,) in service.rows(asked, min(ids), max(ids))]
    if seen["resyncs"] or seen["repeats"] or seen["missing"]:
        print(f"  followers: {shown({key: seen[key] for key in seen if key != 'lags'})}")
    return {
        "p99": percentile(seen["lags"], 0.99) * 1e3,
        "p50": percentile(seen["lags"], 0.5) * 1e3,
        "max": max(seen["lags"]) * 1e3,
        "dropped": seen["dropped"],
        "ends_per_s": (len(ends) - 1) / (max(ends) - min(ends)),
        "events_per_s": seen["events"] / found["took"],
    }


@benchmarks.of("sse_clients", "sse_dropped")
def followers(quick: bool) -> dict[str, Figure]:
    clients, rate, seconds = (10, 40.0, 1.0) if quick else (200, 200.0, 8.0)
    found = []
    with folder_of_its_own() as folder, served(folder, "--app", APP) as service:
        for _ in range(1 if quick else 3):
            found.append(one_time(service, clients, rate, seconds))
            time.sleep(0.1 if quick else 1.0)  # until the last ones have been let go
    details: dict[str, object] = {"clients": clients}
    for name, unit in (("p50", "_ms"), ("max", "_ms"), ("ends_per_s", ""), ("events_per_s", "")):
        details[name + unit] = round(statistics.median(each[name] for each in found), 1)
    return {
        "sse_clients": Figure(
            [each["p99"] for each in found], details=details, lines=[shown(details)]
        ),
        "sse_dropped": Figure([each["dropped"] for each in found]),
    }
