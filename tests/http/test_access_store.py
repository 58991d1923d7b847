"""Users, tokens, sessions and links, without HTTP."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.http.access_help import PASSWORD, Clock, cheap_access

from abreast import App
from abreast.errors import UsageError
from abreast.interfaces.access import Access, TooManyFailures, User
from abreast.interfaces.access_passwords import (
    LANES,
    MEMORY_KIB,
    PASSES,
    REMEMBERED_S,
    Passwords,
    check_password,
)

HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with App(f"sqlite:///{tmp_path}/jobs.db") as app:
        yield app


@pytest.fixture
def access(app: App, clock: Clock) -> Access:
    return cheap_access(app, clock)


def everything_kept(app: App) -> str:
    """All that the file says, also where rows were deleted."""
    read = app.node.store.db.read
    tables = ("users", "tokens", "sessions")
    return repr([read(f"SELECT * FROM {table}") for table in tables])


# -- users and passwords ----------------------------------------------------------------------


def test_a_user_and_their_password(access: Access, clock: Clock) -> None:
    assert access.empty
    assert access.add_user("anna", PASSWORD, "operator") == User("anna", "operator", clock())
    assert not access.empty
    assert access.users() == [User("anna", "operator", clock())]
    assert access.verify("anna", PASSWORD) == User("anna", "operator", clock())
    assert access.verify("anna", PASSWORD + " ") is None
    assert access.verify("anna", "") is None
    assert access.verify("nobody", PASSWORD) is None
    access.set_role("anna", "admin")
    access.set_password("anna", "another horse")
    assert access.verify("anna", PASSWORD) is None
    found = access.verify("anna", "another horse")
    assert found is not None
    assert found.role == "admin"
    access.remove_user("anna")
    assert access.verify("anna", "another horse") is None
    assert access.empty


def test_passwords_are_argon2_hashes(app: App) -> None:
    access = Access(app)
    access.add_user("anna", PASSWORD, "admin")
    (row,) = app.node.store.db.read("SELECT password FROM users")
    assert row[0].startswith(f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$")
    assert PASSWORD not in everything_kept(app)
    assert access.verify("anna", PASSWORD) is not None


def test_an_outdated_hash_is_made_anew(app: App, clock: Clock) -> None:
    cheap_access(app, clock).add_user("anna", PASSWORD, "admin")
    access = Access(app, clock, Passwords(clock, memory_kib=16, passes=1))
    access.open_session(User("anna", "admin"))
    assert access.verify("anna", "wrong horse") is None
    assert "m=8," in everything_kept(app)
    assert access.verify("anna", PASSWORD) is not None
    assert "m=16," in everything_kept(app)
    assert access.known_login("anna", PASSWORD) is None  # the users have to be looked up again
    assert access.login("anna", PASSWORD, "::1") is not None
    assert app.node.store.db.read("SELECT count(*) FROM sessions") == [(1,)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "no name"),
        ("anna b", "no name"),
        ("anna:b", "no name"),
        ("-anna", "no name"),
        ("../anna", "no name"),
        ("a" * 65, "no name"),
        ("änna", "no name"),
        ("anna\n", "no name"),
        ("local", "stands for"),
        ("Anonymous", "stands for"),
        ("Bob", "there is a user 'bob' already"),
    ],
)
def test_names_that_nobody_gets(access: Access, name: str, said: str) -> None:
    access.add_user("bob", PASSWORD, "viewer")
    with pytest.raises(UsageError, match=said):
        access.add_user(name, PASSWORD, "viewer")
    assert [user.name for user in access.users()] == ["bob"]


@pytest.mark.parametrize(
    "password",
    ["", "1234567", "annaberg", "ANNABERG", "annaberg1", "annaberg2026!", "grebanna",
     "annabergannaberg", "aaaaaaaa", "abababab", "x" * 1025, "two\nlines", "nul\0nul\0"],
)  # fmt: skip
def test_passwords_that_are_refused(access: Access, password: str) -> None:
    with pytest.raises(UsageError, match="password") as caught:
        access.add_user("annaberg", password, "viewer")
    assert not password or password not in str(caught.value)
    access.add_user("annaberg", PASSWORD, "viewer")
    with pytest.raises(UsageError, match="password"):
        access.set_password("annaberg", password)


def test_a_password_may_have_any_letters() -> None:
    check_password("anna", "пароль из слов")
    clock = Clock()
    passwords = Passwords(clock, 8, 1)
    kept = passwords.hash("Stra\u00dfe\u0301\u00e9 8")
    assert passwords.is_right(kept, "Stra\u00dfe\u0301e\u0301 8")  # as another keyboard sends it


def test_roles(access: Access) -> None:
    with pytest.raises(UsageError, match="roles are viewer, operator, admin"):
        access.add_user("anna", PASSWORD, "root")
    assert User("a", "admin").may("viewer")
    assert User("a", "operator").may("operator")
    assert not User("a", "operator").may("admin")
    assert not User("a", "from the future").may("viewer")
    with pytest.raises(UsageError):
        User("a", "admin").may("everything")


def test_there_is_always_an_admin(access: Access) -> None:
    access.add_user("anna", PASSWORD, "admin")
    access.add_user("bob", PASSWORD, "viewer")
    with pytest.raises(UsageError, match="only admin"):
        access.set_role("anna", "operator")
    with pytest.raises(UsageError, match="only admin"):
        access.remove_user("anna")
    access.remove_user("bob")
    access.remove_user("anna")
    with pytest.raises(UsageError, match="there is no user 'anna'; there are no users"):
        access.remove_user("anna")
    access.add_user("anna", PASSWORD, "admin")
    with pytest.raises(UsageError, match="did you mean 'anna'"):
        access.set_role("ann", "viewer")


def test_unknown_names_cost_as_much_as_known_ones(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    access.add_user("anna", PASSWORD, "admin")
    access.verify("anna", PASSWORD)
    checked: list[str] = []
    hasher = type(access._passwords._argon2)
    check = hasher.verify
    monkeypatch.setattr(
        hasher, "verify", lambda self, kept, given: (checked.append(kept), check(self, kept, given))
    )
    assert access.verify("nobody", "wrong horse") is None
    assert access.verify("anna", "wrong horse") is None
    assert len(checked) == 2
    assert [kept.split("$")[:4] for kept in checked[:1]] == [checked[1].split("$")[:4]]


def test_a_right_password_is_remembered_for_a_while(
    access: Access, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    access.add_user("anna", PASSWORD, "admin")
    assert access.known_login("anna", PASSWORD) is None
    assert access.login("anna", PASSWORD, "127.0.0.1") is not None
    assert access.known_login("anna", PASSWORD) is not None
    assert access.known_login("anna", "wrong horse") is None
    monkeypatch.setattr(access, "verify", lambda name, password: pytest.fail("looked at again"))
    clock.pass_(REMEMBERED_S - 1)
    assert access.login("anna", PASSWORD, "127.0.0.1") is not None
    monkeypatch.undo()
    access.set_password("anna", "another horse")
    assert access.login("anna", PASSWORD, "127.0.0.1") is None
    assert access.login("anna", "another horse", "127.0.0.1") is not None
    clock.pass_(REMEMBERED_S)
    assert access.login("anna", "another horse", "127.0.0.1") is not None
    monkeypatch.setattr(access, "verify", lambda name, password: None)
    clock.pass_(REMEMBERED_S)
    assert access.login("anna", "another horse", "127.0.0.1") is None


def test_nothing_in_memory_tells_a_password(access: Access) -> None:
    access.add_user("anna", PASSWORD, "admin")
    access.login("anna", PASSWORD, "127.0.0.1")
    assert PASSWORD not in repr(vars(access)) + repr(vars(access._passwords))


# -- failures ---------------------------------------------------------------------------------


def test_who_fails_often_waits_longer_and_longer(access: Access, clock: Clock) -> None:
    access.add_user("anna", PASSWORD, "admin")
    for _ in range(5):
        assert access.login("anna", "wrong horse", "10.0.0.9") is None
    for wait in (1, 2, 4, 8):
        with pytest.raises(TooManyFailures) as caught:
            access.login("anna", PASSWORD, "10.0.0.9")  # not even the right one is looked at
        assert caught.value.seconds == wait
        clock.pass_(wait)
        assert access.login("anna", "wrong horse", "10.0.0.9") is None
    assert access.login("anna", PASSWORD, "10.0.0.8") is not None  # somebody else is not kept out
    assert access.login("nobody", PASSWORD, "10.0.0.9") is None
    clock.pass_(16)
    assert access.login("anna", "wrong horse", "10.0.0.9") is None


def test_a_wait_ends(access: Access, clock: Clock) -> None:
    for _ in range(40):
        assert access.login("nobody", PASSWORD, "10.0.0.9") is None
        clock.pass_(900)  # never longer than a quarter of an hour
    assert access.login("nobody", PASSWORD, "10.0.0.9") is None
    with pytest.raises(TooManyFailures):
        access.login("nobody", PASSWORD, "10.0.0.9")
    clock.pass_(-1_000_000)  # the machine's clock was set back
    assert access.login("nobody", PASSWORD, "10.0.0.9") is None
    clock.pass_(HOUR)
    for _ in range(5):
        assert access.login("nobody", PASSWORD, "10.0.0.9") is None


def test_success_forgives(access: Access) -> None:
    access.add_user("anna", PASSWORD, "admin")
    for _ in range(3):
        for _ in range(4):
            assert access.login("anna", "wrong horse", "10.0.0.9") is None
        access._passwords._right.clear()
        assert access.login("anna", PASSWORD, "10.0.0.9") is not None


def test_addresses_of_one_customer_count_together(access: Access) -> None:
    for last in range(5):
        assert access.login("anna", "wrong horse", f"2001:db8:1:2::{last}") is None
    with pytest.raises(TooManyFailures):
        access.login("anna", "wrong horse", "2001:db8:1:2:ffff::1")
    assert access.login("anna", "wrong horse", "2001:db8:1:3::1") is None


def test_failures_take_limited_memory(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abreast.interfaces.access_backoff._MOST", 10)
    for number in range(30):
        access.login(f"name{number}", "wrong horse", "10.0.0.9")
    assert len(access._backoff._failures) == 10


def test_what_is_logged_of_failures(access: Access, caplog: pytest.LogCaptureFixture) -> None:
    access.add_user("anna", PASSWORD, "admin")
    with caplog.at_level(logging.DEBUG):
        access.login("anna", "secret one", "10.0.0.9")
        access.login("secret two", "anna", "10.0.0.9")
    assert caplog.messages == [
        "a log-in with 'anna' from 10.0.0.9 failed",
        "a log-in with a name that no user has from 10.0.0.9 failed",
    ]


# -- tokens -----------------------------------------------------------------------------------


def test_a_token(access: Access, app: App, clock: Clock) -> None:
    access.add_user("anna", PASSWORD, "operator")
    text, token = access.create_token("backup", "anna", "viewer", clock() + DAY)
    assert text.startswith("abr_")
    assert len(text) == 47
    assert text not in everything_kept(app)
    assert text[4:] not in everything_kept(app)
    assert access.tokens() == [token]
    assert (token.user, token.role, token.used) == ("anna", "viewer", None)
    found = access.check_token(text)
    assert found is not None
    assert (found.name, found.role) == ("anna", "viewer")
    for forged in (text[:-1], text + "A", text.swapcase(), "abr_", "", "abr_' OR 1=1 --"):
        assert access.check_token(forged) is None
    assert access.revoke_token(token.id)
    assert access.check_token(text) is None
    assert not access.revoke_token(token.id)


def test_a_token_expires_on_time(access: Access, clock: Clock) -> None:
    access.add_user("anna", PASSWORD, "operator")
    text, _ = access.create_token("short", "anna", None, clock() + 10)
    clock.pass_(9.9)
    assert access.check_token(text) is not None
    clock.pass_(0.1)
    assert access.known_token(text) is None
    assert access.check_token(text) is None
    used = access.tokens()[0].used
    clock.pass_(100)
    assert access.check_token(text) is None
    assert access.tokens()[0].used == used


def test_a_token_never_may_more_than_its_user(access: Access) -> None:
    access.add_user("anna", PASSWORD, "admin")
    access.add_user("bob", PASSWORD, "operator")
    with pytest.raises(UsageError, match="cannot be admin"):
        access.create_token("x", "bob", "admin")
    text, _ = access.create_token("x", "bob", "operator")
    access.set_role("bob", "viewer")
    found = access.check_token(text)
    assert found is not None
    assert found.role == "viewer"
    access.set_role("bob", "admin")
    found = access.check_token(text)
    assert found is not None
    assert found.role == "operator"
    access.remove_user("bob")
    assert access.check_token(text) is None
    assert access.tokens() == []
    access.add_user("bob", PASSWORD, "operator")
    assert access.check_token(text) is None


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 101])
def test_names_of_tokens(access: Access, name: str) -> None:
    access.add_user("anna", PASSWORD, "admin")
    with pytest.raises(UsageError, match="name of a token"):
        access.create_token(name, "anna")
    with pytest.raises(UsageError, match="no user"):
        access.create_token("x", "bob")
    with pytest.raises(UsageError, match="expired already"):
        access.create_token("x", "anna", None, 5.0)


def test_the_last_use_is_written_once_a_minute(access: Access, clock: Clock) -> None:
    access.add_user("anna", PASSWORD, "admin")
    text, _ = access.create_token("x", "anna")
    began = clock()
    for _ in range(31):
        assert access.check_token(text) is not None
        assert access.tokens()[0].used == began
        clock.pass_(59 / 31)
    clock.pass_(2)
    assert access.check_token(text) is not None
    assert access.tokens()[0].used == clock()


def test_what_others_change_counts_a_second_later(
    access: Access, app: App, clock: Clock, tmp_path: Path
) -> None:
    access.add_user("anna", PASSWORD, "admin")
    text, token = access.create_token("x", "anna")
    cookie, _ = access.open_session(User("anna", "admin"))
    assert access.login("anna", PASSWORD, "::1") is not None
    for _ in range(2):
        assert access.check_token(text) is not None
        assert access.check_session(cookie) is not None
    with App(f"sqlite:///{tmp_path}/jobs.db") as other:
        elsewhere = cheap_access(other, clock)
        elsewhere.revoke_token(token.id)
        elsewhere.set_password("anna", "another horse")
    clock.pass_(1)
    assert access.known_token(text) is None
    assert access.check_token(text) is None
    assert access.check_session(cookie) is None
    assert access.login("anna", PASSWORD, "::1") is None


def test_who_was_added_elsewhere_gets_in_at_once(
    access: Access, clock: Clock, tmp_path: Path
) -> None:
    assert access.login("anna", PASSWORD, "::1") is None
    with App(f"sqlite:///{tmp_path}/jobs.db") as other:
        elsewhere = cheap_access(other, clock)
        elsewhere.add_user("anna", PASSWORD, "admin")
        assert access.login("anna", PASSWORD, "::1") is not None
        elsewhere.add_user("bob", PASSWORD, "admin")
        text, _ = elsewhere.create_token("x", "bob")
        assert access.check_token(text) is not None
        elsewhere.add_user("carl", PASSWORD, "admin")
        cookie, _ = elsewhere.open_session(User("carl", "admin"))
        assert access.check_session(cookie) is not None
        elsewhere.set_password("anna", "another horse")
        assert access.login("anna", "another horse", "::1") is not None


# -- sessions ---------------------------------------------------------------------------------


def test_a_session(access: Access, app: App) -> None:
    access.add_user("anna", PASSWORD, "operator")
    cookie, csrf = access.open_session(User("anna", "operator"))
    assert cookie not in everything_kept(app)
    found = access.check_session(cookie)
    assert found is not None
    assert (found.user, found.role, found.csrf) == ("anna", "operator", csrf)
    assert found.person.may("operator")
    for forged in (cookie[:-1], cookie + "A", cookie.swapcase(), "", csrf, "anna"):
        assert access.check_session(forged) is None
    access.set_role("anna", "viewer")
    found = access.check_session(cookie)
    assert found is not None
    assert found.role == "viewer"
    access.close_session(cookie)
    assert access.check_session(cookie) is None


def test_a_session_ends_when_it_is_not_used(access: Access, clock: Clock) -> None:
    access.add_user("anna", PASSWORD, "operator")
    cookie, _ = access.open_session(User("anna", "operator"))
    for _ in range(4):
        clock.pass_(11.9 * HOUR)
        assert access.check_session(cookie) is not None
    clock.pass_(12 * HOUR)
    assert access.known_session(cookie) is None
    assert access.check_session(cookie) is None


def test_a_session_ends_after_a_week(access: Access, clock: Clock, app: App) -> None:
    access.add_user("anna", PASSWORD, "operator")
    cookie, _ = access.open_session(User("anna", "operator"))
    for _ in range(7 * 24 - 1):
        clock.pass_(HOUR)
        assert access.check_session(cookie) is not None
    clock.pass_(HOUR)
    assert access.check_session(cookie) is None
    access.open_session(User("anna", "operator"))
    assert app.node.store.db.read("SELECT count(*) FROM sessions") == [(1,)]


def test_a_new_password_or_no_user_ends_sessions(access: Access) -> None:
    access.add_user("anna", PASSWORD, "admin")
    access.add_user("bob", PASSWORD, "viewer")
    cookies = [access.open_session(user)[0] for user in access.users()]
    access.set_password("anna", "another horse")
    assert [access.check_session(cookie) is None for cookie in cookies] == [True, False]
    access.remove_user("bob")
    assert access.check_session(cookies[1]) is None
    access.add_user("bob", PASSWORD, "admin")
    assert access.check_session(cookies[1]) is None


# -- one-time links ---------------------------------------------------------------------------


def test_a_link_lets_one_in_once(access: Access) -> None:
    link = access.new_link()
    assert access.use_link(link[:-1]) is None
    found = access.use_link(link)
    assert found is not None
    assert (found.name, found.role) == ("local", "admin")
    assert access.use_link(link) is None
    cookie, _ = access.open_session(found)
    assert access.check_session(cookie) is not None
    access.add_user("anna", PASSWORD, "admin")  # from now on one logs in
    assert access.check_session(cookie) is None
    access.remove_user("anna")
    assert access.check_session(cookie) is None


def test_a_link_is_good_for_ten_minutes(access: Access, clock: Clock) -> None:
    link = access.new_link()
    clock.pass_(600)
    assert access.use_link(link) is None
    link = access.new_link()
    clock.pass_(599)
    assert access.use_link(link) is not None


def test_a_link_does_not_outlive_the_time_without_users(access: Access) -> None:
    link = access.new_link()
    access.add_user("anna", PASSWORD, "admin")
    assert access.use_link(link) is None
    with pytest.raises(UsageError, match="there are users"):
        access.new_link()
    found = access.use_link(access.new_link("anna"))
    assert found is not None
    assert found.name == "anna"
    link = access.new_link("anna")
    access.remove_user("anna")
    assert access.use_link(link) is None


def test_a_link_is_used_by_one_of_many(access: Access) -> None:
    link = access.new_link()
    found: list[User | None] = []
    gate = threading.Barrier(8)

    def use() -> None:
        gate.wait(30)
        found.append(access.use_link(link))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len([user for user in found if user is not None]) == 1


def test_a_store_in_memory_keeps_no_users() -> None:
    with App("memory://") as app, pytest.raises(UsageError, match="store in a file"):
        Access(app).users()


def test_a_full_store_lets_people_in_all_the_same(
    access: Access, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from abreast.errors import StoreFull

    access.add_user("anna", PASSWORD, "admin")
    text, _ = access.create_token("x", "anna")

    def full(what: object) -> None:
        raise StoreFull("the disk is full")

    monkeypatch.setattr(access, "write", full)
    assert access.check_token(text) is not None
    assert "cannot be noted" in caplog.text
