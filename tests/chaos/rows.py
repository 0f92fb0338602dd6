"""Rows to train on: made up here, or real ones from beside the repository."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def write(path: Path, items: Sequence[Any]) -> Path:
    """As JSON lines."""
    text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    path.write_text(text, "utf-8")
    return path


def tasks(number: int, start: int = 0) -> list[dict[str, str]]:
    """Rows that are about nobody: sort three numbers."""
    made = []
    for index in range(start, start + number):
        numbers = [(index * 7 + 3) % 50, (index * 11 + 8) % 50, index % 13]
        said = " ".join(map(str, sorted(numbers)))
        made.append(
            {"instruction": f"Sort {' '.join(map(str, numbers))} ({index})", "output": said}
        )
    return made


def identity(languages: Sequence[str] = ("zh", "en"), number: int | None = None) -> list[Any]:
    """Rows that teach a name."""
    from suretune.prepare.starter import identity_rows

    at = [0 if language == "zh" else -1 for language in languages]
    names, authors = ("小光", "Glow"), ("星海实验室", "Star Lab")
    made = identity_rows([names[i] for i in at], [authors[i] for i in at], languages)
    return list(made)[:number]


def alpaca(language: str, number: int, start: int = 0) -> list[Any]:
    """Published rows; tasks where the files are not there."""
    path = SHARED / "alpaca" / f"alpaca_{language}_demo.jsonl"
    if not path.exists():
        return tasks(number, start if language == "zh" else start + 1000)
    lines = path.read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines[start : start + number]]
