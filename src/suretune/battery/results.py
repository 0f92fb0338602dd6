"""Which of an answer's numbers is its result.

Tried in this order: a box, "the answer is", the last equation or conclusion, the only number, the
only one that is not the question's, what stands behind "is", "are", "有", and the last one. What
the answer denies ("not 74"), leaves open ("73 or 74") or compares with ("than 3") is no result.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from suretune.battery.negation import DENIES, refuted
from suretune.battery.numbers import Number, numbers, readable
from suretune.battery.ranges import left_open

MOST = 40  # marks that are looked at, from the end
_BOX = re.compile(r"\\boxed\{|####")
_ANSWER = re.compile(
    r"\banswer\b[^.!?\n]{0,60}?(?:\bis\b|\bequals\b|\bwould be\b|:|=)|\banswer\b(?=\s*-?\d)"
    r"|答案?(?:应该|应)?(?:[是为]|:)|^答\s*:|(?<![a-z])a:"
)
_IS_ANSWER = re.compile(
    r"\s*(?:is|was|would be|是)\s*(?:the |your |our |正确)?(?:correct )?(?:answer|result|答案|结果)"
)
_EQUATION = re.compile(
    r"[=]|\bequals?\b(?: to)?|\b(?:makes|gives|yields|totals?)\b|\b(?:comes|amounts|adds up) to\b"
    r"|\b(?:total|sum|result|product|difference|quotient|remainder|average|mean)\b"
    r"[^.;=!?\n]{0,60}?(?:\b(?:is|are|was|of(?![^,.;=!?\n]{0,60} (?:is|are|was)\b\W*\d))\b|:)"
    r"|等[于於]|得[到出]?|结果[是为]?"
    r"|[总一]共[是有]?|[合共总]计[是有]?|(?<![一总公])共[是有]?(?=[\d一二两三四五六七八九十])"
)
_THEREFORE = re.compile(r"\b(?:so|therefore|thus|hence|finally|in total)\b|所以|因此|最后|最终")
_IS = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|takes?|costs?|needs?|gets?|leaves?"
    r"|left with|contains?)\b"
    r"|'s\b|[是有为剩要需花](?:下|要)?"
)
_ASIDE = re.compile(r"\b(?:which|that|this)(?: (?:is|are|was|means)\b|'s\b)|也就是")
_SENTENCE = re.compile(r"[.!?](?=\s|$)|[。;\n]")
_REASON = re.compile(r"\b(?:because|since)\b|\b(?:you can )?(?:check|verify)\b|因为|验算")
_ASKS = re.compile(r"(?:^|(?<=[.!?。\n]))[^.!?。\n]*\?", re.MULTILINE)
_BRACKETS = re.compile(r"\([^()\n]{0,200}\)")
_THAN = re.compile(
    r"(?:\bthan|(?<=[\w)\]%°])\s*>=?|[<≤≥]=?|比|[大小多少高低]于|≠|!=)\s*(?:the number )?$"
)
"""What is compared with is no result. A > with nothing before it compares nothing."""
_DENIED = re.compile(
    r"(?:\bnot|n't|\bnever|\bno|不是|并非|而非|不等于|不为)"
    r"(?: (?:equal to|exactly|be|the number|just))?\s*[$\"']?$"
)
_OPERATOR = re.compile(
    r"\s*(?:[a-z°%]{1,12}\s*)?(?:[+×*÷^/]|-\s*(?=[\d(])|(?:plus|minus|times|divided by"
    r"|multiplied by|and)\s+(?=[\d(])|[加减乘除](?:以|去|上)?)\s*(?=[\d(一二两三四五六七八九十零-])"
)
_OPEN = re.compile(r"\s*(?:,\s*)?(?:or|或者?|还是)\s*(?=-?[\d一二两三四五六七八九十])")
_MONTH = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
)
_DAY = re.compile(
    rf"\b(?:{_MONTH})\.? \d{{1,2}}(?:st|nd|rd|th)?,? (?=\d{{4}})"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)? (?:of )?(?:{_MONTH}),? (?=\d{{4}})"
    r"|(?<=年)\d{1,2}月(?:\d{1,2}[日号])?"
)
_YEAR = re.compile(r"(?:\b(?:in|since|by|until|of|from)|自|从)\s*$")
_ASKS_SHARE = re.compile(
    r"\b(?:what|which|how many) per ?cent|\bwhat %"
    r"|\bpercentages?\b|\b(?:in|as) per ?cent\b"
    r"|百分之(?:几|多少)|百分[比率数]|率"
    r"|(?:几|多少)折|几成"
)
"""Asks for a share; elsewhere one is no amount: "90 % of the price", 打九折是原价的90%."""
_WHEN = re.compile(r"\byears?\b|\bwhen\b|年")
_NOTHING = re.compile(
    r"\b(?:none|nothing|zero)\b|\bno (?:\w+ ){1,3}(?:left|remain\w*)\b|没有?(?:剩|了)|不剩"
)

_COUNTED = re.compile(r"\s?[\u4e00-\u9fff]|\s[a-z]+")
"""What a number counts: the sign or word behind it."""
_WANTED = re.compile(
    r"(?:几|多少)\s?[\u4e00-\u9fff][^,?。\n]{0,5}"
    r"|\bhow many(?! (?:are|is|were|was|do|does|did|will|would|have|has|had|can|remain|left|in)\b)"
    r"(?: [a-z]+){1,3}"
)
_EVENT = re.compile(
    r"([\u4e00-\u9fff]{2}(?<![有是共得为要付需剩下卖])(?=了?\s?$)"
    r"|\b(?:gave away|ate|spent|lost|picked up|picks up|wins)(?=\s$))"
)
_ASKED = re.compile(r"[,。.]")
_EACH = re.compile(r"(每[\u4e00-\u9fff])[\u4e00-\u9fff]{0,4}有?$")
_FRAME = re.compile(r"([\u4e00-\u9fff]{4})$")
_ANY_UNIT = frozenset(["个", "分", "more", "of", "and", "is", "are", "years", "times"])

Marker = Sequence[re.Match[str]]


def agrees(
    answer: str,
    asked: str,
    value: float,
    tolerance: float = 0.0,
) -> bool:
    """Whether the answer's result is this value."""
    result = result_of(
        answer,
        asked,
        year=1000 <= value <= 2100 and float(value).is_integer(),
    )
    if result is not None:
        text, question = readable(answer), readable(asked)
        if _counts_another(text, result, question) or _misquotes(text, result, question):
            return False
    if result is None:
        return value == 0 and _NOTHING.search(readable(answer)) is not None
    if re.search("千[米克]", answer) and "千 " not in answer:  # 一千米: one kilometre, 1000 metres
        spaced = re.sub("千(?=[米克])", "千 ", answer)
        return _is(result, value, tolerance, asked) or agrees(spaced, asked, value, tolerance)
    return _is(result, value, tolerance, asked)


