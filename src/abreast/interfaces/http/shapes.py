"""What the API takes and gives, as models: the runs.

Models of bodies are checked on the way in. Models of answers are there for the OpenAPI document
and the tests that hold answers against it: building them for every answer would cost more than
reading the store.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]  # RFC 3339, UTC
Seconds = Annotated[float, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=1)]


class Given(BaseModel):
    """What comes in: nothing unknown, and no text where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Told(BaseModel):
    """What goes out."""

    model_config = ConfigDict(extra="forbid")


def _all_optional(schema: dict[str, Any]) -> None:
    schema.pop("required", None)


class Progress(Told):
    """How far a run says it is. Of a flow: how many of its runs have ended."""

    done: float
    total: float | None
    message: str


class Error(Told):
    """What a run raised, or why it has no result."""

    type: str
    message: str
    traceback: str | None = None


class Place(Told):
    """Where the last attempt executes or executed."""

    host: str
    pid: int


class Run(Told):
    """One execution of a task."""

    id: int
    name: str = Field(description="Name of the task.")
    label: str
    state: str = Field(
        description="blocked, scheduled, pending, running, completed, failed, cancelled, skipped."
    )
    reason: str | None = Field(description="Why it ended other than completed.")
    created: Time
    due: Time | None = Field(description="When it is to start, if a time was given.")
    started: Time | None
    ended: Time | None
    wait_seconds: Seconds | None
    run_seconds: Seconds | None
    attempts: int
    progress: Progress | None
    flow: int | None = Field(description="The flow it is part of.")
    worker: int | None
    place: Place | None
    executor: str
    trigger: str = Field(description="Who made it: 'schedule nightly', 'user anna', …")
    retry_of: int | None
    error: Error | None


class ListedRun(Run):
    """A run in a list; with ``fields=`` only what was asked for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_all_optional)


class PastAttempt(Told):
    """An attempt that was followed by another one."""

    started: Time | None
    ended: Time | None
    reason: str | None
    error: Error | None


class RunDetails(Run):
    """All there is to say about a run."""

    args: list[Any]
    kwargs: dict[str, Any]
    result: Any
    history: list[PastAttempt]
    pid: int | None
    log: str | None = Field(description="File with what it printed, on the machine it ran on.")


class Runs(Told):
    """A page of runs."""

    items: list[ListedRun]
    next_cursor: str | None = Field(description="Ask with cursor= for what follows; null: the end.")
    total: int | None = Field(None, description="How many match in all; only with count=true.")


class Result(Told):
    """What a run returned."""

    id: int
    name: str
    state: str
    result: Any


class Why(Told):
    """Why a run is in the state it is in."""

    id: int
    state: str
    why: str


class Step(Told):
    """A recorded step of a run."""

    name: str
    attempt: int
    input: Any
    output: Any
    error: str | None
    started: Time
    ended: Time | None
    seconds: Seconds | None


class Steps(Told):
    """The steps of a run, in order."""

    items: list[Step]


# -- what is asked for ------------------------------------------------------------------------

Name = Annotated[str, Field(min_length=1, max_length=200)]
Label = Annotated[str, Field(min_length=1, max_length=500)]
Duration = Annotated[float, Field(ge=0, le=3.2e9)] | Annotated[str, Field(max_length=40)]


class Start(Given):
    """A run to be made. All of it may be left out."""

    args: list[Any] = Field([], description="Positional arguments.")
    kwargs: dict[str, Any] = Field({}, description="Arguments by name.")
    label: Label | None = Field(None, description="How this run is called; the task by default.")
    delay: Duration | None = Field(None, description="Seconds, or '10m', before it may start.")
    at: str | float | None = Field(
        None, description="When it may start: RFC 3339, or seconds since 1970."
    )
    priority: Annotated[float, Field(ge=-3.2e9, le=3.2e9)] | None = Field(
        None, description="Seconds of head start over others."
    )
    timeout: Duration | None = Field(None, description="Seconds, or '10m', one attempt may take.")


class Chosen(Given):
    """Which runs a bulk action is about: the filters of the list of runs. At least one."""

    all: bool = Field(False, description="Every run, where no other filter is given.")
    ids: Annotated[list[int], Field(max_length=10_000)] | None = None
    state: list[str] | None = None
    task: list[Name] | None = None
    tag: str | None = None
    since: str | float | None = None
    until: str | float | None = None
    q: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Part of the label or of the task's name."
    )
    flow: int | None = None
    worker: int | None = None
    reason: str | None = None
    dry_run: bool = Field(False, description="Only count.")


class Refused(Told):
    """A run a bulk action could not be carried out for."""

    id: int
    detail: str


class Done(Told):
    """What a bulk action did."""

    matched: int
    done: int
    dry_run: bool
    more: bool = Field(description="Whether further runs match; at most 10,000 are taken at once.")
    refused: list[Refused] = Field(description="The first 100 that were refused.")
    refused_count: int
