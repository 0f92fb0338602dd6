"""The cache of samples: what comes from it is what rendering gives, or it is not used."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from conftest import write_rows
from suretune.config import Resolved
from suretune.data import cache
from suretune.pocket import MODEL
from suretune.preflight.check import Checked, check
from suretune.preflight.summary import data_summary
from suretune.record.journal import Journal

ROWS: list[Any] = [
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "One?"},
                  {"role": "assistant", "content": "一 1.", "weight": 0.5},
                  {"role": "user", "content": "Two?"}, {"role": "assistant", "content": "二 2."}]},
    {"messages": [{"role": "user", "content": "w?"}, {"role": "assistant", "content": "y " * 300}]},
    *({"messages": [{"role": "user", "content": f"Sort {i} 1 2"},
                    {"role": "assistant", "content": f"1 2 {i}"}]} for i in range(30)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _everything_is_worth_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache, "WORTH", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def look(file: Path, **options: Any) -> Checked:
    asked = Resolved.default().with_values(
        "flag", model=str(MODEL), dataset=(str(file),), max_length=200, over_long="cut", **options
    )
    return check(asked, Journal())


def kept(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "suretune" / "samples").glob("*"))


def test_what_was_kept_is_what_rendering_gives(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", ROWS)
    first, second = look(file), look(file)
    assert (first.from_cache, second.from_cache) == (0, len(ROWS))
    assert data_summary(second)["from_cache"] == len(ROWS)
    assert second.samples == first.samples
    assert second.plan == first.plan
    assert second.entries == first.entries
    assert any(entry.cut for entry in second.entries)


def test_only_changed_rows_are_rendered_again(tmp_path: Path) -> None:
    look(write_rows(tmp_path / "rows.jsonl", ROWS))
    changed = json.loads(json.dumps(ROWS))
    changed[5]["messages"][1]["content"] = "not the same"
    other = look(write_rows(tmp_path / "other.jsonl", changed))
    assert other.from_cache == len(ROWS) - 1
    assert {str(sample.origin).rpartition(":")[0] for sample in other.samples} == {
        str(tmp_path / "other.jsonl")
    }
    assert look(tmp_path / "other.jsonl").from_cache == len(ROWS)
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize(
    "options", [{"system": "Be kind."}, {"max_length": 100}, {"strip_role_tokens": True}]
)
def test_another_rendering_is_another_cache(tmp_path: Path, options: dict[str, Any]) -> None:
    file = write_rows(tmp_path / "rows.jsonl", ROWS)
    look(file)
    asked = Resolved.default().with_values(
        "flag", **{"model": str(MODEL), "dataset": (str(file),), "max_length": 200,
                   "over_long": "cut", **options}
    )  # fmt: skip
    assert check(asked, Journal()).from_cache == 0
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize("where", [0, 60, 200, -1])
@pytest.mark.parametrize("how", ["flip", "short"])
def test_a_damaged_cache_is_none(tmp_path: Path, where: int, how: str) -> None:
    file = write_rows(tmp_path / "rows.jsonl", ROWS)
    first = look(file)
    (path,) = kept(tmp_path)
    data = bytearray(path.read_bytes())
    data[where] ^= 1
    path.write_bytes(data if how == "flip" else data[: where or None])
    again = look(file)
    if how == "flip" or where:
        assert again.from_cache == 0
    assert again.samples == first.samples
    assert look(file).from_cache == len(ROWS)  # mended


def test_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_rows(tmp_path / "rows.jsonl", ROWS)
    monkeypatch.setenv("SURETUNE_CACHE", "off")
    look(file)
    assert not kept(tmp_path)
    monkeypatch.delenv("SURETUNE_CACHE")
    monkeypatch.setattr(cache, "WORTH", 1 << 30)
    look(file)
    assert not kept(tmp_path)


def test_the_ones_not_used_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_rows(tmp_path / "rows.jsonl", ROWS)
    look(file)
    (old,) = kept(tmp_path)
    os.utime(old, (1, 1))
    monkeypatch.setattr(cache, "KEPT", old.stat().st_size + 100)
    look(file, system="Be kind.")
    (left,) = kept(tmp_path)
    assert left != old


def test_no_room_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_rows(tmp_path / "rows.jsonl", ROWS)
    (tmp_path / "cache").write_text("not a folder")
    assert look(file).from_cache == 0
