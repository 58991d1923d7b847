"""The URLs of CronPilot and of a jobs table, for clients that know these: :func:`make_router`.

A service offers them beside its own API when its ``abreast.toml`` says so::

    [server]
    compat = true

The pages "Coming from CronPilot", "Coming from a jobs table" and "Batches over HTTP" list what is
here and what differs.
"""

from .router import make_router

__all__ = ["make_router"]
