"""``abreast timeline``: a period as text, as a document, as trace events, as one file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Abreast, Done
from tests.cli.durable import document

from abreast import App, Retry
from abreast.interfaces import bundle
from abreast.interfaces.cli.exits import Refused
from abreast.interfaces.cli.timeline import moment

NAME = "<script>alert('task')</script>"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a store in which something has happened: two runs side by side, one that
    failed, one that was tried again, one that waits, and instants of schedules."""
    url = f"sqlite:///{tmp_path_factory.mktemp('timeline')}/jobs.db"
    with App(url) as app:
        both = threading.Barrier(3)
        go = threading.Event()

        @app.task
        def hold() -> None:
            both.wait(30)
            assert go.wait(30)

        @app.task
        def bad() -> None:
            raise ValueError("no </script> luck")

        @app.task(retry=Retry(1))
        def again() -> None:
            raise ValueError("no luck either")

        @app.task(name=NAME)
        def odd() -> None:
            pass

        with app.worker(4, executor="thread"):
            held = [hold.submit() for _ in range(2)]
            both.wait(30)
            for one in (bad.submit(), again.submit(), odd.with_options(label="Ünïcode").submit()):
                assert one.wait(30)
            go.set()
            for run in held:
                assert run.wait(30)
        odd.with_options(delay=3600).submit()
        app.schedules.add("hourly", "bad", "0 * * * *")
        now = time.time()
        made = app.schedules.backfill("hourly", now - 4 * 3600, now, overlap="skip")
        assert {one.outcome for one in made} == {"ran", "skipped"}
        for run in app.search(states=["pending"]):
            run.cancel()
    return url


@pytest.fixture
def shown(abreast: Abreast, store: str) -> Any:
    def show(*words: str, **env: str) -> Done:
        done = abreast("timeline", "--store", store, *words, **env)
        assert done.code == 0, done
        return done

    return show


def rows(text: str, name: str) -> list[str]:
    """The rows of a task's lane."""
    lines = text.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith(name))
    last = first + 1
    while lines[last].startswith("   "):
        last += 1
    return lines[first:last]


# --- text ---


def test_lanes_as_text(shown: Any) -> None:
    text = shown("--since", "5m").out
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d to \d\d:\d\d:\d\d .*runs: 3 completed", text)
    assert len(rows(text, "hold")) == 2, "side by side"
    assert all("█" in row for row in rows(text, "hold"))
    assert any("✕" in row for row in rows(text, "bad"))
    assert any("✕" in row or "↻" in row for row in rows(text, "again"))
    assert any("░" in row for row in rows(text, NAME[:20])), "what waits"
    assert "█ run" in text
    assert "✕ failed" in text
    assert max(map(len, text.splitlines())) <= 100


def test_instants_without_runs_and_those_to_come(shown: Any) -> None:
    text = shown("--since", "5h", "--until", "+90m").out
    assert "◇" in rows(text, "bad")[0]
    assert "○" in rows(text, "bad")[0]
    assert re.search(r"Instants that made no run:\n  \d\d-\d\d \d\d:00:00  hourly skipped: ", text)
    assert "◇ no run" in text
    assert "○ to come" in text


def test_only_some_tasks(shown: Any) -> None:
    text = shown("--since", "10m", "--task", "bad", "--task", "again").out
    assert "hold" not in text
    assert "again" in text
    assert "no runs" in shown("--since", "2020-01-01", "--until", "2020-01-02").out
    text = shown("--since", "2020-01-01T10:00", "--until", "2020-01-01T11:00", "--task", "bad").out
    assert text.startswith("2020-01-01 10:00:00 to 11:00:00 ")


def test_where_signs_cannot_be_shown(shown: Any) -> None:
    text = shown("--since", "5m", "--until", "+5s", PYTHONIOENCODING="ascii").out
    assert text.isascii()
    assert "# run" in text
    assert "x failed" in text


