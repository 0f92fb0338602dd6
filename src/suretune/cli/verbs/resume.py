"""`resume`: go on with a run that was stopped."""

from __future__ import annotations

from pathlib import Path

from suretune import rundir
from suretune.cli import job
from suretune.cli.out import tell
from suretune.cli.parse import Command, Verb
from suretune.cli.verbs.report import verdict_of
from suretune.cli.which import around, named_run, run_of, to_resume
from suretune.record.journal import Journal
from suretune.types import Text
from suretune.words import say


def resume(command: Command, journal: Journal) -> int:
    """The same run, from its last complete checkpoint, or from the one that is named."""
    word = to_resume(command, journal)
    found = named_run(
        word,
        journal,
        around(command, [word]),
    )
    run = run_of(found)
    if (run / rundir.SEAL).is_file():
        return verdict_of(run, command, journal)
    from suretune.api.job import standing_in
    from suretune.run.resume import go_on_in, reopen, usable

    if found.checkpoint:
        usable(run, found.checkpoint, journal)
    begun_here = (run / "run.json").is_file()
    with standing_in(go_on_in(run) if begun_here else Path.cwd(), _say_from_where):
        checked = reopen(run, journal, _processes(command))
        from suretune.run.ahead import looking_ahead

        with looking_ahead(checked, journal) as ahead:
            ahead.settle()
            at = found.checkpoint
            return job.train(
                checked,
                run,
                command,
                journal,
                ahead,
                resume=True,
                checkpoint=at,
            )


def _processes(command: Command) -> int | None:
    """As many as are asked for now; None: as many as before."""
    resolved = command.resolved
    return resolved.config.engine.num_gpus if resolved.given("num_gpus") else None


def _say_from_where(folder: Path) -> None:
    told = Text(
        f"Relative paths are read from {folder}, where the run was begun.",
        f"相对路径从 {folder} 算起，这个运行是在那里开始的。",
    )
    tell(say(told), err=True)


VERB = Verb(
    "resume",
    Text("go on with a run that was stopped", "继续一个中断的运行"),
    extra=("resume_from_checkpoint", "resume_only_model", "ignore_data_skip", "ignore", "num_gpus"),
    says={
        "num_gpus": Text(
            "GPUs of this machine, each with a process of its own; as many as before when not"
            " given",
            "用本机几块 GPU，每块一个进程；不写则与之前一样多",
        )
    },
    positional="RUN",
    torch=True,
    crew=True,
    do=resume,
    place=60,
)
