"""Trackers: where people watch their runs. One file a tracker; it is found by lying here.

A tracker works in a process of its own (`feeding.py`), which is told what happens over a pipe
(`following.py`). So it can neither block a training nor end it, whatever its package does.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from suretune.installed import is_installed
from suretune.trackers.tracker import Tracker


@cache
def trackers() -> dict[str, Tracker]:
    """Every tracker by its name. None of their packages is imported."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    return {one.name: one for one in map(_tracker_of, modules) if one}


def named_trackers(words: tuple[str, ...]) -> list[Tracker]:
    """What `--report_to` means: `all` are those whose package is installed, `none` is nobody."""
    if "all" in words:
        return [one for one in trackers().values() if is_installed(one.module)]
    return [trackers()[word] for word in dict.fromkeys(words) if word != "none"]


def _tracker_of(module: ModuleType) -> Tracker | None:
    found = getattr(module, "TRACKER", None)
    return found if isinstance(found, Tracker) else None
