"""Folders that `datasets.save_to_disk` wrote: which arrow files hold their rows."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import orjson

from suretune.because import in_words
from suretune.data.refusal import Refused
from suretune.types import Fault, Origin, Text

STATE, INFO, DICT = "state.json", "dataset_info.json", "dataset_dict.json"


def saved_files(folder: Path, spec: str, flag: str) -> tuple[Path, ...]:
    """The arrow files that `state.json` names, in its order. `flag`: what names the folder."""
    state = _state(folder / STATE, spec, flag)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise Refused(_refused(spec, "_indices_data_files", _flat(folder, flag)))
    named = state.get("_data_files")
    items = named if isinstance(named, list) else []
    names = [item.get("filename") for item in items if isinstance(item, dict)]
    files = tuple(folder / os.path.basename(name) for name in names if isinstance(name, str))
    if not files:
        without = Text("state.json without _data_files", "state.json 里没有 _data_files")
        raise Refused(_refused(spec, without, _again(folder, flag)))
    return files


def _state(path: Path, spec: str, flag: str) -> dict[str, Any]:
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        why = in_words(error)
        found = Text(f"{STATE}: {why.en}", f"{STATE}：{why.zh}")
        raise Refused(_refused(spec, found, _again(path.parent, flag))) from error
    return value if isinstance(value, dict) else {}


def _refused(spec: str, found: str | Text, hint: Text) -> Fault:
    return Fault(
        "not-the-data",
        Origin(spec, 0),
        found=found,
        hint=hint,
    )


def _command(folder: Path, flat: str) -> str:
    code = (
        f"from datasets import load_from_disk as l; l({str(folder)!r}){flat}.to_json('rows.jsonl')"
    )
    return f"python -c {shlex.quote(code)}"


def _flat(folder: Path, flag: str) -> Text:
    command = _command(folder, ".flatten_indices()")
    return Text(
        f"The rows were chosen from a larger table that lies here whole. Write what was chosen: "
        f"`{command}`, then `{flag} rows.jsonl`.",
        f"这里存着整张表，实际选中的只是其中一部分。请先写出选中的数据：`{command}`，"
        f"再用 `{flag} rows.jsonl`。",
    )


def _again(folder: Path, flag: str) -> Text:
    command = _command(folder, "")
    return Text(
        f"Save the data set again, or write it as rows: `{command}`, then `{flag} rows.jsonl`.",
        f"请重新保存这个数据集，或写成逐行的文件：`{command}`，再用 `{flag} rows.jsonl`。",
    )
