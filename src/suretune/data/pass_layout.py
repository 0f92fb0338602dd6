"""How the rows of a pass lie: sequences one behind the other, and how large that is.

First the prefixes that rows share, each a sequence of its own, then what is left of each row.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import add, sub

from suretune.data.prefixes import Prefixes, begins_with
from suretune.types import Sample


@dataclass(frozen=True, slots=True)
class Layout:
    """The sequences of a pass, and of each one the sequence that its tokens see before their own;
    -1: none."""

    sequences: Sequence[array[int]]
    seen: Sequence[int]
    first: int  # where the rows begin among the sequences; padding may follow

    @property
    def starts(self) -> list[int]:
        """(sequences + 1), where each begins; the last is the pass's tokens."""
        lengths = map(len, self.sequences)
        return list(accumulate(lengths, initial=0))

    @property
    def before(self) -> list[int]:
        """Tokens that each sequence's own ones come after, which is the position of its first."""
        made = []
        for seen in self.seen:
            prefix = self.sequences[seen] if seen >= 0 else ()
            made.append(len(prefix))
        return made

    @property
    def origins(self) -> list[int]:
        """Where position 0 of each sequence would lie if its prefix lay right before it."""
        return list(map(sub, self.starts, self.before))

    @property
    def key_starts(self) -> list[int]:
        """(sequences + 1), where what each one sees begins among `keys`."""
        own = map(len, self.sequences)
        lengths = map(add, self.before, own)
        return list(accumulate(lengths, initial=0))

    @property
    def keys(self) -> list[int]:
        """The places in the pass of what each sequence sees: a prefix, then its own tokens."""
        made: list[int] = []
        places = [range(*ends) for ends in pairwise(self.starts)]
        for own, seen in zip(
            places,
            self.seen,
            strict=True,
        ):
            if seen >= 0:
                made.extend(places[seen])
            made.extend(own)
        return made


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """What a pass holds at most: tokens, sequences, learned tokens, the longest sequence's tokens;
    tokens that are held to the base; keys, and the most that one sequence sees, both 0 where the
    run has no prefixes."""

    tokens: int
    rows: int
    learned: int
    longest: int
    soft: int = 0
    keys: int = 0
    longest_keys: int = 0


def lay_out(
    samples: Sequence[Sample],
    prefixes: Prefixes = (),
    room: Size | None = None,
) -> Layout:
    """Of these prefixes (longest first) each row has the first that it and another one share.

    Up to `room` by sequences of token 0, of which the last may be empty. ValueError where the rows
    do not fit.
    """
    used: list[array[int]] = []
    seen = [-1] * len(samples)
    for prefix in prefixes:
        rows = [
            place
            for place, row in enumerate(samples)
            if seen[place] < 0 and begins_with(row, prefix)
        ]
        if len(rows) < 2:
            continue
        for place in rows:
            seen[place] = len(used)
        used.append(prefix)
    laid = list(used)
    for row, shared in zip(
        samples,
        seen,
        strict=True,
    ):
        done = len(used[shared]) if shared >= 0 else 0
        laid.append(row.ids[done:])
    if room is not None:
        laid += _padding(laid, room)
    alone = [-1] * len(used)
    padding = [-1] * (len(laid) - len(used) - len(samples))
    return Layout(
        sequences=laid,
        seen=[*alone, *seen, *padding],
        first=len(used),
    )


def _padding(
    laid: Sequence[array[int]],
    room: Size,
) -> list[array[int]]:
    """What fills up all tokens and all sequences."""
    left = room.tokens - sum(map(len, laid))
    made = []
    for _ in range(room.rows - len(laid)):
        tokens = array("I", [0]) * min(left, room.longest)
        made.append(tokens)
        left -= len(tokens)
    if left:
        raise ValueError(f"{room.tokens - left} tokens do not fill {room}")
    return made


def size_of(
    rows: Sequence[Sample],
    prefixes: Prefixes = (),
) -> Size:
    """What a pass of these rows holds."""
    laid = lay_out(rows, prefixes)
    own = [len(sequence) for sequence in laid.sequences]
    soft = sum(row.learned for row in rows if row.soft)
    learned = sum(row.learned for row in rows)
    seen = map(add, laid.before, own)
    keys = list(seen) if prefixes else [0]
    return Size(
        tokens=sum(own),
        rows=len(own),
        learned=learned - soft,
        longest=max(own),
        soft=soft,
        keys=sum(keys),
        longest_keys=max(keys),
    )
