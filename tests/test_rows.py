"""Files to rows: nothing lost, every mistake named with its exact place, memory bounded."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suretune.data import broken, feed
from suretune.data.rows import MAX_FAULTS, read_rows
from suretune.data.sources import Source, parse_source
from suretune.guards import judge
from suretune.guards.guard import word
from suretune.types import Fault, Row

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=30)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(st.dictionaries(TEXT, VALUE, max_size=4), min_size=1, max_size=8)


def zstd(content: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression.zstd import compress
    else:
        compress = pytest.importorskip("zstandard").compress
    return bytes(compress(content))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property; each overwrites its file."""
    return tmp_path_factory.mktemp("rows")


def read(path: Path, content: bytes | str, encoding: str = "utf-8") -> list[Row | Fault]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    source = parse_source(str(path))
    assert isinstance(source, Source), source
    return list(read_rows(source, encoding))


def values(items: list[Row | Fault]) -> list[Any]:
    assert all(isinstance(item, Row) for item in items), items
    return [item.value for item in items if isinstance(item, Row)]


def numbers(items: list[Row | Fault]) -> list[int]:
    return [item.origin.line for item in items]


def only_fault(items: list[Row | Fault]) -> Fault:
    faults = [item for item in items if isinstance(item, Fault)]
    assert len(faults) == 1, items
    return faults[0]


# --- what is written comes back -----------------------------------------------------------------


@given(ROWS, st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\n \t\n"]), st.booleans(), st.booleans())
def test_json_lines_come_back_in_order(
    folder: Path, rows: list[Any], end: str, ascii_only: bool, final_end: bool
) -> None:
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    content = end.join(lines) + (end if final_end else "")
    assert values(read(folder / "a.jsonl", content)) == rows
    if len(rows) > 1:  # in .json a single object may also be the wrapper of a list
        assert values(read(folder / "a.json", content)) == rows


@given(ROWS, st.sampled_from([None, 0, 1, 4, "\t"]), st.sampled_from(["json", "jsonl", "ndjson"]))
def test_a_list_comes_back_in_order_whatever_the_file_is_called(
    folder: Path, rows: list[Any], indent: int | str | None, extension: str
) -> None:
    content = json.dumps(rows, ensure_ascii=False, indent=indent)
    items = read(folder / f"b.{extension}", content)
    assert values(items) == rows
    wrapped = json.dumps({"version": [1, "x"], "data": rows, "n": {"a": []}}, indent=indent)
    assert values(read(folder / "wrapped.json", wrapped)) == rows


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1), st.sampled_from(",;\t"))
def test_tables_come_back_with_their_empty_cells(
    folder: Path, cells: list[tuple[str, str]], delimiter: str
) -> None:
    # A record of blank cells only is a blank line, in every spreadsheet.
    cells = [pair for pair in cells if "".join(pair).strip()]
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("query", "response"), *cells])
    items = read(folder / "a.csv", buffer.getvalue())
    if not cells:
        assert only_fault(items).kind == "no-rows"
        return
    assert values(items) == [{"query": q, "response": r} for q, r in cells]


def test_a_record_begins_where_its_first_line_is(folder: Path) -> None:
    content = '\nquery,response\r\n"a\r\nb",c\n\n"d","e\n\nf"\ng,h\n'
    items = read(folder / "lines.csv", content)
    assert numbers(items) == [3, 6, 9]
    assert values(items)[1] == {"query": "d", "response": "e\n\nf"}


@given(ROWS)
def test_an_element_begins_on_its_line(folder: Path, rows: list[Any]) -> None:
    content, line, expected = "[", 1, []
    for index, row in enumerate(rows):
        content += ",\n\n " if index else "\n"
        line += 2 if index else 1
        expected.append(line)
        text = json.dumps(row, indent=1)
        content += text
        line += text.count("\n")
    assert numbers(read(folder / "c.json", content + "\n]\n")) == expected


@given(st.lists(st.fixed_dictionaries({"query": TEXT, "n": st.integers(0, 9)}), min_size=1))
@settings(max_examples=20, deadline=None)
def test_parquet_rows_come_back(folder: Path, rows: list[Any]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = folder / "a.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    items = read(path, path.read_bytes())
    assert values(items) == rows
    assert numbers(items) == list(range(1, len(rows) + 1))


@given(ROWS)
@settings(max_examples=20, deadline=None)
def test_compressed_files_read_like_plain_ones(folder: Path, rows: list[Any]) -> None:
    content = "\n".join(map(json.dumps, rows)).encode()
    assert values(read(folder / "a.jsonl.gz", gzip.compress(content, mtime=0))) == rows
    half = content.find(b"\n") + 1
    two_frames = zstd(content[:half]) + zstd(content[half:])
    assert values(read(folder / "a.jsonl.zst", two_frames)) == rows


@given(st.lists(TEXT, min_size=1), st.sampled_from(["gb18030", "utf-16", "utf-16-be", "utf-8-sig"]))
def test_a_named_encoding_is_read(folder: Path, texts: list[str], encoding: str) -> None:
    rows = [{"text": text.lstrip("\ufeff")} for text in texts]
    content = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    items = read(folder / "d.jsonl", content.encode(encoding), encoding)
    assert values(items) == rows


def test_blocks_may_end_anywhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"q": '中文 "quoted" \\ {[', "a": "\\" * n + '"}],' + "é" * n} for n in range(9)]
    lines = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    document = json.dumps(rows, ensure_ascii=False, indent=2).replace("\n", "\r\n")
    table = io.StringIO()
    csv.writer(table).writerows([("query", "response"), *([r["q"], r["a"]] for r in rows)])
    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr(feed, "BLOCK", size)
        assert values(read(folder / "e.jsonl", lines)) == rows
        assert values(read(folder / "e.json", document)) == rows
        assert values(read(folder / "e.json", json.dumps({"rows": rows}, indent=1))) == rows
        assert len(values(read(folder / "e.csv", table.getvalue()))) == len(rows)
        assert values(read(folder / "e.jsonl", lines.encode("utf-16"), "utf-16")) == rows


