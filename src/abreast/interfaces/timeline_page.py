"""The timeline as one file: the dashboard's own modules, style and icons around the data.

A file that is mailed or hangs on a ticket loads nothing, so its modules have to be in it. They
are put one behind the other, each in a function that returns what it exports.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..domain.states import ENDED
from .bundle import bundle
from .run_json import limit_rows, row_of

if TYPE_CHECKING:
    from .app import App
    from .stored_run import StoredRun

_ENTRY = "timeline/view.js"
_STYLES = ("tokens.css", "base.css", "timeline.css")
# Icons are in the file itself.
_PLACE = "new URL(`../${name}`, import.meta.url).pathname"
_BOOT = """\
const data = JSON.parse(document.getElementById("data").textContent);
const { from, to } = document.getElementById("main").dataset;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change",
  () => document.dispatchEvent(new Event("theme")));
mount(document.getElementById("main"),
  { data, static: true, query: new URLSearchParams({ from, to }) });
"""
_OWN_STYLE = """
:root { --top: 2.6rem; }
.made { display: flex; align-items: baseline; gap: .3rem 1rem; height: var(--top); overflow: hidden;
  padding: .55rem .8rem 0; }
.made > * { margin: 0; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.made h1 { flex: none; font-size: 1.05rem; }
noscript pre { padding: 0 .8rem; }
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
{icons}
<header class="made"><h1>{title}</h1><p class="soft">{made}</p></header>
<main id="main" tabindex="-1" data-from="{first}" data-to="{last}"></main>
<noscript><pre>{text}</pre></noscript>
<div id="toasts" role="status" aria-live="polite"></div>
<script type="application/json" id="data">{data}</script>
<script type="module">{js}</script>
</body>
</html>
"""
_WHYS = 200  # runs that have not ended, of which it is told what they wait for
_FLOWS = 20  # of which the order of runs is told
_FLOW_RUNS = 500  # of one flow


def page(data: dict[str, Any], text: str) -> str:
    """Return the page.

    Parameters
    ----------
    data : dict
        What ``GET /timeline`` answers (see :meth:`.timeline_data.Period.columns`), and perhaps
        what :func:`extras` gives.
    text : str
        The same as text, for readers without scripts.
    """
    js, css = _script(), _style()
    last = _second(data["until"])
    if last[:10] == data["since"][:10]:
        last = last[11:]
    return _PAGE.format(
        policy=escape(
            f"default-src 'none'; script-src '{_digest(js)}'; style-src '{_digest(css)}'; "
            "base-uri 'none'; form-action 'none'",
            quote=False,
        ),
        title=f"{_second(data['since'])} to {last} UTC",
        made=f"abreast timeline, made {_second(data['now'])} UTC",
        first=_first(data),
        last=data["until"],
        css=css,
        icons=_icons(),
        text=escape(text),
        # nothing in it can end the element
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        js=js,
    )


def _second(time: str) -> str:
    return time[:19].replace("T", " ")


def _first(data: dict[str, Any]) -> str:
    """Where the picture begins: with what happened first, when that is within the period."""
    since = datetime.fromisoformat(data["since"])
    until = datetime.fromisoformat(data["until"])
    times = [datetime.fromisoformat(item["at"]) for item in data["instants"] + data["coming"]]
    if data["runs"]["created"]:
        times.append(since + timedelta(milliseconds=data["runs"]["created"][0]))
    first = min(times, default=since)
    return max(since, first - (until - max(since, first)) * 0.03).isoformat()


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def extras(app: App, runs: Sequence[StoredRun]) -> dict[str, Any]:
    """What the dashboard asks of a service one by one, for a page that cannot ask: why runs wait,
    what they met, what comes after what, who holds which limit."""
    waiting = [run for run in runs if run.known.state not in ENDED][-_WHYS:]
    told = {}
    for run in runs:
        row = row_of(run)
        said = {key: row[key] for key in ("trigger", "error") if row[key]}
        if said:
            told[run.id] = said
    flows: dict[int, list[int]] = {}
    for run in runs:
        if run.flow is not None:
            flows.setdefault(run.flow, []).append(run.id)
    parents = app.node.store.parents
    edges = {
        flow: [[parent.id, id] for id in ids[:_FLOW_RUNS] for parent in parents(id)]
        for flow, ids in sorted(flows.items())[-_FLOWS:]
    }
    why = {run.id: run.why() for run in waiting}
    return {"why": why, "details": told, "flows": edges, "limits": limit_rows(app)}


@cache
def _script() -> str:
    return bundle(_ENTRY, "mount", replaced=((_PLACE, '""'),)) + _BOOT


@cache
def _style() -> str:
    return "\n".join(_asset(f"css/{name}") for name in _STYLES) + _OWN_STYLE


@cache
def _icons() -> str:
    return _asset("icons.svg").replace("<svg ", "<svg hidden ", 1)


def _asset(name: str) -> str:
    # not by the package's name: to import it takes the server's dependencies
    folder = files(__package__) / "dashboard" / "static"
    return (folder / name).read_text(encoding="utf-8")
