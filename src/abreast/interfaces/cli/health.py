"""``abreast health``."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from ... import __version__
from ...errors import UsageError
from .exits import OK
from .out import line, note

UNREACHABLE: Final = 69  # as sysexits.h has it: the service cannot be used
_MOST = 2000  # bytes of an answer that are looked at


def health(
    folder: str, config: str | None, url: str | None, ready: bool, timeout: float, quiet: bool
) -> int:
    """Carry out ``abreast health``; returns the exit code."""
    place = (_given(url) if url else _configured(folder, config)) + (
        "/readyz" if ready else "/livez"
    )
    well, said = ask(place, timeout)
    if not well:
        note(f"abreast: {place} {said}")
        return UNREACHABLE
    if not quiet:
        line(f"{place} {said}")
    return OK


def ask(url: str, timeout: float) -> tuple[bool, str]:
    """Whether an address answers with success, and what it says."""
    from http.client import HTTPException
    from urllib import request
    from urllib.error import HTTPError, URLError

    opener = request.build_opener(request.ProxyHandler({}))  # it is near, or is named directly
    asked = request.Request(url, headers={"User-Agent": f"abreast/{__version__}"})
    try:
        with opener.open(asked, timeout=timeout) as answer:
            return True, f"answers {answer.status}"
    except HTTPError as error:
        with error:
            said = error.read(_MOST).decode("utf-8", "replace").strip()
        return False, f"answers {error.code} {error.reason}" + (f": {said}" if said else "")
    except URLError as error:
        return False, f"cannot be reached: {error.reason}"
    except (OSError, HTTPException) as error:
        return False, f"cannot be reached: {str(error) or type(error).__name__}"


def _given(url: str) -> str:
    full = url if "://" in url else f"http://{url}"
    parts = urlsplit(full)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--url {url!r} is no address such as 'http://127.0.0.1:7000'")
    return full.rstrip("/")


def _configured(folder: str, config: str | None) -> str:
    """Where the service of a folder listens, as it is reached from here."""
    from ..settings import load
    from ..settings_sections import address

    host, port = address(load(folder, config=config).server.listen[0])
    if host in ("0.0.0.0", ""):
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