def test_text_files_give_a_row_per_line(folder: Path) -> None:
    items = read(folder / "a.txt", "one\n\n  two\r\nthree")
    assert values(items) == [{"text": "one"}, {"text": "  two"}, {"text": "three"}]
    assert numbers(items) == [1, 3, 4]


def test_two_columns_without_a_header_are_question_and_answer(folder: Path) -> None:
    note, *rows = read(folder / "b.tsv", "你好\t您好\n再见\t\n")
    assert isinstance(note, Fault) and (note.kind, note.origin.line) == ("no-header", 1)
    assert values(rows) == [
        {"query": "你好", "response": "您好"},
        {"query": "再见", "response": ""},
    ]
    assert numbers(rows) == [1, 2]
    fault = only_fault(read(folder / "d.csv", "问题,答案\n你好,您好\n"))
    assert (fault.kind, fault.origin.line, fault.found) == ("unknown-shape", 1, "问题, 答案")
    fault = only_fault(read(folder / "c.csv", "a,b,c\nd,e,f\n"))
    assert (fault.kind, fault.origin.line, fault.found) == ("unknown-shape", 1, "a, b, c")


def test_one_conversation_is_one_row(folder: Path) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    for content in (json.dumps(turns), json.dumps(turns, indent=2)):
        assert values(read(folder / "one.json", content)) == [turns]
        assert values(read(folder / "one.jsonl", content)) == [turns]
    assert values(read(folder / "two.jsonl", f"{json.dumps(turns)}\n" * 2)) == [turns, turns]
    assert values(read(folder / "two.json", json.dumps([turns, turns]))) == [turns, turns]


def test_one_object_is_one_row_and_printed_objects_are_rows(folder: Path) -> None:
    row = {"messages": [{"role": "user", "content": "a"}], "tools": []}
    pretty = json.dumps(row, indent=2)
    assert values(read(folder / "one.json", pretty)) == [row]
    items = read(folder / "three.json", f"{pretty}\n{pretty}\n{pretty}\n")
    assert values(items) == [row] * 3
    assert numbers(items) == [1, 10, 19]


def test_files_of_a_folder_are_read_in_order(folder: Path) -> None:
    here = folder / "many"
    (here / "inner").mkdir(parents=True)
    for name in ("b.json", "a.jsonl", "c.csv", "README.md", ".hidden.json"):
        (here / name).write_text(
            "text\nc.csv\n" if "js" not in name else json.dumps({"text": name})
        )
    source = parse_source(f"{here}#3")
    assert isinstance(source, Source)
    assert source.count == 3
    note, *items = read_rows(source)
    assert isinstance(note, Fault)
    assert (note.kind, note.found) == ("passed-over", ".hidden.json, inner")
    assert [v["text"] for v in values(items)] == ["a.jsonl", "b.json", "c.csv"]
    assert [str(item.origin) for item in items] == [
        f"{here}/a.jsonl:1",
        f"{here}/b.json:1",
        f"{here}/c.csv:2",
    ]


# --- whatever comes in, faults come out ---------------------------------------------------------

EXTENSIONS = ("json", "jsonl", "csv", "tsv", "txt", "parquet", "jsonl.gz", "json.zst", "xyz")
SHARDS = [b'{"a":', b'"b"', b"}", b"[", b"]", b",", b"\n", b"\r", b'"', b"\\", b"\xef\xbb\xbf"]
SHARDS += [
    b"\0",
    b"\xff",
    "中".encode(),
    "中".encode("gb18030"),
    b"NaN",
    b"1e999",
    b"\\ud800",
    b"'",
]
SHARDS += [b"query,response\n", b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"{" * 300, b"[" * 1100]


@given(
    st.binary(max_size=200) | st.lists(st.sampled_from(SHARDS), max_size=25).map(b"".join),
    st.sampled_from(EXTENSIONS),
    st.sampled_from(["utf-8", "gb18030", "utf-16", "latin-1", "utf-7", "hex"]),
)
@settings(max_examples=400, deadline=None)
def test_any_bytes_give_rows_or_faults(
    folder: Path, content: bytes, extension: str, encoding: str
) -> None:
    items = read(folder / f"any.{extension}", content, encoding)
    assert items
    for item in items:
        assert isinstance(item, (Row, Fault))
        if isinstance(item, Fault):
            assert item.hint is not None and item.hint.en and item.hint.zh
            assert word(item.found).isprintable()


