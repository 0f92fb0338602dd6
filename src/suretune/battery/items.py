"""The general questions that ship with the package, in English and in Chinese.

`proof.*.jsonl`: asked by the proof alone. `way.*.jsonl`: asked on the way, so that what chose a
checkpoint is not what judges it. They share no template and no entity.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from suretune.battery.forms import validate
from suretune.types import Message

LANGUAGES = ("en", "zh")
CATEGORIES = (
    "facts",
    "sums",
    "code",
    "formats",
    "translation",
    "system",
    "refusal",
    "turns",
    "near",
)
MOST_TOKENS = 160
KEYS = ("id", "category", "template", "entities", "messages", "check", "tokens")
_ID = re.compile(r"(en|zh)(?:-[a-z0-9]+)+")


@dataclass(frozen=True, slots=True)
class Question:
    """One general question with its check.

    `template`: the shape of its wording; `entities`: what it is about; `tokens`: the most that an
    answer may have. `check`: see `checks`; empty where nothing can be judged.
    """

    id: str
    category: str
    lang: str
    template: str
    entities: tuple[str, ...]
    messages: tuple[Message, ...]
    check: Mapping[str, Any]
    tokens: int

    @property
    def asked(self) -> str:
        """What the user says last."""
        return next(m.content for m in reversed(self.messages) if m.role == "user")

    @property
    def system(self) -> str | None:
        """The system prompt that the question brings, or None."""
        return next((m.content for m in self.messages if m.role == "system"), None)

    def line(self) -> Mapping[str, Any]:
        """As a run folder has it: also of questions that do not ship with the package."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**named, "messages": lines_of(self.messages)}


def recorded_question(line: Mapping[str, Any]) -> Question:
    """A question as `Question.line` wrote it."""
    entities, messages = tuple(line["entities"]), messages_of(line["messages"])
    return Question(**{**line, "entities": entities, "messages": messages})


def lines_of(messages: Sequence[Message]) -> list[Mapping[str, Any]]:
    """A conversation as a run folder has it."""
    return [{"role": m.role, "content": m.content, **m.extra} for m in messages]


def messages_of(lines: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """A conversation as `lines_of` wrote it."""
    return tuple(
        Message(
            line["role"],
            line["content"],
            extra={key: x for key, x in line.items() if key not in ("role", "content")},
        )
        for line in lines
    )


@cache
def proof_questions() -> tuple[Question, ...]:
    """What the proof asks: English, then Chinese."""
    return _shipped("proof")


@cache
def way_questions() -> tuple[Question, ...]:
    """What is asked on the way: English, then Chinese."""
    return _shipped("way")


def _shipped(name: str) -> tuple[Question, ...]:
    made: list[Question] = []
    for lang in LANGUAGES:
        file = Path(__file__).with_name(f"{name}.{lang}.jsonl")
        if file.exists():
            made += read_questions(file, lang)
    return tuple(made)


def read_questions(file: Path, lang: str) -> list[Question]:
    """The questions of a file; ValueError with its name and the line of the first that is none."""
    made: list[Question] = []
    seen: set[str] = set()
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        try:
            question = question_of(line)
            if question.lang != lang:
                raise ValueError(f"{question.id}: not in {lang}")
            if question.id in seen:
                raise ValueError(f"{question.id}: twice")
        except ValueError as error:
            raise ValueError(f"{file.name}:{number}: {error}") from error
        seen.add(question.id)
        made.append(question)
    return made


def question_of(line: str | Mapping[str, Any]) -> Question:
    """A question out of one line of a file, or a ValueError that names it and what is wrong."""
    given = json.loads(line) if isinstance(line, str) else line
    if not isinstance(given, Mapping):
        raise ValueError(f"not an object: {str(line)[:60]!r}")
    name = given.get("id", "?")
    try:
        return _question(given)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _question(given: Mapping[str, Any]) -> Question:
    if unknown := [key for key in given if key not in KEYS]:
        raise ValueError(f"unknown key {unknown[0]!r}")
    if missing := [key for key in KEYS if key not in given]:
        raise ValueError(f"{missing[0]!r} is missing")
    name, category, template, tokens = (
        given[key] for key in ("id", "category", "template", "tokens")
    )
    found = _ID.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise ValueError("id must begin with en- or zh-, in small letters")
    if category not in CATEGORIES:
        raise ValueError(f"category {category!r} is none of {', '.join(CATEGORIES)}")
    if not isinstance(template, str) or not template.strip():
        raise ValueError(f"template {template!r}")
    if type(tokens) is not int or not 1 <= tokens <= MOST_TOKENS:
        raise ValueError(f"tokens {tokens!r} is not from 1 to {MOST_TOKENS}")
    entities = given["entities"]
    if (
        not isinstance(entities, Sequence)
        or isinstance(entities, str)
        or not all(isinstance(entity, str) and entity.strip() for entity in entities)
    ):
        raise ValueError(f"entities {entities!r} is no list of names")
    validate(given["check"])
    messages = _messages(given["messages"], category)
    return Question(
        id=name,
        category=category,
        lang=found[1],
        template=template,
        entities=tuple(entities),
        messages=messages,
        check=given["check"],
        tokens=tokens,
    )


def _messages(given: Any, category: str) -> tuple[Message, ...]:
    """The conversation: a system message in some categories, then user and assistant in turns."""
    if not isinstance(given, list) or not given:
        raise ValueError("messages must be a list")
    made = []
    for one in given:
        if not isinstance(one, Mapping) or not one.keys() <= {"role", "content"}:
            raise ValueError(f"messages have role and content: {one!r}")
        content = one.get("content")
        if not isinstance(content, str) or not content.strip():
            raise ValueError(f"content {content!r} is empty")
        made.append(Message(str(one.get("role")), content))
    roles = [message.role for message in made]
    if roles[0] == "system":
        if category not in ("system", "turns"):
            raise ValueError(f"a system message does not belong to {category}")
        roles = roles[1:]
    elif category == "system":
        raise ValueError("there is no system message")
    if roles[-1:] != ["user"]:
        raise ValueError("messages must end with user")
    if roles != [("user", "assistant")[n % 2] for n in range(len(roles))]:
        raise ValueError("user and assistant must alternate")
    if category == "turns" and len(roles) < 3:
        raise ValueError("several turns are wanted")
    return tuple(made)
