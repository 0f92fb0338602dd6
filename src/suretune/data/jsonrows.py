"""JSON lines, and lists as long as the disk: one row at a time, each with its line."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from typing import Any

import orjson

from suretune import typed
from suretune.data.broken import (
    AFTERWARDS,
    COMMA_AFTER,
    CUT_OFF,
    GLUED,
    HARMLESS,
    MISSING_COMMA,
    NUL,
    OTHER,
    TOO_DEEP,
    TRAILING_COMMA,
    broken,
    gigantic,
    placed,
    repeated,
)
from suretune.data.columnar import from_viewer, rows_of
from suretune.data.columns import KNOWN, is_message
from suretune.data.feed import LIMIT, Feed, lines
from suretune.data.refusal import Refused
from suretune.data.scanner import INK, Scanner, TooLong
from suretune.types import Fault, Hint, Origin, Row, Text

_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|([{}\[\]])', re.DOTALL)
_NUL = re.compile(r"(?<!\\)(?:\\\\)*(\\u0000)")
_ABOUT = frozenset({"features", "columns", "fields", "schema"})  # lists about rows, not of them
_OPEN, _OPEN_LIST, _CLOSE_LIST, _COMMA, _COLON, _QUOTE = b'{[],:"'


def json_rows(
    feed: Feed,
    file: str,
    lines_expected: bool,
) -> Iterator[Row | Fault]:
    """The rows of a file of either layout; its name only decides what its text leaves open.

    A value that holds a whole table by columns is taken apart into its rows.
    """
    for item in _records(feed, file, lines_expected):
        value = from_viewer(item.value, item.origin) if isinstance(item, Row) else item
        if isinstance(item, Fault) or isinstance(value, Fault):
            yield value
            continue
        table = rows_of(value, item.origin)
        if isinstance(table, list):
            yield from (Row(item.origin, row) for row in table)
        elif isinstance(table, Fault):
            yield table
        else:
            yield item if value is item.value else Row(item.origin, value)


def _records(
    feed: Feed,
    file: str,
    lines_expected: bool,
) -> Iterator[Row | Fault]:
    if is_document(feed, lines_expected):
        yield from _values(Scanner(feed, file))
        return
    for number, line in enumerate(lines(feed), 1):
        if line is None:
            yield gigantic(Origin(file, number), LIMIT)
        elif line.strip(b" \t"):
            yield parsed(line, Origin(file, number), 1, feed.last)


def parsed(
    raw: bytes,
    origin: Origin,
    column: int,
    file_ends: bool,
) -> Row | Fault:
    """One value, strictly: what orjson takes in silence (repeated keys, NUL) is a fault too."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "depth" in error.msg or "ecursion" in error.msg:
            return Fault("broken-json", origin, column, hint=TOO_DEEP)
        return broken(raw, error.pos, origin, column, file_ends)
    escapes = b"\\u00" in raw
    if escapes and (nul := _NUL.search(text := raw.decode())):
        return placed(
            "nul-character",
            text,
            nul.start(1),
            origin,
            column,
            NUL,
        )
    try:
        # A key that stood twice is gone from the value, and its colon with it. A colon can only
        # hide in an escape (\u003a), so equal counts without such escapes mean: nothing is gone.
        colons = orjson.dumps(value).count(b":")
    except TypeError:  # orjson writes less deep than it reads
        return Fault("broken-json", origin, column, hint=TOO_DEEP)
    if escapes or raw.count(b":") != colons:
        key = _repeated_key(raw)
        if key is not None:
            return repeated(key, origin)
    return Row(origin, value)


class _Repeated(Exception):
    pass


def _repeated_key(raw: bytes) -> str | None:
    try:
        json.loads(
            raw,
            object_pairs_hook=_once,
            parse_int=str,
            parse_float=str,
        )
    except _Repeated as found:
        return str(found)
    return None


def _once(pairs: list[tuple[str, Any]]) -> None:
    keys = set()
    for key, _ in pairs:
        if key in keys:
            raise _Repeated(key)
        keys.add(key)


