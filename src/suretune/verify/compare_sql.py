"""Whether a query gives the rows that another one gives, on tables made for the two. Pure.

Queries come from rows and from models, so they may do anything. They only read: every statement
runs in memory, under an authorizer that allows SELECT, the prompt's own tables and known functions,
with bounds on steps, lengths and rows.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from math import prod
from random import Random
from typing import Any

from suretune.verify.compare_tables import (
    Column,
    Rows,
    Schema,
    Spoken,
    Token,
    filled,
    schema_of,
    spoken,
    tokens,
)

LONGEST = 4_000  # characters of a query
MOST_EXPANDED = 1_000  # copies of a WITH that others use: SQLite plans each
STEPS = 1_000  # between two looks at a query, in instructions of SQLite
MOST_LOOKS = 1_000
MOST_ROWS = 5_000  # of a result
MOST_GIVEN = 2_000  # rows that a prompt inserts into a table
LARGEST = 10_000  # bytes of a value
MOST_BYTES = 2_000_000  # of a result
SEEDS = 16  # fillings that are tried
ENOUGH = 8  # of these: fillings that tell something
ORDERS = range(4)  # of a table's rows: as made, backwards, and two more
START = re.compile(
    r"\b(?:SELECT\b|WITH\s+(?:RECURSIVE\s+)?[\w\"`\[\]]{1,64}\s*(?:\([^()]{0,200}\)\s*)?AS\s*\()",
    re.IGNORECASE,
)
FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
STATEMENT = re.compile(
    r"\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE|DROP|CREATE|ALTER|ATTACH|PRAGMA|REPLACE|VACUUM)\s",
    re.IGNORECASE,
)
KNOWN = """abs avg cast ceil ceiling char coalesce concat concat_ws count cume_dist date datetime
    dense_rank exp first_value floor glob group_concat ifnull iif instr julianday lag last_value
    lead length like ln log log10 log2 lower ltrim max min mod nth_value ntile nullif percent_rank
    pi pow power rank replace round row_number rtrim sign sqrt strftime string_agg substr substring
    sum time total trim trunc typeof unicode unixepoch upper"""
LIMITED = hasattr(sqlite3.Connection, "setlimit")  # from Python 3.11 on
GROWING = {"replace", "group_concat", "string_agg", "concat", "concat_ws"}
FUNCTIONS = frozenset(KNOWN.split()) - (set() if LIMITED else GROWING)
MOST_JOINED = 4  # texts by ||, where lengths cannot be limited
Row = tuple[Any, ...]
Result = list[Row]


@dataclass(frozen=True, slots=True)
class Case:
    """A row whose reference can be compared: its tables and its query."""

    schema: Schema
    reference: str
    given: Rows  # what the prompt inserts
    ordered: bool
    said: Spoken
    fillings: tuple[_Filling, ...] = ()  # on which the reference tells something


def looks_like_sql(text: str) -> bool:
    """Whether it begins as a query does, bare or in a fence."""
    return bool(STATEMENT.match(_bare(text)))


def case_of(prompt: str, reference: str) -> Case | None:
    """The row, if its reference runs and gives rows that chance does not order."""
    query = next(iter(queries_in(reference)), "")
    if not looks_like_sql(reference) or not query:
        return None
    schema = schema_of(prompt)
    if not schema.tables or not _bounded(query):
        return None
    given = _given(schema)
    query = _literal(query, schema)
    case = Case(
        schema,
        query,
        given,
        _ordered(query),
        spoken([query], schema),
    )
    found = tuple(_fillings(case, case.said))
    certain = len(found) > 1 or (found and _all_given(case.said, case))
    return replace(case, fillings=found) if certain else None


def same_rows(case: Case, prompt: str, answer: str) -> bool:
    """Whether the answer's query gives the reference's rows."""
    found = [_literal(q, case.schema) for q in queries_in(answer) if _bounded(q)]
    found = [_in_known_case(query, case.reference, prompt) for query in found]
    first = case.fillings[0]
    query = next((q for q in found if _run(case.schema, first.rows, q) is not None), None)
    if query is None:
        return False
    if _words(query) == _words(case.reference):
        return True
    said = spoken([case.reference, query], case.schema)
    tried = chain(case.fillings, _fillings(case, said) if said != case.said else ())
    return all(_same(case, query, filling) for filling in tried)


def _words(query: str) -> list[tuple[str, str]]:
    return [(w.kind, w.text if w.kind == "text" else w.text.casefold()) for w in tokens(query)]


# --- the query in a text -------------------------------------------------------------------------


def queries_in(text: str) -> list[str]:
    """The query of an answer, the likeliest end first: prose may follow. None where there are two
    statements."""
    body = next((b for b in FENCE.findall(text) if START.search(b)), text)
    start = START.search(body)
    if not start:
        return []
    rest = body[start.start() :][: LONGEST + 1]
    if body[: start.start()].endswith("`") and rest.count("`") % 2:
        rest = rest[: rest.rindex("`")]
    end = next((t for t in tokens(rest) if t.kind == "sign" and t.text == ";"), None)
    if end:
        return [] if STATEMENT.match(rest[end.end :]) else [rest[: end.start]]
    ends = (rest, re.split(r"\n\s*\n", rest)[0], rest.split("\n")[0])
    return [query.strip() for query in dict.fromkeys(ends)]


def _bare(text: str) -> str:
    """Without comments before it, and out of its fence."""
    body = next((b for b in FENCE.findall(text)), text) if text.lstrip()[:3] == "```" else text
    return re.sub(r"\A(?:\s*--[^\n]*\n)*\s*", "", body)


def _bounded(query: str) -> bool:
    """Whether SQLite plans it in no time: `a AS (... b, b), b AS (... c, c)` doubles each time."""
    if len(query) > LONGEST or not (LIMITED or query.count("||") <= MOST_JOINED):
        return False
    words = tokens(query)
    named = {_named_by(words, at) for at, word in enumerate(words) if word.upper == "AS"}
    behind = [*(word.text for word in words[1:]), ""]
    uses = Counter(w.names for w, dot in zip(words, behind, strict=True) if dot != ".")
    return prod(max(1, uses[name] - 1) for name in named if name) <= MOST_EXPANDED


def _named_by(words: Sequence[Token], at: int) -> str:
    """What stands before this AS: `name AS (` or `name (columns) AS (`."""
    before = at - 1
    if before > 0 and words[before].text == ")":
        while before > 0 and words[before].text != "(":
            before -= 1
        before -= 1
    return words[before].names if before >= 0 else ""


def _ordered(query: str) -> bool:
    """Whether the order of its rows is asked for: ORDER BY outside of all brackets."""
    depth = 0
    for word in tokens(query):
        depth += (word.text == "(") - (word.text == ")") if word.kind == "sign" else 0
        if depth == 0 and word.upper == "ORDER":
            return True
    return False


def _literal(query: str, schema: Schema) -> str:
    """With 'x' for a "x" that names nothing: some builds of SQLite read it so, others refuse it."""
    words = tokens(query)
    pairs = [*zip([None, *words[:-1]], words, strict=True)] if words else []
    named = {w.names for before, w in pairs if before is not None and before.upper == "AS"}
    known = schema.names | named

    def is_text(before: Token | None, word: Token) -> bool:
        return (
            word.kind == "quoted"
            and word.names not in known
            and (before is None or before.text != ".")
        )

    return _replaced(query, [(w, w.text) for before, w in pairs if is_text(before, w)])


def _replaced(query: str, texts: Sequence[tuple[Token, str]]) -> str:
    """With these texts in place of these words."""
    for word, text in reversed(texts):
        quoted = "'" + text.replace("'", "''") + "'"
        query = query[: word.start] + quoted + query[word.end :]
    return query


def _in_known_case(answer: str, reference: str, prompt: str) -> str:
    """With the reference's literals, where they differ in case and the prompt has another one:
    "Lamar High School" is asked for, and rows that say "lamar high school" taught a habit."""
    wanted = {
        word.text.casefold(): word.text
        for word in tokens(reference)
        if word.kind == "text"
        and word.text not in prompt
        and word.text.casefold() in prompt.casefold()
    }
    texts = [w for w in tokens(answer) if w.kind == "text" and w.text.casefold() in wanted]
    return _replaced(answer, [(w, wanted[w.text.casefold()]) for w in texts])


# --- running it ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Filling:
    """Rows of all tables, and what the reference gives on them."""

    rows: Rows
    wanted: Result
    ordered: bool  # the order of these is no chance


def _fillings(case: Case, said: Spoken) -> Iterator[_Filling]:
    """Those on which the reference gives something, the same in whatever order rows lie."""
    found = 0
    for seed in range(SEEDS):
        rows = filled(case.schema, said, seed, case.given)
        there, *other = (_run(case.schema, rows, case.reference, order) for order in ORDERS)
        if there is None or None in other:
            return
        if not _tells(there) or any(Counter(o) != Counter(there) for o in other if o is not None):
            continue
        yield _Filling(
            rows,
            there,
            case.ordered and all(o == there for o in other),
        )
        found += 1
        if found == ENOUGH or _all_given(said, case):
            return


def _all_given(said: Spoken, case: Case) -> bool:
    """Whether nothing had to be filled in: other seeds make no other rows."""
    return all(case.given.get(n) for n in case.schema.tables if n.casefold() in said.tables)


def _tells(result: Result) -> bool:
    """Not no rows, nor what a sum or a count says of none."""
    return any(cell not in (None, 0) for row in result for cell in row)


def _same(case: Case, query: str, filling: _Filling) -> bool:
    for order in ORDERS[:2]:
        result = _run(case.schema, filling.rows, query, order)
        if result != filling.wanted and (
            result is None or filling.ordered or Counter(result) != Counter(filling.wanted)
        ):
            return False
    return True


def _run(
    schema: Schema,
    rows: Rows,
    query: str,
    order: int = 0,
) -> Result | None:
    """What the query gives; None for an error, too many steps, rows or bytes."""
    found: Result = []
    size = 0
    try:
        with (
            closing(_database(schema, rows, order)) as connection,
            _guarded(connection, schema, _reads),
        ):
            for row in connection.execute(query):
                found.append(tuple(map(_cell, row)))
                size += sum(len(cell) for cell in row if isinstance(cell, str | bytes))
                if len(found) > MOST_ROWS or size > MOST_BYTES:
                    return None
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError):
        return None
    return found


def _cell(value: object) -> object:
    """Sums in another order differ in their last digits."""
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _database(
    schema: Schema,
    rows: Rows,
    order: int = 0,
) -> sqlite3.Connection:
    """In memory, with our own tables: nothing that a prompt wrote is run. `order`: in which the
    rows lie there."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for name, columns in schema.tables.items():
        told = ", ".join(f"{_name(column.name)} {_type(column.type)}" for column in columns)
        connection.execute(f"CREATE TABLE {_name(name)} ({told})")
        mine = list(rows.get(name, ()))
        if order > 0:
            mine.reverse()
        if order > 1:
            Random(order).shuffle(mine)
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {_name(name)} VALUES ({marks})", mine)
    return connection


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _type(declared: str) -> str:
    return f'"{declared}"' if declared else ""


