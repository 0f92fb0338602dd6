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
_TIME = re.compile(
    r"(?P<noon>\b(?:noon|midday)\b)|(?P<midnight>\bmidnight\b)"
    r"|\b(?:(?P<half>half past )|(?P<quarter>quarter past ))?"
    rf"(?P<hour>\d{{1,2}}|{'|'.join(_HOURS)})"
    r"(?:\s?[:.]\s?(?P<minute>[0-5]\d)\b)?(?!\d)"
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
        plain = not (found["minute"] or found["side"] or "o'clock" in found.group())
        leads = (
            _PLAIN.search(text[: found.start()]) is not None or not text[: found.start()].strip()
        )
        if plain and (not leads or _SUM.match(text[found.end() :])):
            continue
        if found["unit"] and _SUM.match(text[found.end() :]):
            continue
        minute = int(found["minute"] or (30 if found["half"] else 15 if found["quarter"] else 0))
        hour = _WORDS.get(found["hour"]) or int(found["hour"])
        made.append((found.start(), hour, minute, _side(found["side"] or "")))
    return made


def _side(said: str) -> str:
    if not said:
        return ""
    return "a" if "morning" in said or re.match(r"a\W?\s?m", said) else "p"