@pytest.mark.needs("pty")
def test_on_a_terminal(terminal: Any, store: str) -> None:
    screen = terminal("timeline", "--store", store, "--since", "5m")
    assert screen.end() == 0
    assert "\x1b[32m" in screen.text
    assert "\x1b[31m" in screen.text
    screen = terminal("timeline", "--store", store, "--since", "5m", NO_COLOR="1")
    assert screen.end() == 0
    assert "\x1b" not in screen.text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--task", "bed"], 2, "did you mean 'bad'?"),
        (["--since", "1h", "--until", "2h"], 2, "is not before"),
        (["--since", "yesterday"], 2, "--since 'yesterday' is no time"),
        (["--html", "no/such/folder/a.html"], 2, "cannot be written"),
    ],
)
def test_wrong_calls(abreast: Abreast, store: str, words: list[str], code: int, said: str) -> None:
    done = abreast("timeline", "--store", store, *words)
    assert done.code == code, done
    assert said in done.err
    assert done.out == ""


def test_points_in_time() -> None:
    now = time.mktime((2026, 11, 21, 12, 30, 0, 0, 0, -1))
    for text, away in [
        ("now", 0), ("1h", -3600), ("-90s", -90), ("+10m", 600), ("2d", -172_800),
        ("12:00", -1800), ("12:30:00", 0), ("2026-11-21", -45_000), ("2026-11-21T12:31", 60),
    ]:  # fmt: skip
        assert moment(text, "--since", now) - now == away, text
    assert moment("2026-11-21T12:00+00:00", "--since", now) == 1795262400.0
    assert now - 86400 < moment("13:00", "--since", now) < now
    for text in ("", "25:00", "2026-13-01", "soon", "1 parsec", "999999999999999999d"):
        with pytest.raises(Refused, match="is no time"):
            moment(text, "--since", now)


# --- a document, trace events ---


def test_a_document(abreast: Abreast, store: str) -> None:
    words = ["--store", store, "--since", "5h", "--until", "+90m", "--json"]
    found = document(abreast("timeline", *words))
    assert found["truncated"] is False
    names = [lane["name"] for lane in found["lanes"]]
    assert sorted(names) == sorted({"hold", "bad", "again", NAME})
    held = [run for run in found["runs"] if run["name"] == "hold"]
    assert [(names[run["lane"]], run["row"]) for run in held] == [("hold", 0), ("hold", 1)]
    assert found["lanes"][names.index("hold")]["rows"] == 2
    (again,) = (run for run in found["runs"] if run["name"] == "again")
    assert again["first_started"] < again["started"]
    assert {one["outcome"] for one in found["instants"]} == {"skipped"}
    assert found["coming"][0]["schedule"] == "hourly"
    assert found["coming"][0]["at"] > found["now"]


def test_trace_events(shown: Any, store: str, tmp_path: Path) -> None:
    done = shown("--since", "10m", "--trace", "trace.json")
    assert done.out == ""
    assert "Wrote trace.json." in done.err
    found = json.loads((tmp_path / "trace.json").read_text())
    events = found["traceEvents"]
    names = {event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert names == {"hold", "bad", "again", NAME}
    held = [event for event in events if event["ph"] == "X" and event["name"] == "hold"]
    assert [event["tid"] for event in held] == [1, 2]
    tries = [event for event in events if event["ph"] == "X" and event["name"] == "again"]
    assert [event["args"]["attempt"] for event in tries] == [1, 2]
    for event in events:
        assert event["ph"] in "MXbeisf"
        assert event.get("ts", 0) >= 0
        assert event.get("dur", 0) >= 0


# --- one file ---


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from tests.dashboard.dashboard_help import chromium

    with chromium() as found:
        yield found


def test_one_file(shown: Any, store: str, tmp_path: Path, browser: Any) -> None:
    shown("--since", "10m", "--until", "+90m", "--html", "timeline.html")
    path = tmp_path / "timeline.html"
    text = path.read_text(encoding="utf-8")
    assert "alert('task')" not in text.replace("\\u003c", "<").split("</head>")[0]
    with App(store) as app:
        runs = [run.known for run in app.timeline(time.time() - 600, time.time())]
    (bad,) = (run.id for run in runs if run.task.name == "bad" and run.state == "failed")
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto(path.as_uri())
    page.wait_for_selector(".tl-chart")
    lanes = page.locator(".tl-lane").all_inner_texts()
    assert any("hold" in lane for lane in lanes)
    shown_runs = page.evaluate("[...document.querySelector('.tl').view.model.runs.keys()]")
    assert sorted(shown_runs) == [run.id for run in runs]
    page.evaluate("id => { const { view } = document.querySelector('.tl');"
                  " view.look.open(view.model.runs.get(id)); }", bad)  # fmt: skip
    page.get_by_text("ValueError: no </script> luck").first.wait_for()
    assert wrong == []
    assert asked == [path.as_uri()]
    context.close()


def test_one_file_says_what_is_in_it(shown: Any, tmp_path: Path) -> None:
    shown("--since", "2026-01-01T10:00Z", "--until", "2026-01-01T11:00Z", "--html", "none.html")
    text = (tmp_path / "none.html").read_text(encoding="utf-8")
    assert "<title>2026-01-01 10:00:00 to 11:00:00 UTC</title>" in text
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"""(?:src|href)=["'](?!#)""", text.split("<script")[0])