@given(st.binary(max_size=120), st.sampled_from(["gz", "zst"]))
@settings(max_examples=100, deadline=None)
def test_damaged_archives_give_faults(folder: Path, noise: bytes, kind: str) -> None:
    content = b'{"a":1}\n' * 50
    packed = gzip.compress(content, mtime=0) if kind == "gz" else zstd(content)
    cut = packed[: len(packed) // 2] + noise
    items = read(folder / f"cut.jsonl.{kind}", cut)
    assert isinstance(items[-1], Fault)


@given(st.lists(st.sampled_from([b'{"a":1}', b"{'a':1}", b'{"a":1,}', b"", b'{"a"', b"nonsense"])))
def test_every_line_that_is_not_blank_is_a_row_or_a_fault(folder: Path, lines: list[bytes]) -> None:
    items = read(folder / "lines.jsonl", b'{"a":0}\n{"a":0}\n' + b"\n".join(lines))
    expected = [n for n, line in enumerate(lines, 3) if line]
    assert numbers(items) == [1, 2, *expected]
    good = [n for n, line in enumerate(lines, 3) if line == b'{"a":1}']
    assert [i.origin.line for i in items if isinstance(i, Row)] == [1, 2, *good]


def test_faults_end_after_a_thousand(folder: Path) -> None:
    """And it is said, as a fault of the whole file, that the rest was not read."""
    found = read(folder / "bad.jsonl", b'{"a":1}\n' + b"{'a':1}\n" * 1500)
    assert len(found) == 1 + MAX_FAULTS + 1
    last = found[-1]
    assert isinstance(last, Fault) and last.origin.line == 0
    assert word(last.found) == f"{MAX_FAULTS} faults"


# --- the exact place of every mistake -----------------------------------------------------------

MISTAKES = [
    ('{"q":"你好","a":"x",}', 18, broken.TRAILING_COMMA),
    ('{"q":["a","b" , ]}', 15, broken.TRAILING_COMMA),
    ("{'q':'a'}", 2, broken.PYTHON),
    ('{"q":None}', 6, broken.PYTHON),
    ('{"q":True}', 6, broken.PYTHON),
    ('{"q":1}{"q":2}', 8, broken.GLUED),
    ('{"q":1} {"q":2}', 9, broken.GLUED),
    ('{"q":1},', 8, broken.COMMA_AFTER),
    ('{"q":1} x', 9, broken.AFTERWARDS),
    ('{"q":NaN}', 6, broken.NO_NUMBER),
    ('{"q":-Infinity}', 6, broken.NO_NUMBER),
    ('{"q":1e999}', 6, broken.TOO_LARGE),
    ('{"q":1 // no\t}', 8, broken.COMMENT),
    ('{"q":"a" "r":1}', 10, broken.MISSING_COMMA),
    ('{"q":[{"b":1} {"b":2}]}', 15, broken.MISSING_COMMA),
    ('{"q":"say "hi" now"}', 12, broken.INNER_QUOTE),
    ("{q:1}", 2, broken.BARE_KEY),
    ("{“q”:1}", 2, broken.FULL_WIDTH),
    ('{"q"：1}', 5, broken.FULL_WIDTH),
    ('{"q":"C:\\dir"}', 9, broken.ESCAPE),
    ('{"q":"\\ud83d"}', 7, broken.HALF_CHARACTER),
    ('{"q":"a\tb"}', 8, broken.CONTROL),
    ('{"q":"a', 8, broken.LINE_BREAK),
    ('{"q":1', 7, broken.UNFINISHED),
    ('{"q":"\x1b[31m"}', 7, broken.CONTROL),
]


@pytest.mark.parametrize(("line", "column", "hint"), MISTAKES)
def test_a_broken_line_is_placed_and_explained(
    folder: Path, line: str, column: int, hint: object
) -> None:
    good = '{"q": "fine"}'
    items = read(folder / "m.jsonl", f"{good}\n\n{line}\n{good}\n")
    fault = only_fault(items)
    assert (fault.kind, fault.origin.line, fault.column) == ("broken-json", 3, column)
    assert fault.hint == hint
    assert word(fault.found).isprintable()
    assert numbers(items) == [1, 3, 4]


@pytest.mark.parametrize(("line", "column", "hint"), MISTAKES)
def test_a_broken_element_is_placed_and_explained(
    folder: Path, line: str, column: int, hint: object
) -> None:
    good = '{"q": "fine"}'
    items = read(folder / "m.json", f"[\n  {good},\n  {line}\n,\n{good}\n]")
    first = next(item for item in items if isinstance(item, Fault))
    assert isinstance(items[0], Row)
    assert first.kind == "broken-json"
    if hint is broken.LINE_BREAK:
        assert (first.origin.line, first.column, first.hint) == (3, column + 2, hint)
    elif hint in broken.HARMLESS:
        assert (first.origin.line, first.column, first.hint) == (3, column + 2, hint)
        assert isinstance(items[-1], Row) and items[-1].origin.line == 5
    elif hint not in (broken.UNFINISHED, broken.COMMA_AFTER, broken.AFTERWARDS, broken.GLUED):
        assert (first.origin.line, first.column, first.hint) == (3, column + 2, hint)
        assert first is items[-1]


DOCUMENTS = [
    ('[\n{"a":1},\n{"a":2},\n]', [2, 3], (3, 8, broken.TRAILING_COMMA)),
    ('[\n{"a":1}\n{"a":2}\n]', [2, 3], (3, 1, broken.MISSING_COMMA)),
    ('[\n{"a":1},,\n{"a":2}\n]', [2, 3], (2, 9, broken.TRAILING_COMMA)),
    ('[\n{"a":1},\n{"a":2}\n', [2, 3], (4, 1, broken.CUT_OFF)),
    ('[\n{"a":1},\n{"a":"b', [2], (3, 8, broken.CUT_OFF)),
    ('[\n{"a":1}\n]\n{"a":2}', [2], (4, 1, broken.AFTERWARDS)),
    ('{"d":[\n{"a":1}\n]}\n,', [2], (4, 1, broken.AFTERWARDS)),
    ('{\n"a":1\n},\n{\n"a":2\n}', [1], (3, 2, broken.COMMA_AFTER)),
    ('{\n"a":1\n} {\n"a":2\n}', [1], (3, 3, broken.GLUED)),
    ('// rows\n[\n{"a":1}\n]', [], (1, 1, broken.COMMENT)),
    ('[\n{"a":1},\n{"b":[1,}\n]', [2], (3, 8, broken.TRAILING_COMMA)),
]


@pytest.mark.parametrize(("content", "rows", "place"), DOCUMENTS)
def test_a_broken_document_is_placed_and_explained(
    folder: Path, content: str, rows: list[int], place: tuple[int, int, object]
) -> None:
    items = read(folder / "doc.json", content)
    fault = only_fault(items)
    assert (fault.origin.line, fault.column, fault.hint) == place
    assert [i.origin.line for i in items if isinstance(i, Row)] == rows


def test_a_cut_last_line_is_told_from_a_broken_one(folder: Path) -> None:
    items = read(folder / "cut.jsonl", '{"a":1}\n{"a":"b')
    fault = only_fault(items)
    assert (fault.hint, fault.origin.line, fault.column) == (broken.CUT_OFF, 2, 8)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('{"a":1,"b":2,"a":3}', "a"),
        ('{"x":[{"y":{"k":1,"k":1}}]}', "k"),
        ('{"a":1,"\\u0061":2}', "a"),
        ('{"a":"\\u003a","b":1,"b":1}', "b"),
        ('{"a":"\\u003A: x","b":"","b":{"c":":"}}', "b"),
        ('{"":1,"":2}', ""),
    ],
)
def test_a_repeated_key_is_found_at_any_depth(folder: Path, line: str, key: str) -> None:
    for items in (
        read(folder / "k.jsonl", f'{{"a":0}}\n{line}\n'),
        read(folder / "k.json", f'[{{"a":0}},\n{line}]'),
    ):
        fault = only_fault(items)
        assert (fault.kind, fault.field, fault.origin.line) == ("duplicate-key", key, 2)


