"""The task that delivers: tried again while that helps, and not lost with a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.notices.servers import WAIT_S, MailServer, WebServer, serving
from tests.notices.test_webhook import is_signed

from abreast import App
from abreast.domain.notices import NOTIFY, Kind, Notice
from abreast.errors import UsageError
from abreast.interfaces.notices.channels import Undelivered
from abreast.interfaces.notices.task import Notices, call_of, make_notice_task
from abreast.interfaces.settings import Settings, load

SECRET = "of three only"
RUN = {"id": 7, "label": "nightly", "state": "completed", "reason": None, "error": None,
       "created": 1.0, "started": 2.0, "ended": 3.0, "attempts": 1, "trigger": ""}  # fmt: skip
NOTICE = Notice("chat", Kind.SUCCESS, {"event": "success", "task": "nightly", "run": RUN}, "once")


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def configure(folder: Path, text: str) -> Settings:
    head = '[store]\nurl = "sqlite:///jobs.db"\n[scheduler]\ntimezone = "Europe/Berlin"\n'
    (folder / "abreast.toml").write_text(head + text, encoding="utf-8")
    return load(str(folder))


def chat(folder: Path, server: WebServer, more: str = "") -> Settings:
    said = f'type = "webhook"\nurl = "{server.url}"\nsecret = "{SECRET}"\n'
    return configure(folder, f"[notify.channels.chat]\n{said}{more}")


@contextmanager
def working(settings: Settings, first_wait: float = 0.01) -> Iterator[tuple[App, Any]]:
    """An app, its task that delivers, and a worker in this process."""
    with App(settings.store_url) as app:
        task = make_notice_task(app, settings, first_wait)
        with app.worker(2):
            yield app, task


def test_a_notice_is_tried_until_it_is_taken(tmp_path: Path) -> None:
    with (
        serving(WebServer(503, 429, 500)) as server,
        working(chat(tmp_path, server)) as (_, task),
    ):
        run = task.submit(*call_of(NOTICE))
        posts = [server.next_post() for _ in range(4)]
        assert run.wait(WAIT_S)
        assert (run.state, run.attempt) == ("completed", 4)
        assert run.value.endswith("answered 204 No Content")
    assert len({post.headers["x-abreast-delivery"] for post in posts}) == 1
    assert all(is_signed(post, SECRET, time.time()) for post in posts)
    document = json.loads(posts[0].body)
    assert document["task"] == "nightly"
    assert document["timezone"] == "Europe/Berlin"
    assert server.posts.empty()


def test_what_another_try_cannot_change_fails_at_once(tmp_path: Path) -> None:
    with serving(WebServer(404)) as server, working(chat(tmp_path, server)) as (_, task):
        run = task.submit(*call_of(NOTICE))
        assert run.wait(WAIT_S)
        assert (run.state, run.attempt) == ("failed", 1)
        assert "answered 404 Not Found" in str(run.error)


def test_tries_come_to_an_end(tmp_path: Path) -> None:
    with (
        serving(WebServer(*[503] * 20)) as server,
        working(chat(tmp_path, server), first_wait=0.0) as (_, task),
    ):
        run = task.submit(*call_of(NOTICE))
        assert run.wait(WAIT_S)
        assert (run.state, run.attempt) == ("failed", 9)
        assert server.posts.qsize() == 9


def test_a_channel_that_is_gone(tmp_path: Path) -> None:
    with working(configure(tmp_path, "")) as (_, task):
        run = task.submit(*call_of(NOTICE))
        assert run.wait(WAIT_S)
        assert (run.state, run.attempt) == ("failed", 1)
        assert "there is no channel 'chat'" in str(run.error)


def test_what_came_of_it_stands_in_the_log(tmp_path: Path) -> None:
    with serving(WebServer()) as server, working(chat(tmp_path, server)) as (_, task):
        run = task.submit(*call_of(NOTICE))
        assert run.wait(WAIT_S)
        assert "answered 204 No Content" in run.log()


def test_a_configuration_that_changes_counts_at_once(tmp_path: Path) -> None:
    with serving(WebServer()) as old, serving(WebServer()) as new:
        notices = Notices(None, chat(tmp_path, old))
        notices.deliver(*call_of(NOTICE))
        notices.change(chat(tmp_path, new))
        notices.deliver(*call_of(NOTICE))
        assert (old.posts.qsize(), new.posts.qsize()) == (1, 1)


WORKER = """
from abreast import App
from abreast.interfaces.notices.task import make_notice_task
from abreast.interfaces.settings import load

