"""The time of day that an answer gives as its result."""

from __future__ import annotations

import re

from suretune.battery.folding import fold

_HOURS = (
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
)
_WORDS = {word: n for n, word in enumerate(_HOURS, 1)}
_FEW_MINUTES = {"half": 30, "half an hour": 30, "quarter": 15, "fifteen": 15, "twenty": 20}
_TENS = {**_FEW_MINUTES, "twenty-five": 25, "thirty": 30, "forty-five": 45, "forty five": 45}
_BY = (
    r"half(?: an hour)?|quarter"
    rf"|(?:\d{{1,2}}|twenty-five|{'|'.join(_HOURS)}|fifteen|twenty|thirty) minutes"
)
"""By how much before or after the hour. Without "minutes", "3 to 5" is a range."""
_SPOKEN = r" (?:thirty|fifteen|forty[ -]five)\b(?=\s*(?:[ap]\.?m\b|in the\b|[.,;!?)]|$))"
_TIME = re.compile(
    r"(?P<noon>\b(?:noon|midday)\b)|(?P<midnight>\bmidnight\b)"
    rf"|\b(?:(?P<by>{_BY}) (?P<way>past|after|to|before|till) )?"
    rf"(?P<hour>\d{{1,2}}|{'|'.join(_HOURS)})"
    r"(?:\s?[:.]\s?(?P<minute>[0-5]\d)\b|(?<=[a-z])(?P<spoken>" + _SPOKEN + r"))?(?!\d)"
    r"(?P<unit>\s*(?:hours?|hrs?|h|minutes?|mins?)\b)?"
    r"(?:\s*o'clock)?\s*(?P<side>(?:[ap]\.?\s?m\b\.?)|in the (?:morning|afternoon|evening)"
    r"|at night|noon)?"
)
_PLAIN = re.compile(r"(?:\bat|\bis|\bby|\buntil|=|\bends?|\bover)\s*(?:about |exactly |around )?$")
_SUM = re.compile(r"\s*(?:[+*×]|plus\b|-)")
_ENDS = re.compile(
    r"\b(?:ends?|finish(?:es)?|is over|will be over|concludes?|ending|answer is|lasts? until)\b"
    r"[^.!?\n=]{0,30}?(?:\bat\b|\bis\b|\bby\b|:|$)|="
)

Time = tuple[int, int, int, str]
"""Where it stands, hour, minute, and a or p where the half of the day is said."""


def tells(answer: str, hour: int, minute: int = 0) -> bool:
    """Whether the time that the answer ends up with is this one (hour of 24)."""
    text = fold(answer)
    times = _times(text)
    if not times:
        return False
    said = times[-1]
    for mark in reversed(list(_ENDS.finditer(text))):
        behind = [time for time in times if 0 <= time[0] - mark.end() <= 30]
        if behind and not re.search(r"[.!?](?:\s|$)", text[mark.end() : behind[0][0]]):
            said = behind[0]
            break
    _, got, minutes, side = said
    if minutes != minute or got > 24:
        return False
    if side and got <= 12:
        return got % 12 + (12 if side == "p" else 0) == hour % 24
    return got % 24 == hour % 24 if got > 12 else got % 12 == hour % 12


def _times(text: str) -> list[Time]:
    made: list[Time] = []
    for found in _TIME.finditer(text):
        if found["noon"] or found["midnight"]:
            made.append((found.start(), 12, 0, "p" if found["noon"] else "a"))
            continue
        precise = found["minute"] or found["spoken"] or found["by"] or found["side"]
        plain = not (precise or "o'clock" in found.group())
        leads = (
            _PLAIN.search(text[: found.start()]) is not None or not text[: found.start()].strip()
        )
        if plain and (not leads or _SUM.match(text[found.end() :])):
            continue
        if found["unit"] and _SUM.match(text[found.end() :]):
            continue
        minute = int(found["minute"] or _TENS.get((found["spoken"] or "").strip(), 0))
        hour = _WORDS.get(found["hour"]) or int(found["hour"])
        by = (found["by"] or "").removesuffix(" minutes")
        if by and not minute:
            apart = _TENS.get(by) or _WORDS.get(by) or int(by)
            late = found["way"] in ("past", "after")
            hour, minute = (hour, apart) if late else (hour - 1 or 12, 60 - apart)
        made.append((found.start(), hour, minute, _side(found["side"] or "")))
    return made


def _side(said: str) -> str:
    if not said:
        return ""
    return "a" if "morning" in said or re.match(r"a\W?\s?m", said) else "p"


_PAST = re.compile(
    rf"\b(?:(?:{_BY}) (?:past|after|to|before|till)|(?:{'|'.join(_HOURS)}|twenty) past)\s*$"
)
_MINUTES = re.compile(_SPOKEN)
_FEW = r"(?:[一三]刻|[零〇一二三四五六七八九十\d]{1,3}分)"
_PAST_ZH = re.compile(rf"差{_FEW}钟?到?$")
_MINUTES_ZH = re.compile(
    r"(?:(?<=[点时])|[点时])\s*(?!零分|0{1,2}(?!\d))"
    rf"(?:半(?![个小天])|[过差]?{_FEW}(?!钟后)|[0-5]\d(?!\d)|[二三四五]十)"
    r"|(?<=[点时][二三四五]十)[一二三四五六七八九]"
)


def is_another(text: str, start: int, end: int) -> bool:
    """Whether the hour that stands there has minutes: "half past two", 两点三十分, 两点半."""
    if _MINUTES_ZH.match(text, end) or _PAST_ZH.search(text[max(0, start - 8) : start]):
        return True
    before, behind = text[max(0, start - 32) : start].lower(), text[end : end + 24].lower()
    return _PAST.search(before) is not None or (
        text[start:end].lower() in _WORDS and _MINUTES.match(behind) is not None
    )
