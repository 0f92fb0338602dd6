"""What the verbs that run a job share: what must be named, the check as it is shown, the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from suretune import labels, rundir, typed
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.facts import FlagFacts
from suretune.model.lean import lean
from suretune.phrases import printable
from suretune.preflight.flags import resuming_flags
from suretune.record.journal import Journal
from suretune.record.lock import is_busy
from suretune.record.meant import failed_proof
from suretune.speak.question import no_question
from suretune.train.place import here
from suretune.types import Text
from suretune.words import say

if TYPE_CHECKING:
    from suretune.preflight.check import Checked
    from suretune.run.ahead import Ahead


def need_torch(journal: Journal) -> None:
    """A stop where torch, or a package that goes with it, is missing or too old."""
    from suretune.preflight.machine import packages

    journal.look_at_all(packages())
    journal.settle()


def look_at_questions(command: Command, journal: Journal) -> None:
    """A stop where a question of the command line says nothing: of a variable that is empty."""
    for word in command.words:
        if (facts := no_question(word)) is not None:
            raise journal.stop(facts)


def follow() -> int:
    """Of several processes that torchrun started: compute what the first one says."""
    with lean():
        from suretune.train.follower import begin
    return begin(here())


def require(command: Command, journal: Journal) -> None:
    """A model and rows must be named; the faults of the command line are told with them."""
    if command.unread:  # what is missing may stand there
        journal.settle()
    config = command.resolved.config
    journal.look_at_all(resuming := list(resuming_flags(command.resolved)))
    if resuming:
        journal.settle()
    if not config.model.model and not command.wrong("--model"):
        hint = Text("For a first try: --model pocket", "第一次尝试可用：--model pocket")
        journal.look(FlagFacts("missing-flag", "--model", hint=hint))
    if not config.data.dataset and not command.wrong("--dataset"):
        hint = Text(
            "`suretune init identity` writes one.", "`suretune init identity` 可以生成一份。"
        )
        journal.look(FlagFacts("missing-flag", "--dataset", hint=hint))
    if not (config.model.model and config.data.dataset):
        journal.settle()


def look(
    command: Command,
    journal: Journal,
    *,
    to_end: bool = False,
) -> Checked:
    """Check, and show it as it stands; `to_end`: the command to type next follows."""
    from suretune.api import job

    require(command, journal)
    checked = job.look(command.resolved, journal)
    if not command.json:
        show_checked(checked, journal, runs=not to_end)
        journal.shown()
    return checked


def show_checked(
    checked: Checked,
    journal: Journal,
    *,
    runs: bool = True,
) -> None:
    """Datasets, a few rows as the model sees them, what was chosen, the plan, what was found."""
    from suretune import show
    from suretune.preflight.summary import data_summary, plan_summary

    show.datasets(data_summary(checked))
    for row in checked.train[: checked.resolved.config.run.preview]:
        show.sample(checked.tokenizer, row.samples[0])
    show.choices(checked.resolved)
    show.plan(plan_summary(checked))
    show.findings(journal.findings, runs=runs)


def say_where(run: Path, asked: str) -> None:
    """Where the run lies, if not in the very folder that was asked for."""
    folder = run.parent
    if run == Path(asked).expanduser().absolute():
        return
    shown, name = typed.path(run), printable(folder, keep="")
    told = Text(f"This run is {shown}", f"本次运行在 {shown}")
    if (folder / rundir.SEAL).is_file():
        told = Text(
            f"{name} is a sealed run and stays as it is. This run is {shown}",
            f"{name} 是已通过验证的运行，不会改动。本次运行在 {shown}",
        )
    elif is_busy(folder):
        told = Text(
            f"Another suretune works on the run {name} now. This run is {shown}",
            f"另一个 suretune 正在处理运行 {name}。本次运行在 {shown}",
        )
    elif why := failed_proof(folder):
        report = typed.in_language(f"suretune report {typed.path(folder)}")
        told = Text(
            f"{name} is a run whose proof did not hold ({why}): {report}\nThis run is {shown}",
            f"{name} 是一个没有通过验证的运行（{why}）：{report}\n本次运行在 {shown}",
        )
    elif rundir.is_begun(folder):
        go_on = _again(folder)
        told = Text(
            f"{name} is a run that has no seal; to go on with it: {go_on}\nThis run is {shown}",
            f"{name} 是一个没有验证记录的运行；要继续它：{go_on}\n本次运行在 {shown}",
        )
    tell(say(told), err=True)


def train(
    checked: Checked,
    run: Path,
    command: Command,
    journal: Journal,
    ahead: Ahead,
    *,
    resume: bool = False,
    checkpoint: Path | None = None,
) -> int:
    """Train and prove, shown as it goes; the verdict, or how to go on after a signal."""
    from suretune import show
    from suretune.cli.watch import Watch
    from suretune.run.compose import train_and_prove
    from suretune.run.fit import Interrupted
    from suretune.run.tracking import places

    config = checked.resolved.config
    before = tuple(journal.findings)
    watch = Watch(
        checked.plan.schedule.total,
        config.schedule.logging_steps,
        not config.run.disable_tqdm,
        counts=not command.json,
    )
    try:
        told, status = train_and_prove(
            checked,
            run,
            journal,
            watch,
            resume=resume,
            checkpoint=checkpoint,
            prover=ahead.prover,
        )
    except Interrupted as interrupted:
        go_on, saved = _again(run), printable(interrupted.saved, keep="")
        by = ("Ctrl-C", "Ctrl-C") if interrupted.status == 130 else ("a signal", "收到信号")
        sentence = Text(
            f"Stopped by {by[0]}; {saved} is complete. Go on: {go_on}",
            f"已按要求停止（{by[1]}）；{saved} 已完整保存。继续：{go_on}",
        )
        tell(say(sentence), err=True)
        return interrupted.status
    except KeyboardInterrupt:  # a second one, or where no update waits to be ended
        tell(say(_left(run)), err=True)
        return 130
    finally:
        watch.close()
    if command.json:
        tell_json(told)
    else:
        found = [finding for finding in journal.findings if finding not in before]
        show.findings([f for f in found if f.code.startswith(("R", "T", "S047"))])
        show.verdict(told)
        for place in places(run, config.run):
            tell(place, err=True)
        if status:
            tell(labels.status(status), err=True)
    return status


def _again(run: Path) -> str:
    """The command that goes on with a run."""
    return typed.in_language(f"suretune resume {typed.path(run)}")


def _left(run: Path) -> Text:
    """What is there of a run that Ctrl-C ended at once, and how to go on with it."""
    whole = rundir.checkpoints(run)
    if not whole and not rundir.is_begun(run):
        return Text("Stopped by Ctrl-C; nothing was begun.", "已停止（Ctrl-C）；还没有开始。")
    go_on = _again(run)
    if not whole:
        return Text(
            f"Stopped at once by Ctrl-C, before a checkpoint was written. From the start: {go_on}",
            f"已立即停止（Ctrl-C），还没有写出检查点。从头开始：{go_on}",
        )
    saved = printable(whole[-1][1], keep="")
    return Text(
        f"Stopped at once by Ctrl-C; {saved} is complete, what came after it is not kept."
        f" Go on: {go_on}",
        f"已立即停止（Ctrl-C）；{saved} 已完整保存，之后的没有保留。继续：{go_on}",
    )