def _counts_another(text: str, result: Number, asked: str) -> bool:
    """Whether it counts what was given and not what was asked for: 16 cars, and not 16 wheels."""
    told = _COUNTED.match(text, result.end)
    wanted = [*_WANTED.finditer(asked)]
    if told is None or not wanted:
        return False
    unit = told[0].strip()
    sought = wanted[-1].group()
    if unit in _ANY_UNIT or unit in sought or unit.rstrip("s") in sought:
        return False
    for number in numbers(asked):
        given = _COUNTED.match(asked, number.end)
        if given is not None and not _forms(given[0]).isdisjoint(_forms(unit)):
            return True
    return False


def _forms(unit: str) -> set[str]:
    """One peach is given, and peaches are counted: what a word may be in the singular."""
    word = unit.strip()
    return {word, word.removesuffix("s"), word.removesuffix("es")}


def _misquotes(text: str, result: Number, asked: str) -> bool:
    """Whether it says of the result what was said of another number: 开走了17辆, 每张有20条."""
    again = [number.start for number in numbers(text) if number.value == result.value]
    before = text[: max([result.start, *again])]
    asks = _ASKED.split(asked)[-1]
    each = _EACH.search(before)
    if each and each[1] in asked and "每" not in asks:
        return True
    if (same := _FRAME.search(before)) and any(
        number.value != result.value and text[: number.start].endswith(same[1])
        for number in numbers(text)
    ):
        return True
    event = _EVENT.search(before)
    if event is None or event[1] in asks:
        return False
    return any(
        number.value != result.value
        and (told := _EVENT.search(asked[: number.start])) is not None
        and told[1] == event[1]
        for number in numbers(asked)
    )


