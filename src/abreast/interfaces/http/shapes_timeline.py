"""What the API gives, as models: the timeline."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from .shapes import Seconds, Time, Told


class Columns(Told):
    """Runs by column, oldest first; times in milliseconds."""

    id: list[int] = Field(description="More than the one before (the first: than 0).")
    task: list[int] = Field(description="Place in tasks.")
    group: list[int] = Field(description="Place in groups.")
    label: list[int | None] = Field(description="Place in labels; null: as its task.")
    state: list[int] = Field(description="Place in states.")
    created: list[int] = Field(description="After the one before (the first: after since).")
    ready: list[int] = Field(description="After created: from then on only limits held it.")
    started: list[int | None] = Field(description="After created; of the last attempt.")
    ended: list[int | None] = Field(description="After started, or created if it never started.")
    attempt: list[int]
    flow: list[int | None]
    worker: list[int | None]
    reasons: dict[str, str] = Field(description="Why a run did not complete, by its place.")
    tries: dict[str, list[list[int]]] = Field(
        description="Earlier attempts by the place of the run: [after created, took]."
    )
    progress: dict[str, list[float | str | None]] = Field(
        description="Of what runs, by its place: [done, total, message]."
    )


class NoRun(Told):
    """An instant that made no run."""

    schedule: str
    task: int = Field(description="Place in tasks.")
    at: Time
    until: Time | None
    count: int
    outcome: str
    reason: str | None
    run: int | None


class Coming(Told):
    """An instant that is to come."""

    schedule: str
    task: int = Field(description="Place in tasks.")
    at: Time
    seconds: Seconds | None = Field(description="What runs of its task usually take.")
    p95_seconds: Seconds | None


class About(Told):
    """What is known of a task besides its runs."""

    tags: list[str]
    limited: bool = Field(description="Whether limits may keep its runs waiting.")
    seconds: Seconds | None = Field(description="What its runs usually take.")
    p95_seconds: Seconds | None


class Slots(Told):
    """A worker, and how many runs it executes at once."""

    id: int
    name: str
    concurrency: int


class Timeline(Told):
    """What ran beside what. With ``format=chrome-trace`` it is ``traceEvents`` instead."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra=lambda schema: schema.pop("required", None)
    )

    since: Time
    until: Time
    now: Time
    group_by: str
    states: list[str]
    truncated: bool = Field(
        description="There were more: these are those that run, and the newest of the others."
    )
    runs: Columns
    instants: list[NoRun]
    coming: list[Coming]
    tasks: list[str]
    groups: list[str]
    labels: list[str]
    about: list[About] = Field(description="By place in tasks.")
    workers: list[Slots] = Field(description="Those that are alive.")
    traceEvents: list[dict[str, Any]] = Field([])
