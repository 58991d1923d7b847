"""What the API takes and gives, as models: tasks, flows and batches."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from .shapes import Given, Label, ListedRun, Name, Percent, Progress, Run, Seconds, Time, Told


class Parameter(Told):
    """Something a task takes."""

    name: str
    kind: str = Field(description="positional, any, keyword, * or **, as in Python.")
    required: bool
    default: Any
    annotation: str | None


class Origin(Told):
    """Where a task is declared: app, file or toml."""

    kind: str
    path: str | None


class Recent(Told):
    """One of the last runs of a task."""

    id: int
    state: str
    seconds: Seconds | None


class NextInstant(Told):
    """When a schedule starts the task next."""

    schedule: str
    at: Time
    timezone: str


class Task(Told):
    """A task and how its runs have gone lately."""

    name: str
    doc: str | None
    tags: list[str]
    parameters: list[Parameter]
    origin: Origin
    problem: str | None = Field(description="Why its schedule or ``after`` is not heeded.")
    paused: bool = Field(description="All of its schedules are paused.")
    schedules: list[str]
    next: NextInstant | None
    last: Run | None = Field(description="The newest run.")
    success_rate: Percent | None = Field(description="Of its last 100 runs that have ended.")
    median_seconds: Seconds | None
    p95_seconds: Seconds | None
    recent: list[Recent] = Field(description="Newest first.")
    running: int
    waiting: int


class TaskDetails(Task):
    """A task with what it was declared with."""

    options: dict[str, Any]


class FileState(Told):
    """A file of the tasks folder."""

    path: str
    tasks: list[str]
    error: str | None
    checked: Time | None


class Tasks(Told):
    """All tasks, by name, and the files of the tasks folder."""

    items: list[Task]
    next_cursor: None
    files: list[FileState]


class TaskPaused(Told):
    """The schedules of a task that were paused or resumed."""

    name: str
    paused: bool
    schedules: list[str]


# -- flows and batches ------------------------------------------------------------------------


class Flow(Told):
    """A flow, as the run that stands for it."""

    run: Run
    batch: bool


class Flows(Told):
    """A page of flows, newest first."""

    items: list[ListedRun]
    next_cursor: str | None


class FlowDetails(Told):
    """A flow with its runs."""

    run: Run
    batch: bool
    progress: Progress | None
    counts: dict[str, int] = Field(description="Runs by state.")
    runs: list[Run] = Field(description="In the order in which they were added.")
    edges: list[list[int]] = Field(description="[earlier, later]: the ids of two runs.")
    more: bool = Field(description="Whether it has more runs than are listed.")


class FlowRun(Given):
    """One run of a flow."""

    task: Name
    label: Label | None = Field(None, description="The task's name by default.")
    args: list[Any] = Field([], description='{"$run": LABEL} stands for the result of that run.')
    kwargs: dict[str, Any] = Field({})
    after: list[Label] = Field([], description="Labels of runs that have to complete first.")


class NewFlow(Given):
    """A graph of runs, all made at once."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    fail_fast: bool = Field(False, description="The first run that fails ends all others.")
    runs: Annotated[list[FlowRun], Field(min_length=1, max_length=10_000)]


Values = dict[Name, Annotated[list[Any], Field(min_length=1, max_length=100_000)]]


class NewBatch(Given):
    """A task for every combination of values."""

    task: Name
    over: Annotated[Values, Field(min_length=1)] = Field(
        description="Argument to values; the combinations come one after the other."
    )
    parallel: Values | None = Field(
        None, description="Argument to values; the parts of one combination, side by side."
    )
    join: Name | None = Field(None, description="Task called with the parts' results.")
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 1
    part_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 4
    constants: dict[str, Any] = Field({}, description="Arguments that are always the same.")


class Combination(Told):
    """A combination that is through."""

    values: dict[str, Any]
    result: Any


class BatchDetails(Told):
    """A batch with what it has so far."""

    run: Run
    progress: Progress | None
    counts: dict[str, int] = Field(description="Runs by state.")
    over: dict[str, list[Any]]
    parallel: dict[str, list[Any]] | None
    join: str | None
    combinations: int
    results: list[Combination]


class Batches(Told):
    """A page of batches, newest first."""

    items: list[ListedRun]
    next_cursor: str | None
