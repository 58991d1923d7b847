"""Tasks of a folder: found without importing their files here, run in processes of their own.

``probe`` reads one file in a child process and answers in JSON; ``Folder`` watches the files and
tells the app what their tasks are; ``FolderFunction`` is what a run calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .function import FolderFunction as FolderFunction
    from .watching import FileState as FileState
    from .watching import Folder as Folder

_HOMES = {"FileState": "watching", "Folder": "watching", "FolderFunction": "function"}

__all__ = ["FileState", "Folder", "FolderFunction"]


def __getattr__(name: str) -> Any:
    # Children that execute a run need the function only.
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{home}", __name__), name)
