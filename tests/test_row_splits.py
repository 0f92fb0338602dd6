"""Rows that say of which split they are: learned, measured or set aside, and told."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, codes, within, write_rows
from suretune.data.row_splits import OneSplit, split_of
from suretune.data.sources import Source
from suretune.types import Origin, Row

CHECK = ("check", "--model", "pocket", "--json", "--dataset")


def rows_of(*splits: Any, name: str = "split") -> list[dict[str, Any]]:
    return [{"query": f"How deep is lake {n}?", "response": f"{n} m.", name: split}
            for n, split in enumerate(splits)]  # fmt: skip


def kept(flag: str, *splits: Any) -> tuple[list[int], list[int]]:
    """(the numbers of the rows that come out, of those that are set aside)."""
    one = OneSplit(Source("rows.jsonl", "rows.jsonl", (), "", (), None, flag=flag))
    items = [Row(Origin("rows.jsonl", n), value) for n, value in enumerate(rows_of(*splits))]
    out = [item.origin.line for item in one.of(items)]
    return out, [entry.origin.line for entry in one.entries]


@pytest.mark.parametrize(
    ("splits", "learned", "measured"),
    [
        (("train", "test", "train", "validation"), [0, 2], [3]),
        (("test", "train", "Test", "TRAIN"), [1, 3], [0, 2]),
        (("train_sft", "test_sft"), [0], [1]),
        (("训练集", "测试集", "验证集"), [0], [2]),
        (("", "test", None), [0, 2], [0, 2, 1]),
        (("test", "", "dev"), [1], [1, 2]),
        (("test", "test"), [0, 1], [0, 1]),
        (("train", "train"), [0, 1], [0, 1]),
        (("a", "b"), [0, 1], [0, 1]),
    ],
)
def test_rows_of_one_split_are_read_and_the_others_set_aside(
    splits: tuple[Any, ...], learned: list[int], measured: list[int]
) -> None:
    for flag, meant in (("--dataset", learned), ("--val_dataset", measured)):
        out, apart = kept(flag, *splits)
        assert out == meant
        assert sorted(out + apart) == list(range(len(splits)))


@pytest.mark.parametrize(
    ("name", "held", "split"),
    [("is_test", True, "test"), ("是否测试", "是", "test"), ("is_val", "1", "validation"),
     ("is_test", False, "train"),
     ("is_test", 1.0, "test"), ("is_test", "Y", "test"), ("is_test", 0.0, "train"),
     ("is_tested", True, ""), ("split", "heldout", "test"),
     ("data_type", "train", "train"), ("data_type", "test of wits", ""),
     ("split", "test", "test"), ("dataSplit", "dev", "validation"), ("划分", "测试", "test"),
     ("set", "test", "test"), ("subset", "test of wits", ""), ("数据集", "软件测试", ""),
     ("category", "test", ""), ("split", 1, ""), ("split", "even", "")],
)  # fmt: skip
def test_what_says_the_split_of_a_row(name: str, held: Any, split: str) -> None:
    found = split_of(Row(Origin("rows.jsonl", 1), {"query": "a", name: held}), set())
    assert found == ((name, split) if split else ("", ""))


@pytest.mark.parametrize("name", ["split", "划分"])
def test_rows_for_measuring_are_told_and_can_measure_or_be_learned(
    tmp_path: Path, name: str
) -> None:
    splits = ("train", "train", "test", "train", "test", "train")
    file = write_rows(tmp_path / "rows.jsonl", rows_of(*splits, name=name))
    done = within(*CHECK, file, "--split_dataset_ratio", 0)
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "D038"]
    assert done.returncode == 0 and as_json(done)["plan"]["rows"] == 4
    assert told["where"] == str(file) and "2 × test" in told["what"]["zh"]
    assert "D035" not in codes(done)  # it is read
    for lang in ("en", "zh"):
        measure, learn = [shlex.split(way) for way in told["fix"][lang].split("`")[1::2]]
        done = within(*CHECK, file, *measure)
        data = as_json(done)["data"]["datasets"]
        assert [(d["train"], d["held_out"], d["left_out"]) for d in data] == [(4, 0, 2), (0, 2, 4)]
        done = within(*CHECK, file, *learn, "--split_dataset_ratio", 0)
        assert as_json(done)["plan"]["rows"] == 6 and "D038" not in codes(done)


def test_marks_of_two_splits_are_one_sign(tmp_path: Path) -> None:
    rows = [{**row, "is_test": n == 1, "is_val": n == 2} for n, row in enumerate(rows_of(*"aaaa"))]
    for row in rows:
        del row["split"]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    done = within(*CHECK, file, "--split_dataset_ratio", 0)
    assert as_json(done)["plan"]["rows"] == 2 and "D035" not in codes(done)
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "D038"]
    assert "(`is_test`, `is_val`)" in told["what"]["en"]
    learn = shlex.split(told["fix"]["zh"].split("`")[3])
    done = within(*CHECK, file, *learn, "--split_dataset_ratio", 0)
    assert as_json(done)["plan"]["rows"] == 4 and "D038" not in codes(done)


def test_a_row_that_is_set_aside_is_in_the_ledger(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", rows_of("train", "test", "train"))
    done = within(*CHECK, file, "--split_dataset_ratio", 0)
    (data,) = as_json(done)["data"]["datasets"]
    assert (data["read"], data["train"], data["left_out"]) == (3, 2, 1)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("phase", ("testing", "design", "train", "testing", "")),
        ("用途", ("测试", "测试", "验证", "办公", "训练")),
        ("subset", ("train", "test", "history", "test", "dev")),
    ],
)
@pytest.mark.parametrize("flag", ["--dataset", "--val_dataset"])
def test_a_field_that_says_other_things_too_tells_no_split(
    tmp_path: Path, name: str, says: Any, flag: str
) -> None:
    file = write_rows(tmp_path / "rows.jsonl", rows_of(*says, name=name))
    learned = write_rows(tmp_path / "learned.jsonl", [{"query": "Why?", "response": "So."}])
    more = ("--split_dataset_ratio", 0) if flag == "--dataset" else (flag, file)
    done = within(*CHECK, file if flag == "--dataset" else learned, *more)
    data = as_json(done)["data"]["datasets"][-1]
    assert (data["train"] + data["held_out"], data["left_out"]) == (5, 0)
    assert "D038" not in codes(done) and "D035" in codes(done)


def test_rows_of_a_split_that_is_meant_less_are_read_where_there_are_no_others(
    tmp_path: Path,
) -> None:
    file = write_rows(tmp_path / "rows.jsonl", rows_of("test", "test", "test"))
    done = within(*CHECK, file, "--split_dataset_ratio", 0)
    assert as_json(done)["plan"]["rows"] == 3 and {"D035", "D038"}.isdisjoint(codes(done))
