"""Files to rows: every record of every file comes out, as a `Row` or as a `Fault`.

JSON may be a list or one value per line; CSV and TSV are tables; parquet and arrow are read a few
rows at a time; of a `.txt` every line that is not blank is one row of text. Where a file's name
says something else than what it holds, what it holds decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import orjson

from suretune.data.arrowrows import arrow_rows, parquet_rows
from suretune.data.broken import NUL, gigantic, placed
from suretune.data.columns import KNOWN
from suretune.data.contents import (
    HEAD,
    compression_of,
    not_the_data,
    table_of,
    text_of_kind,
)
from suretune.data.encodings import wide
from suretune.data.feed import LIMIT, Feed, feed, lines, opened, unreadable
from suretune.data.formats import COMPRESSIONS, FOREIGN, FORMATS, format_of
from suretune.data.jsonrows import json_rows
from suretune.data.refusal import Refused, shown
from suretune.data.sources import Source
from suretune.data.tables import csv_rows
from suretune.types import Fault, Origin, Row, Text

MAX_FAULTS = 1000  # of one file; nobody reads on after that many
MARK = "\ufeff"
_MARK = MARK.encode()


# Faults that are said, but cost no row.
NOTES = frozenset({"byte-order-mark", "already-utf8", "passed-over", "no-header"})


def read_rows(
    source: Source,
    encoding: str = "utf-8",
    columns: Mapping[str, str] | None = None,
) -> Iterator[Row | Fault]:
    """All records of the files in order. `columns`: names that the user gives to fields; a table's
    first line that has one of them is its header.

    Besides rows there can be faults about a whole file: at line 0, or (`not-utf8`) at the line
    where the reading had to stop. Those of NOTES are told, and reading goes on.
    """
    yield from source.notes
    names = columns or {}
    for path in source.files:
        yield from _told_apart(_file(path, source.label(path), encoding, names))


def _told_apart(rows: Iterator[Row | Fault]) -> Iterator[Row | Fault]:
    """Rows that begin on the same line, numbered within it."""
    line = item = 0
    for row in rows:
        if isinstance(row, Row):
            row = _unmarked(row)
            item = item + 1 if row.origin.line == line else 1
            line = row.origin.line
            if item > 1:
                row = replace(row, origin=replace(row.origin, item=item))
        yield row


def _unmarked(row: Row) -> Row:
    """The row without a byte order mark before a name, as of a table with one that became JSON."""
    if not isinstance(row.value, Mapping) or not any(name[:1] == MARK for name in row.value):
        return row
    plain = {name.removeprefix(MARK): held for name, held in row.value.items()}
    return Row(row.origin, plain) if len(plain) == len(row.value) else row


def _file(
    path: Path,
    label: str,
    encoding: str,
    columns: Mapping[str, str],
) -> Iterator[Row | Fault]:
    empty, faults = True, 0
    try:
        for item in _records(path, label, encoding, columns):
            yield item
            if isinstance(item, Row):
                empty = False
            elif item.kind not in NOTES:
                empty = False
                faults += 1
                if faults == MAX_FAULTS:
                    yield _given_up(label, item.origin.line)
                    return
    except Refused as refusal:
        yield replace(refusal.fault, ends=True)
    else:
        if empty:
            yield _no_rows(path, label)


def _records(
    path: Path,
    label: str,
    encoding: str,
    columns: Mapping[str, str],
) -> Iterator[Row | Fault]:
    with opened(path, label) as handle:
        try:
            kind = _table(path, label, handle)
            if not kind:
                yield from _text_records(path, label, handle, encoding, columns)
            elif kind == ".parquet":
                yield from parquet_rows(handle, label)
            else:
                yield from arrow_rows(handle, label)
        except OSError as error:
            raise Refused(unreadable(label, error)) from error


def _table(path: Path, label: str, handle: BinaryIO) -> str:
    """'.parquet', '.arrow', or '' for text; `Refused` where it is neither."""
    extension, compression = format_of(path.name)
    head = handle.read(HEAD + 1)
    handle.seek(0)
    if fault := not_the_data(head, len(head) <= HEAD, label):
        raise Refused(fault)
    table = table_of(handle, extension)
    if table and compression:
        raise Refused(_unknown(path, label))
    binary = b"\0" in head and not (wide(head) or compression_of(handle, compression))
    if not (table or extension) and (binary or path.name.lower().endswith(FOREIGN)):
        raise Refused(_unknown(path, label))
    return table


def _text_records(
    path: Path,
    label: str,
    handle: BinaryIO,
    encoding: str,
    columns: Mapping[str, str],
) -> Iterator[Row | Fault]:
    extension, named = format_of(path.name)
    text = feed(
        handle,
        compression_of(handle, named),
        encoding,
        label,
    )
    if text.encoding != encoding:
        yield _already_utf8(label, encoding)
    text.more()
    if text.held.startswith(_MARK):
        text.held = text.held[len(_MARK) :]
        yield _marked(label)
    kind = text_of_kind(text, extension)
    if fault := not_the_data(text.held, len(text.held) <= HEAD, label):
        raise Refused(fault)
    if not kind:
        raise Refused(_unknown(path, label))
    if kind in (".csv", ".tsv"):
        yield from csv_rows(text, label, "\t" if kind == ".tsv" else "", columns)
    elif kind == ".txt":
        yield from _text_rows(text, label)
    else:
        yield from json_rows(text, label, lines_expected=kind != ".json")


def _text_rows(text: Feed, label: str) -> Iterator[Row | Fault]:
    """A row per line, as other tools read .txt; a paragraph over several lines is several rows."""
    for number, line in enumerate(lines(text), 1):
        origin = Origin(label, number)
        if line is None:
            yield gigantic(origin, LIMIT)
            continue
        value = line.decode()
        if "\0" in value:
            yield placed(
                "nul-character",
                value,
                value.index("\0"),
                origin,
                1,
                NUL,
            )
        elif value.lstrip().startswith('{"') and _is_row(value):
            yield _row_in_text(value, origin)
        elif value.strip():
            yield Row(origin, {"text": value})


def _is_row(line: str) -> bool:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(value, dict) and bool(KNOWN & value.keys())


def _row_in_text(line: str, origin: Origin) -> Fault:
    """Of a file that began as plain text: learned as it stands, the brackets would be learned."""
    hint = Text(
        "This line is a row of JSON in a file that begins with plain text. Give such rows a file "
        "of their own that ends in .jsonl.",
        "这个文件以纯文本开头，这一行却是 JSON 数据。请把这样的数据单独存成 .jsonl 文件。",
    )
    return Fault(
        "unknown-shape",
        origin,
        found=shown(line.strip()),
        hint=hint,
    )


def _no_rows(path: Path, label: str) -> Fault:
    hint = Text("The download or the export may not have finished.", "下载或导出可能没有完成。")
    if not path.stat().st_size:
        hint = Text(
            "The file is empty (0 bytes): whatever should have written it has not finished.",
            "文件是空的（0 字节）：下载或导出没有完成。",
        )
    return Fault(
        "no-rows",
        Origin(label, 0),
        found=Text("0 rows", "0 条"),
        hint=hint,
    )


def _given_up(label: str, line: int) -> Fault:
    hint = Text(
        f"Reading stopped at line {line}; mend the file, or check its format.",
        f"读到第 {line} 行时停止；请先修好文件，或检查格式。",
    )
    return Fault(
        "broken-json",
        Origin(label, 0),
        found=Text(f"{MAX_FAULTS} faults", f"已有 {MAX_FAULTS} 处错误"),
        hint=hint,
    )


def _marked(label: str) -> Fault:
    hint = Text("Or save it as UTF-8 without BOM.", "也可以另存为不带 BOM 的 UTF-8。")
    return Fault(
        "byte-order-mark",
        Origin(label, 0),
        found="EF BB BF",
        hint=hint,
    )


def _already_utf8(label: str, asked: str) -> Fault:
    hint = Text(
        "Where all files are, it can be left out.", "如果所有文件都是 UTF-8，可以去掉这个参数。"
    )
    return Fault(
        "already-utf8",
        Origin(label, 0),
        found=asked,
        hint=hint,
    )


def _unknown(path: Path, label: str) -> Fault:
    known = ", ".join((*FORMATS, *COMPRESSIONS))
    hint = Text(f"Files that can be read end in {known}.", f"可以读取的文件以这些结尾：{known}。")
    if path.name.lower().endswith((".xlsx", ".xls")):
        hint = Text("Save the sheet as CSV (UTF-8).", "请把工作表另存为 CSV（UTF-8）。")
    elif ".parquet" in path.name.lower():
        hint = Text("Parquet is compressed inside; unpack it.", "Parquet 自带压缩，请先解压。")
    return Fault(
        "unknown-format",
        Origin(label, 0),
        found="".join(path.suffixes),
        hint=hint,
    )
