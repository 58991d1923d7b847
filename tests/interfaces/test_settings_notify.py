"""``[notify]``: channels with their secrets, and who is told what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from abreast.errors import UsageError
from abreast.interfaces.settings import load
from abreast.interfaces.settings_check import Place
from abreast.interfaces.settings_notify import (
    EVENTS,
    RULES,
    Mail,
    Notify,
    Program,
    Rules,
    Webhook,
    channel,
)

PLACE = Place("abreast.toml", "notify.channels.ops")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in list(os.environ):
        if name.startswith("ABREAST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(**keys: Any) -> Any:
    return channel("ops", keys, PLACE)


def test_mail_as_little_as_possible() -> None:
    mail = made(type="mail", to="a@example.com")
    assert isinstance(mail, Mail)
    assert (mail.kind, mail.name, mail.to, mail.host, mail.port) == (
        "mail",
        "ops",
        ("a@example.com",),
        "localhost",
        25,
    )
    assert (mail.starttls, mail.tls, mail.user, mail.password) == (False, False, None, None)
    assert mail.sender.startswith("abreast@")


def test_mail_is_encrypted_on_the_way_to_another_machine() -> None:
    assert (made(type="mail", to="a@b", host="mx.example.com").port) == 587
    assert made(type="mail", to="a@b", host="mx.example.com").starttls
    over_tls = made(type="mail", to="a@b", host="mx.example.com", tls=True)
    assert (over_tls.port, over_tls.starttls, over_tls.tls) == (465, False, True)
    plain = made(type="mail", to="a@b", host="mx.example.com", starttls=False, port=2525)
    assert (plain.port, plain.starttls) == (2525, False)
    assert made(type="mail", to="a@b", user="me@example.com").sender == "me@example.com"


def test_webhook_and_command() -> None:
    hook = made(type="webhook", url="https://x.example/y", secret="s", headers={"X-A": 1})
    assert hook == Webhook("ops", "https://x.example/y", "s", {"X-A": "1"}, 10.0)
    assert "https" not in repr(hook)
    program = made(type="command", command=["notify-send", "x"], timeout="5s", env={"A": "b"})
    assert program == Program("ops", ("notify-send", "x"), 5.0, {"A": "b"})
    assert made(type="command", command="cat > f").command == "cat > f"


def test_secrets_from_files_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "smtp").write_text("from file\n")
    (tmp_path / "abreast.toml").write_text(
        """
        [notify.channels.my-ops]
        type = "mail"
        to = ["a@example.com"]
        user = "u"
        password_file = "$CREDENTIALS_DIRECTORY/smtp"
        """
    )

    def password() -> tuple[str | None, str]:
        settings = load()
        found = settings.notify.channels["my-ops"]
        assert isinstance(found, Mail)
        shown = {key: (value, origin) for key, value, origin in settings.explain()}
        assert "from" not in str(shown.get("notify.channels.my-ops.password", ""))[:12]
        return found.password, settings.origin("notify.channels.my-ops.password")

    assert password()[0] == "from file"
    monkeypatch.setenv("ABREAST_NOTIFY_MY_OPS_PASSWORD_FILE", str(tmp_path / "smtp"))
    (tmp_path / "smtp").write_text("from other\n")
    assert password() == ("from other", "ABREAST_NOTIFY_MY_OPS_PASSWORD_FILE")
    monkeypatch.setenv("ABREAST_NOTIFY_MY_OPS_PASSWORD", "from env")
    assert password() == ("from env", "ABREAST_NOTIFY_MY_OPS_PASSWORD")
    monkeypatch.setenv("ABREAST_NOTIFY_MYOPS_PASSWORD", "x")
    with pytest.raises(UsageError, match="did you mean ABREAST_NOTIFY_MY_OPS_PASSWORD"):
        load()


def test_a_secret_for_another_folder_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABREAST_NOTIFY_OPS_PASSWORD", "x")
    assert not load().notify.channels
    monkeypatch.setenv("ABREAST_NOTIFY_ON_FAILUR", "x")
    with pytest.raises(UsageError, match="did you mean ABREAST_NOTIFY_ON_FAILURE"):
        load()


def test_rules_and_what_a_task_says_instead(tmp_path: Path) -> None:
    (tmp_path / "abreast.toml").write_text(
        """
        [notify]
        on_failure = ["ops"]
        on_late = "ops"
        late_after = "90s"
        [notify.channels.ops]
        type = "command"
        command = "true"
        [notify.channels.boss]
        type = "command"
        command = "true"
        [tasks.a]
        command = "true"
        notify = ["boss"]
        [tasks.b]
        command = "true"
        [tasks.b.notify]
        on_success = ["boss"]
        on_failure = []
        late_after = 5
        """
    )
    settings = load()
    rules = settings.notify.rules
    assert rules == Rules(on_failure=("ops",), on_late=("ops",), late_after=90.0)
    told = settings.notify.for_task(settings.tasks["a"]["notify"], "a")
    assert (told.on_failure, told.on_late) == (("boss",), ("ops",))
    told = settings.notify.for_task(settings.tasks["b"]["notify"], "b")
    assert (told.on_failure, told.on_success, told.late_after) == ((), ("boss",), 5.0)
    assert settings.notify.for_task(None) is rules
    assert settings.notify.for_task("boss").on_failure == ("boss",)
    assert settings.notify.for_task({"on_missed": ["ops", "boss"]}).on_missed == ("ops", "boss")
    assert settings.notify.for_task(Rules(on_late=("boss",))).on_failure == ()


def test_rules_from_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "abreast.toml").write_text("[notify.channels.ops]\ntype='command'\ncommand='x'\n")
    monkeypatch.setenv("ABREAST_NOTIFY_ON_FAILURE", "ops, ops")
    monkeypatch.setenv("ABREAST_NOTIFY_LATE_AFTER", "1m")
    assert load().notify.rules == Rules(on_failure=("ops", "ops"), late_after=60.0)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "needs type = 'mail', 'webhook' or 'command'"),
        ({"type": "mial"}, "did you mean 'mail'"),
        ({"type": "mail"}, "needs to = ..."),
        ({"type": "mail", "to": []}, "at least one e-mail address"),
        ({"type": "mail", "to": "nobody"}, "must be an e-mail address, not 'nobody'"),
        ({"type": "mail", "to": "a@b\r\nBcc: c@d"}, "must be an e-mail address"),
        ({"type": "mail", "to": "a@b", "port": 0}, "whole number from 1 to 65535"),
        ({"type": "mail", "to": "a@b", "url": "x"}, "unknown key .*'url'"),
        ({"type": "mail", "to": "a@b", "tls": True, "starttls": True}, "both tls and starttls"),
        ({"type": "mail", "to": "a@b", "password": "x"}, "a password but no user"),
        ({"type": "webhook"}, "needs url = ..."),
        ({"type": "webhook", "url": "ftp://x"}, "must be an address such as"),
        ({"type": "webhook", "url": "https://x", "secret": ""}, "must be a text"),
        ({"type": "webhook", "url": "https://x", "secret_file": "/nope"}, "cannot be read"),
        (
            {"type": "webhook", "url": "https://x", "secret": "a", "secret_file": "/nope"},
            "both secret and secret_file",
        ),
        ({"type": "webhook", "url": "https://x", "headers": {"A": "b\nC: d"}}, "on one line"),
        ({"type": "command"}, "needs command = ..."),
        ({"type": "command", "command": []}, "line for the shell or a list of words"),
        ({"type": "command", "command": "x", "timeout": 0}, "more than 0"),
    ],
)
def test_wrong_channels(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        made(**keys)
    assert "abreast.toml" in str(caught.value)
    assert "[notify.channels.ops]" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"on_failur": ["ops"]}, r"\[notify\]: 'on_failur'; did you mean 'on_failure'"),
        ({"on_failure": ["opps"]}, "names the channel 'opps'; did you mean 'ops'"),
        ({"on_failure": 3}, "a text or a list of texts"),
        ({"late_after": "x"}, "must be a duration"),
        (3, "names of channels or a table"),
        (["opps"], "did you mean 'ops'"),
    ],
)
def test_wrong_words_of_a_task(said: Any, words: str) -> None:
    known = Notify({"ops": Program("ops", "true")})
    with pytest.raises(UsageError, match=words) as caught:
        known.for_task(said, "sync")
    assert "task 'sync'" in str(caught.value)


def test_no_channels_at_all() -> None:
    with pytest.raises(UsageError, match=r"there are none, see \[notify.channels\]"):
        Notify().for_task(["ops"], "sync")


def test_the_rules_are_the_fields_of_rules() -> None:
    assert {*RULES} == {*Rules.__slots__}
    assert set(EVENTS) == {key for key in RULES if key.startswith("on_")}
