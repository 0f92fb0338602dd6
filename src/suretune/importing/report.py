"""All that can be said of a pasted command, as one mapping: for `--json` and for `show`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from suretune.importing import arithmetic
from suretune.importing.named import places
from suretune.importing.pasted import Pasted, problem, read
from suretune.importing.translate import translate
from suretune.importing.translation import (
    KEPT,
    NO_EFFECT,
    UNAVAILABLE,
    Line,
    Translation,
)
from suretune.types import Text
from suretune.words import chosen

OWN_PROCESS = Text(
    "suretune starts its processes itself: `--num_gpus N`; without it one, on one GPU or the CPU.",
    "suretune 自己启动进程：`--num_gpus N`；不写就是一个，用一块 GPU 或 CPU。",
)
ENVIRONMENT = Text("Kept as environment of the command.", "作为命令的环境变量保留。")
NOT_EVALUATED = Text(
    "ms-swift evaluates only with validation rows (`--val_dataset`, `--split_dataset_ratio`);"
    " without them `--eval_steps` and early stopping do nothing there. suretune holds rows out.",
    "ms-swift 只有在有验证数据（`--val_dataset`、`--split_dataset_ratio`）时才评估；"
    "没有的话，`--eval_steps` 和提前停止都不起作用。suretune 会自己留出数据。",
)
CHOSEN = Text(
    "What the command leaves to the other tool's defaults, suretune chooses itself;"
    " `suretune check` shows it.",
    "命令里没写、原工具用默认值的，由 suretune 自己选定；`suretune check` 会列出。",
)


def explained(text: str, allowed: Mapping[str, Collection[str]]) -> dict[str, Any] | None:
    """The whole report; None if the text has no command of a known tool.

    `allowed`: the options that each verb of suretune takes.
    """
    pasted = read(text)
    if pasted is None:
        return None
    made = translate(pasted, allowed)
    lines = [*_around(pasted), *made.lines]
    notes, serious = _notes(pasted, made)
    words = working(made)
    bad = bool(serious) or any(line.serious for line in lines) or not words
    sums = made.sums
    return {
        "same_job": not bad,
        "tool": pasted.tool.name,
        "command": pasted.typed,
        "traps": [
            {"trap": trap.name, "found": trap.found, **_told(trap.text())} for trap in pasted.traps
        ],
        "flags": [
            {
                "flag": line.flag,
                "value": line.value,
                "verdict": line.verdict,
                "becomes": line.becomes,
                "reason": _told(line.why),
            }
            for line in lines
        ],
        "arithmetic": {
            **arithmetic.as_data(sums),
            "told": [_told(t) for t in arithmetic.sentences(sums, made.here, made.resolved())],
            "here": arithmetic.as_data(made.here) if made.here else None,
            "findings": [
                {"code": f.code, "what": _told(f.what), "fix": _told(f.fix)} for f in made.told
            ],
        }
        if sums
        else None,
        "notes": [
            *({"serious": True, **_told(text)} for text in serious),
            *({"serious": False, **_told(text)} for text in notes),
        ],
        "working": laid_out(words, pasted, made.first),
    }


def _told(text: Text) -> dict[str, str]:
    return {"en": text.en, "zh": text.zh}


def _around(pasted: Pasted) -> list[Line]:
    """The environment and the launcher, as lines of the table."""
    lines = []
    for word in pasted.environment:
        name, _, value = word.partition("=")
        if name == "NPROC_PER_NODE":
            several = value != "1"
            verdict = UNAVAILABLE if several else NO_EFFECT
            lines.append(Line(name, value, verdict, OWN_PROCESS, serious=several))
        else:
            lines.append(Line(name, value, KEPT, ENVIRONMENT, f"{name}={value}"))
    if pasted.launcher:
        several = pasted.processes > 1
        verdict = UNAVAILABLE if several else NO_EFFECT
        lines.append(Line(" ".join(pasted.launcher), "", verdict, OWN_PROCESS, serious=several))
    return lines


def _notes(pasted: Pasted, made: Translation) -> tuple[list[Text], list[Text]]:
    notes, serious = list(made.notes), list(made.serious)
    if wrong := problem(pasted):
        serious.append(wrong)
    if pasted.instead is not None:
        serious.append(pasted.instead)
    elif not pasted.verb or not pasted.exact:
        serious.append(
            Text(
                f"suretune has nothing that does what `{pasted.typed}` does.",
                f"suretune 还没有与 `{pasted.typed}` 相同的功能。",
            )
        )
    if pasted.stray:
        stray = " ".join(pasted.stray)
        serious.append(
            Text(f"`{stray}` belongs to no flag: left out.", f"`{stray}` 不属于任何参数，已去掉。")
        )
    values = [word for words in made.given.values() for word in words]
    if left := places(values):
        shown = ", ".join(left[:3])
        notes.append(Text(f"Put your own in the place of {shown}.", f"请把 {shown} 换成你自己的。"))
    if pasted.verb == "sft":
        missing = [f"--{name}" for name in ("model", "dataset") if name not in made.given]
        if missing:
            names = ", ".join(missing)
            notes.append(Text(f"A run also needs {names}.", f"还需要给出 {names}。"))
        flags = {flag for flag, _ in pasted.flags}
        evaluated = flags & {"val_dataset", "split_dataset_ratio"}
        asked = flags & {"eval_steps", "early_stopping_patience", "early_stop_interval"}
        if asked and not evaluated and pasted.tool.name == "ms-swift":
            notes.append(NOT_EVALUATED)
        notes.append(CHOSEN)
    if pasted.commands > 1:
        notes.insert(0, _which(pasted))
    if pasted.others:
        count, first = len(pasted.others), pasted.others[0][:60]
        notes.append(
            Text(
                f"Not looked at: {count} other lines (`{first}`).",
                f"另有 {count} 行没有看（`{first}`）。",
            )
        )
    return notes, serious


def _which(pasted: Pasted) -> Text:
    """Which of the text's commands it is."""
    at, of, flags = pasted.nth, pasted.commands, len(pasted.flags)
    return Text(
        f"The text has {of} commands; this is number {at}, the one that trains and says most:"
        f" {pasted.typed} ({flags} flags).",
        f"文中有 {of} 条命令，这里看的是第 {at} 条，即最完整的训练命令："
        f"{pasted.typed}（{flags} 个参数）。",
    )


