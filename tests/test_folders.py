"""Folders given as datasets: everything is read or named, and splits are kept apart."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, suretune, within, write_rows
from suretune.data.collect import collect
from suretune.data.nearby import not_there
from suretune.data.render import Rendering
from suretune.data.rows import read_rows
from suretune.data.sources import Source, parse_source, parse_sources
from suretune.data.template import load_tokenizer
from suretune.data.twice import given_twice
from suretune.guards import judge
from suretune.options_input import DataOptions
from suretune.pocket import MODEL
from suretune.types import Fault, Row

ROWS = [{"query": f"Line {n}?", "response": f"Answer {n}."} for n in range(3)]


def read(spec: object, role: str = "train") -> tuple[list[str], list[Fault]]:
    """(names of the files that gave rows, faults)."""
    source = parse_source(str(spec), role)
    if isinstance(source, Fault):
        return [], [source]
    items = list(read_rows(source))
    files = [os.path.relpath(i.origin.file, source.typed) for i in items if isinstance(i, Row)]
    return list(dict.fromkeys(files)), [item for item in items if isinstance(item, Fault)]


def note(faults: list[Fault]) -> Fault:
    (fault,) = faults
    assert fault.kind == "passed-over" and fault.hint is not None
    return fault


def flags(text: str, flag: str) -> list[list[str]]:
    """What stands behind a flag in the commands of a sentence."""
    words = [shlex.split(part) for part in text.split("`")[1::2]]
    return [word[1:] for word in words if word[0] == flag]


def test_everything_passed_over_in_a_folder_is_named(tmp_path: Path) -> None:
    f = tmp_path / "my data"
    (f / "sub").mkdir(parents=True)
    (f / "empty").mkdir()
    for name in ("a.jsonl", ".hidden.jsonl", "sub/d.jsonl"):
        write_rows(f / name, ROWS)
    (f / "b.jsonl.zip").write_bytes(b"PK\3\4")
    (f / "c.xlsx").write_bytes(b"")
    (f / "notes.docx").write_bytes(b"x")
    (f / "e.jsonl").symlink_to("/nowhere/e.jsonl")
    (f / "g.jsonl").write_text("../data/g.jsonl")  # a link, as a clone without links has it
    files, faults = read(f)
    assert files == ["a.jsonl"]
    found = note(faults)
    assert set(found.found.split(", ")) == {
        ".hidden.jsonl", "b.jsonl.zip", "c.xlsx", "e.jsonl", "empty", "g.jsonl", "notes.docx",
        "sub",
    }  # fmt: skip
    assert found.hint is not None
    for said in (found.hint.en, found.hint.zh):
        assert all(word in said for word in ("b.jsonl.zip", "c.xlsx", "CSV", "e.jsonl", "g.jsonl"))
        assert flags(said, "--dataset") == [[str(f / "sub")], [str(f / ".hidden.jsonl")]]
    for (named,) in flags(found.hint.en, "--dataset"):
        assert isinstance(parse_source(named), Source)


def test_what_comes_with_every_clone_is_no_finding(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", ROWS)
    for name in ("README.md", "LICENSE", ".gitattributes", ".DS_Store", "dataset_infos.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "README.txt").write_text("These are rows.\n")
    (tmp_path / ".git").mkdir()
    assert read(tmp_path) == (["a.jsonl"], [])


HUB = ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"]


@pytest.mark.parametrize(
    ("learned", "measured", "rest"),
    [
        (HUB, ["validation-00000-of-00001.jsonl"], ["test-00000-of-00001.jsonl"]),
        (["train.jsonl"], ["dev.json"], ["test.jsonl"]),
        (["train.jsonl"], ["val.json"], []),
        (["training_data.jsonl"], ["valid_data.jsonl"], ["testing_data.jsonl"]),
        (["squad-train-v1.1.jsonl"], ["squad-dev-v1.1.jsonl"], []),
        (["my_train.jsonl", "more.jsonl"], [], ["my_eval.jsonl"]),
        (["a.jsonl", "test_taking.jsonl"], [], ["test.jsonl"]),
        (["a.jsonl", "b.jsonl"], ["Validation_1.jsonl"], []),
        (["Train.JSONL"], ["VAL.jsonl"], []),
        (["训练集.jsonl"], ["验证集.jsonl"], ["测试集.jsonl"]),
        (["客服训练数据_v2.jsonl"], ["客服开发集_v2.jsonl"], ["客服评估数据_v2.jsonl"]),
        (["训练.jsonl"], ["验证1.jsonl"], ["测试_2.jsonl"]),
        (["a.jsonl", "单元测试技巧.jsonl"], [], ["测试数据集-01.jsonl"]),
        (["train.jsonl", "软件测试问答.jsonl"], [], ["评测集.jsonl"]),
        (["客服训练集.jsonl"], [], ["客服测试数据集.jsonl"]),
    ],
)
def test_splits_of_a_folder_are_kept_apart(
    tmp_path: Path, learned: list[str], measured: list[str], rest: list[str]
) -> None:
    for name in (*learned, *measured, *rest):
        write_rows(tmp_path / name, ROWS)
    files, faults = read(tmp_path)
    assert sorted(files) == sorted(learned)
    found = note(faults)
    assert set(found.found.split(", ")) == {*measured, *rest}
    assert found.hint is not None
    named = [Path(path).name for paths in flags(found.hint.en, "--val_dataset") for path in paths]
    assert sorted(named) == sorted([*measured, *rest])
    files, _ = read(tmp_path, "validation")
    assert sorted(files) == sorted(measured or rest)


def test_what_another_flag_reads_is_not_told_as_passed_over(tmp_path: Path) -> None:
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl", ".h"):
        write_rows(tmp_path / name, ROWS)
    (tmp_path / "a.zip").write_bytes(b"PK\3\4")
    folder, alone = str(tmp_path), str(tmp_path / "validation.jsonl")
    for measured in (folder, alone):
        groups = parse_sources(
            ((folder,), "train", "--dataset"), ((measured,), "validation", "--val_dataset")
        )
        (first,), (second,) = groups
        assert isinstance(first, Source) and isinstance(second, Source)
        assert note(list(first.notes)).found == "test.jsonl, .h, a.zip"
        assert second.notes == ()
    (only,) = parse_sources(((folder,), "validation", "--val_dataset"))[0]
    assert isinstance(only, Source)
    assert note(list(only.notes)).found == "test.jsonl, .h, a.zip"


@pytest.mark.parametrize(
    "names",
    [["员工训练数据.jsonl", "软件测试数据.jsonl"], ["train.jsonl", "渗透测试数据.jsonl"],
     ["训练数据.jsonl", "心理评估数据.jsonl"], ["训练集.jsonl", "单元测试数据生成.jsonl"],
     ["力量训练数据.jsonl", "压力测试数据.jsonl", "饮食数据.jsonl"]],
)  # fmt: skip
def test_what_a_file_is_about_is_no_split(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        write_rows(tmp_path / name, ROWS)
    files, faults = read(tmp_path)
    assert (sorted(files), faults) == (sorted(names), [])


@pytest.mark.parametrize("names", [["test.jsonl"], ["a.jsonl", "b.jsonl"], ["dev_tools.jsonl"],
    ["软件开发.jsonl"], ["a.jsonl", "客服测试集.jsonl"]])  # fmt: skip
def test_a_folder_without_two_splits_is_read_whole(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        write_rows(tmp_path / name, ROWS)
    assert read(tmp_path) == (names, []) == read(tmp_path, "validation")


def test_a_folder_of_folders_says_what_to_type(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / "d" / name).mkdir(parents=True)
        write_rows(tmp_path / "d" / name / "a.jsonl", ROWS)
    files, (fault,) = read(tmp_path / "d")
    assert not files and fault.kind == "no-rows" and fault.hint is not None
    ((learned, flag, measured),) = flags(fault.hint.en, "--dataset")
    assert (learned, flag) == (str(tmp_path / "d" / "train"), "--val_dataset")
    assert measured == str(tmp_path / "d" / "test")
    told = parse_source(str(tmp_path / "d"), "validation", "--val_dataset")
    assert (
        isinstance(told, Fault)
        and told.hint
        and flags(told.hint.en, "--val_dataset") == [[measured]]
    )


def test_folders_without_a_split_are_named_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "d" / name).mkdir(parents=True)
        write_rows(tmp_path / "d" / name / "a.jsonl", ROWS)
    _, (fault,) = read(tmp_path / "d")
    assert fault.hint is not None
    (paths,) = flags(fault.hint.en, "--dataset")
    assert paths == [str(tmp_path / "d" / "a"), str(tmp_path / "d" / "b")]


def test_the_same_folder_learns_and_measures_on_the_command_line(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "validation", "test")):
        rows = [{"query": f"{number} and {n}?", "response": str(n)} for n in range(9)]
        write_rows(tmp_path / f"{name}.jsonl", rows)
    done = suretune(
        "check", "--model", "pocket", "--dataset", tmp_path, "--val_dataset", tmp_path, "--json"
    )
    told = as_json(done)
    assert done.returncode == 0 and told["plan"]["rows"] == 9 and told["plan"]["held_out"] == 9
    assert [Path(file).name for file in told["data"]["files"]] == ["train.jsonl"]


# --- saved by the datasets library ----------------------------------------------------------------


def save(folder: Path, tables: list[list[dict[str, Any]]], **state: Any) -> Path:
    """As `Dataset.save_to_disk` writes it."""
    import json

    import pyarrow
    from pyarrow import ipc

    folder.mkdir(parents=True)
    names = [f"data-{n:05}-of-{len(tables):05}.arrow" for n in range(len(tables))]
    for name, rows in zip(names, tables, strict=True):
        table = pyarrow.Table.from_pylist(rows)
        with ipc.new_stream(folder / name, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    about = {"_data_files": [{"filename": name} for name in names], "_split": None, **state}
    (folder / "state.json").write_text(json.dumps(about))
    (folder / "dataset_info.json").write_text('{"features": {}}')
    return folder


def test_a_saved_dataset_is_read_as_its_state_says(tmp_path: Path) -> None:
    folder = save(tmp_path / "ds", [ROWS, ROWS[:1]])
    (folder / "cache-1f2e.arrow").write_bytes(b"of a filter")
    source = parse_source(str(folder))
    assert isinstance(source, Source)
    items = list(read_rows(source))
    assert [item.value for item in items if isinstance(item, Row)] == [*ROWS, ROWS[0]]
    assert str(items[2].origin) == f"{folder}/data-00000-of-00002.arrow:3"


def test_a_saved_dictionary_of_splits_keeps_them_apart(tmp_path: Path) -> None:
    for name in ("train", "test"):
        save(tmp_path / "ds" / name, [ROWS])
    (tmp_path / "ds" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    files, faults = read(tmp_path / "ds")
    assert files == ["train/data-00000-of-00001.arrow"]
    found = note(faults)
    assert found.hint is not None
    ((path,),) = flags(found.hint.en, "--val_dataset")
    assert read(path, "validation")[0] == ["data-00000-of-00001.arrow"]
    assert read(tmp_path / "ds", "validation")[0] == ["test/data-00000-of-00001.arrow"]


def test_a_saved_dataset_that_cannot_be_read_alone_names_the_command(tmp_path: Path) -> None:
    folder = save(tmp_path / "ds", [ROWS], _indices_data_files=[{"filename": "indices.arrow"}])
    _, (fault,) = read(folder)
    assert fault.kind == "not-the-data" and fault.hint is not None
    assert "load_from_disk" in fault.hint.en and "flatten_indices" in fault.hint.en
    (command,) = (c for c in fault.hint.en.split("`")[1::2] if c.startswith("python"))
    compile(shlex.split(command)[2], "the command", "exec")
    (folder / "state.json").write_text("{")
    assert read(folder)[1][0].kind == "not-the-data"


# --- names that are not UTF-8 ---------------------------------------------------------------------

NAME = "训练.jsonl"


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_a_file_whose_name_is_not_utf8_is_refused_with_the_command_that_mends_it(
    tmp_path: Path,
) -> None:
    import subprocess

    raw = os.fsencode(tmp_path) + b"/" + NAME.encode("gb18030")
    write_rows(tmp_path / "a.jsonl", ROWS)
    os.rename(tmp_path / "a.jsonl", raw)
    done = suretune("check", "--model", "pocket", "--json", "--dataset", os.fsdecode(raw))
    assert done.returncode == 4 and "Traceback" not in done.stderr
    (found,) = as_json(done)["findings"]
    assert found["code"] == "S038" and "--encoding" not in found["fix"]["en"]
    commands = found["fix"]["en"].split("`")[1::2]
    subprocess.run(["bash", "-c", commands[0]], check=True)
    path = tmp_path / NAME
    assert path.exists()
    assert within("check", "--model", "pocket", "--dataset", path).returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_a_file_of_such_a_name_in_a_folder_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "a.jsonl", ROWS)
    os.rename(tmp_path / "a.jsonl", os.fsencode(tmp_path) + b"/" + NAME.encode("gb18030"))
    done = within("check", "--model", "pocket", "--dataset", tmp_path, "--json")
    (found,) = as_json(done)["findings"]
    assert done.returncode == 4 and found["code"] == "S038" and NAME in found["fix"]["en"]


FLAGS = ("--dataset", "--val_dataset", "--general")


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("wrong", ["empty", "sheet", "hidden", "folders", "indices", "few"])
def test_a_finding_about_a_file_names_the_flag_that_it_came_by(
    tmp_path: Path, flag: str, wrong: str
) -> None:
    """Obeyed with another flag, rows that were only to be measured would be learned."""
    folder = tmp_path / "f"
    (folder / "in").mkdir(parents=True)
    named = {"empty": "f/e.jsonl", "sheet": "f/s.xlsx", "few": "f/one.jsonl#9"}.get(wrong, "f")
    (folder / {"hidden": ".rows.jsonl", "folders": "in/rows.jsonl"}.get(wrong, "e.jsonl")).touch()
    (folder / "s.xlsx").write_bytes(b"PK\x03\x04")
    if wrong == "indices":
        (folder / "state.json").write_text('{"_indices_files": [1]}')
    if wrong == "few":
        (folder / "one.jsonl").write_text('{"query": "a", "response": "b"}')
    role = "train" if flag == "--dataset" else "validation"
    name = str(tmp_path / named)
    (sources,) = parse_sources(([name], role, flag))
    how = Rendering(load_tokenizer(MODEL), None, 99, cut=False, strip_role_tokens=False)
    found = collect(sources, DataOptions(), how, 0)
    findings = [finding for fault in found.faults for finding in judge(fault)]
    assert findings
    for text in (text for one in findings for text in (one.fix.en, one.fix.zh)):
        said = [part for part in text.split("`")[1::2] if part.startswith("--")]
        assert flag in {part.split()[0] for part in said} <= {flag, "--repeat"}


@pytest.mark.parametrize(
    ("words", "out", "instead"),
    [
        (("a.jsonl", "a.jsonl"), ["a.jsonl"], "a.jsonl"),
        (("a.jsonl", "f/link.jsonl", "b.jsonl"), ["f/link.jsonl"], "a.jsonl b.jsonl"),
        (("a.jsonl#2", "b.jsonl", "./a.jsonl"), ["a.jsonl#2"], "b.jsonl ./a.jsonl"),
        (("a.jsonl#1", "a.jsonl#2", "a.jsonl#3"), ["a.jsonl#2", "a.jsonl#3"], "a.jsonl#6"),
        (("f/in.jsonl", "f", "b.jsonl"), ["f/in.jsonl"], "f b.jsonl"),
        (("f", "f"), ["f"], "f"),
        (("a.jsonl", "a.jsonl", "gone.jsonl"), ["a.jsonl"], "a.jsonl gone.jsonl"),
        (("a.jsonl", "b.jsonl", "f/in.jsonl#1"), [], ""),
        (("f#2", "f/in.jsonl"), [], ""),
    ],
)
def test_a_file_that_is_named_again_is_left_out_by_its_word(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    out: list[str],
    instead: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").mkdir()
    for name in ("a.jsonl", "b.jsonl", "f/in.jsonl"):
        write_rows(tmp_path / name, ROWS)
    (tmp_path / "f" / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    (sources,) = parse_sources((words, "train", "--dataset"))
    found = given_twice(sources)
    assert (list(found.words), shlex.split(found.instead)) == (
        out,
        ["--dataset", *instead.split()] if out else [],
    )


def test_copies_of_a_file_that_is_named_twice_are_not_taken_out_of_it(tmp_path: Path) -> None:
    turns = [
        {"role": role, "content": f"{role} {n}"} for n in "ab" for role in ("user", "assistant")
    ]
    write_rows(tmp_path / "t.jsonl", [{"messages": turns}] * 9)
    same = str(tmp_path / "t.jsonl")
    done = suretune("check", "--model", "pocket", "--dataset", same, "--dataset", same, "--json")
    [found] = [one for one in as_json(done)["findings"] if one["code"] == "D018"]
    for lang in ("en", "zh"):
        assert same in found["what"][lang] and " 9 " in found["what"][lang]
        assert f"`--dataset {same}`" in found["fix"][lang] and "awk" not in found["fix"][lang]


@pytest.mark.parametrize(
    ("typed", "link", "target"),
    [
        ("dangle.jsonl", "dangle.jsonl", "gone/rows.jsonl"),
        ("dangle.jsonl#3", "dangle.jsonl", "gone/rows.jsonl"),
        ("loop.jsonl", "loop.jsonl", "other.jsonl"),
        ("./dangle.jsonl", "dangle.jsonl", "gone/rows.jsonl"),
        ("folder/train", "folder", "gone"),
        ("folder/rows.jsonl", "folder", "gone"),
    ],
)
def test_a_link_that_leads_to_nothing_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, link: str, target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, end in (("dangle.jsonl", "gone/rows.jsonl"), ("loop.jsonl", "other.jsonl"),
                      ("other.jsonl", "loop.jsonl"), ("folder", "gone")):  # fmt: skip
        Path(name).symlink_to(end)
    fault = parse_source(typed, "train", "--general")
    assert isinstance(fault, Fault) and fault.kind == "file-missing"
    [finding] = judge(fault)
    write_rows(tmp_path / "rows.jsonl", ROWS)
    (tmp_path / "real").mkdir()
    write_rows(tmp_path / "real" / "rows.jsonl", ROWS)
    write_rows(tmp_path / "real" / "train", ROWS)
    for what, fix in ((finding.what.en, finding.fix.en), (finding.what.zh, finding.fix.zh)):
        assert link in what and target in what and "`--general`" in fix
        command = next(part for part in fix.split("`") if part.startswith("ln "))
        there = "real" if link == "folder" else "rows.jsonl"
        assert os.system(command.replace("TARGET", there)) == 0
        assert isinstance(parse_source(typed), Source)


def test_a_near_name_that_leads_to_nothing_is_not_advised(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").symlink_to("gone.jsonl")
    fault = parse_source(str(tmp_path / "row.jsonl"))
    assert isinstance(fault, Fault) and fault.hint and "There is" not in fault.hint.en
    assert "gone.jsonl" in not_there(str(tmp_path / "rows.jsonl"), "--probes").en
    (tmp_path / "b.jsonl").write_text("{}")
    told = note(read(tmp_path)[1])
    assert told.hint and "rows.jsonl → gone.jsonl" in told.hint.en
