"""What one field of a row or a turn must hold, and the fault of one that holds something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from suretune.data.broken import PYTHON_LIST, as_python
from suretune.data.calls import from_json
from suretune.data.marks import filled
from suretune.data.refusal import Refused, shown
from suretune.types import Fault, Origin, Text

_TYPES = {
    dict: Text("object", "对象"),
    list: Text("list", "列表"),
    bool: Text("boolean", "布尔值"),
    int: Text("number", "数字"),
    float: Text("number", "数字"),
    type(None): Text("no value", "空值"),
}
AS_TEXT = Text('Write it as text, in quotes: "42".', '请写成带引号的文本："42"。')


def wrong_type(
    origin: Origin,
    field: str,
    value: Any,
    hint: Text = AS_TEXT,
) -> Refused:
    """`value` is not what `field` must hold."""
    if value is None and hint is AS_TEXT:
        hint = Text("The field has no value.", "这个字段没有值。")
    if isinstance(value, dict | list) and hint is AS_TEXT:
        hint = _as_json(field, value)
    found: str | Text = shown(value)
    if not isinstance(value, str):
        name = type(value).__name__
        kind = _TYPES.get(type(value), Text(name, name))
        found = Text(f"{found} ({kind.en})", f"{found}（{kind.zh}）")
    return Refused(Fault("wrong-type", origin, field=field, found=found, hint=hint))


def _as_json(field: str, value: Any) -> Text:
    """An answer that shall be JSON is text like any other, with its quotes escaped."""
    said = shown(value, 24).replace("\\", "\\\\").replace('"', '\\"')
    line = f'`"{field.rpartition(".")[2]}": "{said}"`'
    return Text(
        f"Where the JSON itself is the text, write it as one string: {line}; in Python"
        " `json.dumps` makes it.",
        f"如果文本就是这段 JSON，请写成一个字符串：{line}；Python 里用 `json.dumps` 生成。",
    )


def text_of(value: Any, field: str, origin: Origin) -> str:
    """A value that has to be a text; raises the fault of a wrong type else."""
    if not isinstance(value, str):
        raise wrong_type(origin, field, value)
    return value


def optional_text(
    row: Mapping[str, Any],
    field: str,
    origin: Origin,
) -> str:
    """Empty where the field is absent or null, as parquet and unions of rows have it."""
    value = row.get(field)
    return "" if value is None else text_of(value, field, origin)


def list_of(value: Any, field: str, origin: Origin) -> list[Any]:
    """A list, or JSON text of one (tables cannot hold lists); absent and empty count as []."""
    if value is None or value == "":
        return []
    found = from_json(value) if isinstance(value, str) else value
    if not isinstance(found, list):
        hint = Text("This must be a list.", "这里应当是一个列表。")
        if isinstance(value, str) and as_python(value):
            hint = PYTHON_LIST
        raise wrong_type(origin, field, value, hint)
    return found


def one_of(
    names: Sequence[str],
    item: Mapping[str, Any],
    field: str,
    origin: Origin,
) -> tuple[str, Any]:
    """(name, value): what one of these names of the same thing holds, None where none is there;
    under two names only if both say the same."""
    there = [name for name in names if filled(item.get(name))]
    if not there:  # "" says that nothing was said; what is null is not there
        there = [name for name in names if item.get(name) is not None] or [names[-1]]
        return there[0], item.get(there[0])
    first, *others = there
    for other in others:
        if not _says_same(item[other], item[first]):
            refuse_second(other, item[other], field, origin)
    return first, item[first]


def _says_same(one: Any, other: Any) -> bool:
    """Blanks at the ends are no difference: templates trim them."""
    if isinstance(one, str) and isinstance(other, str):
        return one.strip() == other.strip()
    return bool(one == other)


def refuse_second(name: str, value: Any, field: str, origin: Origin) -> NoReturn:
    """Raises the fault of a turn that says something else under a second name."""
    hint = Text(
        f"Another field of this turn says something else; `--ignore_fields {name}` reads the turns"
        " without this one.",
        f"这一轮另有字段写着不同的内容；加上 `--ignore_fields {name}` 就不读这一个。",
    )
    found = shown(value, 40)
    raise Refused(Fault("unknown-field", origin, field=f"{field}.{name}", found=found, hint=hint))
