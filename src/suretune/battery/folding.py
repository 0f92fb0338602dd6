"""Text made comparable: width, accents, quotes, dashes, emphasis, traditional signs folded away."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from suretune.battery.traditional import simplified

CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Scripts without blanks between words, for a character class: what stands in them has no edges."""

_REPLACED = str.maketrans(
    {
        **dict.fromkeys("’‘ʼ´", "'"),
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("‐‑–−", "-"),
        **dict.fromkeys("º˚", "°"),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", None),
        "—": " - ",
        "，": ", ",
        "ß": "ss",
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "ı": "i",
        "½": " 1/2",
        "⅓": " 1/3",
        "⅔": " 2/3",
        "¼": " 1/4",
        "¾": " 3/4",
    }
)
_RAISED = re.compile("[⁻⁰¹²³⁴-⁹]+")  # exponents: 5² must not become 52
_TICKS = re.compile(r"`{3,}(?:\w+\n)?|`")
_EMPHASIS = re.compile(
    r"(?<![A-Za-z0-9)*])\*{1,3}(?=\S)|(?<=\S)\*{1,3}(?![A-Za-z0-9(*])"
    r"|(?<![A-Za-z0-9_])_{1,3}(?=[^\s_])|(?<=[^\s_])_{1,3}(?![A-Za-z0-9_])|~~|^#{1,6} ",
    re.MULTILINE,
)


@lru_cache(maxsize=4096)
def flat(text: str) -> str:
    """The text with its case, but one width, simplified, no accents, plain quotes, no bold."""
    text = _RAISED.sub(lambda found: "^" + unicodedata.normalize("NFKC", found.group()), text)
    text = _TICKS.sub("", text).translate(_REPLACED)
    text = unicodedata.normalize("NFKC", text)
    if not text.isascii():
        text = simplified("".join(map(_unaccented, text)))
    return _EMPHASIS.sub("", text)


def fold(text: str) -> str:
    """The same without case."""
    return flat(text).lower()


def _unaccented(char: str) -> str:
    if not char.isalpha() or char < "\x80":
        return char  # ≠ is no = with an accent
    base = unicodedata.normalize("NFD", char)[0]
    return base if base < "\x80" else char


def is_cjk(char: str) -> bool:
    """Whether a character is kana, a Han character of the common blocks, or Hangul."""
    return (
        "\u3040" <= char <= "\u30ff" or "\u3400" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7af"
    )


LEAST_ECHO = 12  # letters, a Chinese character counts twice; what is shorter may be an answer
_LABEL = re.compile(r"\s*(?:question|q|user|问题|问|用户)\s*[:：]", re.IGNORECASE)


def without_echo(answer: str, asked: str) -> str:
    """What stands behind the question, where an answer begins by saying it again (and again)."""
    wanted = [char for char in fold(asked) if char.isalnum()]
    least = LEAST_ECHO / 2 if asked.rstrip().endswith(("?", "？")) else LEAST_ECHO
    if sum(1 + is_cjk(char) for char in wanted) < least:
        return answer
    while (end := _end_of_echo(answer, wanted)) is not None:
        answer = answer[end:]
    return answer


def _end_of_echo(answer: str, wanted: list[str]) -> int | None:
    label = _LABEL.match(answer)
    at, matched = label.end() if label else 0, 0
    while matched < len(wanted):
        if at == len(answer):
            return None
        for char in filter(str.isalnum, fold(answer[at])):
            if matched == len(wanted) or char != wanted[matched]:
                return None
            matched += 1
        at += 1
    while at < len(answer) and not answer[at].isalnum() and answer[at] not in "-(\"'“‘`[{$\\*":
        at += 1
    return at