@given(ROWS)
def test_rows_without_repeated_keys_are_never_suspected(folder: Path, rows: list[Any]) -> None:
    # ascii escapes, colons in strings and in keys
    content = "\n".join(json.dumps({"x:": ":\u003a", "r": row}) for row in rows)
    assert len(values(read(folder / "f.jsonl", content + "\n{}"))) == len(rows) + 1


def test_nul_is_found_raw_and_escaped(folder: Path) -> None:
    items = read(folder / "n.jsonl", b'{"a":"x\0y"}\n{"a":"\\u0000"}\n{"a":"\\\\u0000"}\n{"a":1}')
    assert [getattr(item, "kind", "") for item in items] == ["nul-character"] * 2 + ["", ""]
    assert [item.column for item in items[:2] if isinstance(item, Fault)] == [8, 7]
    for name, line, column in (("n.csv", 2, 4), ("n.txt", 2, 4)):
        fault = only_fault(read(folder / name, b"query,response\nab,\0c\n"))
        assert (fault.kind, fault.origin.line, fault.column) == ("nul-character", line, column)


def test_a_mark_is_noted_and_skipped(folder: Path) -> None:
    for name, content in (("m.jsonl", '{"a":1}\n'), ("m.json", '[{"a":1}]'), ("m.csv", "text\n1")):
        items = read(folder / name, "\ufeff" + content)
        assert isinstance(items[0], Fault) and isinstance(items[1], Row) and len(items) == 2
        assert (items[0].kind, items[0].origin.line) == ("byte-order-mark", 0)
    assert [getattr(i, "kind", "") for i in read(folder / "m.json", "\ufeff")] == [
        "byte-order-mark",
        "no-rows",
    ]


