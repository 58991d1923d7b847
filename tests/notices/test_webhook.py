"""Notices to a webhook, through a real web server."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.notices.servers import CERTIFICATE, Post, WebServer, serving

from abreast import __version__
from abreast.interfaces.notices.channels import Undelivered, deliver, masked
from abreast.interfaces.notices.texts import Message
from abreast.interfaces.settings_notify import Webhook

MESSAGE = Message("12-1763", "failure", "nightly", "nightly failed", "It failed.\n",
                  {"schema": 1, "event": "failure", "said": "Grüße"})  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "of three only"


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@contextmanager
def web(*answers: Any, **how: Any) -> Iterator[WebServer]:
    with serving(WebServer(*answers, **how)) as server:
        yield server


def channel(server: WebServer, **more: Any) -> Webhook:
    return Webhook("chat", **{"url": server.url, "secret": SECRET, "timeout": 30.0, **more})


def is_signed(post: Post, secret: str, now: float) -> bool:
    """What the receiver does: the time is near, and the signature is that of time and body."""
    parts = dict(part.split("=", 1) for part in post.headers["x-abreast-signature"].split(","))
    wanted = hmac.new(secret.encode(), parts["t"].encode() + b"." + post.body, hashlib.sha256)
    return hmac.compare_digest(parts["v1"], wanted.hexdigest()) and abs(now - int(parts["t"])) < 300


def test_a_post_as_it_arrives() -> None:
    with web((200, {}, b"thanks")) as server:
        said = deliver(channel(server, headers={"X-Team": "jobs"}), MESSAGE)
        post = server.next_post()
    assert said == f"channel 'chat': 127.0.0.1:{server.server_address[1]} answered 200 OK"
    assert post.path == "/hook/very-secret"
    assert json.loads(post.body) == MESSAGE.document
    assert post.headers["content-type"] == "application/json; charset=utf-8"
    assert post.headers["user-agent"] == f"abreast/{__version__}"
    assert post.headers["x-abreast-event"] == "failure"
    assert post.headers["x-abreast-delivery"] == "12-1763"
    assert post.headers["x-team"] == "jobs"


def test_the_signature_is_that_of_time_and_body() -> None:
    with web() as server:
        deliver(channel(server), MESSAGE)
        post = server.next_post()
    assert is_signed(post, SECRET, time.time())
    assert not is_signed(post, "another", time.time())
    assert not is_signed(post._replace(body=post.body + b" "), SECRET, time.time())
    assert not is_signed(post, SECRET, time.time() + 1000)


def test_the_receiver_in_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    here: dict[str, Any] = {}
    exec(code, here)
    with web() as server:
        deliver(channel(server), MESSAGE)
        post = server.next_post()
    header = post.headers["x-abreast-signature"]
    assert here["is_genuine"](header, post.body, SECRET)
    assert not here["is_genuine"](header, post.body + b" ", SECRET)
    assert not here["is_genuine"](header, post.body, "another")
    late = time.time() + 1000
    monkeypatch.setattr(time, "time", lambda: late)
    assert not here["is_genuine"](header, post.body, SECRET)


def test_without_a_secret_there_is_no_signature() -> None:
    with web() as server:
        deliver(channel(server, secret=None), MESSAGE)
        assert "x-abreast-signature" not in server.next_post().headers


@pytest.mark.parametrize(
    ("status", "again"),
    [(500, True), (502, True), (503, True), (429, True), (408, True),
     (400, False), (401, False), (403, False), (404, False), (410, False), (422, False)],
)  # fmt: skip
def test_what_another_try_may_change(status: int, again: bool) -> None:
    answer = (status, {}, b"because\r\nof this")
    with web(answer) as server, pytest.raises(Undelivered) as caught:
        deliver(channel(server), MESSAGE)
    assert caught.value.again is again
    assert str(status) in str(caught.value)
    assert str(caught.value).endswith(": because of this")
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_what_is_meant_for_one_address_goes_to_no_other(status: int) -> None:
    with web() as elsewhere:
        answer = (status, {"Location": elsewhere.url}, b"")
        with web(answer) as server, pytest.raises(Undelivered, match="not followed") as caught:
            deliver(channel(server), MESSAGE)
        assert elsewhere.posts.empty()
        assert f"http://127.0.0.1:{elsewhere.server_address[1]}" in str(caught.value)
    assert not caught.value.again
    assert "very-secret" not in str(caught.value)


def test_nobody_there() -> None:
    with web() as server:
        pass
    with pytest.raises(Undelivered, match="Connection refused") as caught:
        deliver(channel(server), MESSAGE)
    assert caught.value.again


def test_somebody_who_does_not_answer() -> None:
    with web() as server:
        server.hold.clear()
        with pytest.raises(Undelivered, match="timed out") as caught:
            deliver(channel(server, timeout=0.2), MESSAGE)
    assert caught.value.again


def test_an_answer_that_is_none() -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            there, _ = listener.accept()
            there.recv(65536)
            there.sendall(b"\x00\x01 nonsense\r\n\r\n")
            there.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        said = Webhook("chat", f"http://127.0.0.1:{listener.getsockname()[1]}/")
        with pytest.raises(Undelivered) as caught:
            deliver(said, MESSAGE)
        thread.join(30)
    assert caught.value.again


def test_encrypted_and_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with web(secure=True) as server:
        deliver(channel(server), MESSAGE)
        assert is_signed(server.next_post(), SECRET, time.time())


def test_a_certificate_nobody_vouches_for_is_not_spoken_to() -> None:
    with (
        web(secure=True) as server,
        pytest.raises(Undelivered, match="certificate is not trusted") as caught,
    ):
        deliver(channel(server), MESSAGE)
    assert not caught.value.again
    assert server.posts.empty()


def test_nothing_secret_is_shown() -> None:
    said = Webhook("chat", "https://me:word@hooks.example.com/services/T0/B0/xyz", SECRET,
                   {"Authorization": "Bearer xyz"})  # fmt: skip
    assert masked(said) == {"name": "chat", "kind": "webhook", "signed": True, "timeout": 10.0,
                            "to": "https://hooks.example.com/…"}  # fmt: skip
    shown = repr(said)
    assert not any(secret in shown for secret in ("xyz", "word", SECRET))
