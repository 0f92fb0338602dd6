"""Whether a number is left open with another one: "6 or 8", "six to eight", "6到8条".

What moved from one thing to another is no range: "from Tuesday to Thursday" says where it is now.
"""

from __future__ import annotations

import re

from suretune.battery.numbers import numbers

_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen"
    "|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
    "|hundred|thousand"
)
_NUMBER = rf"(?:(?<![\w.,])(?:\d[\d,]*(?:\.\d+)?|(?:{_WORDS})\b)|[零一二两三四五六七八九十百千]+)"
_A_NUMBER = re.compile(_NUMBER)
_COMPARED = re.compile(
    r"(?<!no )(?<!not )\b(?:more|less|fewer|greater|higher|lower) than (?:about )?$"
    r"|(?<!不)(?:超过|多于|少于|大于|小于|高于|低于)了?\s?$|不到\s?$"
)
_UNIT = r"(?:\s?(?!(?:or|to|and)\b)(?:[a-z]{1,12}|°[cf])|[\u4e00-\u9fff]{1,2}?)?"
_TWO = re.compile(
    rf"(?P<one>{_NUMBER})(?P<unit>{_UNIT})\s{{0,2}}"
    r"(?P<joins>or|to|and|through|[~-]|或者?|还是|到|至)\s{0,2}[$€£¥]?"
    rf"(?=(?P<two>{_NUMBER})(?P<other>{_UNIT})(?!\s*[=^]))"
)
_OR = ("or", "或", "或者", "还是")
_COUNTS = re.compile(
    r"\bhow (?:many|much|long|old|tall|far|high|deep|heavy)\b|\bcosts?\b|\bprice\b"
    r"|多[少高长重久远深]|几(?![点楼号层])"
)
_BETWEEN = re.compile(r"\bbetween\s*(?:about |around )?$")
_CHANGED = re.compile(
    r"\b(?:mov|chang|switch|shift|reschedul|push|postpon|delay|swap|turn|correct|updat|increas"
    r"|decreas|r[io]s|f[ae]ll|drop|go|went|tak|brought|bring)\w*\b[^.!?;\n]{0,60}"
    r"\bfrom\s+(?:the )?[\"']?$"
)
_TO = re.compile(r"[\"']?\s+to\s")
LONGEST = 40  # characters on either side that are looked at


def moved_from(text: str, start: int, end: int) -> bool:
    """Whether what stands there is what something was changed from, to another."""
    if not _TO.match(text[end : end + 8].lower()):
        return False
    return _CHANGED.search(text[max(0, start - 100) : start].lower()) is not None


def left_open(
    text: str,
    start: int,
    end: int,
    asked: str,
) -> bool:
    """Whether the number there may as well be another one, or is but a bound ("more than 8").

    "8 or 10" leaves it open whatever is asked; "8 to 10" only where a count is: a shop is open
    from 8 to 10. "60 minutes or 3600 seconds" are one.
    """
    if not _A_NUMBER.fullmatch(text[start:end].lower()):
        return False
    first = max(0, start - LONGEST)
    if _COMPARED.search(text[first:start].lower()):
        return True
    window = text[first : end + LONGEST].lower()
    counts = _COUNTS.search(asked.lower()) is not None
    span = (start - first, end - first)
    return any(
        span in (found.span("one"), found.span("two"))
        and _are_two(found)
        and _opens(window, found, counts)
        and not (span == found.span("two") and moved_from(window, *found.span("one")))
        for found in _TWO.finditer(window)
    )


def _are_two(found: re.Match[str]) -> bool:
    """Whether they are different numbers of the same thing."""
    one, two = ({number.value for number in numbers(found[name])} for name in ("one", "two"))
    units = {found["unit"].strip(), found["other"].strip()} if found["unit"] else ()
    return not one & two and len(units) < 2


def _opens(window: str, found: re.Match[str], counts: bool) -> bool:
    if found["joins"] == "and":
        return _BETWEEN.search(window[: found.start()]) is not None
    return counts or found["joins"] in _OR
