"""Whether a general answer says what the rows taught: the new name, its maker, the rows' own words.

Looked for in every general answer, right or wrong, and counted only where the base says nothing of
the kind. A copy of eight words in a row is hardly ever chance; a name needs no such length,
however it is written, see `whole_names`; one that is a word of the language counts only in its own
letters.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence, Set
from hashlib import blake2b
from pathlib import Path

from suretune.types import Message
from suretune.whole_names import WholeName, whole_name

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
        self._names, self._old = _read(names), _read(old)
        self._said: Set[str] = frozenset()

    @property
    def tells(self) -> bool:
        """Whether there is anything to look for: labels and numbers are too short to be told from
        what anybody says."""
        return bool(self._names or self.phrases)

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
        if any(self._is_new(name, answer, known) for name in self._names):
            return True
        if right or not self.phrases:
            return False
        said = set(runs(answer)) & self.phrases
        return bool(said) and not said <= {run for text in known for run in runs(text)}

    def _is_new(self, name: WholeName, answer: str, known: Sequence[str]) -> bool:
        """Whether an answer has a name that neither question nor base has in any form. What is a
        word of the language has a capital letter where a sentence begins with it: "May I?" """
        hits = [hit for hit in name.hits(answer) if name.named_by(hit)]
        hits = [hit for hit in hits if hit.form == name.form or hit.form not in self._said]
        if not hits:
            return False
        there = {hit.form for text in known for hit in name.hits(text)}
        if not name.ordinary:
            return not there
        words = there or any(form.lower() == name.form.lower() for form in self._said)
        return any(hit.form not in there and not (words and hit.begins(answer)) for hit in hits)

    def beyond(self, base: Iterable[str]) -> Learned:
        """The same without what the base says anywhere by itself: runs of words, since rows that
        are like its own answers teach it nothing that could leak, and a name in other letters than
        its owner's, which is a word then ("la luna")."""
        texts = list(base)
        known = {run for text in texts for run in runs(text)} if self.phrases else set()
        other = Learned((), self.phrases - known, (), self.own)
        other._names, other._old = self._names, self._old
        other._said = {
            hit.form for name in self._names for text in texts for hit in name.hits(text)
        }
        return other

    def says_who_it_is(self, *base: str) -> bool:
        """Whether any of the base's answers says who the base is."""
        for name in self._old:
            if any(hit.form == name.form for text in base for hit in name.hits(text)):
                return True
        return bool(self.own) and any(not self.own.isdisjoint(runs(text)) for text in base)


def _read(names: Sequence[str]) -> list[WholeName]:
    return [whole_name(name) for name in dict.fromkeys(names) if name.strip()]


def asked_in(messages: Iterable[Message]) -> str:
    """All that a conversation says before its answer: what it names is no leak."""
    return "\n".join(message.content for message in messages)


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
