"""JSON that does not parse: the place, and the mistake that people make there."""

from __future__ import annotations

import re

import orjson

from suretune.data.refusal import around, shown
from suretune.types import Fault, Origin, Text

_QUOTE = re.compile(r'(?<!\\)(?:\\\\)*"')
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_NOT_A_NUMBER = re.compile(r"-?(NaN|Infinity|nan|inf)\b")
_PYTHON = re.compile(r"(None|True|False)\b|'")
_PYTHON_LIST = re.compile(r"\s*\[[\s\[{]*'")
_NUMBER = re.compile(r"-?[0-9]")

CUT_OFF = Text(
    "The file ends in the middle of this row. Copy it again, or finish or remove the row.",
    "文件在这一行中间就结束了。请重新复制文件，或补全、删除这一行。",
)
LINE_BREAK = Text(
    "There is a line break inside a string. In JSON it is written \\n.",
    "字符串里有真正的换行。在 JSON 中换行要写成 \\n。",
)
UNFINISHED = Text(
    "The row goes on after this line. Either every row is on one line, or the file is one list.",
    "这一行还没有结束。要么每条数据各占一行，要么整个文件是一个列表。",
)
CONTROL = Text(
    "A control character stands inside a string; a tab is written \\t.",
    "字符串里有控制字符；制表符要写成 \\t。",
)
HALF_CHARACTER = Text(
    "Half of a character (a lone surrogate), often an emoji that was cut. Remove it.",
    "这里只有半个字符（孤立的代理项），多半是被截断的表情符号，请删除。",
)
ESCAPE = Text(
    'After a backslash JSON knows only " \\ / b f n r t and u. Write a backslash as \\\\.',
    '反斜杠之后只能是 " \\ / b f n r t 或 u。反斜杠本身要写成 \\\\。',
)
TRAILING_COMMA = Text("Remove this comma: nothing follows it.", "请删除这个逗号：它后面没有内容。")
NO_NUMBER = Text(
    "JSON has no NaN or Infinity. Write a number, null, or leave the field out.",
    "JSON 里没有 NaN 和 Infinity。请写成数字或 null，或去掉这个字段。",
)
PYTHON = Text(
    "This is Python, not JSON: single quotes, None, True. Write it with json.dumps(row).",
    "这是 Python 的写法（单引号、None、True），不是 JSON。请用 `json.dumps(row)` 写出。",
)
PYTHON_LIST = Text(
    "This is a list as Python prints it: single quotes, None, True. Write it with json.dumps(...).",
    "这是 Python 打印列表的写法（单引号、None、True）。请用 `json.dumps(...)` 写出。",
)
COMMENT = Text("JSON has no comments; remove it.", "JSON 不能有注释，请删除。")
FULL_WIDTH = Text(
    'This is a full-width or curly sign; JSON needs the plain one (" , : { } [ ]).',
    '这是全角或弯引号符号；JSON 要用半角符号（" , : { } [ ]）。',
)
COMMA_AFTER = Text(
    "Remove the comma at the end of the line, or put [ and ] around all rows.",
    "请去掉行末的逗号，或者用 [ 和 ] 把所有数据括起来。",
)
GLUED = Text(
    "A second value begins on the same line. Put each row on its own line.",
    "同一行里又开始了另一条数据。请让每条数据各占一行。",
)
AFTERWARDS = Text(
    "Something follows after the end of the row or list.", "这条数据（或列表）结束之后还有内容。"
)
MISSING_COMMA = Text("A comma is missing before this.", "这里前面少了一个逗号。")
INNER_QUOTE = Text(
    'The string ended at the quote before this. A quote inside a string is written \\".',
    '字符串在前一个引号处就结束了。字符串里的引号要写成 \\"。',
)
BARE_KEY = Text(
    "Names of fields need double quotes.",
    "字段名要用双引号括起来。",
)
TOO_LARGE = Text("The number is too large.", "这个数太大了。")
TOO_DEEP = Text(
    "Lists or objects are nested deeper than any row of text is.",
    "列表或对象嵌套过深，不像是文本数据。",
)
OTHER = Text("Look at the quotes, commas and brackets here.", "请检查这里的引号、逗号和括号。")
# The quotes are in balance in spite of these, so the end of the row is where it seems to be.
HARMLESS = frozenset({TRAILING_COMMA, NO_NUMBER, HALF_CHARACTER, TOO_LARGE, MISSING_COMMA})


