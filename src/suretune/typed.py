"""Commands as a person would type them: whatever a name holds, what is printed can be pasted."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from pathlib import Path

from suretune.words import chosen

VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # that --max-lora-rank takes (vllm/config/lora.py)
# Of ours, but the one where `--lang` is the rows' language.
OURS = re.compile(r"(?:cd [^`]+? && )?(?:[A-Z_]+=\S+ )*suretune (?!init\b)")
WHOLE = re.compile(rf"`({OURS.pattern}[^\s`]+ [^`]+)`")
ENDS = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "'": "\\'", "\\": "\\\\"}
UNPACKS = {".gz": "gzip -dc", ".zst": "zstd -dc"}


def command(*words: object) -> str:
    """The words of a command line, each quoted for a shell where it needs it.

    The result is one line without control characters: it also survives a terminal that shows
    nothing else than it is told. A word may be a path.
    """
    return " ".join(map(word, words))


def vllm_rank(rank: int) -> int:
    """The smallest value of vLLM's --max-lora-rank that has room for this rank; else the last."""
    return next((known for known in VLLM_RANKS if rank <= known), VLLM_RANKS[-1])


def word(said: object) -> str:
    """One word. Bytes that are no text, control and hidden characters become `$'\\x1b'`.

    That form is bash's, zsh's and POSIX 2024's. So are backquotes written, which set commands off
    in our sentences.
    """
    text = os.fsdecode(said) if isinstance(said, (os.PathLike, bytes)) else str(said)
    if not any(map(_is_odd, text)):
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def place(said: str | os.PathLike[str]) -> Path:
    """The path that was typed; `~` and `~name` are home folders where there are such users.

    Path.expanduser raises for an unknown user, where whoever looks there finds nothing.
    """
    return Path(os.path.expanduser(said))


def path(said: str | os.PathLike[str]) -> str:
    """A path as one word that no command takes for a flag, whatever it begins with."""
    text = os.fspath(said)
    return word(f"./{text}" if text.startswith("-") else text)


def through(command: str, file: str) -> str:
    """What reads a file through a command, packed or not."""
    unpacks = UNPACKS.get(os.path.splitext(file)[1].lower())
    return f"{unpacks} {path(file)} | {command}" if unpacks else f"{command} {path(file)}"


def in_language(command: str) -> str:
    """A command of ours in the language that this one was asked for, where it was; others as they
    are."""
    asked = chosen()
    ours = asked and OURS.match(command) and " --lang " not in command
    return f"{command} --lang {asked}" if ours else command


def all_in_language(said: str) -> str:
    """A sentence whose commands are in that language, too; one of two words is only named there,
    and nobody has to paste it."""
    return WHOLE.sub(lambda found: f"`{in_language(found[1])}`", said)


def _is_odd(char: str) -> bool:
    return char == "`" or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co")


def _escaped(char: str) -> str:
    if char in ENDS:
        return ENDS[char]
    if not _is_odd(char):
        return char
    how = "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass"
    # Bytes, three digits each: `\x41` would take a letter that follows for a digit of its own.
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", how))
