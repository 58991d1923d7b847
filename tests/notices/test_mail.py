"""Notices by mail, through a real mail server."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from tests.notices.servers import CERTIFICATE, MailServer, serving

from abreast.interfaces.notices.channels import Undelivered, deliver, masked
from abreast.interfaces.notices.texts import Message
from abreast.interfaces.settings_notify import Mail

MESSAGE = Message("12-1763", "failure", "nightly", "[abreast on web1] nightly failed: Grüße",
                  "Task nightly failed.\n\n.dot\nWhy  Grüße \u2713\n", {"schema": 1})  # fmt: skip


@contextmanager
def mail(**how: Any) -> Iterator[MailServer]:
    with serving(MailServer(**how)) as server:
        yield server


def channel(server: MailServer, **more: Any) -> Mail:
    said: dict[str, Any] = {"to": ("ops@example.com", "b@example.com"), "sender": "abreast@web1",
                            "host": "127.0.0.1", "port": server.port, "timeout": 30.0}  # fmt: skip
    return Mail("ops", **{**said, **more})


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


def test_a_letter_as_it_arrives() -> None:
    with mail() as server:
        said = deliver(channel(server), MESSAGE)
        letter = server.next_letter()
    assert said == (f"channel 'ops': the mail server 127.0.0.1:{server.port} took it for "
                    "ops@example.com, b@example.com")  # fmt: skip
    assert letter.sender == "abreast@web1"
    assert letter.to == ["ops@example.com", "b@example.com"]
    message = letter.message
    assert message["Subject"] == MESSAGE.subject
    assert message["From"] == "abreast@web1"
    assert message["To"] == "ops@example.com, b@example.com"
    assert message["Message-ID"] == "<12-1763@web1>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(message["Date"]).tzinfo is not None
    assert message.get_content_type() == "text/plain"
    assert message.get_content().replace("\r\n", "\n") == MESSAGE.text
    assert not letter.encrypted


def test_an_ascii_letter_can_be_read_as_it_is() -> None:
    plain = MESSAGE._replace(subject="nightly failed", text="It failed.\n")
    with mail() as server:
        deliver(channel(server), plain)
        assert b"\r\n\r\nIt failed.\r\n" in server.next_letter().data


@pytest.mark.parametrize("how", ["starttls", "tls"])
def test_log_in_over_an_encrypted_line(how: str, trusted: None) -> None:
    with mail(accounts={"anna": "geheim"}, **{how: True}) as server:
        deliver(channel(server, user="anna", password="geheim", **{how: True}), MESSAGE)
        letter = server.next_letter()
    assert letter.user == "anna"
    assert letter.encrypted


def test_a_certificate_nobody_vouches_for_is_not_spoken_to() -> None:
    for how in ("starttls", "tls"):
        with (
            mail(accounts={"anna": "geheim"}, **{how: True}) as server,
            pytest.raises(Undelivered, match="certificate is not trusted") as caught,
        ):
            deliver(channel(server, user="anna", password="geheim", **{how: True}), MESSAGE)
        assert not caught.value.again
        assert server.letters.empty()


def test_a_server_without_encryption_gets_no_password() -> None:
    with (
        mail(accounts={"anna": "geheim"}) as server,
        pytest.raises(Undelivered, match="STARTTLS") as caught,
    ):
        deliver(channel(server, user="anna", password="geheim", starttls=True), MESSAGE)
    assert not caught.value.again


def test_a_wrong_password_is_not_tried_again_and_not_shown() -> None:
    with (
        mail(accounts={"anna": "right"}) as server,
        pytest.raises(Undelivered, match=r"535 5\.7\.8 who are you\?") as caught,
    ):
        deliver(channel(server, user="anna", password="geheim"), MESSAGE)
    assert not caught.value.again
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("refuse", "again"),
    [
        ({"DATA": "451 4.3.0 later"}, True),
        ({"DATA": "554 5.7.1 spam"}, False),
        ({"MAIL": "452 4.2.2 full"}, True),
        ({"MAIL": "550 5.1.8 not you"}, False),
        ({"RCPT": "450 4.2.0 greylisted"}, True),
        ({"RCPT": "550 5.1.1 nobody"}, False),
        ({"EHLO": "421 4.3.2 busy", "HELO": "421 4.3.2 busy"}, True),
    ],
)
def test_what_another_try_may_change(refuse: dict[str, str], again: bool) -> None:
    with mail(refuse=refuse) as server, pytest.raises(Undelivered) as caught:
        deliver(channel(server), MESSAGE)
    assert caught.value.again is again
    assert next(iter(refuse.values()))[:3] in str(caught.value)


def test_some_recipients_are_better_than_none() -> None:
    with mail(refuse={"RCPT b@example.com": "550 5.1.1 nobody"}) as server:
        said = deliver(channel(server), MESSAGE)
        assert server.next_letter().to == ["ops@example.com"]
    assert "except for b@example.com (550 5.1.1 nobody)" in said


def test_a_server_that_is_rude_at_the_end_has_taken_it_all_the_same() -> None:
    with mail(refuse={"QUIT": "500 no"}) as server:
        deliver(channel(server), MESSAGE)
        server.next_letter()


def test_no_server_at_all() -> None:
    with mail() as server:
        pass
    with pytest.raises(Undelivered, match="cannot be used: Connection refused") as caught:
        deliver(channel(server), MESSAGE)
    assert caught.value.again


def test_a_subject_is_one_line_whatever_a_task_is_called() -> None:
    evil = MESSAGE._replace(subject="nightly failed\r\nBcc: evil@example.com")
    with mail() as server, pytest.raises(ValueError, match=r"newline|linefeed|Header"):
        deliver(channel(server), evil)  # texts.write makes it one line; nothing else gets through
    assert server.letters.empty()


def test_nothing_secret_is_shown() -> None:
    with mail() as server:
        said = channel(server, user="anna", password="geheim", starttls=True)
    shown = masked(said)
    assert shown == {"name": "ops", "kind": "mail", "to": "ops@example.com, b@example.com",
                     "server": f"127.0.0.1:{server.port}", "encryption": "starttls",
                     "login": True, "sender": "abreast@web1", "timeout": 30.0}  # fmt: skip
    assert "geheim" not in repr(said)


def test_the_certificate_of_these_tests() -> None:
    found = ssl._ssl._test_decode_cert(str(CERTIFICATE))  # type: ignore[attr-defined]
    assert found["subject"] == found["issuer"], "nobody else has signed it"
