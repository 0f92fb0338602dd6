"""YAML as it is written: every value is the text that stands in the file, with its line.

`On`, `NO`, `007`, `12:30` and `1e3` stay what somebody wrote; whoever needs a number makes one.
What lets two lines say different things, or a small file mean a large one, is refused with its
line: a key given twice, merges, anchors and aliases, tags, several documents, deep nesting. Only so
many bytes are read, and the parser's events are taken one by one, so that nothing grows uncounted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from suretune.types import Text

MOST = 1 << 20  # bytes of a file
DEEPEST = 32  # lists and mappings inside one another
LONGEST = 100_000  # characters that stand in one value
NULLS = ("", "~", "null", "Null", "NULL")
MERGE = "<<"
TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "seq", "map")
)
# libyaml's where it was built in: the same events, fifty times as fast.
LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class BadYaml(ValueError):
    """What cannot be read as it is meant. `line` is 0 where the file as a whole is wrong; `twice`
    is the key that stands in two lines, and `first` the earlier one."""

    def __init__(
        self,
        line: int,
        why: Text,
        twice: str = "",
        first: int = 0,
    ) -> None:
        super().__init__(f"line {line}: {why.en}" if line else why.en)
        self.line, self.why, self.twice, self.first = line, why, twice, first

    def told(self) -> Text:
        """The reason with its line, in both languages."""
        if not self.line:
            return self.why
        return Text(f"Line {self.line}: {self.why.en}", f"第 {self.line} 行：{self.why.zh}")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: its text as written, without the quotes it may have had."""

    text: str
    line: int
    quoted: bool

    @property
    def null(self) -> bool:
        """Whether YAML's word for nothing stands there."""
        return not self.quoted and self.text in NULLS


