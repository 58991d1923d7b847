"""Which app and store are meant: options, environment, abreast.toml; and importing the app."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from abreast import App, Limit, Retry, Unique, codec, errors
from abreast.domain.adaptive import Adaptive
from abreast.interfaces import app_options, config, discovery

JOBS = """
from abreast import App
app = App({url})
@app.task
def add(a, b=1):
    return a + b
@app.task
def later():
    return add.submit(1).id
"""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ABREAST_APP", raising=False)
    monkeypatch.delenv("ABREAST_STORE", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if "jobs" in name:
            del sys.modules[name]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_nothing_is_named(tmp_path: Path) -> None:
    found = config.find()
    assert (found.app, found.store, found.describe()) == (None, None, [])
    with pytest.raises(errors.UsageError, match="--app"):
        discovery.find_app()


def test_the_nearest_file_upward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "abreast.toml", '[app]\napp = "jobs_a:app"\n[store]\nurl = "sqlite:///x.db"\n')
    write(tmp_path / "jobs_a.py", JOBS.format(url=""))
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    app, found = discovery.find_app()
    assert list(app.tasks) == ["add", "later"]
    assert app.url == f"sqlite:///{tmp_path}/x.db"
    toml = tmp_path / "abreast.toml"
    assert found.describe() == [
        f"app: jobs_a:app ([app] app in {toml})",
        f"store: sqlite:///x.db ([store] url in {toml})",
    ]


def test_who_counts_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "abreast.toml", '[store]\nurl = "sqlite:///file.db"\n')
    assert App().url == f"sqlite:///{tmp_path}/file.db"
    monkeypatch.setenv("ABREAST_STORE", "sqlite:////env.db")
    assert App().url == "sqlite:////env.db"
    assert App("memory://").url == "memory://"
    found = config.find(store="memory://")
    assert found.store_url == "memory://"
    assert found.describe() == ["store: memory:// (--store)"]


def test_an_app_with_a_store_keeps_it_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "jobs_b.py", JOBS.format(url="'sqlite:///own.db'"))
    write(tmp_path / "abreast.toml", '[store]\nurl = "sqlite:///file.db"\n')
    app, found = discovery.find_app("jobs_b.py")
    assert app.url.endswith("/own.db")
    assert "store: sqlite:///own.db (App(...) in jobs_b.py)" in found.describe()
    app, _ = discovery.find_app("jobs_b.py", store="sqlite:///given.db")
    assert app.url.endswith("/given.db")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[store]\nurll = 'x'\n", "did you mean 'url'"),
        ("[sotre]\nurl = 'x'\n", r"did you mean \[store\]"),
        ("[store]\nurl = 3\n", "must be a text"),
        ("store = 3\n", r"\[store\]"),
        ("[store\n", "not valid TOML"),
    ],
)
def test_wrong_files(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path / "abreast.toml", text)
    with pytest.raises(errors.UsageError, match=said) as caught:
        config.find()
    assert "abreast.toml" in str(caught.value)


def test_wrong_urls_name_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABREAST_STORE", "jobs.db")
    with pytest.raises(errors.UsageError, match=r"ABREAST_STORE: .*sqlite:///jobs\.db"):
        App().url  # noqa: B018


def test_loading_by_module_and_file(tmp_path: Path) -> None:
    write(tmp_path / "pkg_jobs" / "__init__.py", "")
    write(tmp_path / "pkg_jobs" / "tasks.py", JOBS.format(url=""))
    write(tmp_path / "jobs_c.py", JOBS.format(url=""))
    by_module = discovery.load_app("pkg_jobs.tasks:app")
    assert by_module is discovery.load_app("pkg_jobs.tasks")
    by_file = discovery.load_app("jobs_c.py:app")
    assert by_file is discovery.load_app("jobs_c:app")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("jobs_d:ap", "did you mean 'jobs_d:app'"),
        ("jobs_d:add", "is no App"),
        ("jobs_dd:app", "no module 'jobs_dd'.*did you mean 'jobs_d.py'"),
        ("jobs_dd.py:app", "no file 'jobs_dd.py'.*did you mean 'jobs_d.py'"),
        ("jobs_empty", "declares no App"),
        ("jobs_two", "has several apps"),
        ("jobs_broken", "cannot be imported: ZeroDivisionError"),
        (":app", "names no module"),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, name: str, said: str) -> None:
    write(tmp_path / "jobs_d.py", JOBS.format(url=""))
    write(tmp_path / "jobs_empty.py", "")
    write(tmp_path / "jobs_two.py", "from abreast import App\na, b = App(), App()\n")
    write(tmp_path / "jobs_broken.py", "1 / 0\n")
    with pytest.raises(errors.UsageError, match=said):
        discovery.load_app(name)


# --- between processes ---


def test_functions_of_tasks_travel_by_name(tmp_path: Path) -> None:
    write(tmp_path / "jobs_e.py", JOBS.format(url=""))
    app = discovery.load_app("jobs_e:app")
    defined = app.task_of("later")
    assert defined is not None
    data = codec.dumps(defined.fn)
    assert b"cloudpickle" not in data
    assert pickle.loads(data) is defined.fn
    assert pickle.loads(pickle.dumps(app)) is app
    assert pickle.loads(pickle.dumps(app.tasks["add"])) is app.tasks["add"]


def test_options_come_back_from_json() -> None:
    options = {
        "retry": Retry(3, "exponential", on=(OSError, ValueError), base=2),
        "limits": [Limit(2, "{a}", per="1m"), Limit(Adaptive(1, 5), "/x", then="skip"), Limit(3)],
        "unique": Unique("{a}", until=5, then="delay", delay=3),
        "timeout": "10m",
        "priority": 5,
        "needs": {"memory": "2GB"},
        "deadline": None,
    }
    stored = app_options.to_json(options, "t")
    assert app_options.to_json(app_options.from_json(stored), "t") == stored
    again = app_options.from_json(stored)
    assert again["timeout"] == 600
    assert again["retry"].on == (OSError, ValueError)
    assert again["limits"][1].n == Adaptive(1, 5)
    assert again["unique"].delay == 3
    assert again["needs"] == {"memory": 2e9}
    app = App("memory://")

    @app.task
    def t(a: int) -> None: ...

    made = app.task_of("t", {"timeout": 5.0, "limits": [{"n": 2, "key": "/x", "then": "wait"}]})
    assert made is not None
    assert (made.timeout, made.limits[0].key) == (5.0, "/x")
    assert app.task_of("unknown") is None


def test_options_that_cannot_be_stored() -> None:
    for option, value in (
        ("retry", Retry(1, lambda n: n)),
        ("retry", Retry(1, on=lambda e: True)),
        ("limits", Limit(lambda: 1)),
    ):
        with pytest.raises(errors.NotStorable, match=f"task 't': option '{option}' has a callable"):
            app_options.to_json({option: value}, "t")
