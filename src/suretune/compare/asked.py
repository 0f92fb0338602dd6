"""What `compare` asks: the runs' own probes and a few general questions; who judges the answers.

Each run is judged by what it was to learn. Two runs may have learned different identities, and the
words that the one must say are no fault of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.battery.checks import judge
from suretune.battery.items import LANGUAGES, Question, proof_questions
from suretune.data.identity import MAKER, WHO, language_of
from suretune.data.render import with_system
from suretune.data.template import ChatTokenizer
from suretune.data.thinking import behind_thought
from suretune.types import Message
from suretune.verify.probes import AS_TRAINED, ONLY_SHOWN, Probe, from_line

GENERAL = ("facts", "sums", "formats", "near", "near", "near", "refusal")  # of each language
Key = tuple[str, str | None]  # of a probe: its question, and the system prompt that it brings


@dataclass(frozen=True, slots=True)
class Side:
    """One adapter as it was named, and how it is asked."""

    name: str
    run: Path | None
    folder: Path
    about: Mapping[str, Any]
    tokenizer: ChatTokenizer
    system: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, with what judges its answers: a probe, or a general question's check.

    `own`: of each side, where they are judged apart, its own probe; None where it has no say.
    """

    probe: Probe | None = None
    general: Question | None = None
    own: tuple[Probe | None, ...] = ()

    @property
    def text(self) -> str:
        """The question as people read it."""
        return self.probe.question if self.probe else self.general.asked if self.general else ""

    def messages(self, system: str | None) -> tuple[Message, ...]:
        """The conversation that is asked, under this system prompt."""
        if self.probe:
            return self.probe.messages(system)
        return with_system(self.general.messages, system) if self.general else ()

    def judge_of(self, place: int | None) -> Probe | None:
        """What judges a side's answers; `place` None: the base's."""
        return self.probe if place is None or not self.own else self.own[place]

    def right(
        self,
        answer: str,
        place: int | None = None,
    ) -> bool | None:
        """None where nothing says what a right answer of this side is."""
        if self.probe:
            by = self.judge_of(place)
            return by.judge(answer) if by else None
        return judge([self.general], [behind_thought(answer)])[0] if self.general else None

    @property
    def kind(self) -> str:
        """A probe's kind, or a general question's category."""
        return self.probe.kind if self.probe else self.general.category if self.general else ""


def usual_questions(sides: Sequence[Side]) -> list[Asked]:
    """The runs' probes, each once, and a few general questions in their languages."""
    probes = [_own(side) for side in sides]
    first: dict[Key, Probe] = {}
    for mine in probes:
        first = {**mine, **first}
    order = dict.fromkeys(key for mine in probes for key in reversed(mine))
    made = {
        key: Asked(first[key], own=tuple(_say_of(mine, key, first[key]) for mine in probes))
        for key in order
    }
    if not made:  # anybody's adapters
        who = (Probe(text, ONLY_SHOWN) for lang in LANGUAGES for text in (WHO[lang], MAKER[lang]))
        return [Asked(probe=probe) for probe in who] + [Asked(general=q) for q in _some("en")]
    languages = list(dict.fromkeys(language_of(asked.text) for asked in made.values())) or ["en"]
    general = [question for lang in languages for question in _some(lang)]
    return [*made.values(), *(Asked(general=question) for question in general)]


def differing(sides: Sequence[Side]) -> list[str]:
    """The sides whose probes are not those of the first that has any."""
    known = [(side.name, mine) for side in sides if (mine := _own(side))]
    return [name for name, mine in known[1:] if mine != known[0][1]]


def _own(side: Side) -> dict[Key, Probe]:
    """A run's probes that are asked as it was trained; of two of one question the first."""
    probes = reversed(_probes(side.run))
    return {(p.question, p.system): p for p in probes if p.variant == AS_TRAINED}


def _say_of(
    mine: Mapping[Key, Probe],
    key: Key,
    probe: Probe,
) -> Probe | None:
    """What judges a side's answer to a probe: its own; another's where it wants words that this
    side was to learn as well, or where the side has none; else nothing."""
    if key in mine or not mine:
        return mine.get(key, probe)
    wanted = {word for one in mine.values() for word in one.must}
    banned = {word for one in mine.values() for word in one.must_not}
    same = set(probe.must) <= wanted and not set(probe.must) & banned
    return probe if same and not set(probe.must_not) & wanted else None


def _some(lang: str) -> list[Question]:
    """One question a category, and those that look most like an identity's: always the same."""
    left = [q for q in proof_questions() if q.lang == lang]
    chosen: list[Question] = []
    for category in GENERAL:
        shapes = {question.template for question in chosen}
        mine = (q for q in left if q.category == category and q.template not in shapes)
        chosen += [question for question, _ in zip(mine, (1,), strict=False)]
    return chosen


def _probes(run: Path | None) -> list[Probe]:
    """What a run asks: of its proof, or as it was written down when it began."""
    if run is None:
        return []
    if (run / "probes.jsonl").is_file():
        return [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    if (run / "questions.json").is_file():
        begun: Mapping[str, Any] = rundir.read_json(run / "questions.json")
        return [from_line(line) for line in begun.get("asked", ())]
    return []
