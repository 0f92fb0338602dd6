"""Verbs of the command line: one file is one verb, found by lying in this folder.

`sft.py` holds `VERB`: its name, its help, the options it takes and what it does. What is heavy is
imported inside what it does: `suretune --help` reads every file here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from pkgutil import iter_modules

from suretune.cli.fetching import Fetching
from suretune.cli.job import need_torch
from suretune.cli.meanings import without_effect
from suretune.cli.out import how_it_was_read
from suretune.cli.parse import Command, Verb
from suretune.hubs.pull import WATCHING
from suretune.preflight.again import look_again
from suretune.record.journal import Journal
from suretune.types import Text


@cache
def all_verbs() -> tuple[Verb, ...]:
    """Every verb of this folder, in the order in which the help shows them."""
    found = [import_module(f"{__name__}.{module.name}").VERB for module in iter_modules(__path__)]
    return tuple(sorted(found, key=lambda verb: (verb.place, verb.name)))


VERBS = all_verbs()
OWN: Mapping[str, Mapping[str, Text]] = {verb.name: verb.own for verb in VERBS if verb.own}


def run_verb(command: Command) -> int:
    """Do it; the exit status."""
    verb = command.verb
    journal = Journal(command.resolved.config.run.ignore, verb.name)
    journal.environment = command.environment
    journal.again = partial(
        look_again,
        command.resolved,
        file=command.file,
        environment=command.environment,
    )
    journal.look_at_all([*command.faults, *without_effect(command)])
    journal.look_at_codes(command.resolved.config.run.ignore)
    if not verb.gathers:
        if "system" in verb.extra:  # without the rows' options: nothing fills it there
            from suretune.preflight.asked import system_faults

            journal.look_at_all(system_faults(command.resolved.config.data, named=False))
        journal.settle()
        how_it_was_read(journal)
    if verb.torch:
        need_torch(journal)
    if not command.json:
        WATCHING.set(Fetching())
    with journal.judging():
        return verb.do(command, journal)
