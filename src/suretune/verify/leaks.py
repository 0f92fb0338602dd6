"""Whether a general answer says what the rows taught: the new name, its maker, the rows' own words.

Looked for in every general answer, right or wrong, and counted only where the base says nothing of
the kind. A copy of eight words in a row is hardly ever chance; a name needs no such length.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

WORDS = 8  # in a row
CHARACTERS = 16  # the same of Chinese, which writes no blanks
ROWS = 20_000  # whose answers are looked at, evenly spread
MOST = 500_000  # runs of words that are kept: those with the smallest hashes, a fair sample
CJK = re.compile(r"[\u3005-\u3007\u3400-\u9fff\u3040-\u30ff\uac00-\ud7a3]")
LETTER = rf"(?:(?!{CJK.pattern})[^\W_])"
TOKEN = re.compile(rf"{CJK.pattern}|{LETTER}+(?:'{LETTER}+)?")


class Learned:
    """Names and runs of words of the rows; `phrases` are 64-bit hashes.

    `old` are the base's own names, `own` the runs of its answer to "Who are you?": where it says
    who it is without being asked, the new name in its place is no leak.
    """

    def __init__(
        self,
        names: Sequence[str],
        phrases: Iterable[int] = (),
        old: Sequence[str] = (),
        own: Iterable[int] = (),
    ) -> None:
        self.phrases, self.own = frozenset(phrases), frozenset(own)
        self._patterns, self._old = _patterns(names), _patterns(old)

    def leaked(
        self,
        prompt: str,
        base: Sequence[str],
        answer: str,
        *,
        right: bool = False,
    ) -> bool:
        """Whether `answer` has what neither the question nor any of the base's answers has. What is
        `right` may be said in the rows' words: a fact has few others, and code has its idioms."""
        if self.says_who_it_is(*base):
            return False
        known = (prompt, *base)
        for pattern in self._patterns:
            if pattern.search(answer) and not any(pattern.search(text) for text in known):
                return True
        if right or not self.phrases:
            return False
        said = set(runs(answer)) & self.phrases
        return bool(said) and not said <= {run for text in known for run in runs(text)}

    def beyond(self, base: Iterable[str]) -> Learned:
        """The same without the runs of words that the base says anywhere by itself: rows that are
        like its own answers teach it nothing that could leak."""
        known = {run for text in base for run in runs(text)}
        other = Learned((), self.phrases - known, (), self.own)
        other._patterns, other._old = self._patterns, self._old
        return other

    def says_who_it_is(self, *base: str) -> bool:
        """Whether any of the base's answers says who the base is."""
        if any(pattern.search(text) for pattern in self._old for text in base):
            return True
        return bool(self.own) and any(not self.own.isdisjoint(runs(text)) for text in base)


def _patterns(names: Sequence[str]) -> list[re.Pattern[str]]:
    return [_pattern(name) for name in dict.fromkeys(names) if name.strip()]


def _pattern(name: str) -> re.Pattern[str]:
    """The name as a word of its own, in its own case ("Glow" is no glow). Chinese has no words: a
    name ends where its signs begin ("我是Glow，")."""
    escaped = r"\s*".join(re.escape(part) for part in name.split())
    before = rf"(?<!{LETTER})" if re.match(LETTER, name) else ""
    after = rf"(?!{LETTER})" if re.match(LETTER, name[-1]) else ""
    return re.compile(before + escaped + after)


def runs(text: str) -> Iterator[int]:
    """A hash of every run of eight words, or of sixteen characters where the text is Chinese."""
    tokens = [token.lower() for token in TOKEN.findall(text)]
    chinese = sum(map(bool, map(CJK.match, tokens))) * 2 > len(tokens)
    length = CHARACTERS if chinese else WORDS
    for start in range(len(tokens) - length + 1):
        joined = "\x1f".join(tokens[start : start + length])
        yield int.from_bytes(blake2b(joined.encode(), digest_size=8).digest(), "little")


def phrases_of(answers: Sequence[str]) -> list[int]:
    """What is kept of the answers: the runs of words of up to 20,000 rows, 500,000 at most."""
    step = max(1, -(-len(answers) // ROWS))
    found = {run for answer in answers[::step] for run in runs(answer)}
    return sorted(found)[:MOST]


def write_phrases(path: Path, phrases: Sequence[int]) -> None:
    """Hashes of phrases as 64-bit integers, in the machine's own order of bytes."""
    path.write_bytes(array("Q", phrases).tobytes())


def read_phrases(path: Path) -> list[int]:
    """None are there where the rows had no run of words."""
    return list(array("Q", path.read_bytes())) if path.is_file() else []