@pytest.mark.parametrize(
    ("content", "extensions"),
    [
        ("", "json jsonl csv tsv txt jsonl.gz"),
        (" \n\t\r\n", "json jsonl csv tsv txt"),
        ("[]", "json jsonl"),
        ("[\n]", "json jsonl"),
        ("query,response\n", "csv"),
    ],
)
def test_nothing_is_said_to_be_nothing(folder: Path, content: str, extensions: str) -> None:
    for extension in extensions.split():
        raw = gzip.compress(content.encode()) if extension.endswith("gz") else content
        fault = only_fault(read(folder / f"empty.{extension}", raw))
        assert (fault.kind, fault.origin.line) == ("no-rows", 0)


CHINESE = "我是一个人工智能助手，可以回答您的问题。今天天气很好，我们去公园散步吧！"
TRADITIONAL = "我是一個人工智慧助手，可以回答您的問題。今天天氣很好，我們去公園散步吧！"
JAPANESE = "こんにちは。私は質問に答えるアシスタントです。今日は天気がいいですね。"
KOREAN = "안녕하세요. 저는 질문에 답하는 도우미입니다. 오늘은 날씨가 좋네요."


@pytest.mark.parametrize(
    ("text", "encoding", "flag"),
    [
        (CHINESE, "gb18030", "gb18030"),
        (CHINESE, "gbk", "gb18030"),
        (TRADITIONAL, "big5", "big5"),
        (JAPANESE, "shift_jis", "shift_jis"),
        (KOREAN, "euc_kr", "euc_kr"),
        (CHINESE, "utf-16", "utf-16"),
        (CHINESE, "utf-16-le", "utf-16-le"),
        (CHINESE, "utf-16-be", "utf-16-be"),
        (KOREAN, "utf-16-le", "utf-16-le"),
        ("Кто ты? Я светлячок.", "utf-16-be", "utf-16-be"),
        (JAPANESE, "utf-32-le", "utf-32-le"),
        ("plain english text", "utf-16-le", "utf-16-le"),
        ("plain english text", "utf-16-be", "utf-16-be"),
        ("déjà vu, señor — naïve café", "cp1252", "cp1252"),
    ],
)
def test_the_encoding_that_helps_is_named(
    folder: Path, text: str, encoding: str, flag: str
) -> None:
    rows = [{"query": "hello", "response": text}] * 3
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(encoding)
    items = read(folder / "enc.jsonl", content)
    fault = only_fault(items)
    assert fault.kind == "not-utf8"
    assert fault.hint is not None and f"`--encoding {flag}`" in fault.hint.en
    assert values(read(folder / "enc.jsonl", content, flag)) == rows


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["w.csv", "w.jsonl", "w.txt", "w.log"])
@pytest.mark.parametrize("asked", ["utf-8", "cp1252", "gb18030", "latin-1", "utf-8-sig", "other"])
def test_text_of_two_bytes_a_character_is_read_as_nothing_else(
    folder: Path, order: str, name: str, asked: str
) -> None:
    """Obeyed, the advice reads it: cp1252 would take every byte for a letter."""
    rows = [{"query": f"头疼怎么办{n}", "response": f"多喝水，早休息{n}。"} for n in range(6)]
    table = "".join(f"{row['query']},{row['response']}\n" for row in rows)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if asked == "other":
        asked = "utf-16-be" if order == "utf-16-le" else "utf-16"
    content = ("query,response\n" + table if name == "w.csv" else lines).encode(order)
    fault = only_fault(read(folder / name, content, asked))
    assert fault.kind == "not-utf8" and fault.hint is not None
    assert f"`--encoding {order}`" in fault.hint.en and f"`--encoding {order}`" in fault.hint.zh
    assert values(read(folder / name, content, order)) == rows


def test_a_nul_is_no_sign_of_two_bytes_a_character(folder: Path) -> None:
    for line in ('{"query": "a", "response": "b\0c"}', '{"query": "你", "response": "b\0"}'):
        assert only_fault(read(folder / "nul.jsonl", f"{line}\n" * 3)[:1]).kind == "nul-character"
    fault = only_fault(read(folder / "nul.txt", b"caf\xe9 \0 au lait\n"))
    assert fault.kind == "not-utf8" and fault.hint and "cp1252" not in fault.hint.en


def test_the_first_bad_byte_is_placed_and_the_rows_before_it_are_read(folder: Path) -> None:
    before = b'{"a":"ok"}\r\n' * 2
    items = read(folder / "bad.jsonl", before + b'{"a":"' + b'\xff"}\n{"a":1}\n')
    fault = only_fault(items)
    assert fault is items[-1] and len(items) == 3
    assert (fault.kind, fault.origin.line, word(fault.found)) == (
        "not-utf8",
        3,
        f"byte 0xff at offset {len(before) + 6}",
    )


