"""A real service with the older URLs, as a process, for the tests that need one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

from .rest_help import WAIT_S, until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
USER, PASSWORD = "anna", "a pass-word: of her own"
ABREAST = [sys.executable, "-m", "abreast"]


class Service:
    """A service on a copy of a folder. Everybody may look; the user may do more."""

    def __init__(self, place: Path, source: Path = EXAMPLES / "services") -> None:
        self.folder = place / "services"
        shutil.copytree(source, self.folder, ignore=shutil.ignore_patterns("service.db*", "__pyc*"))
        toml = self.folder / "abreast.toml"
        toml.write_text(
            toml.read_text().replace("compat = true", 'compat = true\nanonymous = "viewer"')
        )
        self._ready = place / "ready.json"
        self.log = place / "service.log"
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        done = subprocess.run(
            [*ABREAST, "user", "add", USER, "--role", "operator", "--password-file", "-"],
            cwd=self.folder, input=PASSWORD, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def start(self) -> Service:
        self._ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            process = self._process = subprocess.Popen(
                [*ABREAST, "serve", ".", "--listen", "127.0.0.1:0", "--drain", "1", "--ready-file",
                 str(self._ready)],
                cwd=self.folder, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        until(lambda: self._ready.exists() or process.poll() is not None, "the service")
        assert process.poll() is None, self.log.read_text()
        self.url = json.loads(self._ready.read_text())["url"].rstrip("/")
        return self

    def kill(self) -> None:
        """End all of it at once, without a chance to tidy up."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(WAIT_S)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def __enter__(self) -> Service:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """Ask as the user; returns what the answer says in JSON."""
        headers = {"Authorization": "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                code, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                code, text = error.code, error.read()
        assert code == status, f"{method} {path}: {code} {text[:500]!r}"
        return json.loads(text)

    def as_printed(self, line: str) -> str:
        """A line of a page, for this service and its user."""
        line = line.replace("-u admin:admin123", f"-u '{USER}:{PASSWORD}'")
        for port in (7000, 8000):
            line = line.replace(f"http://localhost:{port}", self.url)
        return line

    def shell(self, line: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Carry out a line as bash does."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.as_printed(line)],
            cwd=self.folder.parent, env={**os.environ, **env}, capture_output=True, text=True,
            timeout=WAIT_S,
        )  # fmt: skip
