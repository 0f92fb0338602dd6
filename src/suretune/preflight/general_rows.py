"""What `--general` asks is never learned: its rows, and those of `--dataset` that ask the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from suretune import typed
from suretune.config import Resolved
from suretune.data.collect import Collected, Prepared, entry_of
from suretune.data.identity import plain, question_of
from suretune.data.ledger import Entry
from suretune.facts import FlagFacts
from suretune.record.journal import Journal
from suretune.types import Fault, Origin, Text


def asked_only(
    resolved: Resolved,
    rows: Sequence[Prepared],
    found: Collected,
    journal: Journal,
) -> list[Entry]:
    """Ledger lines of the rows of `--general`, and of those that `found` loses because they ask
    the same; it is told how many. A data set that loses all of them is refused."""
    asked = {_question(row): row.example.origin for row in reversed(rows)}
    asked.pop("", None)
    taken = [row for row in found.ready if _question(row) in asked]
    kept = [row for row in found.ready if _question(row) not in asked]
    lost = Counter(row.example.dataset for row in taken)
    left = Counter(row.example.dataset for row in kept)
    gone = [name for name in lost if name not in left]
    if gone:
        journal.look(
            _nothing_left(
                resolved,
                taken,
                gone,
                all_of_it=not kept,
            )
        )
        journal.settle()
    if taken:
        journal.look(_not_learned(resolved, lost, left))
    found.ready[:] = kept
    entries = []
    for row in taken:
        twin = asked[_question(row)]
        entry = entry_of("general", row)
        entries.append(replace(entry, reason=f"= {twin}"))
    for row in rows:
        entries.append(entry_of("general", row))
    return entries


def _question(row: Prepared) -> str:
    return plain(question_of(row.example))


def _not_learned(
    resolved: Resolved,
    lost: Mapping[str, int],
    left: Mapping[str, int],
) -> Fault:
    """So many rows of these data sets are asked and not learned."""
    given = " ".join(resolved.config.proof.general)
    en, zh = [], []
    for name, count in lost.items():
        of = count + left[name]
        en.append(f"{name}: {count:,} of {of:,}")
        zh.append(f"{name}：{of:,} 行中的 {count:,} 行")
    hint = Text(
        "; ".join(en) + ".",
        "；".join(zh) + "。",
    )
    gone = sum(lost.values())
    among = gone + sum(left.values())
    return Fault(
        "asked-not-learned",
        Origin(given, 0),
        found=f"{gone:,} / {among:,}",
        hint=hint,
    )


def _nothing_left(
    resolved: Resolved,
    taken: Sequence[Prepared],
    gone: Sequence[str],
    *,
    all_of_it: bool,
) -> FlagFacts:
    """Every row of these data sets asks what --general asks: none is learned."""
    given = resolved.config.proof.general
    whole = resolved.config.data.dataset
    rows = " ".join(whole if all_of_it else gone)
    that = Text("", "") if all_of_it else Text("of that ", "其中")
    path = re.sub(r"#\d+$", "", given[0])
    asks: dict[str, set[str]] = {name: set() for name in gone}
    for row in taken:
        asks.setdefault(row.example.dataset, set()).add(_question(row))
    questions = min(len(asks[name]) for name in gone)
    others = Text("Give it other rows than those that are learned", "请换成不参与训练的数据")
    if len(given) == 1 and questions > 1:
        part = f"--general {typed.word(f'{path}#{max(1, questions // 5)}')}"
        others = Text(
            f"{others.en}, or only some of them, which are then kept out of training: `{part}`",
            f"{others.zh}，或只取其中一部分（这部分不参与训练）：`{part}`",
        )
    hint = Text(
        f"It asks everything that {rows} asks, and what is asked there is never learned, so nothing"
        f" {that.en}is left to train on. {others.en}; without `--general`"
        " all rows are learned",
        f"它涵盖了 {rows} 里的所有问题，而这里问到的一律不参与训练，因此"
        f"{that.zh}没有可训练的数据。"
        f"{others.zh}；不写 `--general` 就学习全部数据",
    )
    return FlagFacts(
        "bad-value",
        "--general",
        " ".join(given),
        hint=hint,
    )
