"""The task of RQ, which is imported by its worker."""

import os

import race

ran = race.counter() if race.COUNT in os.environ else None


def noop() -> None:
    ran()
