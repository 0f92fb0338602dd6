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
from typing import Any

from suretune import typed
from suretune.data.folders import LEARNED, MEASURED, ORDERS
from suretune.data.key_names import folded
from suretune.data.ledger import Entry
from suretune.data.refusal import printable
from suretune.data.sources import DATASET, Source
from suretune.splits import is_split, splits_of
from suretune.types import Fault, Origin, Row, Text

_SAYS = frozenset(("split", "data_split", "dataset_split", "划分", "数据划分", "数据集划分"))
# These may name anything: the word of a split has to be all that they say.
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


def split_of(row: Row) -> tuple[str, str]:
    """(the field that tells it, the split of a row); '' and '' where none does."""
    no = ""
    for key, held in row.value.items() if isinstance(row.value, Mapping) else ():
        name = folded(str(key))
        if name in _IS:
            if str(held).strip().lower() in ("true", "1", "yes", "是"):
                return str(key), _IS[name]
            no = str(key)
        says = isinstance(held, str) and (name in _SAYS or (name in _MAY_SAY and is_split(held)))
        if says and (found := splits_of(held)):
            return str(key), found[0]
    return (no, LEARNED) if no else ("", "")


@dataclass(slots=True)
class OneSplit:
    """The rows of a dataset that are meant, and what became of the others."""

    source: Source
    entries: list[Entry] = field(default_factory=list)
    apart: Counter[str] = field(default_factory=Counter)  # rows by split
    by: str = ""  # the field

    def of(self, items: Iterable[Row | Fault]) -> Iterator[Row | Fault]:
        """The rows of the split that is meant most, in their order; rows that say none are meant in
        any case. What may still turn out to be meant less is held back."""
        order = ORDERS[self._role]
        best, held = len(order), list[tuple[Row, str]]()
        for item in items:
            name, split = split_of(item) if isinstance(item, Row) else ("", "")
            if not isinstance(item, Row) or not split:
                learned = isinstance(item, Row) and self._role == LEARNED
                best, held = self._better(0, best, held) if learned else (best, held)
                yield item
                continue
            self.by = self.by or name
            rank = order.index(split)
            best, held = self._better(rank, best, held)
            if rank > best:
                self._put(item, split)
            elif rank:
                held.append((item, split))
            else:  # the field is read, so it is none that nobody reads
                yield replace(item, value=_without(item.value, name))
        yield from (row for row, _ in held)

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
            field=self.by,
            found=f"{said} (`{self.by}`)",
            hint=self._hint(self.source.typed in measures),
        )

    @property
    def _role(self) -> str:
        return LEARNED if self.source.flag == DATASET else MEASURED

    def _better(
        self,
        rank: int,
        best: int,
        held: list[tuple[Row, str]],
    ) -> tuple[int, list[tuple[Row, str]]]:
        if rank >= best:
            return best, held
        for row, split in held:
            self._put(row, split)
        return rank, []

    def _put(self, row: Row, split: str) -> None:
        self.apart[split] += 1
        self.entries.append(Entry(row.origin, self.source.name, "set-aside", split))

    def _hint(self, measured: bool) -> Text:
        if self._role != LEARNED:
            return Text(
                "They are neither learned nor measured with. To measure with them in place of the "
                "others, give them a file of their own.",
                "它们既不参与训练，也不用来评估。想改用它们评估，请单独存成一个文件。",
            )
        flag = f"`{shlex.join(('--ignore_fields', self.by))}`"
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


def _without(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {k: held for k, held in value.items() if k != name and folded(str(k)) not in _IS}