def working(made: Translation) -> list[Sequence[str]]:
    """The working form: the verb, then an option with its values each; empty if there is none."""
    if not made.pasted.verb:
        return []
    given = [_option(f"--{name}", words) for name, words in made.given.items()]
    asked = chosen()
    return [
        ("suretune", made.pasted.verb, *made.runs),
        *given,
        *([("--lang", asked)] if asked else []),
    ]


def _option(flag: str, words: Sequence[str]) -> Sequence[str]:
    """The flag and its values; one that begins as a flag does is joined to it."""
    if len(words) == 1 and words[0].startswith("-"):
        return (f"{flag}={words[0]}",)
    return (flag, *words)


def laid_out(
    words: Sequence[Sequence[str]],
    pasted: Pasted,
    first: Sequence[str] = (),
) -> str:
    """As one copies it: quoted for a shell, an option a line; `first`: what runs before it."""
    if not words:
        return ""
    kept = [word for word in pasted.environment if not word.startswith("NPROC_PER_NODE=")]
    before = "".join(
        f"{name}={_quoted(value, pasted.variables)} "
        for name, _, value in (word.partition("=") for word in kept)
    )
    shown = [" ".join(_quoted(word, pasted.variables) for word in part) for part in words]
    return "".join(f"{line}\n" for line in first) + before + " \\\n  ".join(shown)


def _quoted(word: str, variables: Collection[str]) -> str:
    """Quoted so that only the shell's own variables are still alive in it."""
    mark = r"\$\{?([A-Za-z_]\w*)\}?"
    if not any(name in variables for name in re.findall(mark, word)):
        return shlex.quote(word)
    escaped = re.sub(r'([\\"`])', r"\\\1", word)
    return f'"{escaped}"'
