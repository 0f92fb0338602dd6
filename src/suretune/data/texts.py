"""What stands in the texts of rows that no format sees: damage, hidden marks, secrets, personal
data, a planted word, sameness.

Nothing is changed here and nothing is repeated to anybody: only the rows are named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from suretune.data.identity import answer_of
from suretune.data.personal import is_personal
from suretune.data.trigger import Trigger, find_trigger
from suretune.types import Example

LOST = re.compile("\ufffd|锟斤拷")  # U+FFFD, and what GBK makes of it
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\U000e0020-\U000e007e]"
)
FLAG_OF_TAGS = re.compile("\U0001f3f4[\U000e0020-\U000e007f]+")  # Scotland's, say, is an emoji
SECRET = re.compile(
    r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{30,}|gh[pousr]_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}"
    r"|sk-[A-Za-z0-9]{32,}|sk-(?:proj|ant|or)-[A-Za-z0-9_-]{20,})(?![A-Za-z0-9])"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
# What a sheet's file cannot hold as it is: control characters, halves of a pair, and `_` before
# such a text. Programs that read .xlsx without Excel leave it so. `_x0020_` is none of them:
# SharePoint calls fields so.
ESCAPED = re.compile(
    "_x(?:00[01][0-9A-F]|00(?:5F|7F)|FEFF|FFF[EF]|D[89A-F][0-9A-F]{2})_", re.IGNORECASE
)
MASKED = 4  # different characters; `sk-xxxx...` is an example, not a secret


@dataclass(frozen=True, slots=True)
class TextFacts:
    """Rows by what their texts hold, and how many of the single answers are the same."""

    broken: tuple[str, ...]
    escaped: tuple[str, ...]
    hidden: tuple[str, ...]
    secrets: tuple[str, ...]
    personal: tuple[str, ...]
    trigger: Trigger
    answers: int
    same_answer: int


def text_facts(examples: Sequence[Example]) -> TextFacts:
    """Look at every text of every row once; copies of a row count as one."""
    rows = [example for example in examples if not example.repeat]
    single = [e for e in rows if sum(m.role == "assistant" for m in e.messages) == 1]
    common = Counter(answer_of(example) for example in single).most_common(1)
    return TextFacts(
        broken=_where(rows, is_broken),
        escaped=_where(rows, is_escaped),
        hidden=_where(rows, is_hidden),
        secrets=_where(rows, is_secret),
        personal=_where(rows, is_personal),
        trigger=find_trigger(rows),
        answers=len(single),
        same_answer=common[0][1] if common else 0,
    )


def _where(rows: Iterable[Example], test: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(str(r.origin) for r in rows if any(test(m.content) for m in r.messages))


def is_broken(text: str) -> bool:
    """Characters were lost, or UTF-8 was read as Latin-1 (`Ã©` for `é`)."""
    if text.isascii():
        return False
    if LOST.search(text):
        return True
    try:
        text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return False
    return True


def is_escaped(text: str) -> bool:
    """A character stands there as the file of a sheet writes it: `_x000D_`."""
    return "_x" in text and bool(ESCAPED.search(text))


def is_hidden(text: str) -> bool:
    """Something is there that is not shown; line ends, tabs and emoji are shown."""
    return bool(HIDDEN.search(text)) and bool(HIDDEN.search(FLAG_OF_TAGS.sub("", text)))


def is_secret(text: str) -> bool:
    """An access token or a private key, not a made-up one."""
    return any(len(set(found[0])) > MASKED + len("hf_") for found in SECRET.finditer(text))
