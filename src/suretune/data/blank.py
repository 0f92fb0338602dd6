"""Texts that show nothing: whoever reads the file sees an empty field, and the model is taught to
answer with characters that nobody sees."""

from __future__ import annotations

import re
import unicodedata

from suretune.types import Text

# Of other kinds than blanks (Z), control characters (Cc) and format characters (Cf: zero width,
# soft hyphen, marks of direction and of byte order, tags): joiners, fillers, variation selectors.
_UNSEEN = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0000, 0xE1000),
        ),
    )
)


# What pandas writes of a cell without a value, and Stanford's Alpaca of a row without an input;
# `NaN` may be meant: it is a value in JavaScript.
_NONE = re.compile(r"nan|<noinput>")
# The same in place of an answer, and what a spreadsheet shows where a
# formula fails or a column is too narrow.
_LEFT_OVER = re.compile(
    r"nan|<nooutput>|#{5,}|#(?:NAME\?|REF!|VALUE!|N/A|DIV/0!|NUM!|NULL!)", re.ASCII
)


# The same of other programs, where it may be meant: it is asked, and told where it stands often.
_NONE_OFTEN = re.compile(r"nan|none|null|n/?a|<na>|#n/a|无|空|没有", re.IGNORECASE)


def may_be_none(text: str) -> bool:
    """Whether a field beside a question is asked although it may say that it holds nothing."""
    return _NONE_OFTEN.fullmatch(text.strip()) is not None and not is_none(text)


def is_none(text: str) -> bool:
    """Whether a field beside a question says that it holds nothing."""
    return _NONE.fullmatch(text.strip()) is not None


def is_left_over(text: str) -> bool:
    """Whether an answer is what a program leaves where there is none."""
    return _LEFT_OVER.fullmatch(text.strip()) is not None


def is_blank(text: str) -> bool:
    """Whether no character of it can be seen."""
    return all(map(_unseen, text.strip()))


def with_unseen(hint: Text, content: str) -> Text:
    """The hint about a blank text, behind what it does hold, which people do not see."""
    found = dict.fromkeys(c for c in content if not c.isspace())
    if not found:
        return hint
    names = ", ".join(f"U+{ord(c):04X}" for c in [*found][:3])
    return Text(
        f"All that stands there are characters that nobody sees ({names}). {hint.en}",
        f"里面只有看不见的字符（{names}）。{hint.zh}",
    )


def _unseen(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind[0] == "Z" or kind in ("Cc", "Cf") or character in _UNSEEN
