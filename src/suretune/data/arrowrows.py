"""Parquet and arrow: records with named columns, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from suretune.because import in_words
from suretune.data.broken import NUL, gigantic, repeated
from suretune.data.contents import ARROW
from suretune.data.feed import LIMIT, refuse_growth
from suretune.data.refusal import Refused, around
from suretune.types import Fault, Origin, Row, Text

_BATCH = 32  # parquet rows decoded at once: a dictionary may make each of them huge


def parquet_rows(handle: BinaryIO, file: str) -> Iterator[Row | Fault]:
    """Rows of a parquet file, a few at a time; the line of a row is its number from 1."""
    from pyarrow import parquet

    def opened() -> tuple[list[str], Iterator[Any]]:
        table = parquet.ParquetFile(handle)
        return table.schema_arrow.names, table.iter_batches(_BATCH)

    yield from _arrow_rows(handle, file, opened)


def arrow_rows(handle: BinaryIO, file: str) -> Iterator[Row | Fault]:
    """Rows of an arrow file or stream (what the datasets library keeps), in the same way."""
    from pyarrow import ipc

    def opened() -> tuple[list[str], Iterator[Any]]:
        is_file = handle.read(len(ARROW)) == ARROW
        handle.seek(0)
        if not is_file:
            stream = ipc.open_stream(handle)
            return stream.schema.names, map(_validated, stream)
        table = ipc.open_file(handle)
        batches = (table.get_batch(number) for number in range(table.num_record_batches))
        return table.schema.names, map(_validated, batches)

    yield from _arrow_rows(handle, file, opened)


def _validated(batch: Any) -> Any:
    """The batch, whose memory is the file's own: where that is damaged, an offset may point
    anywhere, and reading there would end the process."""
    batch.validate(full=True)
    return batch


def _arrow_rows(
    handle: BinaryIO,
    file: str,
    opened: Callable[[], tuple[list[str], Iterator[Any]]],
) -> Iterator[Row | Fault]:
    import pyarrow

    number = decoded = 0
    size = handle.seek(0, 2)
    handle.seek(0)
    try:
        names, batches = opened()
        for name in names:
            if names.count(name) > 1:
                raise Refused(repeated(name, Origin(file, 0)))
        for whole in batches:
            for start in range(0, whole.num_rows, _BATCH):
                batch = whole.slice(start, _BATCH)
                decoded += _bytes_of(batch)
                refuse_growth(file, size, decoded)
                yield from _batch_rows(batch, file, number)
                number += batch.num_rows
    except UnicodeDecodeError as error:
        raise Refused(_bad_table(file, number, "not-utf8", error)) from error
    except (pyarrow.ArrowException, ValueError, OverflowError, OSError) as error:
        kind = "not-utf8" if "Invalid UTF8" in str(error) else "unknown-format"
        raise Refused(_bad_table(file, number, kind, error)) from error


def _batch_rows(
    batch: Any,
    file: str,
    before: int,
) -> Iterator[Row | Fault]:
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
            yield Fault(
                "nul-character",
                origin,
                found=found,
                hint=NUL,
            )


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


def _bad_table(
    file: str,
    rows: int,
    kind: str,
    error: Exception,
) -> Fault:
    hint = Text(
        "This is no parquet or arrow file, or it is damaged. Copy or write it again.",
        "这不是 Parquet 或 Arrow 文件，或者已经损坏。请重新复制或导出。",
    )
    return Fault(
        kind,
        Origin(file, rows and rows + 1),
        found=in_words(error),
        hint=hint,
    )