def is_document(feed: Feed, lines_expected: bool) -> bool:
    """Whether the text is one list or object over several lines, rather than a row per line."""
    while not (ink := INK.search(feed.held)):
        if len(feed.held) > LIMIT or not feed.more():
            return False
    start, opening = ink.start(), ink.group()[0]
    if opening not in (_OPEN, _OPEN_LIST):
        return not lines_expected
    if opening == _OPEN_LIST and not _is_conversation(Scanner(feed, ""), start):
        return True
    while (end := feed.held.find(b"\n", start)) < 0:
        if len(feed.held) > LIMIT:
            return not lines_expected
        if not feed.more():
            end = len(feed.held)
            break
    while not (follows := INK.search(feed.held, end)):
        if len(feed.held) > LIMIT or not feed.more():
            break
    line = feed.held[start:end].rstrip(b" \t")
    if Scanner(Feed(iter(()), line), "").end(0) == len(line):
        return follows is None and not (lines_expected and opening == _OPEN)
    if opening == _OPEN_LIST or follows is None:
        return True
    # An object goes on below, or its line is broken: then the next line opens another.
    next_opens = follows.group() == b"{"
    return line[-1:] in (b"{", b"[") or (line[-1:] in (b",", b":") and not next_opens)


def _is_conversation(scan: Scanner, start: int) -> bool:
    """Whether the list at `start` holds turns, and so is one row, rather than rows."""
    try:
        first, byte = scan.ink(start + 1)
        if byte != _OPEN or (end := scan.end(first)) is None:
            return False
        return is_message(orjson.loads(scan.text(first, end)))
    except (TooLong, orjson.JSONDecodeError):
        return False


def _values(scan: Scanner) -> Iterator[Row | Fault]:
    """The rows of a list, of a list inside an object, or of objects printed over several lines."""
    ended_on = 0
    while (byte := scan.next()) >= 0:
        if byte == _COMMA and ended_on:
            raise Refused(_fault(scan, COMMA_AFTER))
        if scan.line == ended_on:
            raise Refused(_fault(scan, GLUED if byte in b"{[" else AFTERWARDS))
        inner = _rows_inside(scan, byte)
        if inner is None:
            item, size = _value(scan)
            if isinstance(item, Fault):
                raise Refused(item)
            yield item
            scan.move(size)
            ended_on = scan.line
            continue
        scan.move(inner + 1)
        named = scan.next() == _OPEN
        yield from _elements(scan)
        if byte == _OPEN:
            _rest_of_wrapper(scan)
        if (behind := scan.next()) >= 0:
            again = byte == behind == _OPEN_LIST
            raise Refused(_second_list(scan, named) if again else _fault(scan, AFTERWARDS))


def _rows_inside(scan: Scanner, opening: int) -> int | None:
    """Where the list of rows begins; None when the value here is itself a row."""
    if opening == _OPEN_LIST:
        return None if _is_conversation(scan, 0) else 0
    if opening != _OPEN:
        return None
    try:
        return _list_in_object(scan)
    except TooLong:  # `_value` says so, with the line
        return None


def _list_in_object(scan: Scanner) -> int | None:
    """The first field that is a list of objects, in an object that has no field of a row."""
    ahead, byte = scan.ink(1)
    while byte == _QUOTE and (end := scan.end(ahead)) is not None:
        name = scan.text(ahead + 1, end - 1).decode()
        if name in KNOWN and name not in _ABOUT:
            return None
        ahead, byte = scan.ink(end)
        if byte != _COLON:
            return None
        ahead, byte = scan.ink(ahead + 1)
        if byte == _OPEN_LIST and scan.ink(ahead + 1)[1] == _OPEN and name not in _ABOUT:
            return ahead
        if byte < 0 or (end := scan.end(ahead)) is None:
            return None
        ahead, byte = scan.ink(end)
        if byte != _COMMA:
            return None
        ahead, byte = scan.ink(ahead + 1)
    return None


def _elements(scan: Scanner) -> Iterator[Row | Fault]:
    """The rows up to the end of the list that the place is in.

    A broken one ends the reading, unless it is clear where the next begins.
    """
    comma: tuple[Origin, int] | None = None  # where the one before this place is, and its column
    fresh = True  # at the start, or after a comma
    while True:
        byte = scan.next()
        if byte < 0:
            raise Refused(_fault(scan, CUT_OFF))
        if byte == _CLOSE_LIST:
            if comma:
                yield placed(
                    "broken-json",
                    ",",
                    0,
                    *comma,
                    TRAILING_COMMA,
                )
            scan.move(1)
            return
        if byte == _COMMA:
            if fresh:
                yield _fault(scan, TRAILING_COMMA)
            comma, fresh = (Origin(scan.file, scan.line), scan.column), True
            scan.move(1)
            continue
        if not fresh:
            fault = _fault(scan, MISSING_COMMA if byte in b'{["' else OTHER)
            if fault.hint != MISSING_COMMA:
                raise Refused(fault)
            yield fault
        item, size = _value(scan)
        if isinstance(item, Fault) and not _ends_for_sure(item, scan.text(0, size)):
            raise Refused(item)
        yield item
        scan.move(size)
        comma, fresh = None, False


