"""What a model answers: probes, skills, held-out loss. The same before and after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from suretune.data.render import prompt_ids, with_system
from suretune.data.template import ChatTokenizer
from suretune.model.generate import Talker, answers, spoken
from suretune.pocket.skills import Item, correct
from suretune.types import Message, Sample
from suretune.verify.probes import PROBE_TOKENS, Probe
from suretune.verify.signs import loops

SKILL_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Questions:
    """Everything that is asked of a model, before and after."""

    probes: Sequence[Probe]
    system: str | None  # the system prompt of training
    skills: Sequence[Item]
    held_out: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Answers:
    """One string a probe, right or wrong a skill item, nats per held-out token.

    `ended` (by itself, not by the limit) and `looping` are the probes', then the skills'.
    """

    probes: Sequence[str]
    skills: Sequence[bool]
    held_out: float | None
    solutions: Sequence[str] = ()  # what was said to the skills
    ended: Sequence[bool] = ()
    looping: Sequence[bool] = ()

    def line(self) -> Mapping[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def skill_share(self) -> float | None:
        return sum(self.skills) / len(self.skills) if self.skills else None


def ask(
    model: Talker,
    tokenizer: ChatTokenizer,
    questions: Questions,
    mean_loss: Callable[[Sequence[Sample]], float],
) -> Answers:
    """Ask everything, greedily; `mean_loss` measures nats per learned token of held-out rows."""
    said, ended, looping = [], [], []
    for prompts, limit in (
        (_probe_prompts(tokenizer, questions.probes, questions.system), PROBE_TOKENS),
        (_skill_prompts(tokenizer, questions.skills), SKILL_TOKENS),
    ):
        given = spoken(model, prompts, tokenizer.stop_ids, limit) if prompts else []
        said.append([tokenizer.decode(ids) for ids in given])
        ended += [len(ids) < limit for ids in given]
        looping += [loops(ids) for ids in given]
    solved = correct(questions.skills, said[1]) if said[1] else []
    loss = mean_loss(questions.held_out) if questions.held_out else None
    return Answers(said[0], solved, loss, said[1], ended, looping)


def solve(model: Talker, tokenizer: ChatTokenizer, items: Sequence[Item]) -> list[bool]:
    """Right or wrong, one a skill item."""
    prompts = _skill_prompts(tokenizer, items)
    return correct(items, answers(model, tokenizer, prompts, SKILL_TOKENS)) if prompts else []


def answer_probes(
    model: Talker,
    tokenizer: ChatTokenizer,
    probes: Sequence[Probe],
    system: str | None,
    most: int = PROBE_TOKENS,
) -> list[str]:
    """One answer a probe, of at most this many tokens."""
    prompts = _probe_prompts(tokenizer, probes, system)
    return answers(model, tokenizer, prompts, most) if prompts else []


def _probe_prompts(
    tokenizer: ChatTokenizer, probes: Sequence[Probe], system: str | None
) -> list[list[int]]:
    return [prompt_ids(tokenizer, probe.messages(system)) for probe in probes]


def _skill_prompts(tokenizer: ChatTokenizer, items: Sequence[Item]) -> list[list[int]]:
    return [
        prompt_ids(tokenizer, with_system((Message("user", item.question),), item.system))
        for item in items
    ]


def read_skills(path: Path) -> list[Item]:
    """The items of a skills file; ValueError or TypeError for a line that is not one."""
    lines = path.read_bytes().splitlines()
    return [Item(**orjson.loads(line)) for line in lines if line.strip()]


def by_skill(
    items: Sequence[Item], before: Sequence[bool], after: Sequence[bool]
) -> list[dict[str, Any]]:
    """One row a skill and language, shares right before and after."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault((item.skill, item.lang), []).append(index)
    return [
        {
            "skill": skill,
            "lang": lang,
            "n": len(rows),
            "before": sum(before[i] for i in rows) / len(rows),
            "after": sum(after[i] for i in rows) / len(rows),
        }
        for (skill, lang), rows in groups.items()
    ]
