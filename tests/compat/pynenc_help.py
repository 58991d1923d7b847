"""What the tests of the Pynenc face share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from abreast.compat.pynenc import Pynenc

WAIT_S = 30


@contextmanager
def runner_of(app: Pynenc) -> Iterator[None]:
    """The app's runner in a thread, as programs start it."""
    thread = threading.Thread(target=app.runner.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        app.runner.stop_runner_loop()
        thread.join(WAIT_S)
        assert not thread.is_alive()


class Meetings:
    """Tells each call whether another one with the same key was there at the same time."""

    def __init__(self, patience_s: float = 0.05) -> None:
        self._patience_s = patience_s
        self._here: dict[object, int] = {}
        self._changed = threading.Condition()

    def met(self, key: object = None) -> bool:
        """Wait a while for company."""
        with self._changed:
            self._here[key] = self._here.get(key, 0) + 1
            self._changed.notify_all()
            if self._here[key] > 1:
                return True  # and the one that waits sees it too
            found = self._changed.wait_for(lambda: self._here[key] > 1, self._patience_s)
            if not found:
                self._here[key] -= 1
            return found
