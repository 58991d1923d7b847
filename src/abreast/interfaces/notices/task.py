"""The task that delivers notices, and what a service knows about its channels.

A notice is a run of ``abreast:notify``: written down with what it tells of, executed by a worker,
tried again while that may help. So it outlives every process that is involved.
"""

from __future__ import annotations

import logging
import secrets
import socket
import time
from typing import TYPE_CHECKING, Any

from ...context import attempt_here
from ...domain import notices
from ...domain.limits import Limit
from ...domain.notices import NOTIFY, Kind, Notice, Rules
from ...domain.policy import Retry
from ...errors import UsageError
from ..settings_check import near
from . import channels, texts
from .channels import Undelivered

if TYPE_CHECKING:
    from ..app import App
    from ..app_task import AppTask
    from ..settings import Settings
    from ..settings_notify import Channel

_log = logging.getLogger("abreast")
_TRIES = 8  # after the first: some 40 minutes in all
_FIRST_WAIT_S = 10.0
_AT_ONCE = 2  # for each channel; one that hangs must not take every place of a worker
_HEAD_START_S = 86_400.0  # a notice does not wait behind yesterday's work


class Notices:
    """The channels and rules of a service.

    Parameters
    ----------
    app : App or None
        Whose tasks are watched; None: only channels are looked at.
    settings : Settings
        The configuration; :meth:`change` takes in another.
    """

    def __init__(self, app: App | None, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self._rules: dict[str, tuple[Any, Rules]] = {}  # by task, with what it said

    def change(self, settings: Settings) -> None:
        """Go by another configuration from now on, also for notices that wait."""
        self.settings = settings
        self._rules = {}

    # -- rules ------------------------------------------------------------------------------

    def rules(self, task: str) -> Rules:
        """The rules that count for a task: its own, over those for all.

        What a task says that cannot be understood is told in the log, and the rules for all count.
        """
        said = self._said(task)
        known = self._rules.get(task)
        if known is not None and known[0] is said:
            return known[1]
        try:
            found = self.settings.notify.for_task(said, task)
        except UsageError as error:
            _log.error("notifications of task %r: %s", task, error)
            found = self.settings.notify.rules
        self._rules[task] = said, found
        return found

    def watched(self, task: str = "") -> bool:
        """Whether anybody is to be told of anything about a task; without a name: of any task."""
        if not self.settings.notify.channels:
            return False
        if task:
            return task != NOTIFY and notices.speaks(self.rules(task))
        if notices.speaks(self.settings.notify.rules):
            return True
        return any(notices.speaks(self.rules(name)) for name in self._names())

    def check(self) -> None:
        """Refuse a task whose own rules cannot be understood.

        Raises
        ------
        UsageError
            Naming the task, the key and what was expected.
        """
        for name in self._names():
            self.settings.notify.for_task(self._said(name), name)

    def _names(self) -> list[str]:
        return [name for name in (self.app.tasks if self.app else ()) if name != NOTIFY]

    def _said(self, task: str) -> Any:
        configured = self.settings.tasks.get(task, {}).get("notify")
        if configured is not None or self.app is None or task not in self.app.tasks:
            return configured
        return self.app.tasks[task].declared.get("notify")

    # -- channels ---------------------------------------------------------------------------

    def channels(self) -> list[dict[str, Any]]:
        """What may be shown of each channel: name, kind, where it leads; nothing secret."""
        return [channels.masked(found) for found in self.settings.notify.channels.values()]

    def channel(self, name: str) -> Channel:
        """The channel of this name; ``UsageError`` with the one that may have been meant."""
        known = self.settings.notify.channels
        if name not in known:
            hint = near(name, known) if known else "there are none, see [notify.channels]"
            raise UsageError(f"there is no channel {name!r}; {hint}")
        return known[name]

    def test(self, name: str) -> str:
        """Send a test through a channel now, once; return what came of it.

        Raises
        ------
        UsageError
            When there is no such channel.
        Undelivered
            When it did not get through, saying why.
        """
        data = {"event": str(Kind.TEST), "channel": name, "at": time.time()}
        message = texts.write(data, self.around(), f"test-{secrets.token_hex(8)}")
        return channels.deliver(self.channel(name), message)

    def around(self) -> texts.Around:
        """What is the same for all notices."""
        settings = self.settings
        return texts.Around(
            "abreast" if self.app is None else self.app.name,
            socket.gethostname(),
            settings.scheduler.timezone,
            settings.server.base_url,
            settings.folder,
        )

    def deliver(self, channel: str, notice: dict[str, Any]) -> str:
        """Deliver a notice, once; what the task ``abreast:notify`` does.

        Raises
        ------
        Undelivered
            Saying why, and whether another try may help.
        """
        attempt = attempt_here.get()
        if attempt is None:
            id = secrets.token_hex(8)
        else:  # the same for every try, so that who gets it twice can tell
            id = f"{attempt.run.id}-{int(attempt.run.created * 1000)}"
        try:
            found = self.channel(channel)
        except UsageError as error:
            raise Undelivered(str(error), again=False) from None
        told = channels.deliver(found, texts.write(notice, self.around(), id))
        print(told)
        return told


def make_notice_task(
    app: App, settings: Settings | Notices, first_wait: float = _FIRST_WAIT_S
) -> AppTask:
    """Declare the task ``abreast:notify`` of an app, or declare it anew.

    A run of it delivers one notice: ``task.submit(notice.channel, notice.data)``, see
    :func:`call_of`. It executes in a thread, is tried again up to 8 times, with ever longer waits
    from ``first_wait`` seconds on, and only while that may help.
    """
    delivering = settings if isinstance(settings, Notices) else Notices(app, settings)

    def notify(channel: str, notice: dict[str, Any]) -> str:
        """Deliver a notice."""
        return delivering.deliver(channel, notice)

    return app.task(
        name=NOTIFY,
        executor="thread",
        retry=Retry(_TRIES, backoff="exponential", base=first_wait, on=_helps),
        limits=[Limit(_AT_ONCE, "{channel}")],
        priority=_HEAD_START_S,
        timeout="10m",
    )(notify)


def call_of(notice: Notice) -> tuple[str, dict[str, Any]]:
    """The arguments by which the task delivers a notice."""
    return notice.channel, notice.data


def _helps(error: BaseException) -> bool:
    return isinstance(error, Undelivered) and error.again
