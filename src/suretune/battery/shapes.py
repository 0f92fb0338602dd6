"""Answers with a form: JSON, lists, an order, a length, a beginning, an end, a word alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from suretune.battery.folding import CJK, flat, fold
from suretune.battery.saying import places, says_one

LEAD_IN = 200  # characters before JSON
STARTS = 20  # places where JSON may begin that are tried
_BULLET = re.compile(r"^[-•] +")
_WRAPPED = re.compile(r"\s*(?:<([a-z]+)>|\\boxed\{)([^<>{}]*)(?(1)</\1>|\})\s*", re.IGNORECASE)
EDGES = " \t\r\n.。!！?？,，;；:：…'\"“”‘’«»《》「」『』()（）[]【】<>*_`~～"


def bare(text: str, *, case: bool = False) -> str:
    """A text without quotes, brackets and punctuation at its edges, blanks as one."""
    flattened = " ".join((flat(text) if case else fold(text)).split())
    flattened = _BULLET.sub("", flattened)
    return flattened.lstrip(EDGES.replace(".", "")).rstrip(EDGES) or flattened


def is_exactly(
    answer: str,
    options: Sequence[str],
    *,
    case: bool = False,
    plain: bool = False,
) -> bool:
    """Whether an answer is one of the options and nothing else but signs and a tag around it.

    `plain`: no signs either, as no punctuation was asked for.
    """
    if wrapped := _WRAPPED.fullmatch(answer):
        answer = wrapped[2]
    if plain:
        text = flat(answer) if case else fold(answer)
        return " ".join(text.split()) in {option if case else fold(option) for option in options}
    return bare(answer, case=case) in {bare(option, case=case) for option in options}


_LOOP = re.compile(r"(\b\w[^\n.!?]{11,79}?)(?:\W*\1){3,}")


def begins(answer: str, options: Sequence[str]) -> bool:
    """Whether the answer begins with one of these, as a whole word, and goes on in no circle."""
    return not _LOOP.search(answer) and any(_at_edge(answer, option, 0) for option in options)


def finishes(answer: str, options: Sequence[str]) -> bool:
    """Whether an answer ends with one of the options, at the edge of a word."""
    return any(_at_edge(answer, option, -1) for option in options)


def _at_edge(answer: str, option: str, side: int) -> bool:
    text, wanted = " ".join(fold(answer).split()), " ".join(fold(option).split())
    if not wanted.strip(EDGES):  # a question mark is asked for
        text, wanted = text.strip("*_`\"' "), wanted.strip()
        return text.startswith(wanted) if side == 0 else text.endswith(wanted)
    text, wanted = _BULLET.sub("", text).strip(EDGES), wanted.strip(EDGES)
    found = list(places(text, wanted))
    if side == 0:
        return bool(found) and found[0][0] == 0
    # Only so many places are looked at: begin near the end.
    tail = text[-(len(wanted) * 2 + 16) :]
    return any(end == len(tail) for _, end in places(tail, wanted))


# --- JSON ---------------------------------------------------------------------------------------


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_OBJECT = re.compile(r"\{\s*\"")


def first_json(answer: str, *, short: bool = False) -> Any:
    """The first JSON object or array of an answer; None where there is none.

    `short`: arrays of one word or number count, too, which may be footnotes.
    """
    decoder = json.JSONDecoder(parse_constant=_refuse)
    for number, found in enumerate(re.finditer(r"[{\[]", answer)):
        if number == STARTS or found.start() > LEAD_IN:
            return None
        try:
            value, _ = decoder.raw_decode(answer, found.start())
        except (ValueError, RecursionError):
            if _OBJECT.match(answer, found.start()):
                return None  # an object that breaks off: what stands inside it is none, either
            continue
        if (
            short
            or isinstance(value, dict)
            or len(value) > 1
            or any(isinstance(v, dict) for v in value)
        ):
            return value
    return None


def has_keys(
    answer: str,
    keys: Mapping[str, Any],
    *,
    only: bool = False,
    typed: bool = False,
) -> bool:
    """`typed`: numbers and true have to be such, and not strings of them."""
    value = first_json(answer)
    if not isinstance(value, dict):
        return False
    got = {bare(str(key)): inner for key, inner in value.items()}
    wanted = {bare(key): inner for key, inner in keys.items()}
    if only and got.keys() != wanted.keys():
        return False
    if typed and any(
        isinstance(inner, (int, float)) and isinstance(got.get(key), str)
        for key, inner in wanted.items()
    ):
        return False
    return all(key in got and _agree(inner, got[key]) for key, inner in wanted.items())


def is_array(
    answer: str,
    length: int,
    among: Sequence[str] = (),
) -> bool:
    """Whether it is a JSON array of so many elements, each one of `among` if given."""
    value = first_json(answer, short=length < 2)
    if not isinstance(value, list) or len(value) != length:
        return False
    if not among:
        return True
    if all(option.isdigit() for option in among) and any(isinstance(item, str) for item in value):
        return False  # numbers were asked for
    names = [flat(str(item)) if isinstance(item, (str, int)) else "" for item in value]
    return len(set(names)) == length and all(_is_of(name, among) for name in names)


def _agree(wanted: Any, got: Any) -> bool:
    """Whether two JSON values are the same thing; null stands for whatever there is."""
    if wanted is None:
        return True
    if isinstance(wanted, bool):
        return got is wanted or (isinstance(got, str) and fold(got).strip() == str(wanted).lower())
    if isinstance(wanted, (int, float)):
        try:
            return not isinstance(got, bool) and float(str(got).replace(",", "")) == wanted
        except ValueError:
            return False
    if isinstance(wanted, str):
        return isinstance(got, (str, int, float)) and bare(str(got)) == bare(wanted)
    if isinstance(wanted, list):
        same = isinstance(got, list) and len(got) == len(wanted)
        return same and all(map(_agree, wanted, got))
    names = {bare(str(key)): inner for key, inner in got.items()} if isinstance(got, dict) else {}
    return all(bare(k) in names and _agree(v, names[bare(k)]) for k, v in wanted.items())


# --- lists --------------------------------------------------------------------------------------

_MARK = re.compile(
    r"^([ \t]*)(?:[-*•·‣●–]|\(?\d{1,2}[.)、:：](?!\d)|[（(]\d{1,2}[)）]|[①-⑩])[ \t]*(?=\S)"
)
_INLINE_MARK = re.compile(r"(?:^|\s)\(?\d{1,2}[.)]\s+|[①-⑩]\s*")
_LEAD = re.compile(
    r"^(?:[^:、;\n]{0,120}:|[^,、;]{0,120}?\b(?:are|is|include|includes|would be)\b:?"
    r"|[^,、;]{0,120}?(?:[有是为]|包括))\s*"
)
_OF_SELF = re.compile(
    r"\W*(?:i|my name|i'm|we)\b(?! (?:like|can name|would name)\b)|我", re.IGNORECASE
)
_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_COMMA = re.compile(r"[,、;/|]|\band\b")
_AND = re.compile(rf"\s*(?:\band\b|\bor\b|&)\s*|(?<=[{CJK}])(?:以及|[和与及])(?=[{CJK}])")
ENDS = (".", "!", "?", "。", "！", "？")
_REMARK = re.compile(
    r"\W*(?:let me know|i hope|hope|feel free|here are|here is|sure|of course|these are|if you"
    r"|希望|如果|以上|当然|好的|请随时|这些[都就是]|以下是|上述|它们[都是])",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"\bi(?=['’ ]\w)|\b(?:you|we|they|it|he|she|am|is|was|were|are|let|made by)\b|[我你是]|^由",
    re.IGNORECASE,
)
_TAIL = re.compile(r"\s*(?::|\s[-–]\s|\().*$", re.DOTALL)


def items_of(answer: str) -> list[list[str]]:
    """The lists that an answer may be read as: one where it has marks, else lines or commas."""
    lines = [line for line in answer.replace("```", "").split("\n") if line.strip()]
    marks = [(found, line) for line in lines if (found := _MARK.match(line))]
    if len(marks) == 1 and len(inline := _inline(lines)) > 1:
        return [inline]
    if marks:
        least = min(len(found.group(1)) for found, _ in marks)
        return [[line[m.end() :] for m, line in marks if len(m.group(1)) <= least + 1]]
    if len(inline := _inline(lines)) > 1:
        return [inline]
    content = [line for line in lines if not line.rstrip().endswith((":", "："))]
    items = _without_remarks(content)
    readings = [items] if len(items) > 1 else []
    return [*readings, _by_commas(items[0])] if items else []


def _inline(lines: Sequence[str]) -> list[str]:
    """1. red 2. green 3. blue"""
    line = next((line for line in lines if len(_INLINE_MARK.findall(line)) > 1), "")
    parts = _INLINE_MARK.split(line)[1:]
    return [part for part in parts if part.strip()]


def _without_remarks(lines: list[str]) -> list[str]:
    """Without a first or last line that is no item: "Let me know if you want more!"."""
    sentences = all(line.rstrip().endswith(ENDS) for line in lines)
    for edge in (-1, 0):
        if len(lines) > 1 and (
            _REMARK.match(lines[edge]) or (not sentences and _is_remark(lines[edge]))
        ):
            lines = lines[:-1] if edge else lines[1:]
    return lines


def _is_remark(line: str) -> bool:
    """A whole sentence among names. In Chinese, items are short sentences: it has to be longer."""
    signs = len(re.findall(f"[{CJK}]", line))
    words = signs // 3 if signs else len(line.split())
    return (
        words >= 5
        and line.count(",") + line.count("、") + line.count("，") < 2
        and (line.rstrip().endswith(ENDS))
    )


def _by_commas(line: str) -> list[str]:
    sentences = _END.split(flat(line).strip())
    text = next((text for text in sentences if _COMMA.search(text)), sentences[0])
    lead = _LEAD.match(text)
    if lead and _OF_SELF.match(text):
        return []
    text = (text[lead.end() :] if lead else "") or text
    comma = re.search("[、,;/|]", text)
    # 苹果 梨 桃: between Chinese words blanks can do it.
    parts = re.split(
        "[、;/|]" if "、" in text else "[,;/|]" if comma else rf"(?<=[{CJK}])\s+", text
    )
    parts = [part for part in parts if bare(part).strip(EDGES)]
    if not parts:
        return []
    last = [part for part in _AND.split(parts[-1]) if part.strip(EDGES)]
    items = [*parts[:-1], *last]
    return [] if any(_is_clause(item) for item in items) else items


def _is_clause(item: str) -> bool:
    """More than a name: between commas, that is a sentence and not a list."""
    signs = len(re.findall(f"[{CJK}]", item))
    return _CLAUSE.search(item) is not None or len(item.split()) > 6 or signs > 10


MARKED = ("bullets", "numbers", "lines", "commas")
"""How a list may be asked for."""
_BULLETS = re.compile(r"[ \t]*[-*•·‣●–][ \t]*(?=\S)")
_NUMBERS = re.compile(r"[ \t]*(?:[(（]?\d{1,2}[.)）、:：](?!\d)|[①-⑩])")


def _is_marked(answer: str, least: int, marked: str) -> bool:
    """Whether enough of its items are marked as was asked: prose is no list."""
    lines = [line for line in answer.split("\n") if line.strip()]
    if marked == "lines":
        return len(lines) >= least
    if marked == "commas":
        return len(re.findall("[,，、]", answer)) >= least - 1
    if marked == "numbers" and len(_inline(lines)) >= least:
        return True
    signs = _BULLETS if marked == "bullets" else _NUMBERS
    return sum(signs.match(line) is not None for line in lines) >= least


def is_list(
    answer: str,
    least: int,
    most: int,
    among: Sequence[str] = (),
    marked: str = "",
) -> bool:
    """Whether the answer lists so many different things, each one of `among` if given."""
    if marked and not _is_marked(answer, least, marked):
        return False
    for items in items_of(answer):
        names = [bare(_TAIL.sub("", flat(item))) or bare(item) for item in items]
        if not least <= len(names) <= most or len(set(names)) < len(names) or not all(names):
            continue
        if len(names) == 1 and len(names[0].split()) > 8:
            continue
        if all(not among or _is_of(name, among) for name in names):
            return True
    return False


_TRAILS = ("花", "树", "姓", "氏", "类", "子", "儿", "运动", "比赛", "饮料", "等", "色", "机")


def _is_of(name: str, among: Sequence[str]) -> bool:
    """Whether a name is one of these. In Chinese what it is stands at its end: 鹅嘴 is no 鹅."""
    if not says_one(name, among):
        return False
    if len(among) < 2 or not re.fullmatch(f"[{CJK}]+", name):
        return True
    bases = [name, *(name.removesuffix(trail) for trail in _TRAILS if name.endswith(trail))]
    return any(base.endswith(fold(option)) for base in bases for option in among)


# --- order and length ---------------------------------------------------------------------------


_LABEL = re.compile(r"(?:[^,.;!?\n、]{0,20}(?:[:为]|[^\W\d_]是|\bis))?[\W\d_]*")
"""What may stand before a list where it alone was asked for: "the order is:", 结果是."""


def in_order(text: str, items: Sequence[str], *, only: bool = False) -> bool:
    """Whether a flat text says these one after the other, each once.

    Words said again elsewhere ("apple comes first because ...") do no harm where one sentence or
    paragraph has them all: then the last that has them decides. `only`: nothing else was to be
    said, neither the list as it was given nor reasons.
    """
    if only:
        spans = [next(places(text, item), (0, 0)) for item in items]
        return (
            _said(text, items) == list(items)
            and _LABEL.fullmatch(text[: spans[0][0]]) is not None
            and not any(map(str.isalnum, text[spans[-1][1] :]))
        )
    if _said(text, items) == list(items):
        return True
    parts = re.split(r"\n\s*\n|[:?。]|[.!](?=\s|$)|\n(?=.*[,、])", text)
    whole = [said for said in (_said(part, items) for part in parts) if set(said) == set(items)]
    return bool(whole) and whole[-1] == list(items)


def _said(text: str, items: Sequence[str]) -> list[str]:
    found = [(start, -end, item) for item in items for start, end in places(text, item)]
    said: list[str] = []
    read = -1
    for start, end, item in sorted(found):
        if start >= read:
            said.append(item)
            read = -end
    return said


def words_of(text: str) -> int:
    """How many words a text has: pieces between blanks that hold a letter or a digit."""
    return sum(any(char.isalnum() for char in word) for word in text.split())


def signs_of(text: str) -> int:
    """Characters without blanks and punctuation, as Chinese texts are measured."""
    return sum(map(str.isalnum, text))