def _given(schema: Schema) -> Rows:
    """The rows that the prompt's INSERT statements make. They run as guarded as queries do."""
    if not schema.inserts:
        return {}
    found = {}
    try:
        with closing(_database(schema, {})) as connection:
            with _guarded(connection, schema, _inserts):
                for statement in schema.inserts:
                    try:
                        connection.execute(_literal(statement, schema))
                    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError):
                        continue  # another dialect's: its rows are made up
            for name in schema.tables:
                rows = connection.execute(f"SELECT * FROM {_name(name)}").fetchmany(MOST_GIVEN)
                found[name] = [*_numbered(schema.tables[name], rows)]
    except (sqlite3.Error, ValueError):
        return {}
    return found


def _numbered(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[Row]:
    """Keys that an INSERT leaves out count up, as AUTOINCREMENT does."""
    for number, row in enumerate(rows, 1):
        yield tuple(
            number if cell is None and column.unique else cell
            for column, cell in zip(columns, row, strict=True)
        )


Allow = Callable[[int, str | None], bool]


def _reads(action: int, name: str | None) -> bool:
    if action == sqlite3.SQLITE_FUNCTION:
        return (name or "").lower() in FUNCTIONS
    return action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)


def _inserts(action: int, name: str | None) -> bool:
    return action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_SELECT)


@contextmanager
def _guarded(
    connection: sqlite3.Connection,
    schema: Schema,
    allow: Allow,
) -> Iterator[None]:
    """Statements do what is allowed, to the schema's tables, for so many steps in all.

    WITH RECURSIVE is not allowed: it can double a text in every step.
    """
    tables = {name.casefold() for name in schema.tables}
    looks = iter(range(MOST_LOOKS))

    def permit(
        action: int,
        first: str | None,
        second: str | None,
        *_: str | None,
    ) -> int:
        function = action == sqlite3.SQLITE_FUNCTION
        named = function or action == sqlite3.SQLITE_SELECT or (first or "").casefold() in tables
        allowed = named and allow(action, second if function else first)
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    if LIMITED:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200)
    connection.set_authorizer(permit)
    connection.set_progress_handler(lambda: int(next(looks, None) is None), STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)
        connection.set_authorizer(lambda *_: sqlite3.SQLITE_OK)
