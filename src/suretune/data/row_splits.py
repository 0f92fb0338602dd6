"""Rows that say of which split they are: `split` of `train`, `validation` or `test`.

What holds of the files of a folder holds of the rows of a file: after `--dataset` it means those to
learn from, after `--val_dataset` those for validation, else those for test. The others are in the
ledger as set aside, and their number is told.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from suretune import typed
from suretune.data.folders import LEARNED, MEASURED, ORDERS
from suretune.data.key_names import folded
from suretune.data.ledger import Entry
from suretune.data.refusal import printable
from suretune.data.sources import DATASET, Source
from suretune.splits import is_split, splits_of
from suretune.types import Fault, Origin, Row, Text

_SAYS = frozenset(("split", "data_split", "dataset_split", "划分", "数据划分", "数据集划分"))
# These may name anything: the word of a split has to be all that they say, in every row.
_MAY_SAY = frozenset(
    (
        *("set", "subset", "partition", "phase", "usage", "data_type", "dataset_type"),
        *("集合", "数据集", "用途", "数据类型", "样本类型"),
    )
)
_IS = {  # yes
    **dict.fromkeys(("is_test", "is_eval", "is_holdout", "是否测试", "是否测试集"), "test"),
    **dict.fromkeys(("is_val", "is_valid_set", "is_validation", "is_dev"), "validation"),
}


_Told = tuple[Row, str, str]  # with the field that tells its split
_YES = (
    "true",
    "t",
    "1",
    "1.0",
    "yes",
    "y",
    "是",
    "√",
    "✓",
    "✔",
    "✅",
)


def split_of(row: Row, others: set[str]) -> tuple[str, str]:
    """(the field that tells it, the split of a row); '' and '' where none does. `others` learns
    which fields say anything else: those tell no split."""
    no = ""
    for key, held in row.value.items() if isinstance(row.value, Mapping) else ():
        name = folded(str(key))
        if name in _IS:
            if str(held).strip().lower() in _YES:
                return str(key), _IS[name]
            no = str(key)
        may = name in _MAY_SAY and key not in others
        if not isinstance(held, str) or not (may or name in _SAYS):
            continue
        found = splits_of(held)
        if may and held.strip() and not found:
            others.add(str(key))
        if found and (name in _SAYS or is_split(held)):
            return str(key), found[0]
    return (no, LEARNED) if no else ("", "")


@dataclass(slots=True)
class OneSplit:
    """The rows of a dataset that are meant, and what became of the others."""

    source: Source
    entries: list[Entry] = field(default_factory=list)
    apart: Counter[str] = field(default_factory=Counter)  # rows by split
    by: dict[str, None] = field(default_factory=dict)  # the fields that say so of these
    others: set[str] = field(default_factory=set)  # fields that are none
    held: list[_Told] = field(default_factory=list)  # what may still turn out to be meant less
    doubted: list[_Told] = field(default_factory=list)  # set aside by what may name anything

    def of(self, items: Iterable[Row | Fault]) -> Iterator[Row | Fault]:
        """The rows of the split that is meant most, in their order; rows that say none are meant in
        any case, and so are those that were set aside by a field that turns out to be none."""
        order = ORDERS[self._role]
        best = len(order)
        for item in items:
            if not isinstance(item, Row):
                yield item
                continue
            known = len(self.others)
            name, split = split_of(item, self.others)
            if len(self.others) > known:
                yield from self._back()
            if not split:
                best = self._better(0, best) if self._role == LEARNED else best
                yield item
                continue
            rank = order.index(split)
            best = self._better(rank, best)
            if rank > best:
                self._put(item, name, split)
            elif rank:
                self.held.append((item, name, split))
            else:
                yield _read(item, name)
        yield from (_read(row, name) for row, name, _ in self.held)

    def note(self, measures: Iterable[str]) -> Fault | None:
        """What is told of the others; `measures`: what --val_dataset names. Nobody expects training
        rows to be measured."""
        if self._role != LEARNED:
            del self.apart[LEARNED]
        if not self.apart:
            return None
        said = ", ".join(f"{count:,} × {split}" for split, count in sorted(self.apart.items()))
        return Fault(
            "passed-over",
            Origin(printable(self.source.typed), 0),
            field=", ".join(self.by),
            found=f"{said} (`{'`, `'.join(self.by)}`)",
            hint=self._hint(self.source.typed in measures),
        )

    @property
    def _role(self) -> str:
        return LEARNED if self.source.flag == DATASET else MEASURED

    def _better(self, rank: int, best: int) -> int:
        if rank >= best:
            return best
        for told in self.held:
            self._put(*told)
        self.held.clear()
        return rank

    def _put(
        self,
        row: Row,
        name: str,
        split: str,
    ) -> None:
        self.by[name] = None
        self.apart[split] += 1
        self.entries.append(Entry(row.origin, self.source.name, "set-aside", split))
        if folded(name) in _MAY_SAY:
            self.doubted.append((row, name, split))

    def _back(self) -> Iterator[Row]:
        """The rows that fields which are none have set aside."""
        back, self.doubted = self._of_others(self.doubted)
        origins = set()
        for row, _, split in back:
            origins.add(row.origin)
            self.apart[split] -= 1
        self.entries = [entry for entry in self.entries if entry.origin not in origins]
        self.apart = +self.apart
        waiting, self.held = self._of_others(self.held)
        for name in self.others:
            self.by.pop(name, None)
        for row, _, _ in (*back, *waiting):
            yield row

    def _of_others(
        self,
        rows: list[_Told],
    ) -> tuple[list[_Told], list[_Told]]:
        """Those that fields which are none have told, and the rest."""
        theirs: list[_Told] = []
        rest: list[_Told] = []
        for told in rows:
            (theirs if told[1] in self.others else rest).append(told)
        return theirs, rest

    def _hint(self, measured: bool) -> Text:
        if self._role != LEARNED:
            return Text(
                "They are neither learned nor measured with. To measure with them in place of the "
                "others, give them a file of their own.",
                "它们既不参与训练，也不用来评估。想改用它们评估，请单独存成一个文件。",
            )
        flag = f"`{shlex.join(('--ignore_fields', ','.join(self.by)))}`"
        measure = f"`--val_dataset {typed.path(self.source.typed)}`"
        first = next(split for split in ORDERS[MEASURED] if self.apart[split])
        way = Text(
            f"To measure with those of {first}: {measure}.", f"用 {first} 数据来评估：{measure}。"
        )
        if measured:
            way = Text(
                f"`--val_dataset` measures with those of {first}.",
                f"`--val_dataset` 会用 {first} 数据来评估。",
            )
        return Text(
            f"Such rows were set aside for measuring. {way.en} To learn them too: {flag}.",
            f"这样的数据是留作评估的。{way.zh}确实也要训练：{flag}。",
        )


def _read(row: Row, name: str) -> Row:
    """The row without what told its split: that is read, so it is no field that nobody reads."""
    value = {}
    for key, held in row.value.items():
        if key != name and folded(str(key)) not in _IS:
            value[key] = held
    return replace(row, value=value)
