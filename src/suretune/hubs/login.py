"""The token that `modelscope login` left, read as the words of its file: nothing is unpickled.

ModelScope's client keeps its cookies as a pickle, which could run code if it were loaded. Its
opcodes are listed instead; the cookie is a name, a value, a domain and a day among them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from pickletools import genops
from typing import Any

COOKIE = "m_session_id"
MOST = 1 << 20  # bytes of a file of cookies
WORDS = ("STRING", "UNICODE")  # in the names of opcodes that hold text
NUMBERS = ("INT", "LONG")


def token_of(cookies: Path, host: str) -> str:
    """The token for this host; empty where nobody logged in there, or too long ago."""
    try:
        with cookies.open("rb") as file:
            atoms = list(_atoms(file.read(MOST)))
    except (OSError, ValueError, IndexError, KeyError):  # no login, or nothing that can be read
        return ""
    for at in range(len(atoms) - 3):
        if atoms[at : at + 3] != ["name", COOKIE, "value"]:
            continue
        token, rest = atoms[at + 3], atoms[at + 4 :]
        rest = rest[: rest.index("name")] if "name" in rest else rest
        domain, ends = _after(rest, "domain"), _after(rest, "expires")
        domain = str(domain or "").lstrip(".")
        is_ours = bool(domain) and (host == domain or host.endswith(f".{domain}"))
        if is_ours and isinstance(token, str) and (not isinstance(ends, int) or ends > time.time()):
            return token
    return ""


def _after(atoms: list[Any], name: str) -> Any:
    return atoms[atoms.index(name) + 1] if name in atoms[:-1] else None


def _atoms(data: bytes) -> Iterator[Any]:
    """Texts and numbers of a pickle in their order, those that are named again included."""
    memo: dict[int, Any] = {}
    last: Any = None
    for opcode, value, _ in genops(data):
        if opcode.name == "MEMOIZE":
            memo[len(memo)] = last
            continue
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[int(str(value))] = last
            continue
        if opcode.name in ("GET", "BINGET", "LONG_BINGET"):
            last = memo[int(str(value))]
        elif any(word in opcode.name for word in (*WORDS, *NUMBERS)):
            last = value
        else:
            last = None
            if opcode.name != "NONE":
                continue
        yield last
