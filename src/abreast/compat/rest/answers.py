"""The shapes of the answers, as the OpenAPI description shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Detail(BaseModel):
    """Why a request was refused."""

    detail: str


class Message(BaseModel):
    """What was done."""

    message: str


class LatestRun(BaseModel):
    """The newest run of a task. Times are UTC."""

    status: str
    started_at: str | None
    completed_at: str | None
    duration_seconds: float | None
    error_message: str | None


class JobStatus(BaseModel):
    """Whether a task has a schedule that will start it."""

    scheduled: bool
    next_run: str | None
    status: str


class Task(BaseModel):
    """A task with its schedule and newest run. ``schedule_config`` is a JSON text."""

    id: int
    name: str
    module_name: str
    description: str
    file_path: str | None
    schedule_type: str
    schedule_config: str | None
    is_active: bool
    created_at: str | None
    updated_at: str | None
    latest_run: LatestRun | None
    next_run: str | None
    job_status: JobStatus


class Tasks(BaseModel):
    """All tasks."""

    tasks: list[Task]


class Found(BaseModel):
    """A task file."""

    name: str
    file_path: str | None
    module_name: str
    description: str


class Discovered(BaseModel):
    """The tasks there are; none is ever new, since files are taken in by themselves."""

    discovered_tasks: list[Found]
    new_tasks: list[Found]
    existing_tasks: list[str]


class Environment(BaseModel):
    """A virtual environment that a task names."""

    name: str
    path: str
    task_folder: str
    python_executable: str | None


class Environments(BaseModel):
    """The virtual environments that tasks name."""

    environments: list[Environment]


class RequirementsFile(BaseModel):
    """A file of requirements that a task names; ``size`` in bytes."""

    name: str
    path: str
    task_folder: str
    size: int


class RequirementsFiles(BaseModel):
    """The files of requirements that tasks name."""

    requirements_files: list[RequirementsFile]


class Project(BaseModel):
    """A package with tasks."""

    name: str
    path: str
    main_file: str
    file_count: int
    files: list[str]
    is_package: bool


class Projects(BaseModel):
    """The packages with tasks."""

    task_projects: list[Project]


class Validation(BaseModel):
    """What was found wrong with an environment."""

    valid: bool
    errors: list[str]
    warnings: list[str]
    python_executable: str | None = None


class Registered(Message):
    """The task of a file."""

    task_id: int


class Started(Message):
    """A run was written down."""

    task_run_id: int
    status: str


class TaskRun(BaseModel):
    """A run of a task. Times are UTC."""

    id: int
    status: str
    started_at: str | None
    completed_at: str | None
    duration_seconds: float | None
    error_message: str | None
    logs_file_path: str | None
    created_at: str


class TaskRuns(BaseModel):
    """Runs of a task, the newest first."""

    task_runs: list[TaskRun]


class LogFile(BaseModel):
    """A file with what a run printed."""

    filename: str
    path: str
    size_bytes: int
    size_mb: float
    created_at: str
    modified_at: str


class LogFiles(BaseModel):
    """Files with what runs printed, the newest first."""

    logs: list[LogFile]


class LogContent(BaseModel):
    """The end of a log file, or all of it."""

    log_file: LogFile
    content: str
    lines_requested: int | None


class DayOfLogs(BaseModel):
    """The log files of one day."""

    count: int
    size_mb: float


class LogStats(BaseModel):
    """How many log files there are and what they take up."""

    total_files: int
    total_size_mb: float
    daily_stats: dict[str, DayOfLogs]


class JobCreated(BaseModel):
    """A job was written down."""

    job_id: str
    status: str
    message: str


class Job(BaseModel):
    """A run, or a batch of runs. Times are UTC, ``progress`` is 0 to 100."""

    job_id: str
    job_type: str
    status: str
    created_at: str
    started_at: str | None
    completed_at: str | None
    progress: int
    progress_message: str | None
    request_data: dict[str, Any]
    result: Any
    error: str | None


class JobMessage(Message):
    """What was done with a job."""

    job_id: str


class TaskNumbers(BaseModel):
    """How many tasks there are."""

    total: int
    active: int
    manual: int
    scheduled: int


class RunNumbers(BaseModel):
    """How many runs there are."""

    total: int
    successful: int
    failed: int
    running: int


class LogNumbers(BaseModel):
    """How many log files there are."""

    total_files: int
    total_size_mb: float


class EmailNumbers(BaseModel):
    """Not known here; both are null."""

    configured: bool | None
    total_task_emails: int | None


class Activity(BaseModel):
    """One of the newest runs; ``duration`` in seconds."""

    task_name: str
    status: str
    started_at: str | None
    duration: float | None


class Stats(BaseModel):
    """Numbers for an overview."""

    tasks: TaskNumbers
    runs: RunNumbers
    logs: LogNumbers
    email: EmailNumbers
    recent_activity: list[Activity]


class Health(BaseModel):
    """The service answers."""

    status: str
    version: str
    timestamp: str
