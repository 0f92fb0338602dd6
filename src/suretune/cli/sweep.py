"""`sweep`: words to a search, a line a trial on the way, the table and the best command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suretune import show
from suretune.cli.job import require
from suretune.cli.out import how_it_was_read, tell, tell_json
from suretune.cli.parse import Command
from suretune.cli.search import SYNTAX, read_search
from suretune.config import Resolved
from suretune.facts import FlagFacts
from suretune.preflight.outlook import processes_outlook
from suretune.record.journal import GUARD, OK, UNVERIFIED, Journal
from suretune.sweep.search import Dimension
from suretune.types import Text
from suretune.words import say

TRIALS = 20


def search(command: Command, journal: Journal) -> int:
    """0 if a setting was sealed, 6 if none was, 5 if a guard stopped them all."""
    from suretune.sweep.sweep import Asked, sweep

    dimensions = _dimensions(command, journal)
    seeds = _numbers(command, "seeds", 0, journal)
    trials = _numbers(command, "trials", 1, journal) or [TRIALS]
    parallel = _numbers(command, "parallel", 1, journal)
    gpus, one = _one_gpu_each(command, journal)
    require(command, journal)
    journal.settle()
    how_it_was_read(journal)
    study = command.plain.get("study")
    asked = Asked(
        one,
        dimensions,
        trials[-1],
        list(dict.fromkeys(seeds)),
        Path(study[-1]) if study else None,
        parallel[-1] if parallel else None,
        gpus=gpus,
    )
    try:
        told = sweep(asked, journal, _say)
    except KeyboardInterrupt:
        sentence = Text(
            "Stopped by a signal; the same command goes on from here.",
            "已按要求停止（Ctrl-C）；再次运行同一条命令即可继续。",
        )
        tell(say(sentence), err=True)
        return 130
    if command.json:
        tell_json(told)
    else:
        show.trials(told)
    if told["best"] is None:
        return GUARD
    return OK if told["best"]["sealed"] else UNVERIFIED


def _one_gpu_each(command: Command, journal: Journal) -> tuple[int | None, Resolved]:
    """(GPUs that trials are dealt over, what each of them is asked): the sweep's number is no
    trial's, and neither is a sweep another one with another number."""
    resolved = command.resolved
    if not resolved.given("num_gpus"):
        return None, resolved
    journal.look_at_all(processes_outlook(resolved))
    return resolved.config.engine.num_gpus, resolved.with_values("default", num_gpus=1)


def _say(line: Mapping[str, Any], done: int, of: int) -> None:
    show.trial(line, done, of)


def _dimensions(command: Command, journal: Journal) -> list[Dimension]:
    words = command.plain.get("search", [])
    if not words and not command.wrong("--search"):
        journal.look(FlagFacts("missing-flag", "--search", hint=SYNTAX))
    found, faults = read_search(
        words,
        command.verb.options(),
        command.resolved,
    )
    journal.look_at_all(faults)
    return found


def _numbers(
    command: Command,
    name: str,
    least: int,
    journal: Journal,
) -> list[int]:
    """The whole numbers of one of sweep's own flags."""
    found = []
    for word in command.plain.get(name, []):
        if word.isdecimal() and int(word) >= least:
            found.append(int(word))
        else:
            hint = Text(f"It takes whole numbers >= {least}.", f"它接受不小于 {least} 的整数。")
            journal.look(FlagFacts("bad-value", f"--{name}", word, hint=hint))
    return found
