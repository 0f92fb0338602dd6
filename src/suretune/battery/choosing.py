"""Which of two sides an answer takes: yes or no, A or B, older or younger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from suretune.battery.negation import next_to_negator
from suretune.battery.saying import places

_ANSWER = re.compile(r"\banswer(?: is|:)|答案[是为:]|\bi choose\b|我选择?", re.IGNORECASE)
_BOTH = re.compile(r"\W{0,3}(?:or|/|还是|或者?)\W{0,3}(?:(?:an?|the)\W{1,3})?")
_BUT = re.compile(r"\W{0,3}but\W{0,3}")
_ENDS = re.compile(r"\s*(?:[.!?;,]|$)")
_CONCEDED = re.compile(
    r"\bsome (?:people |may |might )+(?:argue|say|think|claim|believe|view|see|consider)\b[^.!?;]*$"
)
_NO_NOUN = re.compile(r"\s+[a-z]")
_IDIOM = re.compile(r" (?:doubt|problem|worries|wonder|question|matter)\b", re.IGNORECASE)
_OPENS = re.compile(r"(?:^|[.!?:;,\n\"']|\b(?:answer(?: is)?|say|said)\b)\W*$", re.IGNORECASE)
_IS_KIND = re.compile(r"([a-z]+ )?(is|are)( an?)? ([a-z]+)")
"""An option that says of what kind something is: "is a machine", "whales are mammals"."""
_NO_KIND = (
    "(?:not|no|non|never|un?like|part|than|with|without|for|from|that|which|and|or|but|in|on|at|to"
    "|by|as|called|mistaken|indeed)\\b"
)

Place = tuple[int, int, bool]
"""Start, minus the end, and whether it is on the right side."""


def chooses(
    text: str,
    right: Sequence[str],
    wrong: Sequence[str],
) -> bool:
    """Whether the first word of either side that a flat text says is one of the right ones.

    Both sides in one breath ("yes or no: ...", "older, but not older") say neither; a denied word
    ("not older") is passed over, and so is "no" before a noun ("no doubt"). Behind "the answer is"
    stands what decides.
    """
    found = sorted(_places(text, right, True) + _places(text, wrong, False))
    said = [place for place in _apart(text, found) if _decides(text, place)]
    for marker in reversed(list(_ANSWER.finditer(text))):
        behind = [place for place in said if 0 <= place[0] - marker.end() <= 40]
        if behind:
            return behind[0][2]
    return bool(said) and said[0][2]


def _places(
    text: str,
    words: Sequence[str],
    side: bool,
) -> list[Place]:
    found = [span for word in words for span in places(text, word)]
    kinds = {match.groups("") for word in words if (match := _IS_KIND.fullmatch(word.lower()))}
    small = text.lower()
    found += [one.span() for kind in kinds for one in _described(*kind).finditer(small)]
    return [(start, -end, side) for start, end in found]


@lru_cache
def _described(
    lead: str,
    verb: str,
    article: str,
    kind: str,
) -> re.Pattern[str]:
    """How it is said with words before the kind: "is a powerful farm machine"."""
    words = rf"(?:(?!{_NO_KIND})[a-z-]+ ){{0,3}}{kind}"
    if article:
        return re.compile(
            rf"{lead}(?:\b{verb}|'s) (?:an?|the) {words}\b|{lead}(?:\bare|'re) {words}s\b"
        )
    return re.compile(rf"\b{lead}{verb} {words}\b")


def _apart(text: str, found: Sequence[Place]) -> Iterator[Place]:
    """The places without those inside a longer one and those that name both sides."""
    clear: list[Place] = []
    for place in found:
        if not clear or place[0] >= -clear[-1][1]:
            clear.append(place)
    paired = set()
    for one, two in pairwise(clear):
        if one[2] is not two[2] and _in_one_breath(text, one, two):
            paired |= {one, two}
    return (place for place in clear if place not in paired)


def _in_one_breath(text: str, one: Place, two: Place) -> bool:
    """Whether nothing but an "or" stands between them, or a "but" and both end in the same word,
    and the clause with it: "a bird, but not a bird that flies" is one."""
    between = text[-one[1] : two[0]]
    if not _BUT.fullmatch(between):
        return _BOTH.fullmatch(between) is not None
    if not _ENDS.match(text[-two[1] :]):
        return False
    first = text[one[0] : -one[1]]
    second = text[two[0] : -two[1]]
    return first.lower().split()[-1] == second.lower().split()[-1]


def _decides(text: str, place: Place) -> bool:
    start, end = place[0], -place[1]
    if _CONCEDED.search(text[max(0, start - 120) : start].lower()):
        return False
    if text[start:end].lower() == "no" and _NO_NOUN.match(text[end:]):
        opens = _OPENS.search(text[max(0, start - 12) : start])
        return opens is not None and not _IDIOM.match(text[end:])
    return not next_to_negator(text, start)
