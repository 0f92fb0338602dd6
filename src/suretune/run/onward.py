"""What a person types next, ready to paste, and true of where the run lies now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suretune import typed


def next_commands(run: Path, verdict: str) -> list[dict[str, Any]]:
    """After a proof: talk to the model, and check the seal where there is one."""
    talk = {
        "what": {"en": "talk to it", "zh": "和它对话"},
        "command": typed.command("suretune", "infer", "--adapters", run),
    }
    check = {
        "what": {"en": "check the seal again", "zh": "再次验证封条"},
        "command": f"suretune verify {typed.path(run)}",
    }
    return [talk, check] if verdict == "sealed" else [talk]


def once_mended(run: Path) -> list[dict[str, Any]]:
    """After a stop."""
    return [
        {
            "what": {"en": "once mended, go on", "zh": "修好之后继续"},
            "command": f"suretune resume {typed.path(run)}",
        }
    ]


def where_it_is(told: Mapping[str, Any], run: Path) -> dict[str, Any]:
    """A report with the paths and commands of where its run lies now: it may have been moved."""
    verdict = str(told.get("verdict"))
    onward = once_mended(run) if verdict == "stopped" else next_commands(run, verdict)
    return {**told, "run": str(run), "next": onward}