def one_module(monkeypatch: pytest.MonkeyPatch, **files: str) -> str:
    """Modules of these names and texts as one script; the entry is ``a``."""
    monkeypatch.setattr(bundle, "module", lambda name: files[name[:-3]])
    return bundle.bundle("a.js", "total")


def test_modules_in_one_script(monkeypatch: pytest.MonkeyPatch, browser: Any) -> None:
    script = one_module(
        monkeypatch,
        a='import {\n  one, two as second,\n} from "./b.js";\nimport { Three } from "./c.js";\n'
        "// import of nothing\n/** export */\n"
        "export const total = () => one() + second + new Three().value + same;\n"
        "const same = 1000;\n",
        b='import { Three } from "./c.js";\nexport async function later() {}\n'
        "export function one() { return same; }\nexport const [zero, two] = [0, 20];\n"
        "const same = new Three().value / 300;\n",
        c="export class Three { value = 300; }\n",
    )
    page = browser.new_page()
    assert page.evaluate(f"() => {{ {script}; return total(); }}") == 1321
    page.close()


def test_whole_modules_and_later_ones(monkeypatch: pytest.MonkeyPatch, browser: Any) -> None:
    script = one_module(
        monkeypatch,
        a='import * as b from "./b.js";\n'
        'export const total = async () => b.one + (await import("./c.js")).two;\n',
        b="export const one = 1;\n",
        c="export const two = 20;\n",
    )
    page = browser.new_page()
    assert page.evaluate(f"async () => {{ {script}; return await total(); }}") == 21
    page.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('import b from "./b.js";', "not known here: import"),
        ("const b = await import(name);", "not known here: const b = await import"),
        ("export default 3;", "not known here: export default 3;"),
        ("const here = import.meta.url;", "not known here: const here"),
        ('import { one } from "./a.js";', "modules import each other: a.js → a.js"),
    ],
)
def test_modules_in_another_form(monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        one_module(monkeypatch, a=f"{text}\nexport const total = 1;\n")


def test_one_file_without_scripts(shown: Any, tmp_path: Path, browser: Any) -> None:
    shown("--since", "10m", "--html", "timeline.html")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "timeline.html").as_uri())
    assert "█ run" in page.inner_text("pre")
    context.close()


def test_what_it_imports(store: str, tmp_path: Path) -> None:
    """Neither the server nor anything of it is needed, nor rich."""
    words = ["timeline", "--store", store, "--html", "a.html", "--trace", "a.json", "--json"]
    code = (
        "import sys\nfrom abreast.interfaces.cli import main\n"
        "heavy = ['fastapi', 'starlette', 'rich', 'asyncio', 'abreast.interfaces.http']\n"
        "main.leave = lambda code: print('loaded', *[m for m in heavy if m in sys.modules])\n"
        f"sys.argv = ['abreast', *{words}]\nmain.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "loaded", done
