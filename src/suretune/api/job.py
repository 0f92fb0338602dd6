"""Steps of a job that the calls and the command line share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from suretune.config import Resolved
from suretune.preflight import check as checking
from suretune.preflight.check import Checked
from suretune.preflight.forecast import no_room, proof_outlook
from suretune.preflight.machine import packages
from suretune.preflight.outlook import not_writable
from suretune.record.journal import Journal
from suretune.train.parting import let_go_at_end
from suretune.train.place import here


def look(resolved: Resolved, journal: Journal) -> Checked:
    """Packages, the run folder, rows to plan: what `train` needs, without torch. Raises Stopped."""
    journal.look_at_all(packages())
    if (wrong := not_writable(resolved.config.run.output_dir)) is not None:
        journal.look(wrong)
    checked = checking.check(resolved, journal)
    if (full := no_room(checked)) is not None:
        journal.look(full)
        journal.settle()
    outlook = proof_outlook(checked, journal.ignore)
    journal.look_at_all(outlook, stops=False)
    return checked


def follow_if_told() -> None:
    """Of several processes that torchrun started all but the first compute what that one says, and
    then end: SystemExit."""
    if not here().leads:
        from suretune.train.follower import begin

        raise SystemExit(begin(here()))
    let_go_at_end()


@contextmanager
def standing_in(folder: Path, told: Callable[[Path], None] | None = None) -> Iterator[None]:
    """Relative paths of a run mean what they meant where it was begun: there the process goes.

    `told`: is told the folder, where that is another one than the current one.
    """
    before = Path.cwd()
    if folder == before:
        yield
        return
    if told is not None:
        told(folder)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
