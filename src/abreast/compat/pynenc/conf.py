"""The settings of an app that mean something here, and those that Pynenc has besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Settings of Pynenc's own machinery: programs may set them, and nothing comes of it.
_NO_EFFECT = frozenset(
    {"argument_print_mode", "atomic_service_check_interval_minutes",
     "atomic_service_interval_minutes", "atomic_service_spread_margin_minutes",
     "auto_final_invocation_purge_hours", "blocking_control", "broker_cls", "cached_status_time",
     "client_data_store_cls", "event_retention_days", "invocation_wait_results_sleep_time_sec",
     "log_format", "logging_level", "max_pending_seconds", "orchestrator_cls",
     "print_arguments", "recover_pending_invocations_cron", "recover_running_invocations_cron",
     "runner_considered_dead_after_minutes", "runner_loop_sleep_time_sec", "serializer_cls",
     "state_backend_cls", "trigger_cls", "trigger_task_modules", "truncate_arguments_length"}
)  # fmt: skip


class Config:
    """The settings of an app.

    Attributes
    ----------
    app_id : str
        Name of the app.
    runner_cls : str
        What ``app.runner`` is: ``"ThreadRunner"``, ``"ProcessRunner"`` (a new process for every
        invocation) or ``"PersistentProcessRunner"``.
    max_threads : int
        Invocations a runner executes at once, in threads or processes; 0: as many as suit the
        machine.
    dev_mode_force_sync_tasks : bool
        Execute every invocation at once in the calling thread, for tests.
    """

    __slots__ = ("app_id", "dev_mode_force_sync_tasks", "ignored", "max_threads", "runner_cls")

    def __init__(self, app_id: str, values: Mapping[str, Any]) -> None:
        self.ignored: dict[str, Any] = {}  # settings that have no effect
        self.app_id = app_id
        self.runner_cls = "ThreadRunner"
        self.max_threads = 0
        self.dev_mode_force_sync_tasks = False
        for name, value in values.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _NO_EFFECT:
            self.ignored[name] = value
        elif name in self.__slots__:
            super().__setattr__(name, value)
        else:
            known = ", ".join(name for name in self.__slots__ if name != "ignored")
            raise AttributeError(f"unknown setting {name!r}; those with an effect are {known}")

    def __getattr__(self, name: str) -> Any:
        if name != "ignored" and name in self.ignored:
            return self.ignored[name]
        raise AttributeError(f"unknown setting {name!r}")
