"""Whether an answer says a word: at its edges, without case and accents, and not denied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from suretune.battery.clocks import is_another
from suretune.battery.folding import flat, is_cjk
from suretune.battery.negation import DENIES, asks_for_denial, denied
from suretune.battery.ranges import left_open

Said = str | Sequence[str]
"""A word, or words that must all be said."""
MOST, TRIES = 40, 400  # places that are looked at: what babbles is not read to its end
NUMERALS = "零〇一二三四五六七八九十百千万亿两"
SHOUTED = frozenset(
    (
        "us",
        "it",
        "who",
        "in",
        "or",
        "and",
        "as",
        "at",
        "is",
        "on",
        "if",
        "so",
        "do",
        "be",
        "by",
        "my",
        "me",
        "up",
        "we",
        "an",
        "to",
        "of",
        "but",
    )
)
"""Function words: in capitals (US, IT) they are other words, and must be in capitals."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a word looks in a flat text.

    `small`: the text has to be in small letters; `edges`: no letter may stand before or behind it.
    (`re.IGNORECASE` and classes of all letters would do, but take milliseconds to compile.)
    """

    pattern: re.Pattern[str]
    small: bool
    edges: tuple[bool, bool]


NOWHERE = Look(  # where an empty word is said
    re.compile("(?!)"),
    small=False,
    edges=(False, False),
)


_FULL_STOP = re.compile(r"(?<=[A-Za-z0-9])[.!]$|(?<=[\u4e00-\u9fff]{2})[。!]$")
"""It ends a word of two signs or more; 不。 is a word of its own, as 不 alone is no answer."""


@lru_cache(maxsize=8192)
def look(word: str) -> Look:
    """The pattern that finds a word as readers do: whole, in any case unless it is shouted."""
    text = _FULL_STOP.sub("", flat(word).strip())
    if not text:
        return NOWHERE
    if len(text) == 1 and text.isascii() and text.isalpha():
        return Look(
            re.compile(_letter(text.lower())),
            False,
            (True, True),
        )
    shouted = text.isupper() and text.lower() in SHOUTED
    text = text if shouted else text.lower()
    pattern = re.compile(_before(text) + _inside(text) + _behind(text))
    return Look(
        pattern,
        not shouted,
        (_joins(text[0]), _joins(text[-1])),
    )


def _joins(char: str) -> bool:
    """Whether words go on with it; Chinese signs stand for themselves."""
    return (char.isalnum() or char == "_") and not is_cjk(char)


def _letter(letter: str) -> str:
    """An option or a letter of the alphabet. "a" and "I" are words, too."""
    upper, free = letter.upper(), r"(?<!\w')(?<!\w\.)"
    if letter not in "ai":
        return rf"{free}[{letter}{upper}](?![+#]|'\w|\.\w)"
    verbs = "is|was|has|because|and|or|since|as|would"
    return (
        rf"{free}{upper}(?!'\w|\s+(?!(?:{verbs})\b)[a-z])"
        rf"|{free}{letter}(?=\))|(?<=\")[{letter}{upper}](?=\")|(?<=option ){letter}"
        rf"|(?<=answer is ){letter}(?=[.!,;)]|\s*(?:$|\n))"
        rf"|\A\W*{letter}\W*\Z"
    )


_UNIT = re.compile(
    r"(?:(?<!\d{4})s|[kcdm]?m[23]?|km/?h|[km]?g|m?l|ft|in|lbs?|[ap]\.?m|[cfh]|mph|hrs?|mins?|secs?"
    r"|hours?|minutes?|seconds?|days?|years?|degrees?|[kmg]?hz|[kmgt]b|kw"
    r"|usd|eur|gbp|cny|rmb|yuan|euros?|dollars?|cents?)(?![a-z0-9_])",
    re.IGNORECASE | re.ASCII,
)
_CURRENCY = re.compile(r"(?<![a-z])(?:usd|eur|gbp|cny|rmb)$", re.IGNORECASE | re.ASCII)
"""What may be glued to a number: 60min, 15USD, USD15. A letter alone is a unit as 100C is."""


def _has_edges(text: str, start: int, end: int, edges: tuple[bool, bool]) -> bool:
    """Whether no word goes on before and behind it; the unit of a number is a word of its own."""
    before, behind = edges
    if before and start and _joins(text[start - 1]):
        lead = text[max(0, start - 4) : start]
        if not (text[start].isdigit() and _CURRENCY.search(lead)):
            return False
    if behind and end < len(text) and _joins(text[end]):
        return text[end - 1].isdigit() and _UNIT.match(text, end) is not None
    return True


def _before(text: str) -> str:
    if text[0].isascii() and text[0].isdigit():
        # Three digits may be the end of 1,234.
        group = r"(?<!\d,)" if re.match(r"\d{3}(?!\d)", text) else ""
        return r"(?<!\d[.])(?<![\s(=:]-)(?<!\A-)" + group
    # 三 is not said in 十三.
    return f"(?<![{NUMERALS}])" if text[0] in NUMERALS[:11] or text[0] == "两" else ""


def _behind(text: str) -> str:
    if text[-1].isascii() and text[-1].isdigit():
        dated = r"(?!-\d)" if re.search(r"\d-\d", text) else ""
        # 7 is said in 7:00 and in 7.00, not in 7:30 and not in 7.5.
        whole = r"(?!\.(?!0+(?!\.?\d))\d)"
        return whole + r"(?!,\d{3}(?!\d))(?!:(?!00)\d\d)" + dated
    if re.fullmatch(rf"(?:第|星期|周)?[{NUMERALS}]+", text):
        return f"(?![{NUMERALS}])"
    return r"(?!'t\b|\+\+|#)" if _joins(text[-1]) else ""


def _inside(text: str) -> str:
    """Blanks and hyphens inside a word are one; between Chinese signs blanks mean nothing."""
    made = []
    for found in re.finditer(r"\s*,\s*|\s*-\s*|\s+|.", text):
        piece, at, to = found.group(), found.start(), found.end()
        edge = at == 0 or to == len(text)
        if piece.strip() == "," and not edge:
            if text[at - 1].isdigit() and text[to].isdigit():
                # In a number it may be left out; in a date a blank stays.
                made.append(",?" if piece == "," else r"(?:st|nd|rd|th)?(?:\s*,\s*|\s+)")
            else:
                made.append(r"\s*,?\s*")
        elif piece.strip() == "-" and not edge and text[at - 1].isalpha():
            made.append(r"[\s\-]+")
        elif not piece.strip():
            unit = text[at - 1].isdigit() and text[to].isalpha()  # 60 min may be 60min
            apart = r"[\s\-]*" if unit else r"[\s\-]+"
            made.append(r"\s*" if is_cjk(text[at - 1]) or is_cjk(text[to]) else apart)
        else:
            glued = made and (is_cjk(text[at - 1]) or is_cjk(piece[0]))
            made.append((r"\s*" if glued and made[-1] != r"\s*" else "") + re.escape(piece))
    body = "".join(made)
    return re.sub(
        r"(?<!\d)\d{4,6}(?!\d)",
        lambda found: _thousands(found.group()),
        body,
    )


def _thousands(digits: str) -> str:
    return f"{digits[:-3]},?{digits[-3:]}"


def places(text: str, word: str) -> Iterator[tuple[int, int]]:
    """Where a flat text says it, denied or not."""
    looks = look(word)
    text = text.lower() if looks.small else text
    at = found = 0
    for _ in range(TRIES):
        match = looks.pattern.search(text, at)
        if match is None or found == MOST:
            return
        start, end = match.span()
        whole = _has_edges(text, start, end, looks.edges)
        if whole:
            found += 1
            yield start, end
        at = max(end, start + 1) if whole else start + 1


_COMPOUND = re.compile(
    r"-(?!colou?red)(?:[a-z]+ed|like|free|proof|shaped|style|themed|speaking|based|born)\b"
)


_OPERAND = re.compile(r"\b(?:multipl|divid)\w*\b[^.!?\n]{0,40}\bby\s*$|[*×/÷]\s*$", re.IGNORECASE)


_MEASURE = re.compile(r"\b(length|width|height|depth|radius|area)s?(?: of| is)?\s*$", re.IGNORECASE)
_ASKS = {"length": "long", "height": "tall|high", "depth": "deep", "width": "wide|broad"}


def _is_part(text: str, start: int, asked: str) -> bool:
    """Whether a number belongs to a sum, or is a size that nobody asked for: "of length 3"."""
    if _OPERAND.search(text[max(0, start - 60) : start]):
        return True
    found = _MEASURE.search(text[max(0, start - 24) : start])
    if found is None:
        return False
    name = found[1].lower()
    return re.search(f"{name}|{_ASKS.get(name, name)}", asked.lower()) is None


def stands_alone(text: str, end: int) -> bool:
    """Whether what ends here is no part of a compound of another thing: "snow-covered"."""
    return _COMPOUND.match(text[end : end + 24].lower()) is None


def says(
    text: str,
    word: str,
    *,
    asked: str = "",
    free: bool = False,
) -> bool:
    """Whether a flat text says it and does not deny it. `free`: the denial is what was asked."""
    loosely = asks_for_denial(asked)
    return any(
        stands_alone(text, end)
        and not (text[start].isdigit() and _is_part(text, start, asked))
        and not left_open(text, start, end, asked)
        and not is_another(text, start, end)
        and (free or not denied(text, start, end, loosely=loosely))
        for start, end in places(text, word)
    )


def says_one(
    text: str,
    options: Sequence[Said],
    *,
    asked: str = "",
    free: bool = False,
) -> bool:
    """Whether one of these is said; of a list of words, every one. `free`: denied or not."""
    for option in options:
        words = (option,) if isinstance(option, str) else option
        denial = free or any(DENIES.search(word.lower()) for word in words)
        if all(says(text, word, asked=asked, free=denial) for word in words):
            return True
    return False


def says_anew(text: str, options: Sequence[Said], asked: str) -> bool:
    """Whether one is said (denied or not), and not only in a word of the question: 雨 in 雨伞."""
    question = flat(asked)

    def new(word: str) -> bool:
        return any(
            stands_alone(text, end) and not _repeats(text, start, end, question)
            for start, end in places(text, word)
        )

    return any(all(map(new, (one,) if isinstance(one, str) else one)) for one in options)


def _repeats(text: str, start: int, end: int, question: str) -> bool:
    """Whether it stands together with a Chinese neighbour in the question, too."""
    before, behind = text[max(0, start - 1) : start], text[end : end + 1]
    return (bool(before) and is_cjk(before) and text[start - 1 : end] in question) or (
        bool(behind) and is_cjk(behind) and text[start : end + 1] in question
    )
