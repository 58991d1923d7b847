"""``abreast user`` and ``abreast token``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Abreast, Done, Terminal

from abreast import App
from abreast.interfaces.access import Access

STORE = ("--store", "sqlite:///jobs.db")
PASSWORD = "correct horse"


@pytest.fixture
def user(abreast: Abreast) -> Callable[..., Done]:
    """Add a user."""

    def add(name: str, *words: str) -> Done:
        words = (*words, "--password-file", "-", *STORE)
        done = abreast("user", "add", name, *words, stdin=PASSWORD + "\n")
        assert done.code == 0, done
        return done

    return add


def listed(done: Done, key: str) -> Any:
    assert done.err == "", done
    return json.loads(done.out)[key]


def test_users(abreast: Abreast, user: Callable[..., Done], tmp_path: Path) -> None:
    assert "There are no users" in abreast("user", "list", *STORE).err
    assert user("anna").out == "anna is admin.\n"  # the first one
    assert user("bob").out == "bob is viewer.\n"
    assert user("carl", "--role", "operator").out == "carl is operator.\n"
    table = abreast("user", "list", *STORE).out.splitlines()
    assert table[0].split() == ["NAME", "ROLE", "SINCE"]
    assert [line.split()[:2] for line in table[1:]] == [
        ["anna", "admin"], ["bob", "viewer"], ["carl", "operator"],
    ]  # fmt: skip
    done = abreast("user", "role", "bob", "admin", *STORE)
    assert done.out == "bob is admin, and was viewer.\n"
    assert abreast("user", "remove", "carl", *STORE).out == "carl was removed.\n"
    found = listed(abreast("user", "list", "--json", *STORE), "users")
    assert [(one["name"], one["role"]) for one in found] == [("anna", "admin"), ("bob", "admin")]
    assert PASSWORD not in repr(found)
    with App(f"sqlite:///{tmp_path}/jobs.db") as app:
        assert Access(app).verify("anna", PASSWORD) is not None


def test_a_password_from_a_file(abreast: Abreast, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(PASSWORD + "\r\nsecond line\n", encoding="utf-8")
    done = abreast("user", "add", "anna", "--password-file", "secret", "--json", *STORE)
    assert json.loads(done.out)["role"] == "admin"
    (tmp_path / "secret").write_text("another horse", encoding="utf-8")
    done = abreast("user", "passwd", "anna", "--password-file", "secret", *STORE)
    assert done.out == "anna has another password, and is logged out everywhere.\n"
    with App(f"sqlite:///{tmp_path}/jobs.db") as app:
        access = Access(app)
        assert access.verify("anna", PASSWORD) is None
        assert access.verify("anna", "another horse") is not None


@pytest.mark.parametrize(
    ("words", "stdin", "code", "said"),
    [
        (("user", "add", "anna"), None, 2, "there is no terminal to ask for the password on"),
        (("user", "add", "anna", "--password-file", "-"), "short\n", 2, "at least 8"),
        (("user", "add", "anna", "--password-file", "-"), "", 2, "at least 8"),
        (("user", "add", "annaberg", "--password-file", "-"), "annaberg\n", 2, "the name itself"),
        (("user", "add", "anna", "--password-file", "gone"), None, 2, "'gone' cannot be read"),
        (("user", "add", "anna", "--password-file", "-"), b"\xff\xff\xff\xff", 2, "not text"),
        (("user", "add", "a b", "--password-file", "-"), PASSWORD, 2, "is no name for a user"),
        (("user", "add", "local"), None, 2, "take another name"),
        (("user", "add", "Root", "--password-file", "-"), PASSWORD, 2, "user 'root' already"),
        (("user", "add", "anna", "--role", "boss"), None, 2, "'boss' is not one of"),
        (("user", "add", "anna", "--password", PASSWORD), None, 2, "No such option"),
        (("user", "passwd", "rot"), None, 3, "there is no user 'rot'; did you mean 'root'?"),
        (("user", "role", "rot", "viewer"), None, 3, "there is no user 'rot'"),
        (("user", "role", "root", "viewer"), None, 2, "'root' is the only admin"),
        (("user", "remove", "rot"), None, 3, "there is no user 'rot'"),
        (("token", "create", "x", "--user", "rot"), None, 2, "there is no user 'rot'"),
        (("token", "create", "x", "--expires", "soon"), None, 2, "is not a duration"),
        (("token", "create", ""), None, 2, "the name of a token"),
        (("token", "revoke", "7"), None, 3, "there is no token 7"),
        (("token", "revoke", "x"), None, 2, "is not a valid integer"),
    ],
)
def test_wrong_calls(
    abreast: Abreast, user: Callable[..., Done], words: tuple[str, ...], stdin: Any, code: int,
    said: str,
) -> None:  # fmt: skip
    user("root")
    done = abreast(*words, *STORE, stdin=stdin)
    assert done.code == code, done
    assert said in done.err
    assert "Traceback" not in done.err
    users = listed(abreast("user", "list", "--json", *STORE), "users")
    assert [(one["name"], one["role"]) for one in users] == [("root", "admin")]


def test_tokens(abreast: Abreast, user: Callable[..., Done], tmp_path: Path) -> None:
    assert "there are none" in abreast("token", "create", "backup", *STORE).err
    user("anna")
    done = abreast("token", "create", "backup", "--role", "viewer", *STORE)
    text = done.out.strip()
    assert text.startswith("abr_")
    assert "It is shown this once" in done.err
    assert text not in done.err
    with App(f"sqlite:///{tmp_path}/jobs.db") as app:
        found = Access(app).check_token(text)
        assert found is not None
        assert found.role == "viewer"
    user("bob")
    done = abreast("token", "create", "x", *STORE)
    assert (done.code, done.out) == (2, "")
    assert "--user anna or bob" in done.err
    done = abreast("token", "create", "x", "--user", "bob", "--role", "admin", *STORE)
    assert "cannot be admin" in done.err
    words = ("token", "create", "nightly", "--user", "bob", "--expires", "never", "--json")
    made = json.loads(abreast(*words, *STORE).out)
    assert (made["id"], made["expires"], made["role"]) == (2, None, "viewer")
    assert made["token"].startswith("abr_")
    lines = abreast("token", "list", *STORE).out.splitlines()
    assert lines[0].split("  ")[0].strip() == "ID"
    assert lines[1].split()[:4] == ["1", "backup", "anna", "viewer"]
    assert "never" in lines[2]
    rows = listed(abreast("token", "list", "--json", *STORE), "tokens")
    assert [row["name"] for row in rows] == ["backup", "nightly"]
    assert rows[0]["used"] is not None
    assert text not in repr(rows)
    assert made["token"] not in repr(rows)
    done = abreast("token", "revoke", "1", "9", *STORE)
    assert (done.code, done.out) == (3, "")  # all or none
    done = abreast("token", "revoke", "1", "1", *STORE)
    assert done.out == "token 1 'backup' of anna lets nobody in any more\n"
    with App(f"sqlite:///{tmp_path}/jobs.db") as app:
        assert Access(app).check_token(text) is None
    done = abreast("user", "remove", "bob", *STORE)
    assert done.out == "bob was removed, with 1 of their tokens.\n"
    assert listed(abreast("token", "list", "--json", *STORE), "tokens") == []
    done = abreast("user", "remove", "anna", *STORE)
    assert "starts on loopback addresses only" in done.err


@pytest.mark.needs("pty")
def test_a_password_is_asked_for_twice(
    terminal: Callable[..., Terminal], abreast: Abreast, tmp_path: Path
) -> None:
    asked = terminal("user", "add", "annaberg", *STORE)
    asked.wait_for("Password:")
    asked.type(b"annaberg\n")
    asked.wait_for("must not be the name itself.\nPassword:")
    asked.type(b"correct horse\n")
    asked.wait_for("Once more:")
    asked.type(b"correct hose\n")
    asked.wait_for("two different ones.\nPassword:")
    asked.type(b"correct horse\n")
    asked.wait_for("two different ones.\nPassword: \nOnce more:")
    asked.type(b"correct horse\n")
    assert asked.end() == 0
    assert "annaberg is admin." in asked.text
    assert "horse" not in asked.text  # nothing was echoed
    with App(f"sqlite:///{tmp_path}/jobs.db") as app:
        assert Access(app).verify("annaberg", PASSWORD) is not None


@pytest.mark.needs("pty")
def test_asking_can_be_left(terminal: Callable[..., Terminal], abreast: Abreast) -> None:
    asked = terminal("user", "add", "anna", *STORE)
    asked.wait_for("Password:")
    asked.type(b"\x03")
    assert asked.end() == 130
    assert listed(abreast("user", "list", "--json", *STORE), "users") == []
