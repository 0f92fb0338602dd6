"""The words of a command in groups, and what has to be said of them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from suretune.facts import FlagFacts
from suretune.types import Text

WHOLE = re.compile(r"\s\S|[.?!。？！]$")  # what is a text by itself, as it was typed
KINDS: Mapping[str, Text] = {
    "dash": Text("a flag begins with two hyphens", "参数前要用两个英文减号"),
    "quotes": Text("curly quotes", "弯引号"),
    "blank": Text("a blank that is none for a shell", "全角空格或不可见的空白"),
    "full-width": Text("full-width characters", "全角字符"),
    "comma": Text("a comma or full-width sign between values", "值之间的中文逗号或顿号"),
    "joined": Text(
        "lines were joined, backslashes and all", "命令被压成了一行，行尾的反斜杠留在了中间"
    ),
    "note": Text("a note", "注释"),
    "elided": Text("stands for flags that were left out", "表示省略的参数"),
    "number": Text("line numbers", "行号"),
    "unquoted": Text("a value with blanks needs quotes", "值里有空格，要加英文引号"),
    "prompt": Text("a prompt, and what belongs to the shell", "命令提示符等属于 shell 的部分"),
    "renamed": Text("called otherwise here", "在这里名字不同"),
}


@dataclass(frozen=True, slots=True)
class Group:
    """A flag with the words behind it; of what stands in front of all flags the flag is ''."""

    flag: str
    values: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """As they stand in a command; a value may be empty."""
        return [self.flag, *self.values] if self.flag else list(self.values)

    @property
    def name(self) -> str:
        """`learning_rate` of `--learning-rate=1e-4`."""
        return self.flag.lstrip("-").partition("=")[0].replace("-", "_")


@dataclass(slots=True)
class Meant:
    """What the words were read as, and what has to be said of them."""

    groups: list[Group] = field(default_factory=list)
    faults: list[FlagFacts] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        """The words to go on with, in their order."""
        return [word for one in self.groups for word in one.words]

    def note(self, kind: str, found: str, meant: str = "", flag: str = "") -> None:
        """Something was read as it was meant."""
        self.faults.append(FlagFacts("words-mended", flag, found.strip(), meant, KINDS[kind]))


def is_wide(sign: str) -> bool:
    """A sign of Chinese, Japanese or Korean, which are written without blanks; "" is none."""
    return sign != "" and unicodedata.east_asian_width(sign) in "WF"


def is_there(word: str) -> bool:
    """A run, a file or an address."""
    return "://" in word or os.path.exists(word)


def one_text(
    values: Sequence[str],
    words_behind: int,
    texts: bool,
) -> int:
    """How many of the words behind its flag are one text without quotes. A word that holds blanks
    was quoted: it is no part of it, nor is what lies there, where a command takes such words, nor
    another text, where it takes `texts`."""
    quoted = [bool(re.search(r"\s", value.strip())) for value in values]
    if quoted[0] or (words_behind > 1 and all(map(WHOLE.search, values))):
        return 1
    most = quoted.index(True) if True in quoted else len(values)
    if words_behind < 2:
        return most
    for index in range(1, most):
        before = values[index - 1]
        value = values[index]
        # Nothing that is written without blanks needs quotes: two words of it are two.
        if texts and is_wide(before[-1:]) and is_wide(value[:1]):
            return index
        if "/" in value and is_there(value):
            return index
    while most > 1 and is_there(values[most - 1]):
        most -= 1
    return most
