"""What the examples of services share: a client of the standard library, and a service to talk to.

With ``--url`` they talk to a service that runs already. Without one they start one of their own on
a free port, from a copy of the folder ``services``, and stop it at the end.
"""

import argparse
import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "services"
START_S = 60


class Client:
    """Sends requests with name and password, and reads JSON."""

    def __init__(self, url: str, user: str | None, password: str | None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Accept": "application/json"}
        if user:
            login = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {login}"

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and what the answer says."""
        headers = dict(self._headers)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode("utf-8", "replace")
            try:
                return error.code, json.loads(text)
            except ValueError:
                return error.code, {"detail": text[:200]}

    def get(self, path: str) -> Any:
        """Return what the answer says; end the program when there is none."""
        status, said = self.ask("GET", path)
        if status != 200:
            sys.exit(f"❌ GET {path}: {status} {said.get('detail', '')}")
        return said


def arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line, with the options that all examples have."""
    say = os.environ.get
    parser.add_argument("--url", default=say("ABREAST_URL"), help="or ABREAST_URL; a private "
                        "service by default")  # fmt: skip
    parser.add_argument("--user", default=say("ABREAST_USER"), help="or ABREAST_USER")
    parser.add_argument("--password", default=say("ABREAST_PASSWORD"), help="or ABREAST_PASSWORD")
    return parser.parse_args()


@contextmanager
def service(args: argparse.Namespace) -> Iterator[Client]:
    """A client of the service that the arguments name, or of one for as long as the block lasts."""
    if args.url:
        yield Client(args.url, args.user, args.password)
        return
    with tempfile.TemporaryDirectory(prefix="abreast-example-") as place:
        folder = Path(place) / "services"
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("service.db*", "__pycache__"))
        password = secrets.token_urlsafe(12)
        _abreast(folder, "user", "add", "demo", "--role", "operator", "--password-file", "-",
                 input=password)  # fmt: skip
        ready = Path(place) / "ready.json"
        with (Path(place) / "service.log").open("w+") as log:
            process = subprocess.Popen(
                [*_COMMAND, "serve", ".", "--listen", "127.0.0.1:0", "--ready-file", str(ready)],
                cwd=folder, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                yield Client(_address(process, ready, log), "demo", password)
            finally:
                process.terminate()
                try:
                    process.wait(START_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


_COMMAND = [sys.executable, "-m", "abreast"]


def _abreast(folder: Path, *words: str, input: str) -> None:
    done = subprocess.run(
        [*_COMMAND, *words],
        cwd=folder,
        input=input,
        capture_output=True,
        text=True,
        timeout=START_S,
    )
    if done.returncode:
        sys.exit(f"❌ abreast {words[0]}: {done.stderr}")


def _address(process: "subprocess.Popen[bytes]", ready: Path, log: Any) -> str:
    """Wait until the service says where it is."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        if ready.exists():
            return str(json.loads(ready.read_text())["url"])
        time.sleep(0.05)
    log.seek(0)
    sys.exit(f"❌ The service did not start:\n{log.read()}")