def _is(result: Number, value: float, tolerance: float, asked: str) -> bool:
    near = tolerance + 1e-9 * max(1.0, abs(value))
    worths = [result.value / 100] if result.percent else []
    if not result.percent or _ASKS_SHARE.search(readable(asked)):
        worths.append(result.value)
    return any(abs(worth - value) <= near for worth in worths)


def _result(text: str, question: str, year: bool) -> Number | None:
    """The result of a readable text; reasons behind it are not looked at where it has one."""
    known = numbers(question)
    asked = {number.value for number in known}
    if reason := _REASON.search(text):
        early = _usable(text[: reason.start()], known, question, year)
        if any(number.value not in asked and not number.weak for number in early):
            text = text[: reason.start()]
    outside = _BRACKETS.sub(lambda found: " " * len(found.group()), text)
    for part in (outside, text):
        if found := _usable(part, known, question, year):
            return _chosen(part, found, known)
    return None


def result_of(
    answer: str,
    asked: str,
    *,
    year: bool = False,
) -> Number | None:
    """The number that the answer gives. `year`: a year is expected."""
    text, question = readable(answer), readable(asked)
    if not numbers(text):
        text = readable(answer, marks=True)  # "5. That is all."
    known = numbers(question)
    statements = _ASKS.sub(lambda found: " " * len(found.group()), text)
    if _usable(statements, known, question, year):
        text = statements
    if box := _behind(_last(_BOX, text), text, numbers(text)):
        return box
    return _result(text, question, year)


def _usable(
    text: str,
    known: Sequence[Number],
    asked: str,
    year: bool,
) -> list[Number]:
    """The numbers that may be a result."""
    hidden = _DAY.sub(lambda found: " " * len(found.group()), text)
    found = list(numbers(hidden))
    if year and _WHEN.search(asked) and any(map(_is_year, found)):
        found = [number for number in found if _is_year(number)]
    else:
        others = [
            n
            for n in found
            if not (_is_year(n) and _YEAR.search(text[max(0, n.start - 12) : n.start]))
        ]
        found = others or found
    if not _ASKS_SHARE.search(asked):
        found = [number for number in found if not number.percent] or found
    expressions = [number.value for number in known if number.fraction]
    expressions = expressions if len(expressions) == 1 else []  # of two, one may be the answer
    denies = len(found) <= 2 * MOST and DENIES.search(text) is not None
    usable = []
    hedged = False
    for number in found:
        before, behind = (
            text[max(0, number.start - 24) : number.start],
            text[number.end : number.end + 24],
        )
        open_before, hedged = hedged, _OPEN.match(behind) is not None
        if open_before or hedged or _DENIED.search(before) or _THAN.search(before):
            continue
        if denies and refuted(text, number.start, number.end):
            continue
        if number.digits and left_open(text, number.start, number.end, asked):
            continue
        if number.fraction and (number.value.is_integer() or number.value in expressions):
            continue  # a division that nobody carried out
        usable.append(number)
    return _not_repeated(usable, known)


