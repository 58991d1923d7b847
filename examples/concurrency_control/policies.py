"""Four policies for calls to a server that minds two at once for one account.

``python policies.py`` sends the same burst of calls under each policy to a server of its own, which
counts them and the collisions: requests that came while another one of their account was being
answered. With a file, ``python policies.py sqlite:///jobs.db``, the runs are kept there.
"""

from __future__ import annotations

import http.client
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from abreast import App, Limit, State, Unique

ACCOUNTS = ("north", "east", "south", "west")
CALLS = 8  # for each account
AT_ONCE = 8  # runs a worker executes at a time
COMPANY_S = 0.03  # how long the server waits whether another request of the account comes

# The name of a policy and the options of a task that follows it. In the words of Pynenc these are
# running concurrency KEYS with reroute_on_concurrency_control=True and False; the last is
# registration concurrency KEYS that goes on while the invocation runs.
POLICIES = {
    "none": {},
    "keyed, waiting": {"limits": Limit(1, "{account}")},
    "keyed, dropped": {"limits": Limit(1, "{account}", then="skip")},
    "deduplicated": {"unique": Unique("{account}", until="end")},
}


class Outcome(NamedTuple):
    """What one burst came to. ``calls`` = ``joined`` + runs that ended in some way."""

    calls: int
    completed: int
    dropped: int  # recorded as skipped
    joined: int  # calls that got a run which was there already
    requests: int  # that reached the server
    collisions: int


class Server(ThreadingHTTPServer):
    """Answers each request once the burst of calls is over, and counts collisions."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.burst_over = threading.Event()
        self.requests = 0
        self.collisions = 0
        self._answering: Counter[str] = Counter()
        self._company = threading.Condition()

    def serve(self, account: str) -> None:
        """Take as long as an answer takes, and note whom it meets."""
        with self._company:
            self.requests += 1
            self.collisions += self._answering[account] > 0
            self._answering[account] += 1
            self._company.notify_all()
        self.burst_over.wait(30)
        with self._company:
            self._company.wait_for(lambda: self._answering[account] > 1, COMPANY_S)
            self._answering[account] -= 1


class Handler(BaseHTTPRequestHandler):
    """``GET /ACCOUNT``"""

    server: Server

    def do_GET(self) -> None:
        self.server.serve(self.path.strip("/"))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port of this machine."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def call(account: str, port: int) -> int:
    """Ask the server for something in the name of an account."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", f"/{account}")
        return connection.getresponse().status
    finally:
        connection.close()


def try_policy(name: str, url: str = "memory://") -> Outcome:
    """Send the burst under one policy, with a worker at work, and wait for all that follows."""
    with App(url) as app, serving() as server:
        task = app.task(name=f"call, {name}", **POLICIES[name])(call)
        with app.worker(AT_ONCE, executor="thread"):
            runs = [
                task.submit(account, server.server_port)
                for _ in range(CALLS)
                for account in ACCOUNTS
            ]
            server.burst_over.set()
            distinct = set(runs)
            for run in distinct:
                run.wait(60)
        ends = Counter(run.state for run in distinct)
        return Outcome(
            calls=len(runs),
            completed=ends[State.COMPLETED],
            dropped=ends[State.SKIPPED],
            joined=len(runs) - len(distinct),
            requests=server.requests,
            collisions=server.collisions,
        )


def table(outcomes: dict[str, Outcome]) -> str:
    """The outcomes as lines of text."""
    rows = [("policy", *Outcome._fields), *((name, *row) for name, row in outcomes.items())]
    return "\n".join(
        f"{row[0]:<16}" + "".join(f"{value!s:>11}" for value in row[1:]) for row in rows
    )


def main(url: str = "memory://") -> None:
    """Try all policies and print what came of them."""
    print(table({name: try_policy(name, url) for name in POLICIES}))


if __name__ == "__main__":
    main(*sys.argv[1:2])
