"""A skills file: exactly checkable questions, one a line."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from suretune.battery.forms import validate
from suretune.battery.items import Question
from suretune.data.render import with_system
from suretune.pocket.skills import Item
from suretune.types import Message

SKILL_TOKENS = 64
LONGEST_LINE = 1 << 20  # bytes


def read_skills(path: Path) -> list[Question]:
    """The items of a skills file; ValueError, with the line, for one that is none."""
    made: list[Question] = []
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
            if len(line) > LONGEST_LINE:
                raise ValueError(f"line {number}: longer than {LONGEST_LINE:,} bytes")
            if line.strip():
                made.append(_question(line, number, len(made) + 1))
    return made


def _question(line: bytes, number: int, nth: int) -> Question:
    try:
        question = skill_question(_item(json.loads(line)), nth)
        validate(question.check)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number}: {error}") from error
    return question


def _item(told: Any) -> Item:
    """An item with every field a text; ValueError names the first that is not."""
    if not isinstance(told, dict):
        raise ValueError("no JSON object")
    names = [field.name for field in fields(Item)]
    for name in names:
        if name not in told:
            raise ValueError(f"`{name}` is missing; it takes {', '.join(names)}")
        if not isinstance(told[name], str) and not (name == "system" and told[name] is None):
            raise ValueError(f"`{name}` is no text")
    if more := [name for name in told if name not in names]:
        raise ValueError(f"unknown key `{more[0]}`; it takes {', '.join(names)}")
    if not told["question"].strip():
        raise ValueError("`question` is empty")
    return Item(**told)


def skill_question(item: Item, number: int) -> Question:
    """A line of a skills file as a general question."""
    messages = with_system((Message("user", item.question),), item.system)
    check = {"kind": "skill", "answer": item.answer, "check": item.check}
    name = f"skill-{number}"
    return Question(name, item.skill, item.lang, "", (), messages, check, SKILL_TOKENS)
