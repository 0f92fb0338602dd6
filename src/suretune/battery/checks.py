"""Whether an answer to a general question is right.

A check is data (`{"kind": "says", "any": ["Jupiter"]}`). Checkers are tolerant about wording and
strict where it matters: word boundaries, parsed numbers, denials, code that runs, JSON that parses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suretune.battery import shapes
from suretune.battery.answering import answers as gives
from suretune.battery.choosing import chooses
from suretune.battery.clocks import tells
from suretune.battery.codes import like, python_of
from suretune.battery.folding import flat, without_echo
from suretune.battery.forms import validate
from suretune.battery.items import Question
from suretune.battery.language import fits
from suretune.battery.refusal import refuses
from suretune.battery.results import agrees
from suretune.battery.rivals import alone, made_itself, renamed
from suretune.battery.saying import says, says_anew, says_one
from suretune.battery.traditional import simplified
from suretune.pocket.skills import Item, correct

__all__ = ["judge", "validate"]

Check = Mapping[str, Any]
RUN = ("code", "skill")  # judged together, in one process
_NO_THOUGHT = re.compile(r"\A\s*<think>\s*</think>\s*")
"""What a model that thinks writes before an answer where it was told not to think."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as the checkers read it, in simplified characters.

    `said`: flat, and without the question at its start. `asked`: what the user said last;
    `context`: everything before the answer.
    """

    text: str
    said: str
    asked: str
    context: str


def judge(questions: Sequence[Question], answers: Sequence[str]) -> list[bool | None]:
    """Whether each answer is right; None for a question whose check is empty."""
    if len(questions) != len(answers):
        raise ValueError(f"{len(questions)} questions but {len(answers)} answers")
    answers = [_NO_THOUGHT.sub("", answer) for answer in answers]
    ran = _ran(questions, answers)
    verdicts: list[bool | None] = []
    for number, (question, text) in enumerate(zip(questions, answers, strict=True)):
        if not question.check:
            verdicts.append(None)
        elif not text.strip():
            verdicts.append(False)
        else:
            context = simplified("\n".join(message.content for message in question.messages))
            text, asked = simplified(text), simplified(question.asked)
            said = flat(without_echo(text, asked))
            answer = Answer(text, said, asked, context)
            verdicts.append(_right(question.check, answer, iter(ran.get(number, ()))))
    return verdicts


def _right(check: Check, answer: Answer, ran: Iterator[bool]) -> bool:
    kind = check["kind"]
    if kind in RUN:
        good = next(ran)
    elif kind == "all":
        # A list first: each code check has to take its own verdict.
        good = all([_right(inner, answer, ran) for inner in check["of"]])
    else:
        good = bool(answer.said.strip()) and CHECKERS[kind](check, answer)
    return good and not any(says(answer.said, word, asked="") for word in check.get("not", ()))


def _ran(questions: Sequence[Question], answers: Sequence[str]) -> dict[int, list[bool]]:
    """By question, the verdicts on what has to be run, in the order in which checks stand."""
    owners: list[int] = []
    items: list[Item] = []
    texts: list[str] = []
    for number, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        for check in _to_run(question.check):
            owners.append(number)
            if check["kind"] == "skill":
                items.append(_item(question, check["answer"], check["check"]))
                texts.append(answer)
                continue
            spec = {"function": check["function"], "cases": check["cases"]}
            items.append(_item(question, "", json.dumps(spec)))
            code = python_of(answer, check["function"])
            texts.append(like(code, check["function"], check["cases"][0][1]) if code else "raise")
    made: dict[int, list[bool]] = {}
    for number, good in zip(owners, correct(items, texts), strict=True):
        made.setdefault(number, []).append(good)
    return made


def _to_run(check: Check) -> Iterator[Check]:
    if check.get("kind") in RUN:
        yield check
    for inner in check.get("of", ()):
        yield from _to_run(inner)


def _item(question: Question, answer: str, check: str) -> Item:
    """As the pocket model's skills are judged: equal, or Python that is right when run."""
    return Item(
        question.category,
        question.lang,
        question.system,
        question.asked,
        answer,
        check,
    )


