"""``abreast notify list`` and ``abreast notify test``."""

from __future__ import annotations

from ...domain.notices import Rules
from ...errors import UsageError
from ..notices.channels import Undelivered
from ..notices.task import Notices
from ..report_text import duration
from ..settings import Settings, load
from ..settings_notify import EVENTS
from .described import SCHEMA
from .exits import FAILED_RUNS, OK
from .out import document, line, note, table

_HEADS = ["CHANNEL", "KIND", "HEARS OF", "TO"]


def list_(folder: str, config: str | None, as_json: bool) -> int:
    """Carry out ``abreast notify list``; returns the exit code."""
    settings = load(folder, config=config)
    notices = Notices(None, settings)
    found = notices.channels()
    for channel in found:
        channel["hears_of"] = _hears_of(settings, channel["name"])
    if as_json:
        rules = settings.notify.rules
        times = {"late_after": rules.late_after, "starved_after": rules.starved_after}
        document({"schema": SCHEMA, "channels": found, **times})
        return OK
    if not found:
        note("There are no channels; [notify.channels.NAME] in abreast.toml makes one.")
        return OK
    rows = [[c["name"], c["kind"], ", ".join(c["hears_of"]) or "nothing", c["to"]] for c in found]
    for text in table(_HEADS, rows):
        line(text)
    rules = settings.notify.rules
    note(f"A run is late after {duration(rules.late_after)}, starved after "
         f"{duration(rules.starved_after)}; tasks may say it differently.")  # fmt: skip
    return OK


def _hears_of(settings: Settings, name: str) -> list[str]:
    """What a channel hears of: ``failure``, or ``success of nightly`` when a task says so."""
    found = _events(settings.notify.rules, name)
    for task, said in settings.tasks.items():
        if said.get("notify") is not None:
            own = _events(settings.notify.for_task(said["notify"], task), name)
            found += [f"{event} of {task}" for event in own if event not in found]
    return found


def _events(rules: Rules, name: str) -> list[str]:
    return [event.removeprefix("on_") for event in EVENTS if name in getattr(rules, event)]


def test(channel: str | None, folder: str, config: str | None) -> int:
    """Carry out ``abreast notify test``; returns the exit code."""
    settings = load(folder, config=config)
    notices = Notices(None, settings)
    names = [channel] if channel is not None else list(settings.notify.channels)
    if not names:
        raise UsageError("there are no channels; [notify.channels.NAME] in abreast.toml makes one")
    code = OK
    for name in names:
        try:
            line(notices.test(name))
        except Undelivered as error:
            note(f"Error: {error}")
            code = FAILED_RUNS
    return code
