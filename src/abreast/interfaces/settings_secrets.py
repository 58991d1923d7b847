"""What of a configuration is shown to nobody, and what stands there instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

MASK: Final = "********"
_WORDS: Final = ("password", "passwd", "secret", "token", "credential", "api_key", "apikey",
                 "private_key", "access_key", "auth")  # fmt: skip


def is_secret(name: str) -> bool:
    """Whether the value of a variable or header with this name is not to be shown."""
    plain = name.lower().replace("-", "_")
    return plain in ("key", "pass", "pw") or any(word in plain for word in _WORDS)


def masked_table(values: Mapping[str, Any]) -> dict[str, Any]:
    """Variables with a mask for those that are secret by their name."""
    return {name: MASK if is_secret(name) else masked_text(value) for name, value in values.items()}


def masked_text(value: Any) -> Any:
    """A text without the password of the URL that it may be; anything else as it is."""
    if not isinstance(value, str):
        return value
    scheme, found, rest = value.partition("://")
    account, at, place = rest.rpartition("@")
    user, colon, _ = account.partition(":")
    if not found or not at or not colon:
        return value
    return f"{scheme}://{user}:{MASK}@{place}"


def masked_address(url: Any) -> str:
    """An address as its host: the path of a webhook is often what grants the access."""
    try:
        parts = urlsplit(str(url))
        host = parts.hostname
    except ValueError:
        return MASK
    return f"{parts.scheme}://{host}/{MASK}" if host else MASK
