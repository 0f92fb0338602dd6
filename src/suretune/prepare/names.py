"""Names whose bytes are no UTF-8, found before anything is read: what they are, how to mend them.

Python carries such bytes as lone surrogates, which neither JSON nor the tokenizers' library takes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from suretune import typed
from suretune.config import Resolved
from suretune.facts import SetupFacts

FOLDERS = ("dataset", "val_dataset", "general", "model")  # options whose folder's files are read
MOST = 10_000  # names of a folder that are looked at


def odd_names(words: Sequence[str], resolved: Resolved) -> Iterator[SetupFacts]:
    """What is no UTF-8: words of the command line, the working folder, files that would be read."""
    flag = ""
    for word in words:
        flag = word.partition("=")[0] if word.startswith("--") else flag
        if is_odd(word):
            yield _about(flag or "RUN", word.partition("=")[2] if word.startswith("--") else word)
    if is_odd(here := os.getcwd()):
        old, new = _renamed(here)
        mended = f"cd / && {typed.command('mv', '--', old, new)} && {typed.command('cd', new)}"
        yield SetupFacts(
            "name-not-utf8",
            "$PWD",
            typed.word(here),
            mended if new != old else "",
        )
    for name, value, origin in resolved.items():
        if name not in FOLDERS:
            continue
        for spec in value if isinstance(value, tuple) else (value,):
            if spec and is_odd(spec) and origin == "file":
                yield _about(f"--{name}", spec)
            for path in _files_of(spec) if spec and not is_odd(spec) else ():
                yield _about(f"--{name}", str(path))


def is_odd(text: str) -> bool:
    """Whether a text has bytes in it that are no UTF-8."""
    return bool(re.search("[\ud800-\udfff]", text))


def _files_of(spec: str) -> Iterable[Path]:
    folder = typed.place(re.sub(r"#\d+$", "", spec))
    try:
        names = [path for path, _ in zip(folder.iterdir(), range(MOST), strict=False)]
    except (OSError, RuntimeError, ValueError):  # no folder: whoever reads it says what it is
        return ()
    return (path for path in sorted(names) if is_odd(path.name))


def _about(flag: str, name: str) -> SetupFacts:
    old, new = _renamed(re.sub(r"#\d+$", "", name))
    mended = typed.command("mv", "--", old, new) if old != new and os.path.lexists(old) else ""
    return SetupFacts("name-not-utf8", flag, typed.word(name), mended)


def _renamed(path: str) -> tuple[str, str]:
    """(the shortest part of a path that ends in an odd name, the same with a name that is text)."""
    parts = path.split("/")
    at = next((place for place, part in enumerate(parts) if is_odd(part)), None)
    if at is None:
        return path, path
    old, before = "/".join(parts[: at + 1]), "/".join(parts[:at])
    name = _readable(os.fsencode(parts[at]))
    new = f"{before}/{name}" if at else name
    while os.path.lexists(new):
        new = _beside(new)
    return old, new


def _readable(name: bytes) -> str:
    """As a Chinese or a western system of former days meant it."""
    for encoding in ("gb2312", "cp1252"):
        try:
            text = name.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text.isprintable():
            return text
    return "".join(chr(byte) if 32 <= byte < 127 else "_" for byte in name)


def _beside(path: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return f"{stem}-1{dot}{ending}" if dot and "/" not in ending and stem else f"{path}-1"
