"""From a name such as ``shop.jobs:app`` or ``jobs.py`` to the app it means."""

from __future__ import annotations

import difflib
import importlib.util
import os
import sys
import traceback
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING

from ..errors import UsageError
from . import config

if TYPE_CHECKING:
    from .app import App


def find_app(
    app: str | None = None, store: str | None = None, start: str | None = None
) -> tuple[App, config.Found]:
    """Load the app that is meant, bound to the store that is meant.

    An app that names its store itself keeps it, unless ``store`` says otherwise.

    Parameters
    ----------
    app, store : str, optional
        What the user gave; else the environment and ``abreast.toml`` say.
    start : str, optional
        Folder where the search for ``abreast.toml`` begins.

    Returns
    -------
    tuple of App and Found
        The second says where each came from.

    Raises
    ------
    UsageError
        When no app is named, or it cannot be loaded; saying what to do.
    """
    found = config.find(app, store, start)
    if found.app is None:
        raise UsageError(
            "no app is named: give --app module:app (or file.py:app), set ABREAST_APP, or write "
            f"app = 'module:app' under [app] in {config.FILE}, here or in a folder above"
        )
    try:
        loaded = load_app(found.app.value, found.app.folder)
    except UsageError as error:
        raise UsageError(f"{error} (app named by {found.app.source})") from error.__cause__
    if loaded.given_url is not None and not store:  # the program's word, so that both agree
        own = config.Setting(loaded.given_url, f"App(...) in {found.app.value}", found.app.folder)
        return loaded, replace(found, store=own)
    url = found.store_url
    if url is not None:
        loaded.bind(url)
    return loaded, found


def load_app(name: str, folder: str | None = None) -> App:
    """Import the app that ``module:attribute``, ``file.py:attribute`` or one of these without the
    attribute names.

    Parameters
    ----------
    folder : str, optional
        Where modules and files are looked for first; the current folder by default.

    Raises
    ------
    UsageError
        When there is no such module, file or app, or importing it raises.
    """
    from .app import App

    folder = os.path.abspath(folder or os.getcwd())
    place, _, attribute = name.partition(":")
    if not place:
        raise UsageError(f"{name!r} names no module; write 'module:app' or 'file.py:app'")
    module = _import(place, folder)
    apps = {key: value for key, value in vars(module).items() if isinstance(value, App)}
    if not attribute:
        distinct = list(dict.fromkeys(apps.values()))
        if len(distinct) == 1:
            return distinct[0]
        if not distinct:
            raise UsageError(f"{place!r} declares no App; write app = App(...) in it")
        raise UsageError(f"{place!r} has several apps; write '{place}:{next(iter(apps))}'")
    found = getattr(module, attribute, None)
    if isinstance(found, App):
        return found
    if found is None:
        near = difflib.get_close_matches(attribute, list(apps) or list(vars(module)), n=1)
        known = f"; it has {', '.join(apps)}" if apps else "; it declares no App"
        hint = f"; did you mean '{place}:{near[0]}'?" if near else known
        raise UsageError(f"{place!r} has no {attribute!r}{hint}")
    raise UsageError(f"{name!r} is no App but {found!r}")


def _import(place: str, folder: str) -> ModuleType:
    looks_like_file = place.endswith(".py") or os.sep in place
    full = os.path.join(folder, os.path.expanduser(place))
    if looks_like_file and not os.path.isfile(full):
        raise UsageError(f"there is no file {place!r} in {folder}{near_file(full)}")
    try:
        if looks_like_file:
            full = os.path.abspath(full)
            return import_file(full, module_name(full))
        if folder not in sys.path:
            sys.path.insert(0, folder)
        from importlib import import_module

        return import_module(place)
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(error.name + ".")):
            raise UsageError(
                f"there is no module {error.name!r} in {folder} or among what is installed"
                f"{near_file(os.path.join(folder, error.name + '.py'))}"
            ) from None
        raise UsageError(f"{place!r} cannot be imported: {error}") from error
    except UsageError as error:
        raise UsageError(f"{place!r} cannot be imported: {error}") from error
    except (Exception, SystemExit) as error:
        text = "".join(traceback.format_exception_only(error)).strip()
        raise UsageError(f"{place!r} cannot be imported: {text}") from error


def module_name(full: str) -> str:
    """Return the name to import a file as: its stem, unless that would hide something else."""
    stem = os.path.basename(full).removesuffix(".py").replace(".", "_")
    known = sys.modules.get(stem)
    if stem in sys.stdlib_module_names or (
        known is not None and getattr(known, "__file__", None) != full
    ):
        return f"{stem}_tasks"
    return stem


def import_file(full: str, name: str) -> ModuleType:
    """Import a file under a name, once."""
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == full:
        return known
    folder = os.path.dirname(full)
    if folder not in sys.path:
        # A file named like a module of the standard library must not hide that from others.
        hides = os.path.basename(full).removesuffix(".py") in sys.stdlib_module_names
        sys.path.insert(len(sys.path) if hides else 0, folder)
    from importlib.machinery import SourceFileLoader

    spec = importlib.util.spec_from_file_location(name, full, loader=SourceFileLoader(name, full))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def near_file(full: str) -> str:
    """The end of a sentence that says there is no such file: which one may be meant."""
    try:
        names = [name for name in os.listdir(os.path.dirname(full)) if name.endswith(".py")]
    except OSError:
        return ""
    found = difflib.get_close_matches(os.path.basename(full), names, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