app = App("sqlite:///jobs.db")
make_notice_task(app, load("."), 0.01)
"""


@contextmanager
def worker(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-m", "abreast", "worker", "jobs:app", "-j", "2"]
    with subprocess.Popen(words, cwd=folder, env={**os.environ, "no_proxy": "*"}) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_notice_outlives_the_worker_that_delivers_it(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(WORKER)
    with serving(WebServer()) as server:
        settings = chat(tmp_path, server)
        with App(settings.store_url) as app:
            run = make_notice_task(app, settings).submit(*call_of(NOTICE))
            server.hold.clear()
            with worker(tmp_path):
                first = server.next_post()  # it is being delivered when the worker is killed
            server.hold.set()
            with worker(tmp_path):
                second = server.next_post()
                assert run.wait(WAIT_S)
            assert run.state == "completed"
    delivery = "x-abreast-delivery"
    assert first.headers[delivery] == second.headers[delivery]


def test_a_notice_is_not_lost_when_nobody_works(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(WORKER)
    with serving(WebServer()) as server:
        settings = chat(tmp_path, server)
        with App(settings.store_url) as app:
            run = make_notice_task(app, settings).submit(*call_of(NOTICE))
        with worker(tmp_path):
            server.next_post()
            with App(settings.store_url) as app:
                assert app.run(run.id).wait(WAIT_S)


# -- channels and rules of a service ----------------------------------------------------------


def test_a_test_says_what_came_of_it(tmp_path: Path) -> None:
    with serving(MailServer()) as server:
        settings = configure(
            tmp_path,
            f'[notify.channels.ops]\ntype = "mail"\nto = ["ops@example.com"]\nport = {server.port}'
            '\nhost = "127.0.0.1"\n',
        )
        said = Notices(None, settings).test("ops")
        letter = server.next_letter()
    assert said.endswith("took it for ops@example.com")
    assert "test of the channel 'ops'" in letter.message["Subject"]


def test_a_test_that_fails_raises(tmp_path: Path) -> None:
    with serving(WebServer(500)) as server:
        notices = Notices(None, chat(tmp_path, server))
        with pytest.raises(Undelivered, match="500 Internal Server Error"):
            notices.test("chat")
    with pytest.raises(UsageError, match="no channel 'chatt'; did you mean 'chat'"):
        notices.test("chatt")


def test_channels_show_nothing_secret(tmp_path: Path) -> None:
    with serving(WebServer()) as server:
        found = Notices(None, chat(tmp_path, server)).channels()
    assert [channel["name"] for channel in found] == ["chat"]
    assert SECRET not in json.dumps(found)
    assert "very-secret" not in json.dumps(found)


RULES = """
[notify]
on_failure = ["ops"]
late_after = "1m"

[notify.channels.ops]
type = "command"
command = "true"

[notify.channels.chat]
type = "command"
command = "true"

[tasks.build]
command = "true"
notify = { on_failure = [], on_late = ["chat"] }
"""


def test_a_task_says_what_is_different_for_it(tmp_path: Path) -> None:
    notices = Notices(App("memory://"), configure(tmp_path, RULES))
    assert notices.rules("any").on_failure == ("ops",)
    assert notices.rules("any").late_after == 60.0
    assert notices.rules("build").on_failure == ()
    assert notices.rules("build").on_late == ("chat",)
    assert notices.rules("build").late_after == 60.0
    assert notices.watched()
    assert notices.watched("build")
    assert notices.watched("any")
    assert not notices.watched(NOTIFY)
    assert notices.rules("build") is notices.rules("build")


def test_without_rules_nobody_looks(tmp_path: Path) -> None:
    app = App("memory://")
    assert not Notices(app, configure(tmp_path, "")).watched()
    one = configure(tmp_path, RULES.replace('on_failure = ["ops"]', ""))
    assert not Notices(app, one).watched("any")
    assert not Notices(app, one).watched()  # the app has no task of that name
    app.task(name="build")(lambda: None)
    assert Notices(app, one).watched()
    assert Notices(app, one).watched("build")


def test_rules_of_an_app_that_name_a_strange_channel(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = App("memory://")
    app.task(name="send", notify={"on_failure": ["opps"]})(lambda: None)
    notices = Notices(app, configure(tmp_path, RULES))
    with pytest.raises(UsageError, match="'opps'; did you mean 'ops'"):
        notices.check()
    assert notices.rules("send").on_failure == ("ops",)
    assert "'opps'" in caplog.text
    assert notices.rules("send").on_failure == ("ops",)
    assert len(caplog.records) == 1
