"""The dashboard: a page of hand-written modules that speaks to the HTTP API, and what serves it."""

from __future__ import annotations

from .pages import OPEN_PATHS, address, assets, make_dashboard, version

__all__ = ["OPEN_PATHS", "address", "assets", "make_dashboard", "version"]
