"""The app that the service benchmarks serve."""

from __future__ import annotations

from abreast import App

TASKS = [
    "orders.import", "orders.export", "invoices.render", "invoices.send", "stock.count",
    "stock.sync", "mail.digest", "mail.bounces", "search.index", "search.rebuild",
    "reports.daily", "reports.weekly", "images.resize", "images.purge", "users.welcome",
    "users.remind", "backup.database", "backup.files", "payments.settle", "payments.audit",
]  # fmt: skip
FIRED = [f"job{number:03}" for number in range(500)]

app = App(name="bench")


@app.task(executor="thread")
def noop(number: int = 0) -> None:
    pass


def nothing() -> None:
    pass


for name in [*TASKS, *FIRED]:
    app.task(name=name, executor="thread")(nothing)
