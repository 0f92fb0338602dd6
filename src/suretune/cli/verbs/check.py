"""`check`: everything but the training."""

from __future__ import annotations

from suretune.cli import job
from suretune.cli.out import tell_json
from suretune.cli.parse import TRAIN, Command, Verb
from suretune.record.journal import OK, Journal
from suretune.types import Text


def check(command: Command, journal: Journal) -> int:
    """Rows to plan, and what was found."""
    from suretune.cli.concluded import next_command, would_start
    from suretune.preflight.summary import data_summary, plan_summary, settings

    checked = job.look(command, journal, to_end=True)
    if command.json:
        tell_json(
            {
                "status": OK,
                "data": data_summary(checked),
                "plan": plan_summary(checked),
                "findings": [journal.line(finding) for finding in journal.findings],
                "settings": settings(checked.resolved),
                "next": next_command(checked, command, journal),
            }
        )
    else:
        would_start(checked, command, journal)
    return OK


VERB = Verb(
    "check",
    Text(
        "everything but the training: rows, tokens, plan; no GPU, no torch",
        "除训练外的一切检查：数据、token、计划；不需要 GPU",
    ),
    TRAIN,
    gathers=True,
    do=check,
    place=30,
)
