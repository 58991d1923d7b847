"""The page: whole, without network, and safe whatever labels and errors contain."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from abreast import Report, Retry, Runner

EVIL = "<script>alert('x')</script>"


def give(value: object = None) -> object:
    return value


def fail(text: str = "no luck") -> None:
    raise ValueError(text)


class Outline(HTMLParser):
    """The tags of a page, with what the scripts contain, and the text of all table cells."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif "td" in self.open:
            self.cells[-1] += data


def drawn(page: str) -> Any:
    return json.loads(Outline(page).scripts[0])


def evil() -> Report:
    runner = Runner(2, progress=False, name=EVIL)
    bad = runner.add(fail, f"{EVIL} & </pre> {{{{data}}}}", label=EVIL)
    runner.add(give, after=bad, name="\"><img src=x onerror='alert(1)'>")
    runner.add(give, label="{{js}}")
    return runner.run()


def test_nothing_of_a_label_or_an_error_becomes_markup() -> None:
    outline = Outline(evil().to_html())
    assert len(outline.scripts) == 2
    assert not any(tag == "img" for tag, _ in outline.tags)
    assert not any(name.startswith("on") for _, attrs in outline.tags for name in attrs)
    assert EVIL in outline.cells
    assert "{{js}}" in outline.cells
    data = json.loads(outline.scripts[0])
    assert data["runs"]["label"] == [EVIL, "\"><img src=x onerror='alert(1)'>", "{{js}}"]


def test_the_page_needs_no_network_and_runs_only_its_own_script() -> None:
    page = evil().to_html()
    outline = Outline(page)
    loading = {"src", "href", "srcset", "action", "data"}
    assert not [attrs for _, attrs in outline.tags if loading & set(attrs)]
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|WebSocket|import\(", page)
    digest = b64encode(sha256(outline.scripts[1].encode()).digest()).decode()
    policy = next(a["content"] for t, a in outline.tags if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


def test_it_is_written_to_a_file(tmp_path: Path) -> None:
    report = evil()
    page = report.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page


def test_failures_stand_first_with_error_and_traceback() -> None:
    runner = Runner(progress=False)
    runner.add(give, label="fine")
    runner.add(fail, "broken pipe in the cellar", label="bad")
    page = runner.run().to_html()
    assert page.index("What went wrong (1)") < page.index('id="timeline-title"')
    assert page.index("broken pipe in the cellar") < page.index('id="timeline-title"')
    assert "in fail" in page
    assert "1 failed of 2 runs" in page


def test_without_failures_there_is_no_list_of_them() -> None:
    runner = Runner(progress=False)
    runner.add(give)
    page = runner.run().to_html()
    assert "What went wrong" not in page
    assert "the run completed" in page


def test_the_data_tells_what_is_drawn() -> None:
    tries: list[int] = []

    def second_time() -> None:
        tries.append(1)
        if len(tries) < 2:
            fail()

    runner = Runner(2, progress=False)
    first = runner.add(second_time, retry=Retry(1))
    runner.add(give, label="then", after=first)
    data = drawn(runner.run().to_html())
    assert data["capacity"] == 2
    assert [lane["name"] for lane in data["lanes"]] == ["second_time", "give"]
    assert data["runs"]["after"] == {"1": [0]}
    assert data["runs"]["tries"] == [2, 1]
    assert data["critical"] == [0, 1]
    kinds = data["runs"]["pieces"][0][::3]
    assert [kind for kind in kinds if kind >= 3] == [3, 4]  # a try that failed, the last one
    assert data["length"] > 0


def test_the_critical_path_says_what_is_to_gain() -> None:
    runner = Runner(2, progress=False)
    first = runner.add(give, label="first")
    runner.add(give, label="last", after=first)
    page = runner.run().to_html()
    assert "Critical path:" in page
    assert "saves at most" in page


def test_ten_thousand_runs_stay_one_modest_file() -> None:
    runner = Runner(4, progress=False)
    runner.map(give, range(10_000))
    page = runner.run().to_html()
    assert len(page) < 2_000_000
    assert len(drawn(page)["runs"]["label"]) == 10_000
    assert page.count("<tr>") == 501  # for readers without scripts; the script shows the rest
    assert "The first 500 of 10,000 runs." in page


def test_no_runs_at_all() -> None:
    outline = Outline(Runner(progress=False).report.to_html())
    assert json.loads(outline.scripts[0])["runs"]["label"] == []


def test_a_notebook_gets_a_frame_that_cannot_reach_out() -> None:
    shown = evil()._repr_html_()
    assert shown.startswith('<iframe sandbox="allow-scripts"')
    assert "<script" not in shown
    runner = Runner(4, progress=False)
    runner.map(give, range(5001), label="<b>")
    assert runner.run()._repr_html_().startswith("<pre>")
