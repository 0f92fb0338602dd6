"""CSV and TSV: records with named columns."""

from __future__ import annotations

import codecs
import csv
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from suretune import typed
from suretune.because import in_words
from suretune.data.broken import NUL, gigantic, placed, repeated
from suretune.data.columns import KNOWN, is_foreign_header, is_header
from suretune.data.contents import DELIMITERS, SEPARATOR
from suretune.data.feed import LIMIT, Feed, lines
from suretune.data.headers import OF_MESSAGES, is_name, is_of_messages, names_columns
from suretune.data.refusal import Refused, shown
from suretune.data.renames import as_pair, suggested, words_of
from suretune.data.tight import Tight
from suretune.types import Fault, Hint, Origin, Row, Text

_SNIFFED = 20  # lines

QUOTES = Text(
    "A quote is not closed, or stands alone inside a cell. "
    'Inside a quoted cell it is written twice ("").',
    '引号没有闭合，或单元格里有单个引号。在带引号的单元格里，引号要写两次（""）。',
)


def csv_rows(
    feed: Feed,
    file: str,
    delimiter: str,
    columns: Mapping[str, str],
) -> Iterator[Row | Fault]:
    """Rows of a table; `delimiter` '' lets its first lines decide. Cells stay text, even empty.

    The first record is a header when it has a column name that is known, or one of `columns`, which
    the user has named. Two columns without a header are a question and its answer, which is told.
    `columns` that are numbers say that there is none. Blanks between a delimiter and a quote are no
    data; where the header has blanks behind its delimiters (`a, b`), they are part of the delimiter
    in all rows. Any other blank stays. The header once more, further down, is a fault: there a
    second table was put behind the first.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LIMIT))
    sample = _sample(feed)
    if said := SEPARATOR.fullmatch(sample[0]) if sample else None:
        delimiter, sample = said[1].replace("\\t", "\t") or delimiter, sample[1:]
    if not said and (named := _below_title(feed, columns)):
        raise Refused(_titled(sample[0], named, Origin(file, 1), feed.encoding))
    delimiter, quote = _dialect(sample, delimiter, columns)
    source = _Lines(feed, file, Tight(delimiter, quote))
    source.passed = bool(said)
    records = csv.reader(
        source,
        delimiter=delimiter,
        quotechar=quote,
        strict=True,
    )
    names: list[str] = []
    header: list[str] = []
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
        if header and sorted(_folded(record)) == sorted(header):
            yield _second_header(record, header, start)
        elif names:
            yield _row(names, record, start)
        elif is_header(record) or {cell.strip() for cell in record} & columns.keys():
            source.tight.blanks = all(cell[:1] == " " for cell in record[1:]) and len(record) > 1
            names, header = _header(record, start, columns), _folded(record)
        else:
            below = [*csv.reader(sample, delimiter=delimiter, quotechar=quote)][1:]
            names, note = _without_header(record, below, start, columns)
            if note:
                yield note
            yield _row(names, record, start)


class _Lines:
    """The physical lines for the csv reader, which joins those of quoted cells by itself."""

    def __init__(self, feed: Feed, file: str, tight: Tight) -> None:
        self._lines = enumerate(lines(feed), 1)
        self._file = file
        self.tight = tight
        self.size = 0  # of the record so far
        self.passed = False  # the first line that is not blank only names the delimiter

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        self.size += LIMIT + 1 if line is None else len(line)
        if line is None or self.size > LIMIT:
            raise Refused(gigantic(Origin(self._file, number), LIMIT))
        text = line.decode()
        if self.passed and text.strip():
            self.passed = False
            return "\n"
        if (nul := text.find("\0")) >= 0:  # the csv reader of Python 3.10 cannot take it
            raise Refused(placed("nul-character", text, nul, Origin(self._file, number), 1, NUL))
        return self.tight.line(text) + "\n"


def _dialect(
    sample: list[str],
    delimiter: str,
    columns: Mapping[str, str],
) -> tuple[str, str]:
    """(delimiter, quote), as the first lines are best understood."""
    delimiter = delimiter or _delimiter(sample, columns)
    quoted = re.compile(rf"\s*'.*'\s*(?:{re.escape(delimiter)}\s*'.*'\s*)+")
    rows = sample[1:] if len(sample) > 1 else sample
    single = bool(rows) and all(quoted.fullmatch(line) for line in rows)
    return delimiter, "'" if single else '"'


def _sample(feed: Feed) -> list[str]:
    """The first lines that are not blank."""
    while feed.held.count(b"\n") <= _SNIFFED and len(feed.held) <= LIMIT and feed.more():
        pass
    text = feed.held[:LIMIT].decode(errors="ignore").replace("\0", "")
    return [line for line in islice(text.split("\n"), _SNIFFED) if line.strip()]


def _below_title(feed: Feed, columns: Mapping[str, str]) -> int:
    """The line that names the columns, where what stands above it is in one cell: a title, as
    people put over a sheet. 0 where there is none."""
    text = feed.held[:LIMIT].decode(errors="ignore").replace("\0", "").replace("\r", "")
    titled = False
    for number, line in enumerate(text.split("\n")[:_SNIFFED], 1):
        cut = [_filled(line, delimiter) for delimiter in DELIMITERS]
        apart = [cells for cells in cut if len(cells) > 1]
        if apart:  # whatever cuts it: an answer below may hold a table of its own
            names = any(_all_names(cells, columns) for cells in apart)
            return number if titled and names else 0
        if _all_names(cut[0], columns):
            return 0
        titled = titled or bool(cut[0])
    return 0


def _filled(line: str, delimiter: str) -> list[str]:
    cells = next(csv.reader([line], delimiter=delimiter), [])
    return [cell.strip() for cell in cells if cell.strip()]


def _all_names(cells: list[str], columns: Mapping[str, str]) -> bool:
    """Whether cells are names of columns, a question's and an answer's among them or the only."""
    known = [cell for cell in cells if cell.lower() in KNOWN or cell in columns]
    named = bool(columns) and columns.keys() <= set(cells)
    told = named or len(known) == len(cells) or bool(suggested(dict.fromkeys(cells, "")))
    return bool(cells) and (names_columns(cells, ()) or (told and all(map(is_name, cells))))


def _titled(
    title: str,
    below: int,
    origin: Origin,
    encoding: str,
) -> Fault:
    new = shlex.quote(f"{os.path.basename(origin.file).partition('.')[0]}.clean.csv")
    command = typed.through(f"tail -n +{below}", origin.file)
    wide = codecs.lookup(encoding).name
    if wide.startswith(("utf-16", "utf-32")):  # a line end there is more than a byte
        code = re.sub("-([bl]e)$", r"\1", wide)
        command = typed.through(f"iconv -f {code} -t utf-8", origin.file)
        command += f" | tail -n +{below} | iconv -f utf-8 -t {code}"
    command += f" > {new}"
    return Fault(
        "unknown-shape",
        origin,
        found=shown(title.strip()),
        hint=Hint(
            f"This is a title above the table; the columns are named on line {below}. `{command}` "
            "writes a copy that begins there: give that.",
            f"这是表格上方的标题，列名在第 {below} 行。`{command}` 会另存一份从列名开始的文件，"
            "请改用它。",
            file=new,
        ),
    )


def _delimiter(sample: list[str], columns: Mapping[str, str]) -> str:
    """The one that makes a known header, else the one that cuts the first lines evenly."""
    for delimiter in DELIMITERS:
        header = next(csv.reader(sample, delimiter=delimiter), [])
        named = is_header(header) or {cell.strip() for cell in header} & columns.keys()
        if named and len(header) > 1:
            return delimiter
    widths = {
        delimiter: {len(record) for record in csv.reader(sample, delimiter=delimiter)}
        for delimiter in DELIMITERS
    }
    two = [delimiter for delimiter, found in widths.items() if found == {2}]
    even = [delimiter for delimiter, found in widths.items() if len(found) == 1 and 1 not in found]
    return next(iter((*two, *even)), ",")


def _header(
    record: list[str],
    origin: Origin,
    columns: Mapping[str, str],
) -> list[str]:
    names = [cell.strip() for cell in record]
    names = [n.lower() if n.lower() in KNOWN and n not in columns else n for n in names]
    for name in names:
        if name and names.count(name) > 1:
            raise Refused(repeated(name, origin))
    return names


def _folded(record: list[str]) -> list[str]:
    """The cells of a header, however they are written; a file that was put behind another one may
    bring its byte order mark, and behind that a quote is no quote."""
    return [cell.strip("\ufeff\"' \t").lower() for cell in record]


def _second_header(
    record: list[str],
    header: list[str],
    origin: Origin,
) -> Fault:
    """The fault of the header once more; in another order it ends the reading, as every row below
    would be read the wrong way round."""
    fault = Fault(
        "unknown-shape",
        origin,
        found=shown(", ".join(record)),
        hint=Text(
            "These are the names of the columns once more, as where one table was put behind "
            "another. Remove the line, or leave it out with `--on_bad_row skip`.",
            "这里又是一遍列名，多半是把两个表格接在了一起。请删掉这一行，"
            "或用 `--on_bad_row skip` 略过。",
        ),
    )
    if _folded(record) == header:
        return fault
    hint = Text(
        "These are the names of the columns once more, in another order. Give each table a file of "
        "its own.",
        "这里又是一遍列名，但次序不同。请把两个表格各存成一个文件。",
    )
    raise Refused(replace(fault, hint=hint))


def _row(
    columns: list[str],
    record: list[str],
    origin: Origin,
) -> Row | Fault:
    if len(record) != len(columns):
        hint = Text(
            "Put a cell that contains the delimiter into double quotes, and write every cell.",
            "单元格里若有分隔符，要用双引号括起来；每一列都要写出来。",
        )
        found = Text(
            f"{len(record)} cells, {len(columns)} columns",
            f"有 {len(record)} 格，而列有 {len(columns)} 个",
        )
        return Fault("unknown-shape", origin, found=found, hint=hint)
    # A column without a name is the row number that pandas writes.
    return Row(origin, {n: c for n, c in zip(columns, record, strict=True) if n})


def _bad_record(error: csv.Error, origin: Origin) -> Fault:
    if "field limit" in str(error):
        return gigantic(origin, LIMIT)
    return Fault(
        "unknown-format",
        origin,
        found=in_words(error),
        hint=QUOTES,
    )


def _without_header(
    record: list[str],
    below: list[list[str]],
    origin: Origin,
    columns: Mapping[str, str],
) -> tuple[list[str], Fault | None]:
    """The names of the columns where the first record has none that is known, and what to tell of
    that; `Refused` where it rather names them itself."""
    names = [cell.strip() for cell in record]
    numbers = [str(number) for number in range(1, len(record) + 1)]
    flag = suggested(dict.fromkeys(names, ""))
    if not flag and is_foreign_header(record):
        flag = as_pair(names)
    chat = is_of_messages(names) and not flag
    seen = bool(flag) or chat or names_columns(record, below)
    if columns.keys() & set(numbers):  # the user says that there is no header
        return numbers, _read_as_row(record, origin, said=True) if seen else None
    if len(record) == 2 and not seen:
        return ["query", "response"], _read_as_row(record, origin)
    if chat:
        raise Refused(_one_message_a_row(record, origin))
    raise Refused(_no_header(record, origin, flag, as_pair(names) if seen else ""))


def _one_message_a_row(record: list[str], origin: Origin) -> Fault:
    return Fault(
        "unknown-shape",
        origin,
        found=shown(", ".join(record)),
        hint=OF_MESSAGES,
    )


def _numbered(record: list[str]) -> str:
    """The flag that says that a table has no header."""
    more = [f"{number}=" for number in range(3, len(record) + 1)]
    return " ".join(("--columns 1=query 2=response", *more))


def _read_as_row(
    record: list[str],
    origin: Origin,
    *,
    said: bool = False,
) -> Fault:
    """The note about a first record that names no column that is known; the user has `said` that it
    is a row."""
    flag = as_pair([cell.strip() for cell in record]) if all(map(is_name, record)) else ""
    row = Text(
        f"If it is a row, nothing needs mending; `{_numbered(record)}` says so.",
        f"如果它是一条数据，不用改；加上 `{_numbered(record)}` 可以写明。",
    )
    if said:
        row = Text("If it is a row, nothing needs mending.", "如果它是一条数据，不用改。")
    hint = Text(
        f"If it names the columns: `{flag}`. {row.en}",
        f"如果它是列名：`{flag}`。{row.zh}",
    )
    return Fault(
        "no-header",
        origin,
        found=shown(", ".join(record)),
        hint=hint if flag else row,
    )


def _no_header(
    record: list[str],
    origin: Origin,
    known: str,
    likely: str,
) -> Fault:
    """`known`, `likely`: the flag for names of columns that they surely are, or rather are."""
    numbered = _numbered(record)
    hint: Text = Hint(
        "The first line has to name the columns, for example `query,response`. "
        f"If it is a row, number them: `{numbered}`.",
        f"第一行要写列名，例如 `query,response`。如果它是一条数据，就用列号：`{numbered}`。",
        words_of(numbered),
    )
    if known:
        hint = Hint(
            f"Say which column is which: `{known}`.",
            f"请指明各列的含义：`{known}`。",
            words_of(known),
        )
    elif len(record) == 1:
        hint = Text(
            "A table of questions and answers has two columns, and this line is one cell. Commas, "
            "semicolons, tabs and `|` part cells; a first line of its own names another: `sep=^`.",
            "问答表格要有两列，而这一行只有一格。分隔符可以是逗号、分号、制表符和 `|`；"
            "如果是别的，请在最前面加一行写明，例如 `sep=^`。",
        )
    elif likely:
        hint = Text(
            f"The first line looks like names of columns. If they are: `{likely}`. "
            f"If it is a row: `{numbered}`.",
            f"第一行像是列名。如果是：`{likely}`。如果它是一条数据：`{numbered}`。",
        )
    return Fault(
        "unknown-shape",
        origin,
        found=shown(", ".join(record)),
        hint=hint,
    )
