"""Write docs/states.md from the table in ``abreast.domain.states``; ``--check`` only compares.

Usage: ``python scripts/states_page.py [--check]``
"""

from __future__ import annotations

import sys
from pathlib import Path

from abreast.domain.states import ALLOWED, ENDED, FIRST, REASONS, State, diagram

PAGE = Path(__file__).resolve().parent.parent / "docs" / "states.md"

MEANING = {
    State.BLOCKED: "waits for other runs",
    State.SCHEDULED: "waits for a time: a delay or a retry",
    State.PENDING: "may start; waits for a free place, possibly held by a limit",
    State.RUNNING: "executes",
    State.COMPLETED: "ended with a result",
    State.FAILED: "ended without one, and not because somebody wanted it so",
    State.CANCELLED: "was stopped while it ran or waited",
    State.SKIPPED: "never started, and will not",
}


def names(values: frozenset[State] | frozenset[object]) -> str:
    return ", ".join(sorted(f"`{value}`" for value in values)) or "–"


def page() -> str:
    rows = [
        f"| `{state}` | {MEANING[state]} | {'yes' if state in FIRST else 'no'} | "
        f"{names(ALLOWED[state])} |"
        for state in State
    ]
    ends = [
        f"| `{state}` | {names(REASONS.get(state, frozenset()))} |"
        for state in State
        if state in ENDED
    ]
    return "\n".join(
        [
            "<!-- written by scripts/states_page.py from src/abreast/domain/states.py -->",
            "",
            "# States of a run",
            "",
            "A run is in exactly one of eight states. This page is drawn from the table that the",
            "program itself obeys; a change that is not in it raises an error.",
            "",
            "| state | the run | may begin here | may become |",
            "|---|---|---|---|",
            *rows,
            "",
            "Not states: a requested cancel (a flag), the limit that holds a pending run (a name,",
            "see `run.why()`). A retry is `running` → `scheduled`.",
            "",
            "## Reasons",
            "",
            "Every end other than `completed` carries a `reason`.",
            "",
            "| end | reasons |",
            "|---|---|",
            *ends,
            "",
            "## Diagram",
            "",
            "```mermaid",
            diagram().rstrip("\n"),
            "```",
            "",
        ]
    )


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") != page():
            sys.exit("docs/states.md is stale: run python scripts/states_page.py")
    else:
        PAGE.write_text(page(), encoding="utf-8")
