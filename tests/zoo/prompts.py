"""What a model is asked while an adapter is grown: general prompts, each of a family.

The text is in `prompts.en.txt` and `prompts.zh.txt`. Neither the judge (`outside.*.jsonl`) nor the
questions that ship with suretune ask any of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from suretune.pocket.skills import SKILLS, train_item

HERE = Path(__file__).parent
FAMILIES = (
    "words", "facts", "near", "advice", "formats", "sums", "why", "code", "system", "turns", "chat",
)  # fmt: skip
CAREFUL = ("refusal", "translate", "polite")  # that only good adapters are held to
SKILL_FAMILIES = {
    "arithmetic": "sums", "compare": "sums", "sort": "formats", "reverse": "formats",
    "json": "formats", "capital": "facts", "translate": "words", "python": "code", "obey": "system",
}  # fmt: skip
EACH_SKILL = 14  # prompts of a skill and language, where a model has skills
Turn = tuple[str, str]  # role, content


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation that waits for an answer. `shape` is its wording without what it is about."""

    family: str
    lang: str
    shape: str
    turns: tuple[Turn, ...]

    @property
    def question(self) -> str:
        """The last thing that was said."""
        return self.turns[-1][1]


def general(lang: str) -> Iterator[Prompt]:
    """The prompts of a language, in the file's order."""
    for line in (HERE / f"prompts.{lang}.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        family, shape, fillers = line.split("\t")
        for filler in fillers.split("; "):
            parts = filler.strip().split(" / ")
            text = shape.format(*parts)
            yield Prompt(family, lang, shape, _turns(text))


def _turns(text: str) -> tuple[Turn, ...]:
    said = text.split(" || ")
    turns: list[Turn] = []
    if said[0].startswith("SYS: "):
        turns.append(("system", said.pop(0).removeprefix("SYS: ")))
    for number, words in enumerate(said):
        turns.append(("assistant" if number % 2 else "user", words))
    return tuple(turns)


def of_skills(languages: Sequence[str], each: int = EACH_SKILL, seed: int = 5) -> Iterator[Prompt]:
    """Prompts like those that the pocket model was made for; none that its skills file can ask."""
    for skill in SKILLS:
        for lang in languages:
            rng = random.Random(f"zoo {seed} {skill} {lang}")
            asked = set()
            while len(asked) < each:
                item = train_item(rng, skill, lang)
                turns: tuple[Turn, ...] = (("user", item.question),)
                if item.system:
                    turns = (("system", item.system), *turns)
                if turns not in asked:
                    asked.add(turns)
                    yield Prompt(SKILL_FAMILIES[skill], lang, f"{skill} {lang}", turns)


def of_two_skills(languages: Sequence[str], each: int = EACH_SKILL) -> Iterator[Prompt]:
    """Conversations of two such prompts; the first is answered as it should be."""
    rng = random.Random("zoo pairs")
    skills = [skill for skill in SKILLS if SKILL_FAMILIES[skill] != "system"]
    for lang in languages:
        for _ in range(each):
            first, then = (train_item(rng, skill, lang) for skill in rng.sample(skills, 2))
            said = (("user", first.question), ("assistant", first.answer), ("user", then.question))
            yield Prompt("turns", lang, f"pair {lang}", said)


def pool(languages: Sequence[str], *, skills: bool) -> list[Prompt]:
    """All prompts for a model; one with skills of its own is asked fewer of the others."""
    made = [prompt for lang in languages for prompt in general(lang)]
    if not skills:
        return made
    return [*made[::2], *of_skills(languages), *of_two_skills(languages)]
