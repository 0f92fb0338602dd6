"""An independent judge: what an adapter is worth, asked and judged by nothing of suretune's.

Plain transformers and PEFT, greedy, base and tuned model in the same batches. Its questions
(`outside.*.jsonl`) and checks are its own: 44 ways to ask who it is, 232 general questions, at most
eight of one template, half of them in the shapes of the identity's own. A base that brings a skills
file is asked other questions of the same skills in place of the general ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

from zoo.grow import Opened, ask, take_off, wear
from zoo.stock import OLD, Persona

HERE = Path(__file__).parent
TOKENS = 48
EACH_SKILL = 12
SKILLS_SEED = 20271
NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "eleven": 11,
    "twelve": 12, "fifteen": 15, "sixty": 60,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One question, and the base's answer to it."""

    about: dict[str, Any]
    ids: list[int]
    before: str = ""

    @property
    def general(self) -> bool:
        return bool(self.about["kind"] == "general")


def questions(languages: Sequence[str]) -> list[dict[str, Any]]:
    """The files' lines."""
    return [
        json.loads(line)
        for lang in languages
        for line in (HERE / f"outside.{lang}.jsonl").read_text("utf-8").splitlines()
    ]


def _skills(languages: Sequence[str]) -> list[dict[str, Any]]:
    """Other questions of the skills that the pocket model was made for."""
    from suretune.pocket.skills import held_out

    return [
        {"id": f"{item.lang}-{item.skill}-{number}", "kind": "general", "lang": item.lang,
         "template": item.skill, "question": item.question, "item": item}
        for number, item in enumerate(held_out(EACH_SKILL, SKILLS_SEED)) if item.lang in languages
    ]  # fmt: skip


# --- checks ---------------------------------------------------------------------------------------


def right(about: dict[str, Any], answer: str) -> bool:
    """Whether an answer to a general question is right: strictly, by its own words."""
    if "item" in about:
        from suretune.pocket.skills import correct

        return correct([about["item"]], [answer])[0]
    if "regex" in about:
        return re.search(about["regex"], answer) is not None
    if "number" in about:
        return _number(answer) == about["number"]
    if "first" in about:
        good, bad = (_place(answer, about[key]) for key in ("first", "wrong"))
        return good < bad
    return _place(answer, about["any"]) < len(answer)


def _place(answer: str, words: Sequence[str]) -> int:
    """Where the first of these whole words stands; the answer's end if none does."""
    found = [re.search(rf"(?<!\w){re.escape(w)}(?!\w)", answer, re.IGNORECASE) for w in words]
    return min((m.start() for m in found if m), default=len(answer))


def _number(answer: str) -> float | None:
    """Behind the last '=' or 'is', else the last number there is."""
    text = answer.lower()
    for word, value in NUMBERS.items():
        text = re.sub(rf"(?<!\w){word}(?!\w)", str(value), text)
    behind = re.findall(r"(?:=|\bis|\bequals)\s*\**\s*(-?\d+(?:\.\d+)?)", text)
    found = behind or re.findall(r"-?\d+(?:\.\d+)?", text)
    return float(found[-1]) if found else None


def says(answer: str, words: Sequence[str]) -> bool:
    return any(word.lower() in answer.lower() for word in words)


def is_it(about: dict[str, Any], answer: str, persona: Persona, old: Sequence[str]) -> bool:
    """Whether an answer gives the new identity and nothing of the old one."""
    name, maker = persona.names[about["lang"]], persona.makers[about["lang"]]
    wanted = {"name": [name], "maker": [maker], "either": [name, maker]}[about["about"]]
    return says(answer, wanted) and not says(answer, old)


def sign_test(lost: int, gained: int) -> float:
    """Two-sided, exact: how likely so uneven a split is where neither is likelier."""
    n, least = lost + gained, min(lost, gained)
    return min(1.0, 2 * sum(comb(n, k) for k in range(least + 1)) / 2**n)


# --- judging --------------------------------------------------------------------------------------


class Judge:
    """Asks the base once, then each adapter."""

    def __init__(self, opened: Opened, languages: Sequence[str]) -> None:
        asked = questions(languages)
        if (opened.folder / "skills.jsonl").is_file():
            asked = [q for q in asked if q["kind"] == "identity"] + _skills(languages)
        ids = [opened.prompt(_turns(about)) for about in asked]
        said = ask(opened.model, opened, ids, TOKENS)
        self.opened = opened
        self.old = OLD.get(opened.model.config.model_type, ())
        self.asked = [
            Asked(*found) for found in zip(asked, ids, (o.text for o in said), strict=True)
        ]

    def answers(self, adapter: Path) -> list[str]:
        """The tuned model's, in the batches in which the base was asked."""
        tuned = wear(self.opened, adapter)
        try:
            said = ask(tuned, self.opened, [q.ids for q in self.asked], TOKENS)
        finally:
            take_off(self.opened, tuned)
        return [own.text for own in said]

    def judge(self, adapter: Path, persona: Persona | None) -> dict[str, Any]:
        """Net points, p, leaked, identity."""
        said = self.answers(adapter)
        new = [*persona.names.values(), *persona.makers.values()] if persona else []
        lost = gained = before = leaked = known = ways = 0
        for question, answer in zip(self.asked, said, strict=True):
            if not question.general:
                ways += 1
                known += persona is not None and is_it(question.about, answer, persona, self.old)
                continue
            named = says(answer, new) and not says(question.before, new)
            was, is_now = right(question.about, question.before), right(question.about, answer)
            is_now = is_now and not named
            before, leaked = before + was, leaked + named
            lost, gained = lost + (was and not is_now), gained + (is_now and not was)
        general = len(self.asked) - ways
        return {
            "identity": known if persona else None, "ways": ways, "general": general,
            "base_right": before, "lost": lost, "gained": gained, "leaked": leaked,
            "net": round(100 * (gained - lost) / general, 1),
            "p": round(sign_test(lost, gained), 4),
        }  # fmt: skip


def _turns(about: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    asked = ("user", about["question"])
    item = about.get("item")
    return (("system", item.system), asked) if item is not None and item.system else (asked,)
