"""The tables that a prompt describes, filled with rows that tell queries apart. Pure.

Prompts of text-to-SQL rows hold CREATE TABLE statements, seldom any rows. A query says something
only where there are rows that it keeps and rows that it leaves out, so that is how they are made:
the literals of the queries occur, beside their neighbours and beside values of no query. The way to
judge queries by what they give on made-up tables is Zhong et al. 2020 ("Semantic Evaluation for
Text-to-SQL with Distilled Test Suites").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^']|'')*')|(?P<quoted>"(?:[^"]|"")*")"""
    r"""|(?P<name>`[^`]+`|\[[^\[\]]+\]|[^\W\d][\w$]*)|(?P<number>\d+(?:\.\d+)?|\.\d+)"""
    r"""|(?P<sign><>|[!<>=]=|\|\||\S)""",
    re.DOTALL,
)
CREATE = re.compile(
    r"\bCREATE\s+(?:TEMP(?:ORARY)?\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?", re.IGNORECASE
)
INSERT = re.compile(r"\bINSERT\s+(?:OR\s+\w+\s+)?INTO\s", re.IGNORECASE)
MOST_TABLES = 40  # of a prompt
MOST_COLUMNS = 200  # of a table
MOST_INSERTS = 200
LONGEST = 8_000  # characters of a CREATE TABLE
LONGEST_INSERT = 20_000
MOST_LITERALS = 48
ROWS, FEW_ROWS = 32, 14  # of a table; where three or more are joined the products grow
# Later fillings are small: there a row at the edge of a condition is often the largest or least.
LARGE, SMALL = 4, 8
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron")
TYPE = re.compile(r"INT|CHAR|TEXT|REAL|FLOA|DOUB|NUM|DEC|DATE|TIME|BLOB|BOOL|STRING", re.IGNORECASE)
NUMERIC = re.compile(r"INT|REAL|FLOA|DOUB|NUM|DEC|MONEY|SERIAL|BOOL|BIT|YEAR", re.IGNORECASE)
DATED = re.compile(r"date|time(?!s)|_at$|day$", re.IGNORECASE)
ISO_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(.*)", re.DOTALL)
YEAR = re.compile(r"(?:1[89]|20)\d\d")
CONSTRAINTS = {"CONSTRAINT", "PRIMARY", "FOREIGN", "UNIQUE", "CHECK", "KEY", "INDEX", "FULLTEXT"}
CLAUSES = {"SELECT", "FROM", "GROUP", "ORDER", "UNION", "EXCEPT", "INTERSECT", "LIMIT", "OFFSET"}

Value = int | float | str


@dataclass(frozen=True, slots=True)
class Token:
    """A word of SQL. `text` of a name or a text is without its quotes."""

    kind: str  # text, quoted, name, number, sign
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """A keyword, as far as it may be one."""
        return self.text.upper() if self.kind == "name" else ""

    @property
    def names(self) -> str:
        """What it names, as SQL compares names; empty where it names nothing."""
        return self.text.casefold() if self.kind in ("name", "quoted") else ""


def tokens(sql: str) -> list[Token]:
    """The words of a statement, without comments."""
    return [*each_token(sql)]


def each_token(sql: str) -> Iterator[Token]:
    """The tokens of an SQL text without comments, quotes taken off."""
    for match in TOKEN.finditer(sql):
        kind, text = str(match.lastgroup), match.group()
        if kind == "comment":
            continue
        if kind in ("text", "quoted"):
            text = text[1:-1].replace(text[0] * 2, text[0])
        elif kind == "name" and text[0] in "`[":
            text = text[1:-1]
        yield Token(kind, text, match.start(), match.end())


@dataclass(frozen=True, slots=True)
class Column:
    """`unique`: no value twice; `refers`: the column of another table that its values are of."""

    name: str
    type: str = ""
    unique: bool = False
    refers: str = ""

    @property
    def key(self) -> str:
        """The name as SQL compares it."""
        return self.name.casefold()


