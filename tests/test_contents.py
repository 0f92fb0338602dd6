"""What a file holds decides how it is read; what is no data is called by its name."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from suretune.data.rows import read_rows
from suretune.data.sources import Source, parse_source
from suretune.guards.guard import word
from suretune.types import Fault, Row

FIELD = ROOT.parent / "shared" / "field"
ROWS = [
    {"query": "Where is it, then?", "response": "In the drawer."},
    {"query": "And the key?", "response": "On the \"hook\", I think."},
    {"query": "你好？", "response": "你好，请讲。"},
]  # fmt: skip


def read(path: Path, content: bytes | str) -> list[Row | Fault]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return again(path)


def again(path: Path) -> list[Row | Fault]:
    source = parse_source(str(path))
    assert isinstance(source, Source), source
    return list(read_rows(source))


def values(items: list[Row | Fault]) -> list[Any]:
    assert all(isinstance(item, Row) for item in items), items
    return [item.value for item in items if isinstance(item, Row)]


def lines(rows: list[Any] = ROWS) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def table(delimiter: str, rows: list[Any] = ROWS, **how: Any) -> str:
    made = io.StringIO()
    writer = csv.writer(made, delimiter=delimiter, lineterminator="\n", **how)
    writer.writerows([list(rows[0]), *(row.values() for row in rows)])
    return made.getvalue()


def parquet() -> bytes:
    import pyarrow
    from pyarrow import parquet as written

    made = io.BytesIO()
    written.write_table(pyarrow.Table.from_pylist(ROWS), made)
    return made.getvalue()


WRITTEN: dict[str, Callable[[], bytes | str]] = {
    "lines": lines,
    "list": lambda: json.dumps(ROWS, indent=2),
    "list on a line": lambda: json.dumps(ROWS),
    "wrapped": lambda: json.dumps({"version": 1, "data": ROWS}, indent=1),
    "gzip": lambda: gzip.compress(lines().encode()),
    "csv": lambda: table(","),
    "semicolons": lambda: table(";"),
    "tabs": lambda: table("\t"),
    "bars": lambda: table("|"),
    "parquet": parquet,
}
NAMES = (
    "rows.txt", "rows.log", "rows", "rows.json", "rows.jsonl", "rows.ndjson", "ROWS.JSONL",
    "rows.TXT", "rows.csv", "rows.dat", "rows.jsonl.gz",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", WRITTEN)
def test_what_a_file_holds_decides_not_its_name(tmp_path: Path, kind: str, name: str) -> None:
    content = WRITTEN[kind]()
    if name.endswith(".gz") and kind not in ("gzip", "lines", "list", "list on a line", "wrapped"):
        pytest.skip("a table under .gz that is no archive is damaged, as far as anybody can tell")
    assert values(read(tmp_path / name, content)) == ROWS


@pytest.mark.parametrize("name", ["files/rows.txt"])
def test_json_lines_under_txt_are_rows(name: str) -> None:
    if not (FIELD / name).exists():
        pytest.skip(f"{name} is not there")
    assert all(set(row) == {"query", "response"} for row in values(again(FIELD / name)))


@pytest.mark.parametrize(
    "text",
    [
        "Once upon a time.\nThere was a king.\n",
        "{x} is a set\nand so on\n",
        "[1] The first note.\n[2] The second.\n",
        "question, answer, and what lies between\nare words\n",
        "Question\nAnswer\n",
        "# query,response\n",
    ],
)
def test_plain_text_stays_plain_text(tmp_path: Path, text: str) -> None:
    wanted = [{"text": line} for line in text.splitlines()]
    assert values(read(tmp_path / "a.txt", text)) == wanted


def test_broken_json_under_txt_is_broken_json(tmp_path: Path) -> None:
    (fault,) = read(tmp_path / "a.txt", '{"query": "a", "response": "b",}\n')
    assert isinstance(fault, Fault) and fault.kind == "broken-json"


def test_a_row_of_json_amid_plain_text_is_refused_by_its_line(tmp_path: Path) -> None:
    items = read(tmp_path / "a.txt", "Some words.\n" + lines(ROWS[:1]))
    assert isinstance(items[0], Row) and isinstance(items[1], Fault)
    assert (items[1].kind, items[1].origin.line) == ("unknown-shape", 2)


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 132735\n"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet", "a.txt", "a.arrow"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (LFS, "Git LFS"),
        ("<!DOCTYPE html>\n<html><head><title>x</title></head></html>\n", "web page"),
        ("\n <html lang='en'><body>Sign in</body></html>", "web page"),
        ("<?xml version='1.0'?><Error><Code>AccessDenied</Code>"
         "<Message>Access Denied</Message></Error>", "AccessDenied"),
        ("<?xml version='1.0'?><!-- x --><!-- y -->\n<s:ErrorResponse><Code>Expired</Code>"
         "</s:ErrorResponse>", "XML: Expired"),
        ("<?xml version='1.0'?>\n<!DOCTYPE html>\n<html lang='en'></html>", "web page"),
        ("Access denied", "Access denied"),
        ("Access to dataset org/name is restricted. You must be authenticated.", "restricted"),
        ("404: Not Found", "Not Found"),
        ("Entry not found", "Entry not found"),
        ('{"error": "Repository not found"}', "Repository not found"),
        ('{"message": "Access denied", "code": 403}\n', "Access denied"),
        ('{"detail": "Authentication required"}', "Authentication required"),
        ("../blobs/train.jsonl", "../blobs/train.jsonl"),
    ],
)  # fmt: skip
def test_what_is_no_data_is_called_by_its_name(
    tmp_path: Path, content: str, found: str, name: str
) -> None:
    (fault,) = read(tmp_path / name, content)
    assert isinstance(fault, Fault)
    assert fault.kind == "not-the-data" and found in word(fault.found)
    assert fault.hint is not None and fault.hint.en and fault.hint.zh


def test_packed_pages_are_called_by_their_name_too(tmp_path: Path) -> None:
    (fault,) = read(tmp_path / "a.jsonl.gz", gzip.compress(b"<!doctype html><html></html>"))
    assert isinstance(fault, Fault) and fault.kind == "not-the-data"


def test_rows_that_speak_of_errors_are_rows(tmp_path: Path) -> None:
    rows = [{"query": "What is 404?", "response": "Not found.", "error": "none"}]
    assert values(read(tmp_path / "a.json", json.dumps(rows[0]))) == rows
    text = "Access denied was all it said.\n" * 100
    assert len(values(read(tmp_path / "a.txt", text))) == 100


@pytest.mark.parametrize(
    "answer",
    [
        {"code": 200, "message": "success", "data": ROWS},
        {"data": ROWS, "msg": "操作成功"},
        {"message": "exported", "page": {"total": 3}, "rows": ROWS},
    ],
)
def test_rows_beside_what_a_server_says_are_read(tmp_path: Path, answer: Any) -> None:
    assert values(read(tmp_path / "a.json", json.dumps(answer))) == ROWS


def test_rows_two_levels_down_are_no_error_message(tmp_path: Path) -> None:
    answer = {"message": "success", "data": {"rows": ROWS}}
    assert values(read(tmp_path / "a.json", json.dumps(answer))) == [answer]


def test_a_list_of_what_went_wrong_is_an_error_message(tmp_path: Path) -> None:
    answer = {"error": "Bad credentials", "errors": [{"code": 401}], "data": []}
    (fault,) = read(tmp_path / "a.json", json.dumps(answer))
    assert isinstance(fault, Fault) and fault.kind == "not-the-data"


TAR = b"a.jsonl".ljust(257, b"\0") + b"ustar\0"  # how one begins


@pytest.mark.parametrize(
    ("name", "content", "kind", "says"),
    [
        ("a.jsonl", b"", "no-rows", "0 bytes"),
        ("a.xml", b"<?xml version='1.0'?><rows><row><q>Why?</q></row></rows>", "unknown-format",
         "XML is not read."),
        ("a.jsonl", b"PK\3\4 a workbook", "unknown-format", "zip"),
        ("a.xlsx", b"PK\3\4 a workbook", "unknown-format", "CSV"),
        ("a.xlsx", b"", "unknown-format", "CSV"),
        ("a.jsonl", b"%PDF-1.7", "unknown-format", "PDF"),
        ("a.bin", b"\0\1\2", "unknown-format", ".jsonl"),
        ("a.jsonl.gz", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), "unknown-format",
         "This is packed twice, inside with gzip."),
        ("a.jsonl.gz", gzip.compress(TAR, mtime=0), "unknown-format",
         "This is a tar archive."),
        ("a.csv", b"what^why\nhow^so\n", "unknown-shape", "this line is one cell."),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_what_it_is(
    tmp_path: Path, name: str, content: bytes, kind: str, says: str
) -> None:
    (fault,) = read(tmp_path / name, content)
    assert isinstance(fault, Fault) and fault.kind == kind
    assert fault.hint is not None and says in fault.hint.en


# --- blanks beside the quotes of a table ----------------------------------------------------------


@pytest.mark.parametrize("cut", [",", ";", "\t"])
@pytest.mark.parametrize("blank", [" ", "  "])
@pytest.mark.parametrize("behind", ["", " "])
@pytest.mark.parametrize("header", ["plain", "spaced"])
def test_blanks_beside_quotes_are_no_data(
    tmp_path: Path, cut: str, blank: str, behind: str, header: str
) -> None:
    rows = [*ROWS, {"query": f"One{cut}two\nand three", "response": ' "so" '}]
    made = f"question{cut}{blank if header == 'spaced' else ''}answer\n"
    for row in rows:
        cells = ['"' + text.replace('"', '""') + '"' for text in row.values()]
        made += f"{behind}{cut}{blank}".join(cells) + behind + "\n"
    expected = [{"question": r["query"], "answer": r["response"]} for r in rows]
    assert values(read(tmp_path / "a.csv", made)) == expected


def test_a_blank_that_is_data_stays(tmp_path: Path) -> None:
    made = 'question,answer\nWhat follows?, this\n"Quoted"," and this"\nx, 5" wide\n'
    assert [row["answer"] for row in values(read(tmp_path / "a.csv", made))] == [
        " this", " and this", ' 5" wide',
    ]  # fmt: skip


def test_where_the_header_has_blanks_behind_its_delimiters_all_rows_have(tmp_path: Path) -> None:
    made = 'question, answer\nWhere?, Here.\n"Who, then?", " You"\n'
    assert values(read(tmp_path / "a.csv", made)) == [
        {"question": "Where?", "answer": "Here."},
        {"question": "Who, then?", "answer": " You"},
    ]


def test_single_quotes_around_every_cell_are_quotes(tmp_path: Path) -> None:
    made = "'question','answer'\n'Where is it, then?','It''s here.'\n'And now?', 'Gone.'\n"
    assert values(read(tmp_path / "a.csv", made)) == [
        {"question": "Where is it, then?", "answer": "It's here."},
        {"question": "And now?", "answer": "Gone."},
    ]
    made = "question,answer\n'Tis late,'Twas early\nIt's,so\n"
    assert values(read(tmp_path / "b.csv", made))[0]["answer"] == "'Twas early"


@given(
    st.lists(
        st.tuples(*[st.text(st.sampled_from('ab ",;\'\n'), min_size=1, max_size=8)] * 2),
        min_size=1, max_size=6,
    ),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]), st.sampled_from(",;\t"),
)  # fmt: skip
def test_a_table_as_the_csv_module_writes_it_is_never_changed(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], how: int, cut: str
) -> None:
    cells = [pair for pair in cells if "".join(pair).strip()]
    rows = [{"query": "first", "response": "row"}, *(
        {"query": q, "response": r} for q, r in cells
    )]  # fmt: skip
    name = "a.tsv" if cut == "\t" else "a.csv"
    path = tmp_path_factory.getbasetemp() / name
    # A quote behind a blank is written without quotes around the cell: whether the blank belongs to
    # it cannot be known, and such a cell is taken for a quoted one.
    if how == csv.QUOTE_MINIMAL and any(c.lstrip()[:1] in "\"'" for p in cells for c in p):
        return
    assert values(read(path, table(cut, rows, quoting=how))) == rows


def test_the_table_of_the_field_is_read_as_meant() -> None:
    if not (FIELD / "csvspace" / "space.csv").exists():
        pytest.skip("it is not there")
    for row in values(again(FIELD / "csvspace" / "space.csv")):
        assert not any(text != text.strip() or '"' in text for text in row.values())


# --- JSON by columns ------------------------------------------------------------------------------

COLUMNS = {"query": [r["query"] for r in ROWS], "response": [r["response"] for r in ROWS]}
NUMBERED = {name: {str(i): text for i, text in enumerate(texts)} for name, texts in COLUMNS.items()}
INDEXED = [{"index": i, **row} for i, row in enumerate(ROWS)]
TABLES: dict[str, Any] = {
    "columns": NUMBERED,
    "index": {str(i): row for i, row in enumerate(ROWS)},
    "by key": {f"id-{i}": row for i, row in enumerate(ROWS)},
    "split": {"columns": list(COLUMNS), "index": [0, 1, 2], "data": [[*r.values()] for r in ROWS]},
    "lists": COLUMNS,
    "rows": {"rows": ROWS},
    "data": {"data": ROWS},
    "viewer": {
        "features": [{"feature_idx": 0, "name": "query", "type": {"dtype": "string"}}],
        "rows": [{"row_idx": i, "row": row, "truncated_cells": []} for i, row in enumerate(ROWS)],
        "num_rows_total": 3,
    },
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("kind", TABLES)
def test_tables_in_json_are_read_as_their_rows(
    tmp_path: Path, kind: str, name: str, indent: int | None
) -> None:
    content = json.dumps(TABLES[kind], indent=indent)
    if name != "a.json" and kind in ("rows", "data", "viewer") and not indent:
        pytest.skip("one line of JSON Lines is one row")
    items = read(tmp_path / name, content)
    assert values(items) == ROWS
    assert len({item.origin for item in items}) == len(ROWS)


def test_what_pandas_calls_table_is_read_with_its_numbers(tmp_path: Path) -> None:
    fields = [{"name": name, "type": "string"} for name in COLUMNS]
    content = json.dumps({"schema": {"fields": fields, "primaryKey": ["index"]}, "data": INDEXED})
    assert values(read(tmp_path / "a.json", content)) == INDEXED


@pytest.mark.parametrize(
    "value",
    [
        {"query": ["a", "b"], "response": ["c"]},
        {"columns": ["query", "response"], "index": [0], "data": [["a"]]},
        {"query": {"0": "a", "1": "b"}, "response": {"0": "c", "2": "d"}},
    ],
)
def test_columns_that_do_not_fit_are_refused_with_what_writes_rows(
    tmp_path: Path, value: Any
) -> None:
    (fault,) = read(tmp_path / "a.json", json.dumps(value))
    assert isinstance(fault, Fault) and fault.hint is not None
    assert 'orient="records"' in fault.hint.en and 'orient="records"' in fault.hint.zh


def test_a_damaged_arrow_table_is_refused_and_ends_no_process(tmp_path: Path) -> None:
    """Its memory is the file's: an offset that points anywhere was read, and that was the end."""
    import pyarrow as pa

    texts = pa.array(["one", "two", "three"])
    table = pa.table({"query": texts, "response": texts})
    path = tmp_path / "data.arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    good = path.read_bytes()
    offsets = (0).to_bytes(4, "little") + (3).to_bytes(4, "little") + (6).to_bytes(4, "little")
    assert good.count(offsets) == 2
    for wild, kind in ((2**31 - 1, "unknown-format"), (-5, "unknown-format")):
        hurt = offsets[:8] + wild.to_bytes(4, "little", signed=True)
        path.write_bytes(good.replace(offsets, hurt, 1))
        code = f"""if True:
            from suretune.data.rows import read_rows
            from suretune.data.sources import parse_source
            print([item.kind for item in read_rows(parse_source({str(path)!r}))])"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, f"[{kind!r}]"), done.stderr
    path.write_bytes(good.replace(b"three", b"thr\xff\xfe"))
    (fault,) = read_rows(parse_source(str(path)))
    assert isinstance(fault, Fault) and fault.kind == "not-utf8"


def test_cells_that_the_viewer_has_shortened_are_refused(tmp_path: Path) -> None:
    cut = [{"row_idx": 0, "row": ROWS[0], "truncated_cells": ["query"]}]
    (fault,) = read(tmp_path / "a.json", json.dumps({"rows": cut}))
    assert isinstance(fault, Fault) and fault.kind == "wrong-type"


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "a"}], "tools": [{"name": "x"}]},
        {"prompt": [{"role": "user", "content": "a"}],
         "completion": [{"role": "assistant", "content": "b"}]},
        {"instruction": "a", "instances": [{"input": "b", "output": "c"}]},
        {"id": {"oid": "1"}, "meta": {"a": 1}},
    ],
)  # fmt: skip
def test_rows_with_lists_and_objects_inside_stay_rows(tmp_path: Path, row: Any) -> None:
    assert values(read(tmp_path / "a.jsonl", lines([row, row]))) == [row, row]


def test_the_columnar_file_of_the_field_is_read() -> None:
    if not (FIELD / "colsjson" / "default.json").exists():
        pytest.skip("it is not there")
    rows = values(again(FIELD / "colsjson" / "default.json"))
    assert len(rows) == 6 and rows[0] == {"question": "What is 0+0?", "answer": "It is 0."}