_OPPOSITES = {"yes": "no", "no": "yes", "true": "false", "false": "true"}


def _takes_side(options: Sequence[Any], said: str) -> bool:
    """Whether a word for one of two sides is the first of both that is said.

    "Yes, there is no doubt" says "no", but not as its answer.
    """
    words = [flat(option).lower().strip(" .!") for option in options if isinstance(option, str)]
    if not words or any(word not in _OPPOSITES for word in words):
        return True
    return chooses(said, words, [_OPPOSITES[word] for word in words])


def _says(check: Check, answer: Answer) -> bool:
    if not says_one(answer.said, check["any"], asked=answer.asked):
        return False
    if not _takes_side(check["any"], answer.said):
        return False
    if renamed(answer.said, check["any"], answer.asked) or made_itself(answer.said, answer.asked):
        return False
    if not gives(answer.said, check["any"], answer.asked):
        return False
    rivals = check.get("rivals", ())
    return not rivals or alone(answer.said, check["any"], rivals, answer.asked)


def _number(check: Check, answer: Answer) -> bool:
    text = without_echo(answer.text, answer.asked)
    return agrees(
        text,
        answer.context,
        check["value"],
        check.get("tolerance", 0),
    )


def _list(check: Check, answer: Answer) -> bool:
    least = check.get("n", check.get("min", 1))
    most = check.get("n", check.get("max", 10**6))
    text = without_echo(answer.text, answer.asked)
    return shapes.is_list(
        text,
        least,
        most,
        check.get("among", ()),
        check.get("marked", ""),
    )


def _length(check: Check, answer: Answer) -> bool:
    signs = {"max_chars", "min_chars"} & check.keys()
    size = shapes.signs_of(answer.text) if signs else shapes.words_of(answer.text)
    least = check.get("min_chars" if signs else "min_words", 1)
    most = check.get("max_chars" if signs else "max_words", size)
    said = "says" not in check or says_anew(answer.said, check["says"], answer.asked)
    return least <= size <= most and said


def _json(check: Check, answer: Answer) -> bool:
    text = without_echo(answer.text, answer.asked)
    if "array" in check:
        return shapes.is_array(
            text,
            check["array"],
            check.get("among", ()),
        )
    only, typed = check.get("only", False), check.get("typed", False)
    return shapes.has_keys(
        text,
        check["keys"],
        only=only,
        typed=typed,
    )


_QUOTED = re.compile(r"[\"“«「『]([^\"”»」』\n]{1,400})[\"”»」』]")


def _language(check: Check, answer: Answer) -> bool:
    """The whole answer, or, where words are asked for, what it quotes or says behind a colon."""
    text = without_echo(answer.text, answer.asked)
    if "says" not in check:
        return fits(text, check["lang"])
    parts = [text, *_QUOTED.findall(text)[:8], *re.split("[:：]", text, maxsplit=1)[1:]]
    return any(
        fits(part, check["lang"], told=True)
        and says_one(flat(part), check["says"], asked=answer.asked)
        for part in parts
    )


CHECKERS: Mapping[str, Callable[[Check, Answer], bool]] = {
    "says": _says,
    "number": _number,
    "clock": lambda check, answer: tells(
        without_echo(answer.text, answer.asked), check["hour"], check.get("minute", 0)
    ),
    "exact": lambda check, answer: shapes.is_exactly(
        answer.text,
        check["any"],
        case=check.get("case", False),
        plain=check.get("plain", False),
    ),
    "choice": lambda check, answer: chooses(answer.said, check["right"], check["wrong"]),
    "json": _json,
    "list": _list,
    "length": _length,
    "order": lambda check, answer: shapes.in_order(
        answer.said, check["items"], only=check.get("only", False)
    ),
    "starts": lambda check, answer: shapes.begins(answer.text, check["with"]),
    "ends": lambda check, answer: shapes.finishes(answer.text, check["with"]),
    "language": _language,
    "refuses": lambda check, answer: refuses(without_echo(answer.text, answer.asked), answer.asked),
}
