"""`report`: the verdict of a run again."""

from __future__ import annotations

from pathlib import Path

from suretune import rundir
from suretune.cli.out import tell_json
from suretune.cli.parse import Command, Verb
from suretune.cli.which import around, named_run, run_of
from suretune.record.journal import GUARD, OK, UNMEASURED, UNVERIFIED, Journal
from suretune.record.sealed import read_seal
from suretune.record.whatitis import no_report
from suretune.run.onward import where_it_is
from suretune.types import Text


def report(command: Command, journal: Journal) -> int:
    """The verdict of a run again."""
    found = named_run(command.word, journal, around(command, [command.word]))
    return verdict_of(run_of(found), command, journal)


def verdict_of(run: Path, command: Command, journal: Journal) -> int:
    """Show the verdict that stands in the run's folder; its exit status.

    One that is sealed is a word about files: it stops where they are not those that were sealed.
    """
    if not (run / "report.json").is_file():
        if (run / rundir.SEAL).is_file():  # its list says what is gone
            read_seal(run, journal)
        raise journal.stop(no_report(run))
    rundir.recorded(run / "report.json", "verdict")
    told = rundir.read_json(run / "report.json")
    if told["verdict"] == "sealed":  # of files that may have changed since
        read_seal(run, journal)
    told = where_it_is(told, run)
    if command.json:
        tell_json(told)
    else:
        from suretune import show

        show.verdict(told)
    known = {"sealed": OK, "stopped": GUARD, "forgetting-not-measured": UNMEASURED}
    return known.get(told["verdict"], UNVERIFIED)


VERB = Verb(
    "report",
    Text("a run's verdict, and where its report is", "一次运行的结论和报告位置"),
    positional="RUN",
    do=report,
    place=130,
)
