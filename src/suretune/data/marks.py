"""Keys that say what is learned, whatever tool a file was written for, and keys that nobody knows.

To learn a turn that is marked as wrong teaches the mistake, so a mark is read, or refused by name.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Set
from typing import Any

from suretune.data.columns import MESSAGE_LISTS
from suretune.data.key_names import SPARES, folded, is_about, is_mark
from suretune.data.media import is_media
from suretune.data.refusal import Refused, shown
from suretune.types import Example, Fault, Origin, Text

_SCALES = frozenset(("weight", "loss_weight", "loss_scale"))  # of a row: any number
_WORDS = {"true": 1.0, "yes": 1.0, "1": 1.0, "false": 0.0, "no": 0.0, "0": 0.0}


NOT_SEEN = Text(
    "A model of text cannot see or hear it: it would learn to answer about what it never got. "
    "Take these rows out of the file, or leave them out with `--on_bad_row skip`.",
    "文本模型看不到图片，也听不到声音：它会学着回答自己从未收到的内容。"
    "请从文件中去掉这些数据，或用 `--on_bad_row skip` 略过。",
)
NO_MEDIA = Text(
    f"{NOT_SEEN.en} Where question and answer are whole without it, `--ignore_fields` with its "
    "name reads them as they are.",
    f"{NOT_SEEN.zh}如果没有它，问答也是完整的，请在 `--ignore_fields` 后面写上它的名字，照常读取。",
)
MARKED = Text(
    "A mark of what is learned is true or false, or a number from 0 up.",
    "标记是否学习的字段只能是 true、false，或不小于 0 的数。",
)


def filled(value: Any) -> bool:
    """Whether a field holds anything."""
    return value is not None and value != "" and value != [] and value != {}


def refuse_unknown(
    item: Mapping[str, Any],
    known: Set[str],
    field: str,
    origin: Origin,
    told: Text | None = None,
) -> None:
    """Raises Refused for a key of a turn or call that is neither known nor bookkeeping; with the
    hint `told`, if no flag takes the key away."""
    said = [item[key] for key in ("content", "value") if key in known and key in item]
    for key, value in item.items():
        if key in known or not filled(value) or value in said:
            continue
        name = folded(str(key))
        if is_media(name):
            found = f"{key}: {shown(value, 40)}"
            raise Refused(
                Fault("wrong-type", origin, field=f"{field}.{key}", found=found, hint=NO_MEDIA)
            )
        judged = name == "label" and isinstance(value, bool)  # good or bad: not for the books only
        if is_mark(name) or (is_about(str(key)) and not judged):
            continue
        typed = shlex.quote(str(key))
        hint = told or Text(
            "It may well say that the turn is not to be learned (that is written `weight: 0`), or"
            f" hold text that belongs into `content`. `--ignore_fields {typed}` reads the turns"
            " without it.",
            "它也许表示这一轮不该学习（应写成 `weight: 0`），也许是应当写进 `content` 的文字。"
            f"加上 `--ignore_fields {typed}`，读取时就不理会它。",
        )
        raise Refused(
            Fault(
                "unknown-field", origin, field=f"{field}.{key}", found=shown(value, 40), hint=hint
            )
        )


def weight_of(
    item: Mapping[str, Any],
    field: str,
    origin: Origin,
) -> float:
    """How much the loss of a turn counts: what all marks of it say together; 1 without any."""
    weight = 1.0
    for key, value in item.items():
        if value is not None and is_mark(str(key)):
            weight *= _marked(folded(str(key)), value, f"{field}.{key}", origin)
    return weight


def row_weight(row: Mapping[str, Any], origin: Origin) -> float:
    """The same of a whole row. What is plainly no mark there (`loss: 0.37` that somebody measured,
    `train` as the name of a split) is one more field that is not used."""
    weight = 1.0
    for key, value in row_marks(row):
        weight *= _marked(folded(key), value, key, origin)
    return weight


def row_marks(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The keys of a row that say whether it is learned."""
    for key, value in row.items():
        name = folded(str(key))
        if value is None or not is_mark(name):
            continue
        if name in _SCALES and isinstance(value, str):  # a table's cells are text
            value = _number(value)
        yes_or_no = isinstance(value, bool) or (isinstance(value, (int, float)) and value in (0, 1))
        scale = name in _SCALES and isinstance(value, (int, float))
        if yes_or_no or scale or isinstance(value, list) or str(value).lower() in _WORDS:
            yield str(key), value


def _number(text: str) -> Any:
    """The number that a text is, else the text."""
    try:
        return float(text)
    except ValueError:
        return text


def _marked(
    name: str,
    value: Any,
    field: str,
    origin: Origin,
) -> float:
    if isinstance(value, str) and name != "weight" and value.strip().lower() in _WORDS:
        number = _WORDS[value.strip().lower()]
    elif isinstance(value, (int, float)) and math.isfinite(value) and value >= 0:
        if name == "weight" and isinstance(value, bool):
            raise _not_a_mark(value, field, origin)
        number = float(value)
    else:
        raise _not_a_mark(value, field, origin)
    if name not in SPARES:
        return number
    if number not in (0.0, 1.0):
        raise _not_a_mark(value, field, origin)
    return 1.0 - number


def _not_a_mark(value: Any, field: str, origin: Origin) -> Refused:
    found, hint = Text(shown(value, 40), shown(value, 40)), MARKED
    if isinstance(value, str):
        found = Text(f'"{found.en}" (text)', f'"{found.zh}"（文本）')
        number = _number(value)
        if isinstance(number, float) and math.isfinite(number) and number >= 0:
            bare = f'`"{field.rpartition(".")[2]}": {number:g}`'
            hint = Text(
                f"{MARKED.en} Write it without quotes: {bare}.", f"{MARKED.zh}请去掉引号：{bare}。"
            )
    return Refused(Fault("wrong-type", origin, field=field, found=found, hint=hint))


def unlearned(value: Any, example: Example) -> Fault | None:
    """The fault of a row all of whose answers are marked not to be learned."""
    told = [turn for turn in example.messages if turn.role in ("assistant", "text")]
    if any(turn.weight for turn in told):
        return None
    rows: list[Any] = [value] if isinstance(value, Mapping) else []
    lists = [value[name] for name in MESSAGE_LISTS if name in value] if rows else [value]
    rows += [turn for turns in lists if isinstance(turns, list) for turn in turns]
    keys = (key for row in rows if isinstance(row, Mapping) for key, _ in row_marks(row))
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(keys)) or "`weight`"
    found = Text(
        f"{names} says that no answer of this row is to be learned",
        f"{names} 标明这一行的回答都不学习",
    )
    hint = Text("Take the mark off or delete the row.", "请去掉这个标记，或删掉这条数据。")
    return Fault("empty-answer", example.origin, found=found, hint=hint)