@dataclass(frozen=True, slots=True)
class Schema:
    """Tables by name, and the INSERT statements that stand beside them."""

    tables: Mapping[str, tuple[Column, ...]]
    inserts: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Of all tables and columns, as SQL compares them."""
        columns = (column.key for table in self.tables.values() for column in table)
        return frozenset((*(name.casefold() for name in self.tables), *columns))


def schema_of(prompt: str) -> Schema:
    """What the prompt creates; of a name that comes twice (an example first) the last counts."""
    tables: dict[str, tuple[Column, ...]] = {}
    for match in [*CREATE.finditer(prompt)][-MOST_TABLES:]:
        name, columns = _table(tokens(prompt[match.end() : match.end() + LONGEST]))
        if columns:
            tables = {k: v for k, v in tables.items() if k.casefold() != name.casefold()}
            tables[name] = columns
    return Schema(tables, tuple(_inserts(prompt)) if tables else ())


def _inserts(prompt: str) -> Iterator[str]:
    """Each INSERT statement, to its semicolon or an empty line."""
    at = 0
    for _ in range(MOST_INSERTS):
        match = INSERT.search(prompt, at)
        if not match:
            return
        text = prompt[match.start() : match.start() + LONGEST_INSERT]
        end = next((t.start for t in each_token(text) if t.text == ";" and t.kind == "sign"), None)
        statement = text[:end] if end is not None else text.split("\n\n")[0]
        yield statement
        at = match.start() + len(statement)


def _table(words: Sequence[Token]) -> tuple[str, tuple[Column, ...]]:
    """Name and columns of a table, from what follows CREATE TABLE; no columns if it never ends."""
    start = next((i for i, word in enumerate(words[:6]) if word.text == "("), 0)
    if not start or not words[start - 1].names:
        return "", ()
    columns: dict[str, Column] = {}
    told: list[Column] = []  # by the table's own constraints
    for part in _parts(words[start:]):
        if _constrains(part):
            told += _constrained(part)
        elif part[0].names and len(columns) < MOST_COLUMNS:
            column = _column(part)
            columns.setdefault(column.key, column)
    for also in told:
        if old := columns.get(also.key):
            columns[old.key] = Column(
                old.name,
                old.type,
                old.unique or also.unique,
                old.refers or also.refers,
            )
    return words[start - 1].text, tuple(columns.values())


def _parts(words: Sequence[Token]) -> Iterator[list[Token]]:
    """What stands between the commas of a list in brackets; nothing where it is not closed."""
    depth = 0
    part: list[Token] = []
    parts: list[list[Token]] = []
    for word in words:
        sign = word.text if word.kind == "sign" else ""
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            yield from (p for p in (*parts, part) if p)
            return
        if sign == "," and depth == 1:
            parts.append(part)
            part = []
        elif depth > 1 or sign != "(":
            part.append(word)


def _constrains(part: Sequence[Token]) -> bool:
    """Whether it is a constraint of the table; `key VARCHAR` is a column."""
    first, second = part[0], part[1] if len(part) > 1 else part[0]
    if first.text.upper() not in CONSTRAINTS or first.kind != "name":
        return False
    if first.upper in ("KEY", "INDEX", "CHECK", "UNIQUE"):
        return any(word.text == "(" for word in part[1:3]) and not TYPE.search(second.text)
    return len(part) > 2 or second.upper == "KEY"


def _constrained(part: Sequence[Token]) -> list[Column]:
    """PRIMARY KEY (a), UNIQUE (a), FOREIGN KEY (a) REFERENCES t (b): what it says of one column."""
    words = [word.upper for word in part]
    open_at = [i for i, word in enumerate(part) if word.text == "("]
    if not open_at or open_at[0] + 2 >= len(part) or part[open_at[0] + 2].text != ")":
        return []  # of several columns together: nothing that is used here
    name = part[open_at[0] + 1].text
    if "FOREIGN" in words and "REFERENCES" in words:
        return [Column(name, refers=part[open_at[1] + 1].text if len(open_at) > 1 else "")]
    return [Column(name, unique=bool({"PRIMARY", "UNIQUE"} & set(words)))]


def _column(part: Sequence[Token]) -> Column:
    words = [word.upper for word in part[1:]]
    refers = ""
    if "REFERENCES" in words:
        at = words.index("REFERENCES") + 1
        rest = part[at + 1 :]
        refers = rest[2].text if len(rest) > 2 and rest[1].text == "(" else ""
    kind = words[0] if words and re.fullmatch("[A-Z]+", words[0]) else ""
    unique = bool({"PRIMARY", "UNIQUE"} & set(words))
    return Column(part[0].text, "" if kind in CONSTRAINTS else kind, unique, refers)


# --- what the queries speak of -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spoken:
    """What queries compare. `literals`: values by column name; `alike`: equated columns."""

    literals: Mapping[str, tuple[Value, ...]]
    alike: tuple[tuple[str, str], ...]
    tables: frozenset[str]


def spoken(queries: Sequence[str], schema: Schema) -> Spoken:
    """Literals go to the column before them, as a rule; `5 < x` to the one behind."""
    literals: dict[str, list[Value]] = {}
    alike: list[tuple[str, str]] = []
    used: set[str] = set()
    columns = {c.key for table in schema.tables.values() for c in table}
    known = {name.casefold() for name in schema.tables}
    for query in queries:
        words = tokens(query)
        used |= {word.names for word in words} & known
        alike += _equated(words, columns)
        for column, value in [*_compared(words, columns, schema.names)][:MOST_LITERALS]:
            values = literals.setdefault(column, [])
            values += [v for v in _beside(value) if v not in values]
    return Spoken(
        {k: tuple(v) for k, v in literals.items()},
        tuple(alike),
        frozenset(used),
    )


def _compared(
    words: Sequence[Token],
    columns: set[str],
    names: frozenset[str],
) -> Iterator[tuple[str, Token]]:
    last = ""
    early: list[Token] = []
    for at, word in enumerate(words):
        if word.upper in CLAUSES:
            last, early = "LIMIT" if word.upper in ("LIMIT", "OFFSET") else "", []
        elif word.upper in ("TRUE", "FALSE") and last:
            yield last, Token("number", str(int(word.upper == "TRUE")), word.start, word.end)
        elif word.names in columns:
            last = word.names
            yield from ((last, value) for value in early)
            early = []
        elif word.kind in ("text", "number") or (word.kind == "quoted" and word.names not in names):
            if word.kind == "quoted" and at and words[at - 1].upper == "AS":
                continue
            if not last:
                early.append(word)
            elif last != "LIMIT":
                yield last, word


def _equated(words: Sequence[Token], columns: set[str]) -> Iterator[tuple[str, str]]:
    """a.x = b.y, and x IN (SELECT y: what joins."""
    plain = [w for i, w in enumerate(words) if not _qualifies(words, i)]
    for at in range(len(plain) - 2):
        first, sign, second = plain[at], plain[at + 1], plain[at + 2]
        if sign.upper == "IN" and at + 4 < len(plain) and plain[at + 3].upper == "SELECT":
            second = plain[at + 4]
        elif sign.text not in ("=", "=="):
            continue
        if first.names in columns and second.names in columns and first.names != second.names:
            yield first.names, second.names


def _qualifies(words: Sequence[Token], at: int) -> bool:
    """Whether it is the `t` or the dot of `t.x`."""
    dot = words[at].text == "."
    return dot or (at + 1 < len(words) and words[at + 1].text == "." and words[at].names != "")


def _beside(literal: Token) -> list[Value]:
    """The value itself, twice as likely as its neighbours, which tell `>` from `>=`."""
    text = literal.text
    if literal.kind == "number":
        if "." in text:
            number = float(text)
            return [number, float(int(number)), float(int(number) + 1)]
        whole = int(text[:15])
        return [whole, whole - 1, whole + 1]
    if "%" in text and not text.startswith("%Y") and not re.search(r"%[mdHMSj]", text):
        middle = text.replace("%", "").replace("_", "a")
        return [middle, text, f"q{middle}", f"{middle}q", f"q{middle}q"]
    if found := ISO_DATE.fullmatch(text):
        try:
            day = date(*map(int, found.groups()[:3]))
            near = [str(day + timedelta(days)) + found[4] for days in (-400, -1, 1, 400)]
        except (ValueError, OverflowError):
            return [text]
        return [text, *near]
    if re.fullmatch(r"\d{1,9}", text) and not YEAR.fullmatch(text):
        return [text, str(int(text) - 1), str(int(text) + 1)]
    if YEAR.fullmatch(text):  # strftime('%Y', day) = '2024' asks for days, a column of years not
        return [text, f"{text}-05-17", f"{text}-11-03"]
    return [] if text.startswith("%") else [text]


# --- rows ----------------------------------------------------------------------------------------

Rows = Mapping[str, Sequence[tuple[Value | None, ...]]]


@dataclass(slots=True)
class _Domain:
    """Columns that may be joined: the same name, or equated, or a key and what refers to it."""

    columns: list[tuple[str, Column]] = field(default_factory=list)  # and their tables
    literals: list[Value] = field(default_factory=list)


def filled(schema: Schema, said: Spoken, seed: int, given: Rows) -> Rows:
    """Rows for each table that is spoken of; `given` ones stay.

    Even seeds: values that are no literals occur once; odd ones: they repeat, for DISTINCT and
    GROUP BY. Of columns that join, one may be a key that nobody declared: each in turn, or none.
    """
    rng = Random(seed)
    domains = _domains(schema, said)
    count = ROWS if len(said.tables) < 3 else FEW_ROWS
    count = count if seed < LARGE else SMALL
    made = {}
    for name, columns in schema.tables.items():
        if given.get(name) or name.casefold() not in said.tables:
            made[name] = list(given.get(name, ()))
            continue
        cells = []
        for column in columns:
            domain = domains[column.key]
            joined, turn = len(domain.columns), seed // 4
            key = joined > 1 and seed % 4 < 2 and domain.columns[turn % joined] == (name, column)
            unique = column.unique or key
            cells.append(_cells(column, domain, count, rng, seed % 2 == 0, unique))
        made[name] = list(zip(*cells, strict=True))
    return made


def _domains(schema: Schema, said: Spoken) -> dict[str, _Domain]:
    used = [(n, table) for n, table in schema.tables.items() if n.casefold() in said.tables]
    columns = [column for _, table in used for column in table]
    top: dict[str, str] = {column.key: column.key for column in columns}

    def find(name: str) -> str:
        while top[name] != name:
            name = top[name]
        return name

    refers = ((c.key, c.refers.casefold()) for c in columns if c.refers)
    for one, other in (*said.alike, *refers):
        if one in top and other in top:
            top[find(one)] = find(other)
    found: dict[str, _Domain] = {}
    for name, column in ((name, column) for name, table in used for column in table):
        found.setdefault(find(column.key), _Domain()).columns.append((name, column))
    for name in top:
        mine = found[find(name)].literals
        mine += [value for value in said.literals.get(name, ()) if value not in mine]
    return {name: found[find(name)] for name in top}


def _cells(
    column: Column,
    domain: _Domain,
    count: int,
    rng: Random,
    apart: bool,
    unique: bool,
) -> Sequence[Value]:
    """The values of one column. Every fourth row has literals alone, so that conditions meet."""
    joined = len(domain.columns) > 1
    common = _values(domain.columns[0][1] if joined else column, count)
    literals = domain.literals
    if unique:
        pool = list(dict.fromkeys([*literals, *common]))[:count]
        rng.shuffle(pool)
        return [*pool, *_values(column, 2 * count)[count:]][:count]
    few = common[:6] if joined else common[:4]
    rng.shuffle(common)
    cells: list[Value] = []
    for row in range(count):
        if literals and row % 4 == 0:
            cells.append(literals[0] if row % 8 else rng.choice(literals))
        elif literals and rng.random() < 0.6:
            cells.append(rng.choice(literals))
        else:
            cells.append(common[row] if apart and not joined else rng.choice(few))
    return cells


def _values(column: Column, count: int) -> list[Value]:
    """Different ones. Texts begin with a number, so that sums of them differ as well."""
    numbers = [7 + 13 * n + n * n for n in range(count)]
    if NUMERIC.search(column.type):
        return list(numbers)
    if DATED.search(column.type) or DATED.search(column.name):
        return [str(date(2019, 1, 5) + timedelta(n * 3)) for n in numbers]
    return [f"{n} {WORDS[i % len(WORDS)]}" for i, n in enumerate(numbers)]
