"""CSV, TSV and parquet: records with named columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from suretune.data.broken import NUL, gigantic, placed, repeated
from suretune.data.columns import KNOWN, is_foreign_header, is_header
from suretune.data.feed import LIMIT, Feed, lines, refuse_growth
from suretune.data.refusal import Refused, around, shown
from suretune.types import Fault, Origin, Row, Text

_SNIFFED = 20  # lines
_BATCH = 32  # parquet rows decoded at once: a dictionary may make each of them huge

QUOTES = Text(
    "A quote is not closed, or stands alone inside a cell. "
    'Inside a quoted cell it is written twice ("").',
    '引号没有闭合，或单元格里有单个引号。在带引号的单元格里，引号要写两次（""）。',
)


def csv_rows(feed: Feed, file: str, delimiter: str) -> Iterator[Row | Fault]:
    """Rows of a table; `delimiter` '' lets its first lines decide. Cells stay text, even empty.

    The first record is a header when it has a column name that is known. Two columns without a
    header are a question and its answer.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LIMIT))
    delimiter = delimiter or _delimiter(feed)
    source = _Lines(feed, file)
    records = csv.reader(source, delimiter=delimiter, strict=True)
    columns: list[str] = []
    while True:
        start = Origin(file, records.line_num + 1)
        source.size = 0
        try:
            record = next(records)
        except StopIteration:
            return
        except csv.Error as error:
            # Where the next record begins is unknown after a quote that went wrong.
            raise Refused(_bad_record(error, start)) from error
        if not any(cell.strip() for cell in record):
            continue
        if columns:
            yield _row(columns, record, start)
        elif is_header(record):
            columns = _header(record, start)
        elif len(record) == 2 and not is_foreign_header(record):
            columns = ["query", "response"]
            yield _row(columns, record, start)
        else:
            raise Refused(_no_header(record, start))


class _Lines:
    """The physical lines for the csv reader, which joins those of quoted cells by itself."""

    def __init__(self, feed: Feed, file: str) -> None:
        self._lines = enumerate(lines(feed), 1)
        self._file = file
        self.size = 0  # of the record so far

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        self.size += LIMIT + 1 if line is None else len(line)
        if line is None or self.size > LIMIT:
            raise Refused(gigantic(Origin(self._file, number), LIMIT))
        text = line.decode()
        if (nul := text.find("\0")) >= 0:  # the csv reader of Python 3.10 cannot take it
            raise Refused(placed("nul-character", text, nul, Origin(self._file, number), 1, NUL))
        return text + "\n"


def _delimiter(feed: Feed) -> str:
    """The one that makes a known header, else the one that cuts the first lines evenly."""
    while feed.held.count(b"\n") <= _SNIFFED and len(feed.held) <= LIMIT and feed.more():
        pass
    text = feed.held[:LIMIT].decode(errors="ignore").replace("\0", "")
    sample = [line for line in islice(text.split("\n"), _SNIFFED) if line.strip()]
    for delimiter in ",;\t":
        header = next(csv.reader(sample, delimiter=delimiter), [])
        if is_header(header) and len(header) > 1:
            return delimiter
    for delimiter in ",;\t":
        if {len(record) for record in csv.reader(sample, delimiter=delimiter)} == {2}:
            return delimiter
    return ","


def _header(record: list[str], origin: Origin) -> list[str]:
    names = [cell.strip() for cell in record]
    names = [name.lower() if name.lower() in KNOWN else name for name in names]
    for name in names:
        if name and names.count(name) > 1:
            raise Refused(repeated(name, origin))
    return names


def _row(columns: list[str], record: list[str], origin: Origin) -> Row | Fault:
    if len(record) != len(columns):
        hint = Text(
            "Put a cell that contains the delimiter into double quotes, and write every cell.",
            "单元格里若有分隔符，要用双引号括起来；每一列都要写出来。",
        )
        found = f"{len(record)} cells, {len(columns)} columns"
        return Fault("unknown-shape", origin, found=found, hint=hint)
    # A column without a name is the row number that pandas writes.
    return Row(origin, {n: c for n, c in zip(columns, record, strict=True) if n})


def _bad_record(error: csv.Error, origin: Origin) -> Fault:
    if "field limit" in str(error):
        return gigantic(origin, LIMIT)
    return Fault("unknown-format", origin, found=shown(str(error)), hint=QUOTES)


def _no_header(record: list[str], origin: Origin) -> Fault:
    hint = Text(
        "The first line has to name the columns, for example `query,response`.",
        "第一行要写列名，例如 `query,response`。",
    )
    found = shown(", ".join(record))
    return Fault("unknown-shape", origin, found=found, hint=hint)


def parquet_rows(handle: BinaryIO, file: str) -> Iterator[Row | Fault]:
    """Rows of a parquet file, a few at a time; the line of a row is its number from 1."""
    import pyarrow
    from pyarrow import parquet

    number = decoded = 0
    size = handle.seek(0, 2)
    try:
        table = parquet.ParquetFile(handle)
        names = table.schema_arrow.names
        for name in names:
            if names.count(name) > 1:
                raise Refused(repeated(name, Origin(file, 0)))
        for batch in table.iter_batches(_BATCH):
            decoded += _bytes_of(batch)
            refuse_growth(file, size, decoded)
            yield from _batch_rows(batch, file, number)
            number += batch.num_rows
    except UnicodeDecodeError as error:
        raise Refused(_bad_parquet(file, number, "not-utf8", error)) from error
    except (pyarrow.ArrowException, ValueError, OverflowError, OSError) as error:
        raise Refused(_bad_parquet(file, number, "unknown-format", error)) from error


def _batch_rows(batch: Any, file: str, before: int) -> Iterator[Row | Fault]:
    large = _bytes_of(batch) > LIMIT
    values = [None] * batch.num_rows if large else batch.to_pylist()
    for index, value in enumerate(values):
        origin = Origin(file, before + index + 1)
        if large:
            one = batch.slice(index, 1)
            if _bytes_of(one) > LIMIT:
                yield gigantic(origin, LIMIT)
                continue
            value = one.to_pylist()[0]
        nul = _with_nul(value)
        if nul is None:
            yield Row(origin, value)
        else:
            found = around(nul, nul.index("\0"))
            yield Fault("nul-character", origin, found=found, hint=NUL)


def _bytes_of(batch: Any) -> int:
    """What its rows hold. A dictionary's text counts as often as a row names it."""
    import pyarrow
    from pyarrow import compute

    total = 0
    for column in batch.columns:
        total += column.nbytes
        if isinstance(column, pyarrow.DictionaryArray):
            try:
                lengths = compute.binary_length(column.dictionary)
            except pyarrow.ArrowNotImplementedError:  # of numbers: no larger than their indices
                continue
            total += compute.sum(lengths.take(column.indices)).as_py() or 0
    return total


def _with_nul(value: Any) -> str | None:
    """The first text inside the value that has a NUL character."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if "\0" in item:
                return item
        elif isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, (list, tuple)):
            todo += item
    return None


def _bad_parquet(file: str, rows: int, kind: str, error: Exception) -> Fault:
    hint = Text(
        "This is no parquet file, or it is damaged. Copy or write it again.",
        "这不是 parquet 文件，或者已经损坏。请重新复制或写出。",
    )
    found = shown(str(error).partition("\n")[0])
    return Fault(kind, Origin(file, rows and rows + 1), found=found, hint=hint)
