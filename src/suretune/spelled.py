"""Signs that a stream has no bytes for, said by those that it has: ✗ on a GBK terminal is ×."""

from __future__ import annotations

import codecs
import io
import sys

READABLE = "suretune-readable"  # the name of the error handler
FALLBACKS = {  # the first that the stream can say
    "✓": "√+",
    "✗": "×x",
    "⟦": "[",
    "⟧": "]",
    "⟨": "<",
    "⟩": ">",
    "↵": ("<-'",),
    "·": "-",
    "•": "·*",
    "→": ("->",),
    "…": ("...",),
    "×": "x",
    "÷": "/",
    "−": "-",
    "–": "-",
    "—": "-",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "■": "#",
    "○": "o",
    "◐": "○o",
    "≤": ("<=",),
    "≥": (">=",),
    "━": "-",
    "╸": "-",
    "╺": "-",
}


def let_all_be_said() -> None:
    """Make stdout and stderr say what they cannot in signs or escapes: it must end no run."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=READABLE)


def sayable(text: str, encoding: str | None) -> bool:
    """Whether a stream of this encoding has bytes for all of it."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Each character that failed as its first fallback that can be said, else as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    said = "".join(_instead(char, error.encoding) for char in error.object[error.start : error.end])
    return said, error.end


def _instead(char: str, encoding: str) -> str:
    for other in FALLBACKS.get(char, ()):
        if sayable(other, encoding):
            return other
    return char.encode("ascii", "backslashreplace").decode("ascii")


codecs.register_error(READABLE, _readable)
