"""The errors that programs written for Pynenc catch."""

from __future__ import annotations


class PynencError(Exception):
    """Root of these errors."""


class RetryError(PynencError):
    """Raised by a task to be tried again, while ``max_retries`` allows."""


class InvalidTaskOptionsError(PynencError, ValueError):
    """A task was declared with an option that does not exist or cannot be carried out."""


class RunnerError(PynencError):
    """A runner was asked for something it cannot do."""


class InvocationConcurrencyWithDifferentArgumentsError(PynencError):
    """A registered invocation has the same key arguments, but differs in others."""


class InvocationDroppedError(PynencError, KeyError):
    """The invocation never ran: its running concurrency was used up and it may not wait.

    A ``KeyError``, because that is what Pynenc raises for the missing result.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""  # KeyError would show it in quotes
