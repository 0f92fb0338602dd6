"""The user's own options as a command again: for the verb that comes next, with what is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suretune import typed
from suretune.config import Resolved

LOOKING = ("dry_run", "preview")  # options of a look that a run has no use for


def command_of(
    verb: str, resolved: Resolved, file: str = "", changes: Mapping[str, Any] | None = None
) -> str:
    """`suretune VERB` with the options that flags gave, `--config FILE`, and the changes.

    Parsed again, it means the same config but for the changes and what is only a look.
    """
    changed = dict(changes or {})
    words = ["--config", file] if file else []
    for name, value, origin in resolved.items():
        if name in changed:
            value = changed.pop(name)
        elif not _asked(origin, file) or name in LOOKING:
            continue
        words += _flag(name, value)
    return typed.command("suretune", verb, *words)


def _asked(origin: str, file: str) -> bool:
    """Whether somebody wanted this value, and it does not stand in the file anyway."""
    return origin not in ("default", "file" if file else "") and not origin.startswith("auto")


def _flag(name: str, value: Any) -> list[str]:
    """`--name value`, so that a value that begins with a dash is none the less a value."""
    if isinstance(value, tuple):
        return [f"--{name}", *map(_text, value)]
    text = _text(value)
    return [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]


def _text(value: Any) -> str:
    if value is None:
        return "auto"
    return str(value).lower() if isinstance(value, bool) else str(value)