@dataclass(frozen=True, slots=True)
class Listing:
    """Several values."""

    items: tuple[Node, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """Names with a value each; no name stands twice."""

    pairs: tuple[tuple[Scalar, Node], ...]
    line: int


Node = Scalar | Listing | Table


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come."""

    line: int
    mapping: bool
    items: list[Node] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)  # and their lines

    def add(self, node: Node) -> None:
        if self.mapping and len(self.items) % 2 == 0:
            self._look_at(node)
        self.items.append(node)

    def _look_at(self, key: Node) -> None:
        if not isinstance(key, Scalar):
            raise BadYaml(
                key.line,
                Text(
                    "a name is expected here, not a list or a mapping; text that begins with `{` or"
                    " `[` needs quotes around it",
                    "这里应当是一个名字，而不是列表或映射；以 `{` 或 `[` 开头的文字要加引号",
                ),
            )
        if key.text == MERGE and not key.quoted:
            raise BadYaml(
                key.line,
                Text(
                    "`<<` would merge other lines into this one; write them out",
                    "`<<` 会把别处的内容并进来；请直接写出来",
                ),
            )
        if first := self.keys.get(key.text):
            raise BadYaml(
                key.line,
                Text(
                    f"`{key.text}` stands here and in line {first}; keep one of the two",
                    f"`{key.text}` 在第 {first} 行已经写过；两处只留一处",
                ),
                key.text,
                first,
            )
        self.keys[key.text] = key.line

    def closed(self) -> Node:
        if not self.mapping:
            return Listing(tuple(self.items), self.line)
        keys = [item for item in self.items[::2] if isinstance(item, Scalar)]
        return Table(tuple(zip(keys, self.items[1::2], strict=True)), self.line)


def read_yaml(path: Path) -> tuple[str, Node | None]:
    """(text, tree) of a file; None for one that says nothing. Raises BadYaml and OSError."""
    with path.open("rb") as file:
        data = file.read(MOST + 1)
    if len(data) > MOST:
        raise BadYaml(0, Text(f"it is larger than {MOST >> 20} MiB", f"超过了 {MOST >> 20} MiB"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadYaml(line, Text("it is not UTF-8", "不是 UTF-8 编码")) from error
    return text, parse_yaml(text)


def parse_yaml(text: str) -> Node | None:
    """The tree of a text; None for one that says nothing. Raises BadYaml."""
    made: list[Node] = []
    left: list[_Open] = []
    for event in _events(text):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.NodeEvent):
            _refuse(event, line)
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            if len(left) == DEEPEST:
                raise BadYaml(
                    line,
                    Text(
                        f"more than {DEEPEST} lists and mappings stand inside one another",
                        f"列表和映射的嵌套超过了 {DEEPEST} 层",
                    ),
                )
            left.append(_Open(line, isinstance(event, yaml.MappingStartEvent)))
            continue
        if isinstance(event, yaml.DocumentStartEvent) and made:
            raise BadYaml(
                line, Text("a second document begins here (`---`)", "这里开始了第二个文档（`---`）")
            )
        if isinstance(event, yaml.ScalarEvent):
            node: Node = _scalar(event, line)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            node = left.pop().closed()
        else:
            continue
        if left:
            left[-1].add(node)
        else:
            made.append(node)
    if not made or (isinstance(made[0], Scalar) and made[0].null):
        return None
    return made[0]


def _scalar(event: yaml.ScalarEvent, line: int) -> Scalar:
    if len(event.value) > LONGEST:
        raise BadYaml(
            line,
            Text(
                f"a value has more than {LONGEST:,} characters", f"一个值超过了 {LONGEST:,} 个字符"
            ),
        )
    return Scalar(
        event.value,
        line,
        bool(event.style) or event.tag is not None,
    )


# What PyYAML says, and libyaml, by the words that tell it.
MISTAKES = (
    ("quoted scalar.*end of stream", Text("a quote is never closed", "引号没有关上")),
    (
        "unknown escape",
        Text(
            "a backslash in double quotes stands before a sign that it cannot escape",
            "双引号里的反斜杠后面不是转义字符",
        ),
    ),
    (
        "expected ',' or|flow (mapping|sequence|node)",
        Text(
            "a `[` or `{` is never closed, or a comma is missing",
            "`[` 或 `{` 没有关上，或者缺少逗号",
        ),
    ),
    (
        "could not find expected ':'",
        Text("a line has no `: `", "这一行缺少冒号，或冒号后面没有空格（全角冒号“：”不算）"),
    ),
    (
        "mapping values are not allowed",
        Text(
            "a colon stands where none can; the line above may lack its own, or have"
            " a full-width one",
            "冒号出现在不该有的地方；可能是上一行少了冒号，或用了全角冒号“：”",
        ),
    ),
    (
        "cannot start any token",
        Text(
            "a value or a line begins with a sign that nothing may begin with",
            "值或行的开头有不允许的符号（例如制表符、`@`、`%`）",
        ),
    ),
    (
        "block end|expected key|'-' indicator|not allowed|indentation",
        Text("a line is indented otherwise than those beside it", "缩进与前后的行不一致"),
    ),
    (
        "document start|document separator",
        Text(
            "something stands in front of the first line or between documents",
            "文件开头或两份内容之间有多余的文字",
        ),
    ),
)


def _in_words(said: str) -> Text:
    for pattern, words in MISTAKES:
        if re.search(pattern, said):
            return Text(f"it is not YAML: {words.en}", f"不是合法的 YAML：{words.zh}")
    told = said.replace("`", "'")
    return Text(f"it is not YAML: {told}", f"不是合法的 YAML：`{told}`")


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = _in_words(" ".join(filter(None, (error.context, error.problem))))
        raise BadYaml(
            mark.line + 1 if mark else 0,
            Text(
                f"{said.en}. YAML indents with spaces, puts one behind each colon, and wants quotes"
                " around text with `: `, ` #` or a sign such as `{ [ * & ! % @` in front",
                f"{said.zh}。YAML 用空格缩进，冒号后要有空格；含有 `: `、` #`，"
                "或以 `{ [ * & ! % @` 等符号开头的文字要加引号",
            ),
        ) from error
    except yaml.YAMLError as error:  # a character that no YAML may hold
        at = getattr(error, "position", None)
        line = text.count("\n", 0, at) + 1 if isinstance(at, int) else 0
        raise BadYaml(line, Text("a control character stands in it", "含有控制字符")) from error


def _refuse(event: yaml.NodeEvent, line: int) -> None:
    """What makes a value mean something else than it says."""
    if isinstance(event, yaml.AliasEvent):
        raise BadYaml(
            line,
            Text(
                f"`*{event.anchor}` stands for other lines; write them out, or put quotes around"
                " text that begins with `*`",
                f"`*{event.anchor}` 代表别处的内容；请直接写出来，以 `*` 开头的文字要加引号",
            ),
        )
    if event.anchor is not None:
        raise BadYaml(
            line,
            Text(
                f"`&{event.anchor}` names lines for use elsewhere; write them out there, or put"
                " quotes around text that begins with `&`",
                f"`&{event.anchor}` 是给别处引用的名字；请在那里直接写出来，"
                "以 `&` 开头的文字要加引号",
            ),
        )
    tag = getattr(event, "tag", None)
    if tag not in (None, "!") and tag not in TAGS:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        raise BadYaml(
            line,
            Text(
                f"`{shown}` would make something else of this value; take it out, or put quotes"
                " around text that begins with `!`",
                f"`{shown}` 会把这个值变成别的东西；请去掉它，以 `!` 开头的文字要加引号",
            ),
        )


def written(node: Node | None) -> Any:
    """The tree as plain strings, lists and dicts; nulls are the words that stand there."""
    if isinstance(node, Table):
        return {key.text: written(value) for key, value in node.pairs}
    if isinstance(node, Listing):
        return [written(item) for item in node.items]
    return node.text if node else None
