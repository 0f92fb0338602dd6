"""A stranger's regular expression, searched for with a limit of time.

`re` cannot be stopped: a repeated group whose inside repeats runs, on a hundred words, for longer
than anybody lives. The package `regex`, which transformers brings, reads the same patterns and
keeps a limit.
"""

from __future__ import annotations

import re
import warnings

import regex

from suretune.because import in_words
from suretune.types import Text

SECONDS = 1.0  # for one answer
TRIAL_SECONDS = 0.2  # for one of the texts that a pattern is tried on first
LONGEST = 500  # characters of a pattern
UNREADABLE = (re.error, regex.error, RecursionError, OverflowError, MemoryError)
TRIALS = (
    "word " * 100,
    "a" * 400,
    "1" * 400,
    " " * 400,
    "a, b. " * 60,
    "a1" * 200,
    "词" * 300,
    "天地，" * 100,
    "-" * 400,
    "aA" * 200,
    "\n" * 300,
    "x@x." * 100,
)


def wrong_with(pattern: str) -> Text | None:
    """Why a pattern cannot be used, from whoever reads it; None if it can."""
    if len(pattern) > LONGEST:
        return Text(
            f"{len(pattern)} > {LONGEST} characters",
            f"有 {len(pattern)} 个字符，最多 {LONGEST} 个",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of what `[[` may mean one day
            re.compile(pattern)
            regex.compile(pattern)
    except UNREADABLE as error:
        return in_words(error)
    return None


def never_ends_on(pattern: str, likely: tuple[str, ...]) -> str:
    """A text, of these or of a few ordinary ones, that takes it too long; empty if none does."""
    for text in (*likely, *TRIALS, *(f"{text}!" for text in TRIALS)):
        if found_in(pattern, text, TRIAL_SECONDS) is None:
            return text
    return ""


def found_in(
    pattern: str,
    text: str,
    seconds: float = SECONDS,
) -> bool | None:
    """Whether it is found; None where that could not be said in time."""
    try:
        return regex.search(pattern, text, timeout=seconds) is not None
    except TimeoutError:
        return None
