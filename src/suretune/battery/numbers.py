"""The numbers of a text, in digits and in words, English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from suretune.battery.folding import flat


@dataclass(frozen=True, slots=True)
class Number:
    """A number and where it stands in a `readable` text."""

    value: float
    start: int
    end: int
    digits: bool  # written in digits
    percent: bool = False  # a share: 90 %, 百分之九十, 九折
    weak: bool = False  # "one", 一: often no number at all
    fraction: bool = False  # 1/2, or a division that was not carried out


_ONES = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SMALL = {word: n for n, word in enumerate(_ONES)} | {
    word: 10 * n for n, word in enumerate(_TENS, 2)
}
_WORD = "(?:" + "|".join([*_ONES[::-1], *_TENS, "hundred", "dozen", *_SCALES]) + ")"
_WORDS = re.compile(
    rf"(?<![a-z-])(?:an? (?=hundred|dozen|{'|'.join(_SCALES)}))?{_WORD}"
    rf"(?:(?:[ -]|(?<=hundred) and |(?<=thousand) and | point (?=\w)){_WORD})*(?!-?[a-z])"
)
_POINTING = re.compile(r"\b(?:the|this|that|these|those|which|each|every|any|some|no|other)\s+$")
_SIGNS = {"零": 0, "〇": 0, "两": 2, **{sign: n for n, sign in enumerate("一二三四五六七八九", 1)}}
_PLACES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
_CHINESE = re.compile("[零〇一二两三四五六七八九十百千万亿]+(?:点[零〇一二三四五六七八九]+)?")
_NO_NUMERALS = re.compile(
    r"[一万](?:[共起样般定些直下旦切边致并会向律概再]|方面|部分|次性)|[唯统同第万之]一|第[二三四五六七八九十百]+"
    r"|星期[一二三四五六]|[十百千]分(?![之钟])|千万(?=不|别|要)|三角|四边|四川|[一二三四五六七八九十]+边形|两(?:者|边)"
    r"|个十百千|百度|(?<=[^零一二两三四五六七八九十百千万亿])百(?=货|姓|合)"
)
_SCALE_SIGNS = re.compile(r"\s?(?:千(?![克米瓦卡])|百(?!分)|万|亿)+")
_SCALE_WORDS = re.compile(r"\s(hundred|thousand|million|billion|trillion|dozen)\b")
_FRACTION_ZH = re.compile(
    r"(百|千|[0-9零一二两三四五六七八九十]{1,6})分之([0-9零一二两三四五六七八九十百点.]{1,9})"
)
_DIGITS = re.compile(
    r"(?<![a-z_\d^])(?:(?<!\d)(?<!\w)\.\d+|(?<!\d\.)(?<!\d,)(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?![\d])"
    r"|(?<!\d )\d{1,3}(?: \d{3})+(?! ?\d)|\d+)(?:\.\d+)?)(?:e[+-]?\d{1,2}\b)?"
)
_OVER = re.compile(r"\s?/\s?(\d{1,6})(?![\d/]|\.\d)")
_POWER = re.compile(r"\s*[×*]\s*10\^(-?\d{1,2})")
_CLOCK = re.compile(r"\d{1,2}:\d{2}\b")

_PARTS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "一半": 2}
_SHARES = re.compile(
    r"(?<![a-z-])(?:(one|two|three|four|a)[ -])?(half|third|quarter|fifth)s?\b"
    r"(?! (?:of|an?|the|past)\b)"
    r"|一半"
)

_SHARE = re.compile(
    r"\s?(?:%|percent|per cent"
    r"|折(?![叠断磨腾返射线])|成(?![\u4e00-\u9fff]))"
)

_PLAIN_SIGNS = (
    (re.compile(r"\\d?frac\{([^{}]{1,20})\}\{([^{}]{1,20})\}"), r"\1/\2"),
    (re.compile(r"\\(?:text|mathrm|mathbf)\{([^{}]{0,60})\}"), r" \1 "),
    (re.compile(r"\{,\}|\\,(?=\d{3})"), ","),
    (re.compile(r"\\(?:times|cdot)(?![a-z])"), "×"),
    (re.compile(r"\\div(?![a-z])"), "÷"),
    (re.compile(r"\\approx(?![a-z])"), "="),
    (re.compile(r"\\[()\[\],;! ]|\$|\\(?=%)"), " "),
    (re.compile(r"(?<=\d)\s?x\s?(?=\d)"), " × "),
    (re.compile(r"\^\{(-?\d{1,2})\}"), r"^\1"),
    (re.compile("≈"), "="),
    (re.compile(r"={1,2}>|(?<!<)-{1,2}>|[→⇒➜➔➡⟶⟹⟾]"), "="),  # 4 + 3 => 7
    (re.compile(r"</?[a-z][a-z0-9]{0,15}(?:\s[^<>\n]{0,80}=[^<>\n]{0,80})?\s?/?>"), " "),
    (re.compile(r"<(-?\d[\d.,]{0,12})>"), r" \1 "),
    (re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE), ""),  # the mark of a quoted line
    (re.compile(r"(?<![a-z])(?:usd|eur|gbp|cny|rmb)(?=\d)"), " "),
)
_MARKS = re.compile(
    r"^[ \t]*(?:\(?\d{1,2}[.)]\)?[ \t]+(?=\S)|\d{1,2}、)|\bstep \d{1,2}\b|步骤\s?\d{1,2}",
    re.MULTILINE,
)


def readable(text: str, *, marks: bool = False) -> str:
    """A text in which numbers can be looked for: LaTeX and arrows as plain signs, no tags, no
    marks of quoted lines and of lists.

    `marks`: a single one stays, as it may be an answer that ends in a full stop.
    """
    text = flat(text).lower()
    for found, plain in _PLAIN_SIGNS:
        text = found.sub(plain, text)
    if marks and len(_MARKS.findall(text)) == 1:
        return text
    return _MARKS.sub(lambda mark: " " * len(mark.group()), text)


@lru_cache(maxsize=256)
def numbers(text: str) -> tuple[Number, ...]:
    """All numbers of a readable text, in its order."""
    hidden = _CLOCK.sub(lambda found: " " * len(found.group()), text)
    made: list[Number] = []
    for reader in (_fractions_zh, _halves, _digits, _words, _chinese):
        for number in reader(hidden):
            made.append(number)
            blank = " " * (number.end - number.start)
            hidden = hidden[: number.start] + blank + hidden[number.end :]
    return tuple(sorted(made, key=lambda number: number.start))


def _signed(text: str, number: Number) -> Number:
    """The number with what stands before it (a minus) and behind it (per cent, below zero)."""
    before = text[max(0, number.start - 12) : number.start]
    minus = re.search(
        r"(?:(?:^|[\s=(:,{]|[^\d)a-z%\s-])-|[=:] -\s|负|零下\s?|\bnegative |\bminus )$", before
    )
    if minus and re.search(r"[\d)]\s*(?:minus |-)$", before):
        minus = None  # 3 minus 4
    behind = text[number.end : number.end + 24]
    below = re.match(r"\s?(?:°c?|degrees?(?: celsius)?)?\s?below (?:zero|freezing)", behind)
    if minus or below:
        start = number.start - (len(minus.group().lstrip()) if minus else 0)
        number = replace(
            number,
            value=-number.value,
            start=max(0, start),
        )
    if _SHARE.match(behind):
        number = replace(number, percent=True)
    return number


def _digits(text: str) -> Iterator[Number]:
    read = 0
    for found in _DIGITS.finditer(text):
        start, end = found.span()
        if start < read:
            continue
        value, fraction = float(re.sub(r"[ ,]", "", found.group())), False
        if re.match(r"s\b", text[end : end + 2]) and 1000 <= value < 3000:
            continue  # the 1960s
        if over := _OVER.match(text, end):
            if " " in over.group() or float(over[1]) == 0:
                over = None
            else:
                value, end, fraction = value / float(over[1]), over.end(), True
        if power := _POWER.match(text, end):
            value, end = value * 10.0 ** int(power[1]), power.end()
        mixed = re.match(r" (\d{1,3})/(\d{1,3})(?![\d/])", text[end : end + 9])
        if mixed and not fraction and float(mixed[2]):
            value, end = value + float(mixed[1]) / float(mixed[2]), end + mixed.end()
        value, end = _scaled(text, value, end)
        read = end
        yield _signed(text, Number(value, start, end, True, fraction=fraction))


def _scaled(text: str, value: float, end: int) -> tuple[float, int]:
    """With the words of size behind it: 3 million, 3万, 3万5千."""
    if word := _SCALE_WORDS.match(text, end):
        scale = _SCALES.get(word[1], 12.0 if word[1] == "dozen" else 100.0)
        return value * scale, word.end()
    total, last = 0.0, float("inf")
    while signs := _SCALE_SIGNS.match(text, end):
        scale = 1.0
        for sign in signs.group().strip():
            scale *= _PLACES[sign]
        if scale >= last:
            break
        total, value, end, last = total + value * scale, 0.0, signs.end(), scale
        if not (more := re.compile(r"\d+(?=[千百万])").match(text, end)):
            break
        value, end = float(more.group()), more.end()
    return total + value, end


def _words(text: str) -> Iterator[Number]:
    for found in _WORDS.finditer(text):
        before = text[max(0, found.start() - 8) : found.start()]
        for value, start, end in _spoken(found.group(), found.start()):
            one = text[start:end] == "one"
            pointing = start == found.start() and _POINTING.search(before) is not None
            weak = one or pointing  # the two numbers
            if one and (pointing or re.match(r" (?:of|another)\b", text[end : end + 9])):
                continue
            yield _signed(text, Number(value, start, end, False, weak=weak))


def _spoken(phrase: str, offset: int) -> Iterator[tuple[float, int, int]]:
    """(value, start, end) of the numbers in a run of number words; usually it is one."""
    total, group, last = 0.0, 0.0, 0.0  # `last`: the smallest place that is taken
    start = end = -1
    point = ""
    for found in re.finditer(r"[a-z]+", phrase):
        word = found.group()
        if word in ("and", "a", "an", "point"):
            point = "." if word == "point" else point
            start = found.start() if start < 0 and word in ("a", "an") else start
            continue
        small = _SMALL.get(word)
        if point and small is not None and small < 10:
            point += str(small)
        elif small is not None:
            if end >= 0 and (point or (last and small >= last)):
                yield _worth(total + group, point), offset + start, offset + end
                total, group, start, point = 0.0, 0.0, -1, ""
            group += small
            last = 10.0 if small >= 20 else 1e-9
        else:
            scale = _SCALES.get(word, 12.0 if word == "dozen" else 100.0)
            if scale >= 1000:
                total, group = total + (group or 1.0) * scale, 0.0
            else:
                group = (group or 1.0) * scale
            last = scale
        start, end = (found.start() if start < 0 else start), found.end()
    if end >= 0:
        yield _worth(total + group, point), offset + start, offset + end


def _worth(whole: float, point: str) -> float:
    return float(f"{whole:.0f}{point}") if len(point) > 1 else whole


def _chinese(text: str) -> Iterator[Number]:
    text = _NO_NUMERALS.sub(lambda found: " " * len(found.group()), text)
    for found in _CHINESE.finditer(text):
        start, end = found.span()
        if end - start > 1 and text[end - 1] == "千" and text[end : end + 1] in tuple("克米瓦卡"):
            end -= 1  # 五千米 is five kilometres
        value = chinese(text[start:end])
        if value is not None:
            weak = text[start:end] == "一"
            yield _signed(text, Number(value, start, end, False, weak=weak))


def chinese(signs: str) -> float | None:
    """What 一百零五, 二〇二四, 三万 or 三点五 is worth; None for signs of size alone."""
    whole, _, decimals = signs.partition("点")
    if whole[0] in "百千万亿":
        return None
    if all(sign in _SIGNS for sign in whole):
        value = float("".join(str(_SIGNS[sign]) for sign in whole))
    else:
        value = _placed(whole)
    if decimals:
        value += float("0." + "".join(str(_SIGNS[sign]) for sign in decimals))
    return value


def _placed(signs: str) -> float:
    total = section = digit = 0.0
    last, gap = 1, False
    for sign in signs:
        if sign in _SIGNS:
            digit, gap = float(_SIGNS[sign]), gap or sign in "零〇"
            continue
        place = _PLACES[sign]
        if place >= 10_000:
            total = (
                (total + section + digit) * place
                if place > last
                else (total + (section + digit) * place)
            )
            section = 0.0
        else:
            section += (digit or 1.0) * place
        digit, last, gap = 0.0, place, False
    # 一百五 is 150, 一百零五 is 105.
    tail = digit * last / 10 if last > 10 and not gap else digit
    return total + section + tail


def _fractions_zh(text: str) -> Iterator[Number]:
    for found in _FRACTION_ZH.finditer(text):
        below = {"百": 100.0, "千": 1000.0}.get(found[1]) or _part(found[1])
        above = _part(found[2])
        if below and above is not None:
            percent = found[1] == "百"
            value = above if percent else above / below
            yield Number(
                value,
                *found.span(),
                False,
                percent=percent,
                fraction=not percent,
            )


def _halves(text: str) -> Iterator[Number]:
    for found in _SHARES.finditer(text):
        times = _SMALL.get(found[1] or "", 1)
        worth = times / _PARTS[found[2] or found.group()]
        yield Number(worth, *found.span(), False, weak=True)


def _part(text: str) -> float | None:
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    return chinese(text) if _CHINESE.fullmatch(text) else None
