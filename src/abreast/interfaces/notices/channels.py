"""How a notice gets to people: by mail, by a webhook, by a command.

:func:`deliver` tries once. Whether another try may help stands in the error; trying again is the
matter of the task that calls it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ... import __version__
from ...errors import AbreastError
from ..report_text import one_line

if TYPE_CHECKING:
    import smtplib
    from email.message import EmailMessage

    from ..settings_notify import Channel, Mail, Program, Webhook
    from .texts import Message

SIGNATURE = "X-Abreast-Signature"
_ANSWER = 2000  # characters of an answer, or of what a command prints, that are kept
_BUSY = frozenset({408, 425, 429})  # answers below 500 that another try may change
_SOON_S = 5.0  # how long the output of a command is still read after its end


class Undelivered(AbreastError):
    """A notice did not get through. ``again``: whether trying once more may help."""

    def __init__(self, message: str, again: bool = True) -> None:
        super().__init__(message)
        self.again = again

    def __reduce__(self) -> tuple[type[Undelivered], tuple[str, bool]]:
        return type(self), (str(self), self.again)


def deliver(channel: Channel, message: Message) -> str:
    """Hand a message to a channel, once; return in a few words what came of it.

    Raises
    ------
    Undelivered
        When it was not taken. The text holds no password, secret or address with a secret in it.
    """
    if channel.kind == "mail":
        return _mail(channel, message)  # type: ignore[arg-type]
    if channel.kind == "webhook":
        return _post(channel, message)  # type: ignore[arg-type]
    return _run(channel, message)  # type: ignore[arg-type]


def masked(channel: Channel) -> dict[str, Any]:
    """What may be shown of a channel: where it leads, and nothing secret."""
    found: dict[str, Any] = {"name": channel.name, "kind": channel.kind, "to": place(channel)}
    said: Any = channel
    if channel.kind == "mail":
        encrypted = "tls" if said.tls else "starttls" if said.starttls else None
        found |= {"server": f"{said.host}:{said.port}", "encryption": encrypted,
                  "login": said.user is not None, "sender": said.sender}  # fmt: skip
    elif channel.kind == "webhook":
        found |= {"signed": said.secret is not None}
    return {**found, "timeout": channel.timeout}


def place(channel: Channel) -> str:
    """Where a channel leads, in a few words."""
    said: Any = channel
    if channel.kind == "mail":
        return ", ".join(said.to)
    if channel.kind == "webhook":
        parts = urlsplit(said.url)
        return f"{parts.scheme}://{_host(said)}{'/…' if parts.path.strip('/') else ''}"
    words = said.command
    return words if isinstance(words, str) else " ".join(words)


# -- mail -------------------------------------------------------------------------------------


def _mail(channel: Mail, message: Message) -> str:
    import smtplib
    import ssl

    letter = _letter(channel, message)
    where = f"channel {channel.name!r}: the mail server {channel.host}:{channel.port}"
    try:
        server = _connected(channel)
        try:
            if channel.user is not None:
                server.login(channel.user, channel.password or "")
            refused = server.send_message(letter)
        finally:
            _take_leave(server)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise Undelivered(f"{where} refused {_refused(error.recipients)}",
                          any(400 <= code < 500 for code in codes)) from None  # fmt: skip
    except smtplib.SMTPResponseException as error:
        again = not 500 <= error.smtp_code < 600
        said = f"{error.smtp_code} {_text(error.smtp_error)}"
        raise Undelivered(f"{where} answered {said}", again) from None
    except smtplib.SMTPNotSupportedError as error:
        raise Undelivered(f"{where} cannot do what is asked of it: {error}", False) from None
    except ssl.SSLCertVerificationError as error:
        why = f"its certificate is not trusted: {error.verify_message}"
        raise Undelivered(f"{where} was not spoken to, {why}", False) from None
    except (smtplib.SMTPException, OSError) as error:
        raise Undelivered(f"{where} cannot be used: {_why(error)}") from None
    if refused:  # the others have it; another try would give it to them twice
        return f"{where} took it, except for {_refused(refused)}"
    return f"{where} took it for {', '.join(channel.to)}"


def _letter(channel: Mail, message: Message) -> EmailMessage:
    from email.message import EmailMessage
    from email.utils import format_datetime, localtime

    letter = EmailMessage()
    letter["Subject"] = message.subject
    letter["From"] = channel.sender
    letter["To"] = ", ".join(channel.to)
    letter["Date"] = format_datetime(localtime())
    letter["Message-ID"] = f"<{message.id}@{channel.sender.rpartition('@')[2].strip('<> ')}>"
    letter["Auto-Submitted"] = "auto-generated"  # or answering machines would answer
    letter["X-Abreast-Event"] = message.event
    letter.set_content(message.text)
    return letter


def _connected(channel: Mail) -> smtplib.SMTP:
    import smtplib
    import ssl

    if channel.tls:
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(
            channel.host, channel.port, timeout=channel.timeout, context=context
        )
    server = smtplib.SMTP(channel.host, channel.port, timeout=channel.timeout)
    if channel.starttls:
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
    return server


def _take_leave(server: smtplib.SMTP) -> None:
    """Whatever the server says to that, the letter is sent, or is not."""
    import smtplib

    try:
        server.quit()
    except (smtplib.SMTPException, OSError):
        server.close()


def _refused(recipients: Mapping[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{name} ({code} {_text(said)})" for name, (code, said) in recipients.items())


# -- webhook ----------------------------------------------------------------------------------


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of the header ``X-Abreast-Signature`` for a body sent at ``at`` (seconds)."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _post(channel: Webhook, message: Message) -> str:
    from http.client import HTTPException
    from urllib import request
    from urllib.error import HTTPError, URLError

    body = json.dumps(message.document, ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"abreast/{__version__}",
        "X-Abreast-Event": message.event,
        "X-Abreast-Delivery": message.id,
        **channel.headers,
    }
    if channel.secret is not None:
        headers[SIGNATURE] = signature(channel.secret, int(time.time()), body)
    where = f"channel {channel.name!r}: {_host(channel)}"
    asked = request.Request(channel.url, data=body, headers=headers, method="POST")
    try:
        with _opener().open(asked, timeout=channel.timeout) as answer:
            return f"{where} answered {answer.status} {answer.reason}"
    except HTTPError as error:
        with error:
            raise _answered(where, error.code, error.reason, error.headers, _start(error)) from None
    except URLError as error:
        _check_certificate(where, error.reason)
        raise Undelivered(f"{where} cannot be reached: {_why(error.reason)}") from None
    except (OSError, HTTPException) as error:
        raise Undelivered(f"{where} cannot be reached: {_why(error)}") from None


def _opener() -> Any:
    from urllib import request

    class Stay(request.HTTPRedirectHandler):
        """What is meant for one address goes to no other: the answer is an error."""

        def redirect_request(self, *_: Any) -> None:
            return None

    return request.build_opener(Stay)


def _answered(where: str, code: int, reason: str, headers: Any, said: str) -> Undelivered:
    if 300 <= code < 400:
        to = urlsplit(str(headers.get("Location") or ""))
        elsewhere = f" to {to.scheme}://{to.netloc.rpartition('@')[2]}" if to.netloc else ""
        return Undelivered(f"{where} sends on{elsewhere} ({code}), which is not followed; give the "
                           "address that answers itself", False)  # fmt: skip
    text = f"{where} answered {code} {reason}" + (f": {said}" if said else "")
    return Undelivered(text, code >= 500 or code in _BUSY)


def _start(answer: Any) -> str:
    try:
        return _text(answer.read(_ANSWER))
    except Exception:
        return ""  # the status says enough


def _check_certificate(where: str, error: Any) -> None:
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"its certificate is not trusted: {error.verify_message}"
        raise Undelivered(f"{where} was not spoken to, {why}", False)


def _host(channel: Webhook) -> str:
    """Host and port, without what may be secret in an address."""
    return urlsplit(channel.url).netloc.rpartition("@")[2]


# -- command ----------------------------------------------------------------------------------


def _run(channel: Program, message: Message) -> str:
    """Start the command in a session of its own, so that all of it can be ended."""
    import signal
    import subprocess

    words = channel.command
    argv = ["/bin/sh", "-c", words] if isinstance(words, str) else list(words)
    where = f"channel {channel.name!r}: the command"
    env = {**os.environ, **_variables(message), **channel.env}
    try:
        process = subprocess.Popen(
            argv, env=env, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    except OSError as error:
        raise Undelivered(f"{where} cannot be started: {_why(error)}", False) from None
    body = json.dumps(message.document, ensure_ascii=False).encode()
    try:
        out, _ = process.communicate(body, timeout=channel.timeout)
    except subprocess.TimeoutExpired:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        out = _rest(process)
        late = f"{where} did not end within {channel.timeout:g} s{_said(out)}"
        raise Undelivered(late) from None
    if process.returncode != 0:
        from ...platform import describe_exit

        raise Undelivered(f"{where} ended with {describe_exit(process.returncode)}{_said(out)}")
    return f"{where} ended with exit code 0{_said(out)}"


def _rest(process: Any) -> bytes:
    import subprocess

    try:
        out: bytes = process.communicate(timeout=_SOON_S)[0]
    except subprocess.TimeoutExpired as error:  # something that left the group holds the pipe
        out = error.stdout or b""
        for stream in (process.stdin, process.stdout):
            stream.close()
    return out


def _variables(message: Message) -> dict[str, str]:
    """What a command finds in its environment; all of it stands in its input, too."""
    run: Any = message.document.get("run") or {}
    said = {
        "EVENT": message.event,
        "TASK": message.task,
        "SUBJECT": message.subject,
        "TEXT": message.text,
        "ID": message.id,
        "RUN": run.get("id"),
        "STATE": run.get("state"),
        "REASON": run.get("reason"),
        "URL": message.document.get("url"),
    }
    return {
        f"ABREAST_NOTICE_{name}": str(value).replace("\0", "")
        for name, value in said.items()
        if value is not None
    }


def _said(out: bytes) -> str:
    text = _text(out[-_ANSWER:])
    return f": {text}" if text else ""


def _text(said: bytes | str) -> str:
    plain = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return one_line(plain.strip(), 300)


def _why(error: object) -> str:
    """What an error of the network says, without its number."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return one_line(str(said), 300)
