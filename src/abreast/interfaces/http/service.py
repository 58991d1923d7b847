"""What the API needs of a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..access import Access
    from ..app import App


class Service(Protocol):
    """A service as the API sees it; ``started``: seconds since 1970 UTC."""

    app: App
    settings: Any
    access: Access
    folder: Any  # .files: what the tasks folder holds
    notices: Any  # .channels(), .test(name)
    started: float
    version: str
    problems: dict[str, str]  # tasks whose schedule or ``after`` cannot be heeded, and why
    draining: bool  # it is stopping and starts nothing new

    @property
    def zone(self) -> str:
        """The time zone of schedules that name none."""

    def health(self) -> dict[str, tuple[bool, str]]:
        """What was looked at: whether it is well, and a detail."""

    def reload(self) -> list[str]:
        """Read settings and tasks again; what changed, in words."""
