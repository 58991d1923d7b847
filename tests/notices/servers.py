"""A mail server and a web server of our own, on the loopback, that do as they are told."""

from __future__ import annotations

import base64
import email
import email.policy
import queue
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

# A key and its certificate for localhost, signed by itself. Nothing but these tests trusts it.
CERTIFICATE = Path(__file__).parent / "localhost.pem"
WAIT_S = 30


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


class Letter(NamedTuple):
    sender: str
    to: list[str]
    data: bytes
    user: str | None  # who was logged in
    encrypted: bool

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.data, policy=email.policy.default)


class MailServer(socketserver.ThreadingTCPServer):
    """Takes letters, and puts them into ``letters``.

    ``accounts``: who may log in (empty: nobody has to); ``starttls``: offered and asked for
    before a log-in; ``tls``: from the first byte; ``refuse``: replies by command ("RCPT
    c@example.com" for one recipient) that come instead of the usual; ``failures``: how many
    letters are put off with 451 first.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self,
        accounts: dict[str, str] | None = None,
        starttls: bool = False,
        tls: bool = False,
        refuse: dict[str, str] | None = None,
        failures: int = 0,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Dialogue)
        self.letters: queue.Queue[Letter] = queue.Queue()
        self.accounts, self.starttls, self.tls = accounts or {}, starttls, tls
        self.refuse, self.failures = refuse or {}, failures
        self.dialogues = 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def next_letter(self) -> Letter:
        return self.letters.get(timeout=WAIT_S)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that left


class _Dialogue(socketserver.StreamRequestHandler):
    """One client."""

    server: MailServer

    def handle(self) -> None:
        self.server.dialogues += 1
        self.encrypted, self.user, self.sender = False, None, ""
        self.to: list[str] = []
        if self.server.tls:
            self.encrypt()
        self.say("220 mail.test ready")
        while line := self.rfile.readline():
            words = line.decode().strip()
            verb, _, rest = words.partition(" ")
            for known in (words, verb.upper()):
                if known in self.server.refuse:
                    self.say(self.server.refuse[known])
                    break
            else:
                act = getattr(self, f"do_{verb.lower()}", None)
                if act is None:
                    self.say("502 what?")
                elif act(rest) == "end":
                    return

    def say(self, *lines: str) -> None:
        for line in lines[:-1]:
            self.wfile.write(f"{line[:3]}-{line[4:]}\r\n".encode())
        self.wfile.write(f"{lines[-1]}\r\n".encode())

    def encrypt(self) -> None:
        self.request = tls().wrap_socket(self.request, server_side=True)
        self.setup()
        self.encrypted = True

    def finish(self) -> None:
        super().finish()
        self.request.close()  # the server knows only the one that was there before encrypt()

    def do_ehlo(self, rest: str) -> None:
        found = ["250 mail.test", "250 SMTPUTF8", "250 8BITMIME"]
        if self.server.starttls and not self.encrypted:
            found.append("250 STARTTLS")
        elif self.server.accounts:
            found.append("250 AUTH PLAIN LOGIN")
        self.say(*found)

    def do_helo(self, rest: str) -> None:
        self.say("250 mail.test")

    def do_starttls(self, rest: str) -> None:
        self.say("220 go on")
        self.encrypt()

    def do_auth(self, rest: str) -> None:
        way, _, said = rest.partition(" ")
        if way.upper() == "PLAIN":
            _, user, password = base64.b64decode(said).decode().split("\0")
        else:
            user = base64.b64decode(said or self.ask("VXNlcm5hbWU6")).decode()
            password = base64.b64decode(self.ask("UGFzc3dvcmQ6")).decode()
        if self.server.accounts.get(user) != password:
            self.say("535 5.7.8 who are you?")
        else:
            self.user = user
            self.say("235 welcome")

    def ask(self, said: str) -> str:
        self.say(f"334 {said}")
        return self.rfile.readline().decode().strip()

    def do_mail(self, rest: str) -> None:
        if self.server.accounts and self.user is None:
            self.say("530 5.7.0 log in first")
        else:
            self.sender = rest.partition(":")[2].split()[0].strip("<>")
            self.say("250 ok")

    def do_rcpt(self, rest: str) -> None:
        name = rest.partition(":")[2].split()[0].strip("<>")
        if f"RCPT {name}" in self.server.refuse:
            self.say(self.server.refuse[f"RCPT {name}"])
        else:
            self.to.append(name)
            self.say("250 ok")

    def do_data(self, rest: str) -> None:
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        if self.server.failures > 0:
            self.server.failures -= 1
            self.say("451 4.3.0 later")
            return
        self.server.letters.put(
            Letter(self.sender, self.to, b"".join(lines), self.user, self.encrypted)
        )
        self.say("250 taken")

    def do_rset(self, rest: str) -> None:
        self.to = []
        self.say("250 ok")

    def do_quit(self, rest: str) -> str:
        self.say("221 bye")
        return "end"


class Post(NamedTuple):
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class WebServer(ThreadingHTTPServer):
    """Takes posts into ``posts`` and answers with ``answers`` in turn, then 204.

    An answer is a status, or a status with headers and a body. ``hold``: answer nothing until it
    is set.
    """

    daemon_threads = True

    def __init__(self, *answers: int | tuple[int, dict[str, str], bytes], secure: bool = False):
        super().__init__(("127.0.0.1", 0), _Answerer)
        self.posts: queue.Queue[Post] = queue.Queue()
        self.answers = list(answers)
        self.hold = threading.Event()
        self.hold.set()
        self.lock = threading.Lock()
        self.scheme = "http"
        if secure:
            self.scheme = "https"
            self.socket = tls().wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}/hook/very-secret"

    def next_post(self) -> Post:
        return self.posts.get(timeout=WAIT_S)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that left


class _Answerer(BaseHTTPRequestHandler):
    server: WebServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        found = {name.lower(): value for name, value in self.headers.items()}
        self.server.posts.put(Post(self.path, found, body))
        self.server.hold.wait(WAIT_S)
        with self.server.lock:
            answer = self.server.answers.pop(0) if self.server.answers else 204
        status, headers, said = answer if isinstance(answer, tuple) else (answer, {}, b"")
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    """A server at work, until the end of the block."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if isinstance(server, WebServer):
            server.hold.set()
        server.shutdown()
        server.server_close()
        thread.join(WAIT_S)