def test_one_foreign_line_is_not_taken_for_the_whole_file(folder: Path) -> None:
    good = json.dumps({"a": CHINESE}, ensure_ascii=False).encode() + b"\n"
    fault = only_fault(read(folder / "x.jsonl", good * 20 + b'{"a":"caf\xe9"}\n' + good)[20:])
    assert fault.origin.line == 21
    assert fault.hint is not None and "only this part" in fault.hint.en


@pytest.mark.parametrize(
    ("value", "jq"),
    [([{"query": "a", "response": "b"}], True), ([{"prompt": "a", "response": [["b"]]}], True),
     (["a", "b"], False)],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["jsonl", "json", "jsonl.gz"])
def test_a_list_on_each_line_is_called_so(folder: Path, value: Any, jq: bool, ending: str) -> None:
    content = (json.dumps(value) + "\n").encode() * 3
    path = folder / f"lists.{ending}"
    *_, fault = read(path, gzip.compress(content) if ending.endswith("gz") else content)
    assert isinstance(fault, Fault) and fault.hint is not None
    assert (fault.kind, fault.origin.line, fault.ends) == ("unknown-format", 2, True)
    packed = f"`gzip -dc {path} | jq -c '.[]'`"
    command = packed if ending.endswith("gz") else f"`jq -c '.[]' {path}`"
    assert (command in fault.hint.en) is (command in fault.hint.zh) is jq


@pytest.mark.skipif(not shutil.which("jq"), reason="jq")
@pytest.mark.parametrize("ending", ["json", "json.gz"])
def test_lists_of_several_splits_are_taken_apart_as_advised(folder: Path, ending: str) -> None:
    rows = [{"query": f"{n}?", "response": f"{n}"} for n in range(3)]
    tests = [{**row, "split": "A"} for row in rows[2:]]  # which says less than the list's name
    held = {"version": "1", "train": rows[:2], "dev": [], "test": tests, "count": 3}
    content, path = json.dumps(held).encode(), folder / f"all.{ending}"
    *_, fault = read(path, gzip.compress(content) if ending.endswith("gz") else content)
    assert isinstance(fault, Fault) and fault.hint is not None
    (command,) = [part for part in fault.hint.en.split("`") if " > " in part]
    assert f"`{command}`" in fault.hint.zh
    (told,) = judge(fault)
    for fix in (told.fix.en, told.fix.zh):
        assert "`--dataset all.rows.jsonl`" in fix
    subprocess.run(["bash", "-c", command], cwd=folder, check=True)
    made = read(folder / "all.rows.jsonl", (folder / "all.rows.jsonl").read_bytes())
    assert values(made) == [{"split": s, **row} for s, row in zip(("train", "train", "test"), rows,
                            strict=True)]  # fmt: skip


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "big5", "cp1252", "shift_jis"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_what_is_utf8_for_sure_is_read_as_that_whatever_is_asked(
    folder: Path, encoding: str, mark: str, ending: str
) -> None:
    value = {"query": "按时吃药", "response": "按时，别忘了"}
    content = (mark + json.dumps(value, ensure_ascii=False)).encode()
    packed = gzip.compress(content) if ending.endswith("gz") else content
    note, *rest = read(folder / f"u.{ending}", packed, encoding)
    assert isinstance(note, Fault) and (note.kind, note.found) == ("already-utf8", encoding)
    assert rest[-1] == Row(note.origin, value) or rest[-1].value == value  # type: ignore[union-attr]
    assert len(rest) == 1 + bool(mark)


def test_files_of_two_encodings_are_read_by_one_command(tmp_path: Path) -> None:
    value = {"query": "你好", "response": "你好，请讲"}
    line = json.dumps(value, ensure_ascii=False) + "\n"
    for name, encoding in (("a.jsonl", "gb18030"), ("b.jsonl", "utf-8")):
        (tmp_path / name).write_bytes(line.encode(encoding))
    source = parse_source(str(tmp_path))
    assert isinstance(source, Source)
    read_both = list(read_rows(source, "gb18030"))
    assert [row.value for row in read_both if isinstance(row, Row)] == [value, value]
    assert [item.kind for item in read_both if isinstance(item, Fault)] == ["already-utf8"]


@pytest.mark.parametrize("text", ["联通", "移动电话", "Größe"])
def test_what_may_be_either_is_read_as_asked(folder: Path, text: str) -> None:
    content = json.dumps({"a": text}, ensure_ascii=False)
    assert values(read(folder / "e.jsonl", content.encode("gb18030"), "gb18030")) == [{"a": text}]


def test_a_wrong_encoding_flag_is_named(folder: Path) -> None:
    content = json.dumps({"a": "Größe über alles"}, ensure_ascii=False)
    fault = only_fault(read(folder / "y.jsonl", content, "big5"))
    assert fault.hint is not None and "leave out `--encoding`" in fault.hint.en
    fault = only_fault(read(folder / "y.jsonl", content, "no-such"))
    assert (fault.kind, fault.found) == ("not-utf8", "no-such")


