"""`import-cmd`: a command of another tool, from the command line, a file or stdin, explained."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from suretune.because import in_words
from suretune.cli.out import tell_json
from suretune.cli.parse import Command, Verb
from suretune.facts import FlagFacts
from suretune.record.journal import OK, USAGE, Journal
from suretune.types import Text

OURS = ("--file", "--lang")  # with a value each; `--json`, `--help` and `-h` have none
STDIN = "-"
MOST = 50_000  # characters that are read
EXAMPLE = Text(
    "It takes one command in quotes, --file PATH, or text on stdin:"
    " suretune import-cmd 'swift sft --model M --dataset rows.jsonl'. It knows ms-swift,"
    " LLaMA-Factory, Axolotl and vLLM.",
    "它接受一条加引号的命令、--file 路径，或标准输入的文本："
    "suretune import-cmd 'swift sft --model M --dataset rows.jsonl'。认识 ms-swift、"
    "LLaMA-Factory、Axolotl 和 vLLM。",
)


def apart(words: Sequence[str]) -> tuple[list[str], str]:
    """(suretune's own words, the pasted text); a command without quotes is put together again."""
    own: list[str] = []
    text: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        takes = 2 if word in OURS else 1
        mine = word in ("--json", "--help", "-h", *OURS)
        mine = mine or word.startswith(tuple(f"{flag}=" for flag in OURS))
        if mine:
            own += words[at : at + takes]
        else:
            text.append(word)
            takes = 1
        at += takes
    return own, text[0] if len(text) == 1 else shlex.join(text) or STDIN


def import_cmd(
    command: Command,
    journal: Journal,
    verbs: Sequence[Verb],
) -> int:
    """0 if the working form does the same job, 2 if something could not be taken over."""
    from suretune.importing import explained

    text = _text(command, journal)
    if not text.strip():
        raise journal.stop(FlagFacts("missing-flag", "COMMAND", hint=EXAMPLE))
    report = explained(text, {verb.name: set(verb.options()) for verb in verbs})
    if report is None:
        shown = " ".join(text.split())[:60]
        raise journal.stop(FlagFacts("bad-value", "import-cmd", shown, hint=EXAMPLE))
    status = OK if report["same_job"] else USAGE
    if command.json:
        tell_json({"status": status, **report})
    else:
        from suretune import show

        show.pasted(report)
    return status


def _text(command: Command, journal: Journal) -> str:
    """What was pasted, from wherever it came."""
    file = " ".join(command.plain.get("file", ()))
    if file:
        try:
            with Path(file).expanduser().open("rb") as handle:
                return handle.read(4 * MOST).decode("utf-8", "replace")
        except (OSError, ValueError, RuntimeError) as error:
            hint = in_words(error)
            raise journal.stop(FlagFacts("bad-value", "--file", file, hint=hint)) from error
    if command.word != STDIN:
        return command.word.encode("utf-8", "replace").decode()
    if sys.stdin is None or sys.stdin.isatty():
        raise journal.stop(FlagFacts("missing-flag", "COMMAND", hint=EXAMPLE))
    stream = getattr(sys.stdin, "buffer", None)
    return stream.read(4 * MOST).decode("utf-8", "replace") if stream else sys.stdin.read()
