"""`sft`: train an adapter and prove it."""

from __future__ import annotations

from suretune.cli import job
from suretune.cli.parse import TRAIN, Command, Verb
from suretune.cli.verbs.check import check
from suretune.record.journal import Journal
from suretune.types import Text


def sft(command: Command, journal: Journal) -> int:
    """Check, train, prove."""
    if command.resolved.config.run.dry_run:
        return check(command, journal)
    checked = job.look(command, journal)
    from suretune.run.ahead import looking_ahead
    from suretune.run.folder import make_run

    with looking_ahead(checked, journal) as ahead:
        ahead.settle()
        run = make_run(checked.resolved, journal)
        job.say_where(run, checked.resolved.config.run.output_dir)
        return job.train(checked, run, command, journal, ahead)


VERB = Verb(
    "sft",
    Text("train an adapter and prove it", "训练适配器并验证它有效"),
    TRAIN,
    aliases=("train",),
    torch=True,
    crew=True,
    gathers=True,
    do=sft,
    place=40,
)
