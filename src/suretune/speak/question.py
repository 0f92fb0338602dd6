"""What can be said of a question before anything is loaded."""

from __future__ import annotations

from suretune import typed
from suretune.facts import FlagFacts
from suretune.spelled import sayable
from suretune.types import Text

EMPTY = Text("It is empty.", "问题是空的。")
NO_TEXT = Text(
    "It has half a character in it, which is no Unicode text.",
    "里面有不成字的半个字符，不是 Unicode 文本。",
)
SHOWN = 40  # characters


def no_question(text: str) -> FlagFacts | None:
    """Why this is no question; None where it is one."""
    if not text.strip():
        return FlagFacts("bad-value", "QUESTION", hint=EMPTY)
    if not sayable(text, "utf-8"):
        return FlagFacts(
            "bad-value",
            "QUESTION",
            typed.word(text[:SHOWN]),
            hint=NO_TEXT,
        )
    return None