@pytest.mark.parametrize(
    ("name", "content", "kind", "line"),
    [
        ("a.csv", b'query,response\na,b\n"c,d\ne,f\n', "unknown-format", 3),
        ("a.csv", b'query,response\n"a" b,c\n', "unknown-format", 2),
        ("a.csv", b"query,response\na,b,c\nd,e\n", "unknown-shape", 2),
        ("a.csv", b"query,query\na,b\n", "duplicate-key", 1),
        ("a.csv", b"PK\x03\x04 excel", "unknown-format", 0),
        ("a.xlsx", b"PK\x03\x04 excel", "unknown-format", 0),
        ("a.json", b"\xd0\xcf\x11\xe0 excel", "unknown-format", 0),
        ("a.parquet", b'{"a":1}', "unknown-format", 0),
        ("a.parquet.gz", b"", "unknown-format", 0),
        ("a.yaml", b"a: 1", "unknown-format", 0),
        ("a.json", b'{"x":[{"a":1}],"y":[{"a":1}]}', "unknown-format", 1),
        ("a.jsonl", b'{"a":' * 300 + b"1" + b"}" * 300, "broken-json", 1),
        ("a.jsonl", b"[" * 5000, "broken-json", 1),
    ],
)
def test_what_cannot_be_read_is_named(
    folder: Path, name: str, content: bytes, kind: str, line: int
) -> None:
    fault = next(item for item in read(folder / name, content) if isinstance(item, Fault))
    assert (fault.kind, fault.origin.line) == (kind, line)
    assert fault.hint is not None


def test_pandas_row_numbers_are_no_column(folder: Path) -> None:
    assert values(read(folder / "p.csv", ",query,response\n0,a,b\n")) == [
        {"query": "a", "response": "b"}
    ]


# --- bounded memory -----------------------------------------------------------------------------