def _is_year(number: Number) -> bool:
    return 1000 <= number.value <= 2100 and number.end - number.start == 4


def _not_repeated(found: list[Number], known: Sequence[Number]) -> list[Number]:
    """Without what only says the question's numbers again, two or more in their order."""
    run = [number.value for number in known]
    kept: list[Number] = []
    at = 0
    while at < len(found):
        here = [number.value for number in found[at : at + len(run)]]
        if len(run) > 1 and here == run:
            at += len(run)
            continue
        kept.append(found[at])
        at += 1
    return kept


def _chosen(
    text: str,
    found: list[Number],
    known: Sequence[Number],
) -> Number | None:
    strong = [number for number in found if _IS_ANSWER.match(text[number.end : number.end + 40])]
    if strong:
        return strong[-1]
    for marker in reversed(list(_ANSWER.finditer(text))[-MOST:]):
        segment = _sentence_from(text, marker.end())
        inner = [m for m in re.finditer("=|等于", text) if marker.end() <= m.start() < segment]
        if result := _behind(inner, text, found) or _behind([marker], text, found):
            return result
    if result := _concluded(text, found, known):
        return result
    asked = {number.value for number in known}
    found = [number for number in found if not number.weak] or found
    fresh = [number for number in found if number.value not in asked]
    for plain in (fresh, found):
        digits = [number for number in plain if number.digits] or plain
        if len({number.value for number in plain}) == 1:
            return plain[-1]
        if result := _behind(_plain_is(text, bool(known)), text, plain):
            return result
        if digits:
            counted = [number.value for number in digits] == [*range(1, len(digits) + 1)]
            return digits[-1 if known or counted else 0]
    return None


def _concluded(
    text: str,
    found: list[Number],
    known: Sequence[Number],
) -> Number | None:
    """What the last equation says, or the last sentence that begins with "so"."""
    equation = _behind(list(_EQUATION.finditer(text)), text, found)
    for marker in reversed(list(_THEREFORE.finditer(text))[-MOST:]):
        end = _sentence_from(text, marker.end())
        inside = [number for number in found if marker.end() <= number.start < end]
        if not inside:
            continue
        if equation and equation.start > marker.end():
            return equation
        asked = {number.value for number in known}
        fresh = [number for number in inside if number.value not in asked]
        if not fresh and end == len(text):
            continue  # it breaks off before it says anything
        fresh = fresh or inside
        verbs = [m for m in _IS.finditer(text) if marker.end() <= m.start() < end]
        return _behind(verbs, text, fresh) or fresh[-1]
    return equation


def _plain_is(text: str, last: bool) -> list[re.Match[str]]:
    """Every "is" that tells no aside; the last one decides where the question is a sum."""
    asides = {found.end() for found in _ASIDE.finditer(text)}
    marks = [found for found in _IS.finditer(text) if found.end() not in asides]
    return marks if last else marks[::-1]


def _last(marks: re.Pattern[str], text: str) -> list[re.Match[str]]:
    return list(marks.finditer(text))


def _behind(
    marks: Marker,
    text: str,
    found: Sequence[Number],
) -> Number | None:
    """The first number behind the last mark that has one in its sentence, not part of a sum."""
    starts = [number.start for number in found]
    for mark in reversed(marks[-MOST:]):
        end = mark.end()
        at = bisect_left(starts, end)
        if at == len(found):
            continue
        number = found[at]
        gap = text[end : number.start]
        if mark.group().endswith((":", "=")):
            gap = gap.lstrip()
        if (
            len(gap) > 60
            or _SENTENCE.search(gap)
            or _OPERATOR.match(text[number.end : number.end + 40])
        ):
            continue
        return number
    return None


def _sentence_from(text: str, start: int) -> int:
    """Where the sentence that is under way at `start` ends."""
    while start < len(text) and text[start].isspace():
        start += 1
    end = _SENTENCE.search(text, start)
    return end.start() if end else len(text)
