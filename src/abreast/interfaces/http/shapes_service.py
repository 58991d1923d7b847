"""What the API takes and gives, as models: schedules, the service and its people."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from .shapes import Duration, Given, Name, Seconds, Time, Told

Spec = Annotated[str, Field(min_length=1, max_length=256)]
Zone = Annotated[str, Field(min_length=1, max_length=64)]
Word = Annotated[str, Field(min_length=1, max_length=64)]


class Instant(Told):
    """One due time of a schedule and what became of it."""

    id: int
    schedule: str
    task: str
    at: Time
    until: Time | None = Field(description="Of a row that stands for several: the last one.")
    count: int
    outcome: str = Field(description="ran, skipped, missed, merged, paused.")
    reason: str | None
    run: int | None
    decided: Time


class Schedule(Told):
    """When runs of a task are made."""

    name: str
    task: str
    spec: str
    kind: str
    described: str = Field(description="The same in words.")
    timezone: str
    overlap: str
    catch_up: str
    window: Seconds | None
    jitter: Seconds
    args: list[Any]
    kwargs: dict[str, Any]
    source: str = Field(description="app, file or api; only those of the api can be changed here.")
    paused: Time | None = Field(description="Since when.")
    next: Time | None
    due: Time | None = Field(description="next, with its jitter.")
    last: Instant | None
    last_success: Time | None


class Schedules(Told):
    """All schedules, by name."""

    items: list[Schedule]
    next_cursor: None


class Instants(Told):
    """A page of the ledger, newest first."""

    items: list[Instant]
    next_cursor: str | None


class NewSchedule(Given):
    """A schedule to be added."""

    name: Name
    task: Name
    spec: Spec = Field(description="'0 2 * * *', '@daily', 'every 90s', '2027-01-01T00:00:00Z'.")
    timezone: Zone | None = None
    overlap: Word = "skip"
    catch_up: Word = "latest"
    window: Duration | None = None
    jitter: Duration = 0.0
    args: list[Any] = Field([])
    kwargs: dict[str, Any] = Field({})


class ScheduleChange(Given):
    """What is to be different; what is left out or null stays."""

    spec: Spec | None = None
    timezone: Zone | None = None
    overlap: Word | None = None
    catch_up: Word | None = None
    window: Duration | None = None
    jitter: Duration | None = None
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None


class Backfill(Given):
    """A past period whose runs are to be made."""

    since: str | float = Field(description="RFC 3339 or seconds since 1970; not included.")
    until: str | float
    overlap: Word | None = None
    dry_run: bool = False


class Backfilled(Told):
    """What a backfill made, or would make."""

    items: list[Instant] = Field(description="The first 1,000.")
    counts: dict[str, int] = Field(description="Instants by outcome.")
    dry_run: bool


class Preview(Given):
    """A schedule that is being thought about."""

    spec: Spec
    timezone: Zone | None = None
    name: Name = "preview"
    start: str | float | None = Field(None, description="From when; now by default.")
    count: Annotated[int, Field(ge=0, le=1000)] = 10


class ClockChange(Told):
    """What a schedule does on a day on which the clocks change."""

    at: Time
    before_utcoffset: float
    after_utcoffset: float
    usual: list[Time]
    what: str


class Previewed(Told):
    """When a schedule would start runs."""

    spec: str
    kind: str
    described: str
    timezone: str
    instants: list[Time]
    warnings: list[str]
    clock_changes: list[ClockChange]


class Limit(Told):
    """One key of a limit."""

    key: str
    held: float
    n: float | None = Field(description="Units there are; null: no one number.")
    holders: list[int] = Field(description="Runs that hold some.")
    waiting: int
    waiters: list[int] = Field(description="The first 100 runs that wait.")


class Limits(Told):
    """Every key of a limit in use."""

    items: list[Limit]


class Held(Told):
    """Runs by column; times in milliseconds after ``since``."""

    id: list[int]
    ready: list[int] = Field(description="From then on only slots and limits held it.")
    rank: list[int] = Field(description="Of those that wait, the smallest starts first.")
    started: list[int] = Field(description="Of its first attempt.")
    took: list[int] = Field(description="All of its attempts together.")
    cost: list[float] = Field(description="Units it took.")


class LimitHistory(Told):
    """What a key of a limit has let through."""

    key: str
    since: Time
    until: Time
    tasks: list[str] = Field(description="Whose runs may use the key.")
    n: float | None = Field(description="Units there were for the newest run.")
    per_seconds: Seconds | None = Field(description="Of a rate: units return that long after.")
    unfinished: int = Field(description="Runs of the key that wait or run; they are not listed.")
    truncated: bool = Field(description="There were more runs; these are the newest.")
    runs: Held


class Worker(Told):
    """A process that executes runs."""

    id: int
    name: str
    host: str
    pid: int
    started: Time
    concurrency: int
    tasks: str | None
    state: str
    running: int


class Workers(Told):
    """The workers that are alive."""

    items: list[Worker]


# -- the service ------------------------------------------------------------------------------


class Check(Told):
    """One thing that was looked at."""

    ok: bool
    detail: str


class Health(Told):
    """Whether the service works."""

    ok: bool
    checks: dict[str, Check]


class Setting(Told):
    """A setting, secrets masked, and where it was said."""

    key: str
    value: Any
    origin: str


class Info(Told):
    """What this service is."""

    version: str
    app: str
    timezone: str
    now: Time
    started: Time
    draining: bool
    settings: list[Setting] = Field(description="For admins; for others empty.")


class Me(Told):
    """Who asks."""

    name: str
    role: str
    csrf: str | None = Field(description="To be sent as X-CSRF-Token by browsers with a session.")


class Reloaded(Told):
    """What a reload changed, in words."""

    changes: list[str]


class User(Told):
    """Somebody who may log in."""

    name: str
    role: str
    created: Time


class Users(Told):
    """All users."""

    items: list[User]


Role = Annotated[str, Field(min_length=1, max_length=32)]
Password = Annotated[str, Field(min_length=1, max_length=1024)]


class NewUser(Given):
    """A user to be added."""

    name: Name
    password: Password
    role: Role = Field("viewer", description="viewer, operator or admin.")


class UserChange(Given):
    """What is to be different about a user."""

    role: Role | None = None
    password: Password | None = None


class OwnPassword(Given):
    """Another password for whoever sends it."""

    current: Password
    new: Password


class Token(Told):
    """What lets a program in."""

    id: int
    name: str
    user: str
    role: str
    created: Time
    expires: Time | None
    used: Time | None


class Tokens(Told):
    """All tokens."""

    items: list[Token]


class NewToken(Given):
    """A token to be made."""

    name: Name = Field(description="What it is for.")
    user: Name | None = Field(None, description="Whose it is; yours by default.")
    role: Role | None = Field(None, description="What it may do at most; all its user may.")
    expires: str | float | None = Field(None, description="RFC 3339 or seconds since 1970.")


class CreatedToken(Token):
    """A new token."""

    token: str = Field(description="Shown this once.")


class Channel(Told):
    """Where notices go; nothing secret."""

    model_config = ConfigDict(extra="allow")

    name: str
    kind: str = Field(description="mail, webhook or command.")
    to: str


class Channels(Told):
    """All channels of notices."""

    items: list[Channel]


class Tested(Told):
    """What came of a test notice."""

    name: str
    ok: bool
    detail: str
