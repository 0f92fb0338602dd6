"""Which run or adapter a word means, said where the word itself does not say it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from suretune import rundir, typed
from suretune.cli.out import tell
from suretune.cli.parse import Command
from suretune.cli.typed_words import WHOLE
from suretune.config import Resolved
from suretune.facts import FlagFacts
from suretune.preflight.again import flags_of
from suretune.preflight.flags import LAST, OFF
from suretune.record.journal import Journal
from suretune.record.meant import PLACE, Meant, meant, newest_run, run_meant
from suretune.record.sealed import is_as_sealed
from suretune.types import Text
from suretune.words import say

DEMO = "runs/demo"


def named_run(word: str, journal: Journal, how: str) -> Meant:
    """The run of a word, or of no word at all: then the newest in `runs`, and it is said.

    `how`: the command around the word.
    """
    if word.strip():
        return _said(run_meant(word, journal, how))
    usual = Path(Resolved.default().config.run.output_dir)
    found = newest_run(usual) or newest_run(Path("."))
    if found is None:
        hint = Text(
            f"There is no run in {usual}, nor here; `suretune sft` makes one, and so does"
            " `suretune demo`.",
            f"{usual} 里没有运行，当前文件夹里也没有；`suretune sft` 会生成一个，"
            "`suretune demo` 也会。",
        )
        raise journal.stop(FlagFacts("missing-flag", "RUN", hint=hint))
    return _said(found)


def named(word: str, journal: Journal, how: str) -> Meant:
    """What a word means, a run or anybody's adapter; of no word at all, the newest run."""
    return _said(meant(word, journal, how)) if word else named_run(word, journal, how)


def named_adapter(word: str, journal: Journal, how: str) -> str:
    """The path that a word after `--adapters`, or one to be served, means."""
    return str(_said(meant(word, journal, how)).path)


def with_adapter(command: Command, journal: Journal) -> Command:
    """The same command with the adapter that `--adapters` means."""
    word = command.resolved.config.answer.adapters
    if not word:
        return command
    how = with_runs(command, command.words)  # a flag counts before a file that names one
    there = named_adapter(
        word,
        journal,
        f"{how} --adapters",
    )
    return replace(command, resolved=command.resolved.with_values("flag", adapters=there))


def to_speak(command: Command, journal: Journal) -> Command:
    """The same command with what shall speak, an adapter or the base alone; found, or said not to
    be there, before what computes is loaded. A run may stand before the questions; the words that
    are left are these."""
    if command.words and not command.resolved.config.answer.adapters:
        first, *others = command.words
        alone = bool(others) and all(map(WHOLE.search, others)) and not WHOLE.search(first)
        if alone or os.path.exists(typed.place(first)):
            resolved = command.resolved.with_values("flag", adapters=first)
            command = replace(command, resolved=resolved, words=tuple(others))
    command = replace(command, words=tuple(filter(None, apart(command.words))))
    config = command.resolved.config
    if not config.answer.adapters and not config.model.model:
        hint = Text("or --model for the base alone", "或用 --model 只加载原模型")
        raise journal.stop(FlagFacts("missing-flag", "--adapters", hint=hint))
    return with_adapter(command, journal)


def apart(words: Sequence[str]) -> list[str]:
    """The questions of a command line: words without quotes are one, several in quotes several."""
    whole = all(map(WHOLE.search, words))
    return [word.strip() for word in (words if whole else [" ".join(words)])]


def around(
    command: Command,
    runs: Sequence[str],
    own: Sequence[str] = (),
    place: int = 0,
) -> str:
    """The command as it was typed, but for the run at this place: there another one fits."""
    words = list(runs)
    words[place : place + 1] = [PLACE]
    return with_runs(command, words, own)


def with_runs(
    command: Command,
    runs: Sequence[str],
    own: Sequence[str] = (),
    *without: str,
) -> str:
    """The command as it was typed, but with these words behind its verb, mostly runs, and without
    some of its options.

    `own`: the words of those of its options that are no config.
    """
    words = [run if run == PLACE else typed.path(run) for run in runs]
    flags = flags_of(
        command.resolved,
        file=command.file,
        without=("adapters", "resume_from_checkpoint", *without),
    )
    return " ".join(["suretune", command.verb.name, *words, typed.command(*own, *flags)]).strip()


def run_of(found: Meant) -> Path:
    """The run of what was named; whoever resolved it has seen that there is one."""
    if found.run is None:
        raise ValueError(f"{found.path} is no run")
    return found.run


def say_who_speaks(adapter: Path | None, base: str) -> None:
    """On stderr, before the first answer: which adapter, and whether it passed its proof."""
    tell(say(_who(adapter, base)), keep="", err=True)


def _who(adapter: Path | None, base: str) -> Text:
    if adapter is None:
        return Text(f"Speaking: {base}, no adapter", f"正在回答：{base}，没有加载适配器")
    above = (adapter.parent, adapter.parent.parent)
    run = next((each for each in above if rundir.is_begun(each)), None)
    made = adapter.name
    if made in rundir.MADE and run and (adapter / rundir.MANIFEST).is_file():
        made = str(rundir.read_json(adapter / rundir.MANIFEST).get("checkpoint"))
    number = made.rpartition("-")[2].lstrip("0")
    if run is None:
        en, zh = "an adapter that no run here made", "不是这里训练的适配器"
    elif (run / rundir.SEAL).is_file() and adapter.name in rundir.MADE:
        en, zh = "sealed", "已通过验证"
        if not is_as_sealed(run, adapter):
            en, zh = "not as it was sealed", "与验证时不同"
    else:
        en, zh = "not sealed", "没有验证记录"
    if run and number.isdigit():
        en, zh = f"{en}, update {number}", f"{zh}，第 {number} 次更新"
    return Text(f"Speaking: {adapter} ({en})", f"正在回答：{adapter}（{zh}）")


def _said(found: Meant) -> Meant:
    if found.chosen:
        tell(say(found.chosen), err=True)
    return found


def to_resume(command: Command, journal: Journal) -> str:
    """The word that `resume` was given, in suretune's or in other tools' form."""
    asked = command.resolved.config.run
    named = asked.resume_from_checkpoint
    if named is not None and named.lower() in (*OFF, *LAST):
        named = None
    if named and command.word:
        both = [meant(word, journal, "suretune resume") for word in (command.word, named)]
        if both[0].run != both[1].run:
            hint = Text("They are two runs", "这是两个不同的运行")
            raise journal.stop(
                FlagFacts(
                    "conflicting-flags",
                    f"resume {command.word}",
                    f"--resume_from_checkpoint {named}",
                    hint=hint,
                )
            )
    for flag, given, hint in (
        (
            "--resume_only_model",
            asked.resume_only_model,
            Text(
                "A resume restores weights, optimizer and order together",
                "继续时权重、优化器和顺序一并恢复",
            ),
        ),
        (
            "--ignore_data_skip",
            asked.ignore_data_skip,
            Text(
                "A resume goes on with the rows that the plan says are next",
                "继续时总是接着计划里的数据",
            ),
        ),
    ):
        if given:
            raise journal.stop(FlagFacts("no-effect", flag, "true", hint=hint))
    return named or command.word