def peak_of(source: Source) -> tuple[int, list[str], int]:
    """(peak bytes, kinds of faults, number of rows)."""
    tracemalloc.start()
    try:
        kinds, rows = [], 0
        for item in read_rows(source):
            if isinstance(item, Fault):
                kinds.append(item.kind)
            else:
                rows += 1
        return tracemalloc.get_traced_memory()[1], kinds, rows
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["big.jsonl", "big.json", "big.csv", "big.txt"])
def test_a_gigantic_line_is_skipped_without_loading_it(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, size = 1 << 20, 40 << 20
    for module in ("feed", "jsonrows", "scanner", "tables", "rows"):
        monkeypatch.setattr(f"suretune.data.{module}.LIMIT", limit)
    monkeypatch.setattr(feed, "BLOCK", 1 << 16)
    small, head, tail = {
        "big.jsonl": (b'{"a":1}\n', b'{"a":"', b'"}\n'),
        "big.json": (b'[{"a":1},\n', b'{"a":"', b'"}]'),
        "big.csv": (b"text\nsmall\n", b"", b"\n"),
        "big.txt": (b"small\n", b"", b"\n"),
    }[name]
    path = folder / name
    with path.open("wb") as file:
        file.write(small + head)
        for _ in range(size >> 20):
            file.write(b"x" * (1 << 20))
        file.write(tail + (b'{"a":2}\n' if name == "big.jsonl" else b""))
    source = parse_source(str(path))
    assert isinstance(source, Source)
    peak, kinds, rows = peak_of(source)
    path.unlink()
    assert kinds == ["gigantic-line"]
    assert rows == (2 if name == "big.jsonl" else 1)
    assert peak < 10 * limit


def test_a_quote_that_is_never_closed_is_not_called_a_gigantic_row(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("feed", "jsonrows", "scanner"):
        monkeypatch.setattr(f"suretune.data.{module}.LIMIT", 1 << 16)
    rows = '{"a":"\u4e2d"},\n' * 30_000
    items = read(folder / "open.json", '[{"a":1},\n{"a":"中}},\n' + rows + '{"a":1}]')
    fault = only_fault(items)
    assert (fault.kind, fault.origin.line, fault.column) == ("broken-json", 2, 11)
    assert fault.hint == broken.LINE_BREAK


@pytest.mark.parametrize("layout", ["lines", "list"])
def test_memory_does_not_grow_with_the_file(folder: Path, layout: str) -> None:
    row = json.dumps({"query": "q" * 500, "response": "a" * 500})
    path = folder / "long.json"
    count = 20_000
    glue = "\n" if layout == "lines" else ","
    text = glue.join([row] * count)
    path.write_text(text if layout == "lines" else f"[{text}]")
    source = parse_source(str(path))
    assert isinstance(source, Source)
    peak, kinds, rows = peak_of(source)
    assert (kinds, rows) == ([], count)
    assert peak < 8 * feed.BLOCK < path.stat().st_size


@pytest.mark.parametrize("kind", ["gz", "zst", "parquet", "dictionary.parquet"])
def test_a_bomb_is_refused(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "FREE_GROWTH", 4 << 20)
    path = folder / f"bomb.{'jsonl.' * (not kind.endswith('parquet'))}{kind}"
    if kind.endswith("parquet"):
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        column = pyarrow.array(["x" * 100_000] * 1000)
        if kind != "parquet":  # one text that every row names
            column = column.dictionary_encode()
        table = pyarrow.table({"text": column})
        parquet.write_table(table, path, compression="zstd")
    else:
        content = b'{"a":"' + b" " * 1000 + b'"}\n'
        content *= 100_000
        path.write_bytes(gzip.compress(content, mtime=0) if kind == "gz" else zstd(content))
    source = parse_source(str(path))
    assert isinstance(source, Source)
    peak, kinds, _ = peak_of(source)
    assert kinds == ["unknown-format"]
    assert peak < 64 << 20


# --- naming a dataset ---------------------------------------------------------------------------


def test_what_is_on_disk_wins_over_the_grammar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = ["a#5", "hf::x", "org/name", "训练 数据.jsonl", "b.jsonl#7", "c:sub.jsonl"]
    for name in odd:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text('{"text":"x"}\n')
        source = parse_source(name)
        assert isinstance(source, Source), source
        assert source.files == (tmp_path / name,)
        assert (source.hub, source.count, source.name) == ("", None, os.path.basename(name))
    source = parse_source("b.jsonl#7#20")
    assert isinstance(source, Source) and source.count == 20
    assert source.label(source.files[0]) == "b.jsonl#7"


def test_home_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.jsonl").write_text('{"text":"x"}\n')
    source = parse_source("~/a.jsonl#500")
    assert isinstance(source, Source)
    assert (source.count, source.files) == (500, (tmp_path / "a.jsonl",))
    assert [str(item.origin) for item in read_rows(source)] == ["~/a.jsonl:1"]


@pytest.mark.parametrize(
    ("spec", "hub", "name", "subsets", "count"),
    [
        (
            "AI-ModelScope/alpaca-gpt4-data-zh#500",
            "ms",
            "AI-ModelScope/alpaca-gpt4-data-zh",
            (),
            500,
        ),
        ("hf::org/name:a/b#7", "hf", "org/name", ("a", "b"), 7),
        ("org/name:default", "hf", "org/name", ("default",), None),
        ("swift/self-cognition", "ms", "swift/self-cognition", (), None),
    ],
)
def test_hub_ids(
    spec: str, hub: str, name: str, subsets: tuple[str, ...], count: int | None
) -> None:
    assert parse_source(spec) == Source(spec, name, (), hub, subsets, count)


@pytest.mark.parametrize(
    "spec",
    ["/no/such.jsonl", "./x", "../x", "~/x", "org/name.jsonl", "org/name.csv.gz#5", "word", "",
     "C:\\data\\a.jsonl", "https://host/a.jsonl", "s3://bucket/a", "a.xlsx", "hf::", "#5", "\0"],
)  # fmt: skip
def test_what_looks_like_a_file_never_becomes_a_hub_id(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fault = parse_source(spec)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.origin.line) == ("file-missing", 0)
    assert fault.hint is not None


def test_a_missing_file_names_its_path_and_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "self_cognition.json").write_text("[]")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").mkdir()
    for spec, near in (
        ("Self_Cognition.json", "self_cognition.json"),
        ("./self_cogntion.json#5", "self_cognition.json"),
        ("self_cognition.jsonl", "self_cognition.json"),
        ("self_cognition.csv", "self_cognition.json"),
        ("data/trian", "train"),
    ):
        if spec == "Self_Cognition.json" and (tmp_path / spec).exists():
            continue  # a file system that does not mind the case
        fault = parse_source(spec)
        assert isinstance(fault, Fault), spec
        path = os.path.abspath(spec.partition("#")[0])
        assert (fault.kind, fault.found) == ("file-missing", path)
        assert fault.hint is not None and near in fault.hint.en and near in fault.hint.zh


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null")):
        fault = parse_source(str(path))
        assert isinstance(fault, Fault) and fault.kind == "unknown-format"
    (tmp_path / "link.jsonl").symlink_to(pipe)
    source = Source("x", "x", (tmp_path / "link.jsonl",), "", (), None)
    assert only_fault(list(read_rows(source))).kind == "unknown-format"


def test_a_file_that_went_away_is_a_fault(tmp_path: Path) -> None:
    source = Source("x.jsonl", "x.jsonl", (tmp_path / "x.jsonl",), "", (), None)
    assert only_fault(list(read_rows(source))).kind == "file-missing"
    (tmp_path / "empty").mkdir()
    fault = parse_source(str(tmp_path / "empty"))
    assert isinstance(fault, Fault) and fault.kind == "no-rows"
    fault = parse_source(f"{tmp_path / 'empty'}:sub")
    assert isinstance(fault, Fault) and fault.kind == "file-missing"


def test_random_cuts_of_a_real_layout_never_hide_a_row(folder: Path) -> None:
    """A list cut anywhere gives its whole elements, then one fault."""
    rows = [{"query": f"问{n}", "response": "答" * n} for n in range(6)]
    content = json.dumps(rows, ensure_ascii=False, indent=1).encode()
    chooser = random.Random(7)
    for _ in range(60):
        cut = content[: chooser.randrange(3, len(content) - 1)]
        items = read(folder / "cutlist.json", cut)
        got = [item.value for item in items if isinstance(item, Row)]
        assert got == rows[: len(got)]
        assert isinstance(items[-1], Fault)