def broken(
    raw: bytes,
    at: int,
    origin: Origin,
    column: int,
    file_ends: bool,
) -> Fault:
    """The fault of a row that orjson refused at character `at`.

    `origin` and `column` say where `raw` begins, `file_ends` that nothing comes after it.
    """
    text = raw.decode()
    at, hint = _mistake(text, min(at, len(text)), file_ends)
    if text[at : at + 1] == "\0":
        return placed("nul-character", text, at, origin, column, NUL)
    return placed("broken-json", text, at, origin, column, hint)


def placed(
    kind: str,
    text: str,
    at: int,
    origin: Origin,
    column: int,
    hint: Text,
) -> Fault:
    """A fault at the character `at` of a text that begins at `origin` and `column`."""
    start = text.rfind("\n", 0, at) + 1
    where = Origin(origin.file, origin.line + text.count("\n", 0, at))
    column = at - start + 1 if start else column + at
    near = text[max(start, at - 40) : at + 40].partition("\n")[0]
    found = around(near, min(at - start, 40))
    return Fault(kind, where, column, found=found, hint=hint)


NUL = Text(
    "A NUL character is no text; most tokenizers and tools stop at it. Remove it.",
    "NUL 字符不是文本，很多分词器和工具会在此中断，请删除。",
)


def _mistake(text: str, at: int, file_ends: bool) -> tuple[int, Text]:
    """(where to point, what to say)."""
    inside = len(_QUOTE.findall(text[:at])) % 2 == 1
    if not text[at:].strip(" \t\n"):
        if file_ends:
            return len(text.rstrip(" \t\n")), CUT_OFF
        return at, LINE_BREAK if inside else UNFINISHED
    return _in_string(text, at) if inside else _between_strings(text, at)


def _in_string(text: str, at: int) -> tuple[int, Text]:
    if text[at] == "\n":
        return at, LINE_BREAK
    if text[at] < " ":
        return at, CONTROL
    if text[at] != "\\" and "\\" in text[max(0, at - 6) : at]:
        at = text.rindex("\\", 0, at)
    return at, HALF_CHARACTER if _HALF_PAIR.match(text, at) else ESCAPE


def _between_strings(text: str, at: int) -> tuple[int, Text]:
    before = text[:at].rstrip(" \t\n")
    here = text[at]
    if here in "}]" and before.endswith(","):
        return len(before) - 1, TRAILING_COMMA
    if here == "," and text[at + 1 :].lstrip(" \t\n")[:1] in ("}", "]"):
        return at, TRAILING_COMMA
    sign = at - 1 if before.endswith("-") and len(before) == at else at
    if _NOT_A_NUMBER.match(text, sign):
        return sign, NO_NUMBER
    if _PYTHON.match(text, at):
        return at, PYTHON
    if text.startswith(("//", "/*", "#"), at):
        return at, COMMENT
    if here in "“”‘’＂，：｛｝［］":
        return at, FULL_WIDTH
    if _is_complete(before):
        return at, COMMA_AFTER if here == "," else GLUED if here in "{[" else AFTERWARDS
    if before.endswith('"') and here.isalnum():
        return at, INNER_QUOTE
    if here in '"{[' and before[-1:] in ('"', "}", "]", *"0123456789el"):
        return at, MISSING_COMMA
    if here.isalpha() and before[-1:] in ("{", ","):
        return at, BARE_KEY
    return at, TOO_LARGE if _NUMBER.match(text, at) else OTHER


def _is_complete(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def gigantic(origin: Origin, limit: int) -> Fault:
    """The fault of a row of more than `limit` bytes."""
    hint = Text(
        f"One row is over {limit >> 20} MiB. Split it, or look for a quote that is never closed.",
        f"一条数据超过了 {limit >> 20} MiB。请拆分，或检查是否有没闭合的引号。",
    )
    return Fault(
        "gigantic-line",
        origin,
        found=Text(f"more than {limit:,} bytes", f"超过 {limit:,} 字节"),
        hint=hint,
    )


def repeated(key: str, origin: Origin) -> Fault:
    """The fault of an object that has `key` twice."""
    hint = Text(
        "The field stands twice in one object, and only the last would count. Keep one.",
        "同一个对象里这个字段出现了两次，只有最后一个会生效。请只保留一个。",
    )
    return Fault(
        "duplicate-key",
        origin,
        field=shown(key),
        found=shown(key),
        hint=hint,
    )


def as_python(text: str) -> bool:
    """Whether a text is a list as Python prints it, which is no JSON."""
    return bool(_PYTHON_LIST.match(text))
