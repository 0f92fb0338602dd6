"""`track`: a run's figures to a tracker afterwards, from the run's own files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from suretune import rundir
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command, Verb
from suretune.cli.which import around, named_run
from suretune.config import options
from suretune.facts import FlagFacts, SetupFacts
from suretune.options import RunOptions
from suretune.preflight.again import flag
from suretune.preflight.machine import missing_trackers
from suretune.record.journal import OK, Journal
from suretune.record.lock import LOCK, only_writer
from suretune.record.whatitis import never_began
from suretune.trackers import named_trackers, trackers
from suretune.types import Text
from suretune.values import set_value

PATIENCE = 600.0  # seconds for a whole run: nothing else waits for it


def track(command: Command, journal: Journal) -> int:
    """Feed each of them with what it does not have yet."""
    from suretune.run.tracking import track as feed

    to = command.plain.get("to")
    how = around(command, [command.word], flag("to", tuple(to)) if to else ())
    found = named_run(command.word, journal, how)
    run = found.run
    if run is None or not any((run / name).is_file() for name in ("config.yaml", "run.json")):
        raise journal.stop(never_began(found.path))
    asked = _asked(command, run, journal)
    journal.look_at_all(missing_trackers(asked.report_to))
    journal.settle()
    if not named_trackers(asked.report_to):
        raise journal.stop(_none_installed())
    with only_writer(run / LOCK, journal):
        where = feed(run, asked, PATIENCE)
    if command.json:
        tell_json({"status": OK, "trackers": where})
    else:
        for name, place in where.items():
            tell(f"{name}  {place}")
    return OK


def _asked(
    command: Command,
    run: Path,
    journal: Journal,
) -> RunOptions:
    """The trackers of `--to`, else those that the run has; or a stop where that is nobody."""
    from suretune.run.folder import read_config

    words, given = command.plain.get("to"), command.resolved
    before = read_config(run / "config.yaml").config.run
    if words:
        spec = options()["report_to"]
        told = tuple(choice for choice in spec.choices if choice != "none")
        given, faults = set_value(
            given,
            replace(spec, choices=told),
            words,
            "flag",
        )
        for fault in faults:
            journal.look(FlagFacts("bad-value", "--to", fault.value, hint=fault.hint))
        journal.settle()
    else:
        given = given.with_values("file", report_to=before.report_to)
    # What the run told on its way is gone on with at the same place, under the same name.
    if given.config.run.run_name is None:
        given = given.with_values("file", run_name=before.run_name)
    if given.config.run.logging_dir is None and before.logging_dir:
        begun = rundir.recorded(run / "run.json", "folder")  # where its relative paths start
        folder = os.path.join(begun, os.path.expanduser(before.logging_dir))
        given = given.with_values("file", logging_dir=folder)
    if not set(given.config.run.report_to) - {"none"}:
        raise journal.stop(
            FlagFacts(
                "missing-flag",
                "--to",
                hint=Text(
                    "For files on this machine: `--to tensorboard`",
                    "只写本机文件可用：`--to tensorboard`",
                ),
            )
        )
    return given.config.run


def _none_installed() -> SetupFacts:
    """What is said where `all` are nobody: the first of them writes files on this machine."""
    names = [f"`{name}`" for name in trackers()]
    return SetupFacts(
        "package-missing",
        trackers()["tensorboard"].extra,
        Text(f"one of {', '.join(names)}", f"{'、'.join(names)} 中的一个"),
    )


VERB = Verb(
    "track",
    Text(
        "a run's figures to a tracker afterwards: suretune track RUN --to tensorboard",
        "事后把一次运行的数据交给跟踪工具：suretune track runs/first --to tensorboard",
    ),
    extra=("run_name", "logging_dir"),
    positional="RUN",
    own={
        "to": Text(
            "tensorboard, wandb, swanlab, mlflow, trackio; as the run's --report_to when not given",
            "tensorboard、wandb、swanlab、mlflow、trackio；不写则与运行的 --report_to 相同",
        ),
    },
    do=track,
    place=155,
)
