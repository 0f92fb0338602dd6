"""A skills file: exactly checkable questions, one a line."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from suretune.battery.forms import validate
from suretune.battery.items import Question
from suretune.because import in_words
from suretune.data.render import with_system
from suretune.pocket.skills import Item
from suretune.types import Message, Text

SKILL_TOKENS = 64
LONGEST_LINE = 1 << 20  # bytes


class BadSkills(ValueError):
    """What is wrong with a line of a skills file, in both languages."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.why = Text(en, zh)


def read_skills(path: Path) -> list[Question]:
    """The items of a skills file; BadSkills, with the line, for one that is none."""
    at = path.stat()  # a check asks for it more than once
    return list(_read(path, (at.st_dev, at.st_ino, at.st_mtime_ns, at.st_size)))


@lru_cache(maxsize=4)
def _read(path: Path, state: tuple[int, ...]) -> list[Question]:
    made: list[Question] = []
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
            if len(line) > LONGEST_LINE:
                raise BadSkills(
                    f"line {number}: longer than {LONGEST_LINE:,} bytes",
                    f"第 {number} 行超过了 {LONGEST_LINE:,} 字节",
                )
            if line.strip():
                made.append(_question(line, number, len(made) + 1))
    return made


def _question(line: bytes, number: int, nth: int) -> Question:
    try:
        question = skill_question(_item(json.loads(line)), nth)
        validate(question.check)
    except (ValueError, RecursionError) as error:
        why = error.why if isinstance(error, BadSkills) else _no_json(error)
        raise BadSkills(f"line {number}: {why.en}", f"第 {number} 行：{why.zh}") from error
    return question


def _no_json(error: ValueError | RecursionError) -> Text:
    return in_words(error)


def _item(told: Any) -> Item:
    """An item with every field a text; BadSkills names the first that is not."""
    if not isinstance(told, dict):
        raise BadSkills("no JSON object", "不是 JSON 对象")
    names = [field.name for field in fields(Item)]
    for name in names:
        if name not in told:
            raise BadSkills(
                f"`{name}` is missing; it takes {', '.join(names)}",
                f"缺少 `{name}`；要有 {'、'.join(names)}",
            )
        if not isinstance(told[name], str) and not (name == "system" and told[name] is None):
            raise BadSkills(f"`{name}` is no text", f"`{name}` 不是文字")
    if more := [name for name in told if name not in names]:
        raise BadSkills(
            f"unknown key `{more[0]}`; it takes {', '.join(names)}",
            f"不认识的键 `{more[0]}`；可用的有 {'、'.join(names)}",
        )
    if not told["question"].strip():
        raise BadSkills("`question` is empty", "`question` 是空的")
    return Item(**told)


def skill_question(item: Item, number: int) -> Question:
    """A line of a skills file as a general question."""
    messages = with_system((Message("user", item.question),), item.system)
    check = {"kind": "skill", "answer": item.answer, "check": item.check}
    name = f"skill-{number}"
    return Question(
        id=name,
        category=item.skill,
        lang=item.lang,
        template="",
        entities=(),
        messages=messages,
        check=check,
        tokens=SKILL_TOKENS,
    )
