"""Files to rows: every record of every file comes out, as a `Row` or as a `Fault`.

JSON may be a list or one value per line, whatever the file is called; CSV and TSV are tables;
parquet is read a few rows at a time; of a `.txt` every line that is not blank is one row of text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from suretune.data.broken import NUL, gigantic, placed
from suretune.data.feed import LIMIT, Feed, feed, lines, opened, unreadable
from suretune.data.jsonrows import json_rows
from suretune.data.refusal import Refused
from suretune.data.sources import COMPRESSIONS, FORMATS, Source, format_of
from suretune.data.tables import csv_rows, parquet_rows
from suretune.types import Fault, Origin, Row, Text

MAX_FAULTS = 1000  # of one file; nobody reads on after that many
_MARK = "\ufeff".encode()


def read_rows(source: Source, encoding: str = "utf-8") -> Iterator[Row | Fault]:
    """All records of the files in order.

    Besides rows there can be faults about a whole file: at line 0, or (`not-utf8`) at the line
    where the reading had to stop. A `byte-order-mark` is a note: reading goes on without it.
    """
    for path in source.files:
        yield from _told_apart(_file(path, source.label(path), encoding))


def _told_apart(rows: Iterator[Row | Fault]) -> Iterator[Row | Fault]:
    """Rows that begin on the same line, numbered within it."""
    line = item = 0
    for row in rows:
        if isinstance(row, Row):
            item = item + 1 if row.origin.line == line else 1
            line = row.origin.line
            if item > 1:
                row = replace(row, origin=replace(row.origin, item=item))
        yield row


def _file(path: Path, label: str, encoding: str) -> Iterator[Row | Fault]:
    empty, faults = True, 0
    try:
        for item in _records(path, label, encoding):
            yield item
            if isinstance(item, Row):
                empty = False
            elif item.kind != "byte-order-mark":
                empty = False
                faults += 1
                if faults == MAX_FAULTS:
                    yield _given_up(label, item.origin.line)
                    return
    except Refused as refusal:
        yield replace(refusal.fault, ends=True)
    else:
        if empty:
            yield _no_rows(label)


def _records(path: Path, label: str, encoding: str) -> Iterator[Row | Fault]:
    extension, compression = format_of(path.name)
    if not extension or (extension == ".parquet" and compression):
        raise Refused(_unknown(path, label))
    with opened(path, label) as handle:
        try:
            if extension == ".parquet":
                yield from parquet_rows(handle, label)
                return
            text = feed(handle, compression, encoding, label)
            text.more()
            if text.held.startswith(_MARK):
                text.held = text.held[len(_MARK) :]
                yield _marked(label)
            if extension in (".csv", ".tsv"):
                yield from csv_rows(text, label, "\t" if extension == ".tsv" else "")
            elif extension == ".txt":
                yield from _text_rows(text, label)
            else:
                yield from json_rows(text, label, lines_expected=extension != ".json")
        except OSError as error:
            raise Refused(unreadable(label, error)) from error


def _text_rows(text: Feed, label: str) -> Iterator[Row | Fault]:
    """A row per line, as other tools read .txt; a paragraph over several lines is several rows."""
    for number, line in enumerate(lines(text), 1):
        origin = Origin(label, number)
        if line is None:
            yield gigantic(origin, LIMIT)
            continue
        value = line.decode()
        if "\0" in value:
            yield placed("nul-character", value, value.index("\0"), origin, 1, NUL)
        elif value.strip():
            yield Row(origin, {"text": value})


def _no_rows(label: str) -> Fault:
    hint = Text("The file holds no row at all.", "文件里一条数据也没有。")
    return Fault("no-rows", Origin(label, 0), found="0 rows", hint=hint)


def _given_up(label: str, line: int) -> Fault:
    hint = Text(
        f"Reading stopped at line {line}; mend the file, or check its format.",
        f"读到第 {line} 行时停止；请先修好文件，或检查格式。",
    )
    return Fault("broken-json", Origin(label, 0), found=f"{MAX_FAULTS} faults", hint=hint)


def _marked(label: str) -> Fault:
    hint = Text(
        "The file begins with a byte order mark; it was skipped. Save as UTF-8 without BOM.",
        "文件开头有字节顺序标记（BOM），已跳过。建议另存为不带 BOM 的 UTF-8。",
    )
    return Fault("byte-order-mark", Origin(label, 0), found="EF BB BF", hint=hint)


def _unknown(path: Path, label: str) -> Fault:
    known = ", ".join((*FORMATS, *COMPRESSIONS))
    hint = Text(f"Files that can be read end in {known}.", f"可以读取的文件以这些结尾：{known}。")
    if path.name.lower().endswith((".xlsx", ".xls")):
        hint = Text("Save the sheet as CSV (UTF-8).", "请把工作表另存为 CSV（UTF-8）。")
    elif ".parquet" in path.name.lower():
        hint = Text("Parquet is compressed inside; unpack it.", "parquet 自带压缩，请先解压。")
    return Fault("unknown-format", Origin(label, 0), found="".join(path.suffixes), hint=hint)
