"""One flag of another tool on our command line or in a file of options: what it is worth here."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from suretune.config import options
from suretune.facts import FlagFacts
from suretune.importing.tables import TOOLS, Entry, table
from suretune.importing.translate import said
from suretune.types import Text

Known = tuple[str, tuple[str, ...]] | FlagFacts


def known_elsewhere(
    name: str,
    values: Sequence[str],
    takes: Collection[str],
    *,
    serving: bool = False,
) -> Known | None:
    """What a flag that is not ours means: (our option, its words), or what has to be said of it;
    None for a flag that no tool has. `takes`: the options of the verb."""
    for tool in map(table, TOOLS):
        entries = tool.for_serving() if serving else tool
        entry = entries.entry(name)
        if entry is None and name.startswith("no_") and not values:  # off, where nothing is on
            entry = entries.entry(name.removeprefix("no_"))
            entry = entry if entry is not None and entry.verdict == "no-effect" else None
        if entry is None or (entry.to in options() and entry.to not in takes):
            continue
        if entry.verdict == "per-epoch" or not entry.to or _is_default(entry, values):
            return _said_of(name, values, entry)
        return entry.to, tuple(entry.values.get(word, word) for word in values)
    return None


def _is_default(entry: Entry, values: Sequence[str]) -> bool:
    return bool(entry.default) and said(values) in entry.default


def _said_of(
    name: str,
    values: Sequence[str],
    entry: Entry,
) -> FlagFacts:
    asks_for_more = entry.verdict in ("unavailable", "per-epoch")
    asks_for_more = asks_for_more and not _is_default(entry, values)
    asks_for_more = asks_for_more and said(values) not in entry.harmless
    why = entry.why or Text("an interval counts updates here", "这里的间隔按更新次数算")
    phrase = Text(why.en.rstrip("."), why.zh.rstrip("。"))
    problem = "not-here" if asks_for_more else "harmless-no-effect"
    if entry.verdict == "never-existed" and not entry.to:
        problem = "flag-never-existed"
    return FlagFacts(
        problem,
        f"--{name}",
        " ".join(values),
        hint=phrase,
    )