def _ends_for_sure(fault: Fault, raw: bytes) -> bool:
    """Whether the end of this faulty element is beyond doubt: quotes and brackets all match."""
    if fault.kind != "broken-json":
        return True
    if fault.hint not in HARMLESS:
        return False
    closing = {b"{": b"}", b"[": b"]"}
    expected: list[bytes] = []
    for bracket in _BRACKET.findall(raw):
        if bracket in closing:
            expected.append(closing[bracket])
        elif bracket and (not expected or expected.pop() != bracket):
            return False
    return not expected


def _value(scan: Scanner) -> tuple[Row | Fault, int]:
    """The value here and its length in bytes."""
    try:
        end = scan.end(0)
    except TooLong:
        # A quote that was never closed also makes a row look endless; then say that instead.
        origin = Origin(scan.file, scan.line)
        start = scan.text(0, LIMIT >> 4).decode(errors="ignore").encode()
        item = parsed(start, origin, scan.column, True)
        if isinstance(item, Fault) and item.hint not in (CUT_OFF, TOO_DEEP):
            raise Refused(item) from None
        raise Refused(gigantic(origin, LIMIT)) from None
    raw = scan.text(0, end) if end else scan.rest()
    item = parsed(
        raw,
        Origin(scan.file, scan.line),
        scan.column,
        end is None,
    )
    return item, len(raw)


def _rest_of_wrapper(scan: Scanner) -> None:
    """Pass what follows the list of rows inside its object, and make sure no second list hides."""
    try:
        end = scan.end(0, depth=1)
    except TooLong:
        raise Refused(gigantic(Origin(scan.file, scan.line), LIMIT)) from None
    rest = scan.text(0, end) if end else scan.rest()
    start = b'{"":0'
    item = parsed(
        start + rest,
        Origin(scan.file, scan.line),
        scan.column - len(start),
        not end,
    )
    if isinstance(item, Fault):
        raise Refused(item)
    lists = [key for key, value in item.value.items() if isinstance(value, list) and value]
    if any(isinstance(item.value[key][0], (dict, list)) for key in lists):
        new = shlex.quote(f"{os.path.basename(scan.file).partition('.')[0]}.rows.jsonl")
        command = f"{typed.through(f'jq -c {shlex.quote(_NAMED)}', scan.file)} > {new}"
        hint = Hint(
            f"This object holds several lists of rows. `{command}` writes the rows of all, one a "
            "line, each with the name of its list as `split`: those of `train` are learned then.",
            f"这个对象里有多个数据列表。`{command}` 会把所有数据逐行写出，并在 `split` 里写上列表的"
            "名字：这样 `train` 里的参与训练。",
            file=new,
        )
        where = Origin(scan.file, scan.line)
        raise Refused(Fault("unknown-format", where, found=", ".join(lists), hint=hint))
    scan.move(len(rest))


def _second_list(scan: Scanner, named: bool) -> Fault:
    """A list behind a list, as some tools write one on each line. `named`: of objects. Nobody can
    tell whether each is some rows or one conversation."""
    hint = Text(
        "Here one list follows another, and their values have no names. Write one object a line: "
        '`{"query": "...", "response": "..."}`.',
        "这里一个列表接着另一个列表，其中的值没有字段名。请每行写一个对象："
        '`{"query": "...", "response": "..."}`。',
    )
    if named:
        command = typed.through("jq -c '.[]'", scan.file)
        hint = Text(
            f"Here one list follows another. `{command}` writes the rows of all, one a line. Where "
            'each list is one conversation, write it as `{"messages": [...]}` instead.',
            f"这里一个列表接着另一个列表。`{command}` 会把所有数据逐行写出。"
            '如果每个列表是一整段对话，就改写成 `{"messages": [...]}`。',
        )
    where = Origin(scan.file, scan.line)
    return Fault("unknown-format", where, found=Text("a second list", "又一个列表"), hint=hint)


_NAMED = "to_entries[] | (.value | arrays | .[] | objects) + {split: .key}"


def _fault(scan: Scanner, hint: Text) -> Fault:
    """About the character at the place."""
    ahead = scan.text(0, 80).decode(errors="ignore")
    return placed(
        "broken-json",
        ahead,
        0,
        Origin(scan.file, scan.line),
        scan.column,
        hint,
    )
