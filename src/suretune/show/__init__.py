"""What people see on a terminal: findings, rows, plan, progress, verdict.

Results go to stdout, progress to stderr. Nothing is judged here, and nothing that a row or a model
says can act on the terminal: control characters are shown, not sent.
"""

from suretune.show.after import verdict
from suretune.show.before import (
    commands_in,
    conclusion,
    datasets,
    findings,
    lack,
    plan,
    table,
)
from suretune.show.beside import beside
from suretune.show.console import cells, columns, lines, progress, results
from suretune.show.live import Progress
from suretune.show.pasted import pasted
from suretune.show.preview import sample
from suretune.show.settings import choices
from suretune.show.trials import trial, trials

__all__ = [
    "Progress",
    "beside",
    "cells",
    "choices",
    "columns",
    "commands_in",
    "conclusion",
    "datasets",
    "findings",
    "lack",
    "lines",
    "pasted",
    "plan",
    "progress",
    "results",
    "sample",
    "table",
    "trial",
    "trials",
    "verdict",
]
