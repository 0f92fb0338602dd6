"""Which rows say the same, and so stay on one side: held out, or learned.

Two rows are copies where system prompt, question and answer are the same once case, blanks, width
(full or half) and punctuation are folded away; their files, shapes and tools do not matter. Of a
conversation its first question and answer count: a longer one that begins so has learned them too.
"""

from __future__ import annotations

import hashlib
import random
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from suretune.data.collect import Prepared
from suretune.types import Example

KEY = 16  # bytes of a hash: a million rows have none in common by chance
Key = bytes


class _Folding(dict[int, str]):
    """For `str.translate`, a character at a time, so that long Chinese text costs little: one width
    and one case; no blanks, no punctuation, nothing that is not shown. + and < stay.
    A million rows of 500 characters take half a minute of one core, of ASCII seven seconds."""

    def __missing__(self, code: int) -> str:
        plain = unicodedata.normalize("NFKC", chr(code)).casefold()
        kept = (c for c in plain if c != "`" and unicodedata.category(c)[0] not in "ZPC")
        self[code] = "".join(kept)
        return self[code]


_FOLDING = _Folding()
_ASCII = {code: None for code in range(128) if not _FOLDING[code]}  # which has a faster way


def folded(text: str) -> str:
    """The text without case, blanks, width and punctuation; text that has nothing else stays."""
    if text.isascii():
        return text.lower().translate(_ASCII) or text
    whole = text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)
    return whole.translate(_FOLDING) or text


def row_key(example: Example) -> Key:
    """The same for every copy of a row."""
    return _key(example, answered=True)


def copies(rows: Sequence[Prepared]) -> dict[Key, list[str]]:
    """Where each of these rows stands, by its key: every copy of it, and once."""
    found: dict[Key, dict[str, None]] = {}
    for row in rows:
        places = found.setdefault(row_key(row.example), {})
        places[str(row.example.origin)] = None
    return {key: list(places) for key, places in found.items()}


def question_key(example: Example) -> Key:
    """The same for all rows that ask the same, whatever the answer. Plain text has no question."""
    return _key(example, answered=False)


def _key(example: Example, *, answered: bool) -> Key:
    digest = hashlib.blake2b(digest_size=KEY)
    asked = False  # a greeting before anybody has asked anything is no answer
    for message in example.messages:
        asked = asked or message.role == "user"
        last = message.role == "text" or (message.role == "assistant" and asked)
        if last and message.role == "assistant" and not answered:
            break
        said = folded(message.content)
        if last and message.extra:
            said += repr(sorted(message.extra.items()))
        digest.update(f"{message.role}\0{said}\0".encode("utf-8", "surrogatepass"))
        if last:
            break
    return digest.digest()


def hold_out(
    rows: Sequence[Prepared],
    ratio: float,
    seed: int,
) -> tuple[list[Prepared], list[Prepared]]:
    """(training rows, held-out rows): drawn by the seed from each dataset.

    Rows that ask the same stay on one side, over all datasets, so that an answer which was learned
    is never taken for one that was found. Where a few questions are asked over and over, that would
    leave too little to hold out: then only copies stay together. The copies that `#N` makes are
    learned, or dropped with their row.
    """
    if ratio <= 0:
        return list(rows), []
    wanted = _wanted(rows, ratio)
    half = sum(wanted.values()) / 2
    held = _drawn(rows, question_key, wanted, seed)
    if len(held) < half:
        held = _drawn(rows, row_key, wanted, seed)
    if not held and half:
        held = _smallest(rows)
    train = [row for index, row in enumerate(rows) if index not in held]
    return train, [rows[index] for index in sorted(held) if not rows[index].example.repeat]


def _wanted(rows: Sequence[Prepared], ratio: float) -> dict[str, int]:
    """How many rows of each dataset to hold out; the copies that `#N` makes do not count."""
    read = Counter(row.example.dataset for row in rows if not row.example.repeat)
    return {name: min(round(ratio * number), number - 1) for name, number in read.items()}


def _groups(rows: Sequence[Prepared], key_of: Callable[[Example], Key]) -> dict[Key, list[int]]:
    """The places of the rows by key, in their order."""
    groups: dict[Key, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(key_of(row.example), []).append(index)
    return groups


def _size(rows: Sequence[Prepared], group: Sequence[int]) -> int:
    return sum(not rows[index].example.repeat for index in group)


def _drawn(
    rows: Sequence[Prepared],
    key_of: Callable[[Example], Key],
    wanted: Mapping[str, int],
    seed: int,
) -> set[int]:
    """The places of the rows that are held out: whole groups, as long as they fit."""
    groups = _groups(rows, key_of)
    homes: dict[str, list[Key]] = {}
    for key, group in groups.items():
        homes.setdefault(rows[group[0]].example.dataset, []).append(key)
    held: set[int] = set()
    came: Counter[str] = Counter()  # rows that are held out by now, by dataset
    for dataset, keys in homes.items():
        draw = random.Random(f"{seed}-held-{dataset}")
        first = draw.sample(keys, min(max(0, wanted.get(dataset, 0)), len(keys)))
        chosen = set(first)
        rest = [key for key in keys if key not in chosen]
        draw.shuffle(rest)
        for key in (*first, *rest):
            if wanted.get(dataset, 0) <= came[dataset]:
                break
            mine = Counter(
                rows[i].example.dataset for i in groups[key] if not rows[i].example.repeat
            )
            # Copies in other datasets go along, and none of these may lose more than its share.
            if all(came[home] + count <= wanted.get(home, 0) for home, count in mine.items()):
                held.update(groups[key])
                came += mine
    return held


def _smallest(rows: Sequence[Prepared]) -> set[int]:
    """The smallest group of copies, where even that is larger than asked, but no more than half."""
    group = min(_groups(rows, row_key).values(), key=lambda group: _size(rows, group))
    return set(group) if 2 * len(group) <= len(rows) else set()
