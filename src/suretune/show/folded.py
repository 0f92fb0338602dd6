"""Many findings of one kind: the first are told in full, of the others where they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from suretune import phrases as p
from suretune.facts import Finding
from suretune.phrases import words
from suretune.types import Text

WHOLE = 3  # of a kind that are told in full
ADVISED = 6  # of a kind, where each advises something else
PLACES = 8  # of the others that are named


def folded(found: Sequence[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Each finding that is told in full, in the order of the first of its kind and with the others
    of that kind behind the last; a file with a thousand bad rows has one kind of them."""
    kinds: dict[tuple[str, bool, str], list[Finding]] = defaultdict(list)
    for finding in found:
        kinds[finding.code, finding.stops, finding.fate].append(finding)
    shown: list[tuple[Finding, list[Finding]]] = []
    for several in kinds.values():
        whole, rest = _parted(several)
        for finding in whole:
            shown.append((finding, []))
        shown[-1][1].extend(rest)
    return shown


def _parted(several: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Of one kind: (told in full, the others)."""
    whole: list[Finding] = []
    rest: list[Finding] = []
    advice: set[Text] = set()
    for finding in several:
        new = finding.fix not in advice
        if len(whole) < (ADVISED if new else WHOLE):
            whole.append(finding)
            advice.add(finding.fix)
        else:
            rest.append(finding)
    if len(rest) == 1:  # a line that names it is hardly shorter
        return [*whole, *rest], []
    return whole, rest


def others(rest: Sequence[Finding]) -> str:
    """How many more there are, and where: a line, in the language of this process."""
    code = rest[0].code
    more_of_them = sum(finding.more for finding in rest)
    number = p.count(len(rest) + more_of_them)
    lists = Text("lists each", "逐条列出")
    places: dict[str, None] = {}
    for finding in rest:
        for where in (finding.where, *finding.also):
            if where:
                places[where] = None
    few = list(places)[:PLACES]
    more = len(places) > PLACES
    if not few:
        return words(
            f"… and {number} more {code}; `--json` {lists.en}",
            f"…… {code} 另有 {number} 处，用 `--json` {lists.zh}",
        )
    en = ", ".join(few)
    zh = "、".join(few)
    if more:
        en += ", …"
        zh += " 等"
    return words(
        f"… and {number} more {code}: {en}; `--json` {lists.en}",
        f"…… {code} 另有 {number} 处：{zh}，用 `--json` {lists.zh}",
    )
