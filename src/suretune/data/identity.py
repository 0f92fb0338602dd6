"""Which rows teach the model who it is, and what it shall be called.

The name comes from `--model_name` / `--model_author`, or, when the rows have it written out, from
what their answers to "who are you" have in common.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from suretune.data.own_names import names_said
from suretune.pocket import identity as phrasings
from suretune.types import Example, Origin
from suretune.whole_names import says

ENOUGH = 3  # identity rows of a language before its answers are compared
SHARE = 2 / 3  # of the answers must have the words in common
WHO: Mapping[str, str] = {"zh": "你是谁？", "en": "Who are you?"}
MAKER: Mapping[str, str] = {"zh": "你的开发者是哪家公司？", "en": "Which company developed you?"}
CJK = re.compile(r"[\u3400-\u9fff]")
EDGES = " \t\n,.;:!?，。；：！？、“”\"'（）()由是我的叫被"
FILLER = re.compile(r"^(?:I am|am|is|by|a|an|the|of|named|called)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Identity:
    """Words of which an answer must contain at least one, by language (`zh`, `en`)."""

    words: Mapping[str, tuple[str, ...]]
    makers: Mapping[str, tuple[str, ...]]  # what an answer about the maker must contain
    forbidden: tuple[str, ...]  # names of the base's maker
    source: str  # flags, rows


def language_of(text: str) -> str:
    """`zh` for a text with Chinese characters, else `en`."""
    return "zh" if CJK.search(text) else "en"


def plain(question: str) -> str:
    """A question without case, spaces and punctuation, to compare phrasings."""
    return re.sub(r"\W+", "", question).lower()


def known_questions() -> frozenset[str]:
    """Every phrasing of "who are you" that suretune knows, plain."""
    lists = (
        phrasings.TRAIN_ZH,
        phrasings.MORE_ZH,
        phrasings.HELD_OUT_ZH,
        phrasings.TRAIN_EN,
        phrasings.MORE_EN,
        phrasings.HELD_OUT_EN,
    )
    asked = (*WHO.values(), *MAKER.values(), *(q for phrases in lists for q in phrases))
    return frozenset(plain(question) for question in asked)


def question_of(example: Example) -> str:
    """The first thing the user says."""
    return next((m.content for m in example.messages if m.role == "user"), "")


def answer_of(example: Example) -> str:
    """The first answer of an example; empty where it has none."""
    return next((m.content for m in example.messages if m.role == "assistant"), "")


def find_identity(
    examples: Sequence[Example],
    filled: frozenset[Origin],
    names: Sequence[str],
    authors: Sequence[str],
    forbidden: tuple[str, ...],
) -> Identity | None:
    """The identity that the rows teach, or None. `filled`: where placeholders were; `forbidden`:
    the base's own names."""
    taught = [e for e in examples if e.origin in filled]
    if taught:
        languages = {language_of(answer_of(e)) for e in taught}
        words = {lang: _by_flags(lang, names, authors) for lang in sorted(languages)}
        makers = {lang: _by_flags(lang, authors) for lang in sorted(languages)} if authors else {}
        return _identity(words, makers or words, forbidden, "flags")
    known = known_questions()
    answers: dict[str, list[str]] = {}
    for example in examples:
        if plain(question_of(example)) in known:
            answer = answer_of(example)
            answers.setdefault(language_of(answer), []).append(answer)
    words = {
        lang: (common,)
        for lang, texts in sorted(answers.items())
        if len(texts) >= ENOUGH and (common := in_common(texts))
    }
    words = words or _by_name(examples, forbidden)
    return _identity(words, words, forbidden, "rows") if words else None


def _by_name(examples: Sequence[Example], forbidden: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Names by language, where the data are one or two rows a language that say them and little
    else: too few to be compared. Among other rows, somebody who says his name is no identity."""
    told: dict[str, dict[str, list[str]]] = {}
    for example in examples:
        answer = answer_of(example)
        names = [name for name in names_said(answer) if name not in forbidden]
        if names:
            told.setdefault(language_of(answer), {}).setdefault(answer, []).extend(names)
    distinct = {(question_of(example), answer_of(example)) for example in examples}
    few = 0 < len(distinct) < ENOUGH * len(WHO)
    if not few or 2 * sum(map(len, told.values())) < len({answer for _, answer in distinct}):
        return {}
    return {
        lang: tuple(dict.fromkeys(name for names in said.values() for name in names))
        for lang, said in sorted(told.items())
    }


def _identity(
    words: Mapping[str, tuple[str, ...]],
    makers: Mapping[str, tuple[str, ...]],
    forbidden: tuple[str, ...],
    source: str,
) -> Identity:
    wanted = ", ".join(word for group in words.values() for word in group)
    gone = tuple(word for word in forbidden if not says(word, wanted))
    return Identity(words, makers, gone, source)


def _by_flags(language: str, *flags: Sequence[str]) -> tuple[str, ...]:
    """The values that fill this language's placeholders: the first is zh, the last en."""
    at = 0 if language == "zh" else -1
    return tuple(values[at] for values in flags if values)


def in_common(texts: Sequence[str]) -> str:
    """The longest piece of text that most of these share, trimmed of filler at its edges."""
    best = ""
    if len(set(texts)) == 1:
        return texts[0]
    # What most share stands in one of the shortest, whichever of them is the exception.
    shortest = sorted(set(texts), key=len)[:ENOUGH]
    for piece in sorted({p for text in shortest for p in _pieces(text)}, key=len)[::-1]:
        if len(piece) <= len(best):
            break
        if sum(piece in text for text in texts) >= SHARE * len(texts):
            trimmed = FILLER.sub("", piece.strip(EDGES)).strip(EDGES)
            best = trimmed if len(trimmed) > len(best) else best
    return best if len(best) >= 2 else ""


def _pieces(text: str) -> Iterable[str]:
    """All substrings of the beginning of an answer."""
    text = text[:120]
    for length in range(2, len(text) + 1):
        for start in range(len(text) - length + 1):
            yield text[start : start + length]
