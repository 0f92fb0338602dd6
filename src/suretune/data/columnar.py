"""JSON objects that hold a whole table: what `DataFrame.to_json()` and `Dataset.to_dict()` write.

By column: {"question": {"0": ...}} or {"question": [...]}; by row: {"0": {"question": ...}}; split:
{"columns": [...], "data": [[...]]}. Read as rows where nothing else can be meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suretune.data.columns import ANSWERS, PAIRS, is_column
from suretune.data.refusal import shown
from suretune.types import Fault, Origin, Text

RECORDS = Text(
    'Write it as rows: `df.to_json("rows.jsonl", orient="records", lines=True)`.',
    '请写成一行一条：`df.to_json("rows.jsonl", orient="records", lines=True)`。',
)


def from_viewer(value: Any, origin: Origin) -> Any:
    """The row inside an answer of a hub's data viewer; a fault where it was shortened."""
    if not isinstance(value, Mapping) or not {"row_idx", "row"} <= value.keys():
        return value
    if value.get("truncated_cells"):
        found = shown(value["truncated_cells"])
        return Fault(
            "wrong-type",
            origin,
            field="truncated_cells",
            found=found,
            hint=Text(
                "The viewer has shortened these cells. Download the file of the data set instead.",
                "预览接口截断了这些内容，请下载数据集文件。",
            ),
        )
    return value["row"]


def rows_of(value: Any, origin: Origin) -> list[dict[str, Any]] | Fault | None:
    """The rows of a table; a fault where it is one that cannot be taken apart; None for a row."""
    if not isinstance(value, Mapping) or not value:
        return None
    parts = list(value.values())
    if all(isinstance(part, Mapping) for part in parts):
        return _nested(value, parts, origin)
    if value.keys() == {"columns", "index", "data"} or value.keys() == {"columns", "data"}:
        return _split(value, origin)
    if len(parts) > 1 and all(isinstance(part, list) for part in parts) and _is_pair(value):
        return _lists(value, parts, origin)
    return None


def _is_pair(names: Mapping[str, Any]) -> bool:
    lower = {str(name).lower() for name in names}
    alpaca = "instruction" in lower and not lower.isdisjoint(ANSWERS)
    return alpaca or any(set(pair) <= lower for pair in PAIRS)


def _nested(
    value: Mapping[str, Any],
    parts: list[Mapping[str, Any]],
    origin: Origin,
) -> list[dict[str, Any]] | Fault | None:
    """{"question": {"0": ...}} or {"0": {"question": ...}}."""
    same = all(part.keys() == parts[0].keys() for part in parts)
    if all(is_column(str(name).lower()) for name in value) and len(parts) > 1 and parts[0]:
        if not same or any(isinstance(v, (dict, list)) for v in parts[0].values()):
            return None if not same and not _numbered(parts[0]) else _ragged(value, origin)
        return [{name: column[key] for name, column in value.items()} for key in parts[0]]
    named = any(is_column(str(name).lower()) for name in value)
    return None if named or not all(map(_is_row, parts)) else [dict(part) for part in parts]


def _is_row(value: Mapping[str, Any]) -> bool:
    lists = ("messages", "conversations", "conversation")
    return _is_pair(value) or any(isinstance(value.get(name), list) for name in lists)


def _numbered(value: Mapping[str, Any]) -> bool:
    return all(str(name).isdigit() for name in value)


def _lists(
    value: Mapping[str, Any],
    parts: list[list[Any]],
    origin: Origin,
) -> list[dict[str, Any]] | Fault | None:
    """{"question": ["..."], "answer": ["..."]}."""
    if not all(isinstance(item, str) for part in parts[:2] for item in part):
        return None  # a row whose sides are lists of turns
    if len({len(part) for part in parts}) > 1:
        return _ragged(value, origin)
    return [dict(zip(value, cells, strict=True)) for cells in zip(*parts, strict=True)]


def _split(value: Mapping[str, Any], origin: Origin) -> list[dict[str, Any]] | Fault | None:
    """{"columns": ["question", ...], "data": [["...", ...]]}."""
    names, table = value["columns"], value["data"]
    if not isinstance(names, list) or not isinstance(table, list):
        return None
    if not all(isinstance(row, list) and len(row) == len(names) for row in table):
        return _ragged(value, origin)
    return [dict(zip(map(str, names), row, strict=True)) for row in table]


def _ragged(value: Mapping[str, Any], origin: Origin) -> Fault:
    found = shown(", ".join(map(str, value)))
    return Fault(
        "unknown-shape",
        origin,
        found=found,
        hint=Text(
            f"The file is written by column, and its columns do not fit each other. {RECORDS.en}",
            f"这个文件是按列写的，各列又对不上。{RECORDS.zh}",
        ),
    )
