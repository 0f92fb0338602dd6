"""What the flags of each tool mean here: the YAML tables, read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from suretune.types import Text

TOOLS = ("swift", "llamafactory", "axolotl", "vllm")


@dataclass(frozen=True, slots=True)
class Entry:
    """One flag of another tool."""

    to: str = ""  # the option of suretune
    verdict: str = ""  # never-existed, no-effect, unavailable, per-epoch; '' follows from `to`
    default: frozenset[str] = frozenset()  # values that ask for what happens anyway
    harmless: frozenset[str] = frozenset()  # values that change nothing worth a word of warning
    values: Mapping[str, str] = field(default_factory=dict)  # its words for values
    why: Text | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One tool: how its commands begin, and its flags."""

    name: str
    programs: frozenset[str]
    modules: tuple[re.Pattern[str], ...]  # scripts and modules that are the same program
    verbs: Mapping[str, str]  # its verbs to suretune's; '' for those without one
    inexact: frozenset[str]  # verbs that suretune's does not do in full
    files: bool  # whether its options stand in a YAML file
    keys: frozenset[str]  # names that only its files have
    entries: Mapping[str, Entry]
    serving: Mapping[str, Entry]  # what flags mean, and environment, where the verb is to serve
    positional: str = ""  # the flag that a word without one stands for
    open_host: bool = False  # its servers listen to other machines when nothing is said
    instead: Mapping[str, Text] = field(default_factory=dict)  # by verb: what there is here

    def for_serving(self) -> Table:
        """The same tool, where its command is to serve."""
        return replace(self, entries={**self.entries, **self.serving})

    def entry(self, flag: str) -> Entry | None:
        """The flag's, or its outer key's."""
        outer = flag.rpartition(".")[0]
        return self.entries.get(flag) or (self.entry(outer) if outer else None)


@cache
def table(tool: str) -> Table:
    """The table of one of TOOLS."""
    told = yaml.safe_load(Path(__file__).with_name(f"{tool}.yaml").read_text("utf-8"))
    return Table(
        told["name"],
        programs=frozenset(told["programs"]),
        modules=tuple(re.compile(pattern) for pattern in told["modules"]),
        verbs=told["verbs"],
        inexact=frozenset(told["inexact"]),
        files=told["files"],
        keys=frozenset(told.get("keys", ())),
        entries=_entries(told["entries"]),
        serving=_entries(told.get("serving", ())),
        positional=told.get("positional", ""),
        open_host=bool(told.get("open_host")),
        instead={
            verb: Text(said["en"], said["zh"]) for verb, said in told.get("instead", {}).items()
        },
    )


def _entries(groups: Iterable[Mapping[str, Any]]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for group in groups:
        flags = group["flags"]
        for name in flags:
            entries[name] = Entry(
                flags[name] if isinstance(flags, dict) else "",
                group.get("verdict", ""),
                frozenset(group.get("default", ())),
                frozenset(group.get("harmless", ())),
                group.get("values", {}),
                Text(group["en"], group["zh"]) if "en" in group else None,
            )
    return entries
