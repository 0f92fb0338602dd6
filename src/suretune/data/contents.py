"""What a file holds, told by its first bytes: its name may say something else.

Text that is no data at all is called by its name: a pointer of Git LFS, a web page, the error
message that a server gave in place of the file.
"""

from __future__ import annotations

import csv
import os
import re
import shlex
from typing import Any, BinaryIO

import orjson

from suretune.data.columns import ANSWERS, KNOWN, PAIRS, is_column
from suretune.data.feed import Feed
from suretune.data.refusal import shown
from suretune.types import Fault, Origin, Text

HEAD = 1 << 16  # bytes that are looked at
LINK = 1 << 9  # bytes; the target of a link is no longer
SMALL = 1 << 11  # an error message is no longer
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
PARQUET, ARROW, STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
_LFS = b"version https://git-lfs.github.com/spec/"
_PAGE = re.compile(rb"\s*<(!doctype html|html|head|body)\b", re.IGNORECASE)
_XML = re.compile(rb"\s*<(\?xml|error\b)", re.IGNORECASE)
# The first element behind a declaration and comments.
_ROOT = re.compile(
    rb"\s*(?:\s|<!--(?:(?!-->).)*-->|<[!?](?!--)[^>]*>)*<(?:[\w.-]+:)?([\w.-]+)", re.DOTALL
)
_ANSWERS = re.compile(rb".*(?:error|errors|errorresponse|fault)|envelope|problem", re.IGNORECASE)
_SAID = re.compile(rb"<(?:code|message|title)>([^<]{1,200})", re.IGNORECASE)
_REFUSAL = re.compile(
    r"(?:\d{3}:? )?(?:access (?:to .{1,120} )?(?:is )?(?:denied|restricted)|not found|unauthorized"
    r"|forbidden|entry not found|repository not found|invalid (?:username|credentials|token)"
    r"|bad gateway|too many requests|service unavailable|gateway time-?out|internal server error)",
    re.IGNORECASE,
)
# What a clone without links leaves in place of one: the path it would have led to.
_TARGET = re.compile(
    rb"(?:[\w.@+-]*/)*[\w.@+-]+\.(?:jsonl?|ndjson|csv|tsv|parquet|arrow|txt)(?:\.gz|\.zst)?"
)
# The first line of a table that Excel is told its delimiter by; a tab at its end may be gone.
SEPARATOR = re.compile(r"""["']?sep=(\\t|[^\w"'\n]|)["']?""", re.IGNORECASE)
DELIMITERS = ",;\t|"
_ERRORS = ("error", "errors", "message", "detail", "msg", "Message", "Error")
_JSON = re.compile(r'\{\s*(?:"|\}|$)|\[\s*(?:[\{\["\]]|$)')


def compression_of(handle: BinaryIO, named: str) -> str:
    """'.gz', '.zst' or '': what the file is, where its name says otherwise."""
    head = handle.read(8)
    handle.seek(0)
    if head.startswith(GZIP):
        return ".gz"
    if head.startswith(ZSTD):
        return ".zst"
    return "" if head[:1] in b"{[" and head else named


def table_of(handle: BinaryIO, extension: str) -> str:
    """'.parquet' or '.arrow' where the file is one or says so; else ''."""
    head = handle.read(8)
    handle.seek(0)
    if head.startswith(PARQUET):
        return ".parquet"
    if head.startswith(ARROW) or (head.startswith(STREAM) and extension in ("", ".arrow")):
        return ".arrow"
    return extension if extension in (".parquet", ".arrow") else ""


def text_of_kind(feed: Feed, extension: str) -> str:
    """How text is read: '.jsonl', '.json', '.csv', '.tsv', '.txt', or '' where nothing tells."""
    first, second = _first_lines(feed)
    if extension in ("", ".txt", ".csv", ".tsv") and SEPARATOR.fullmatch(first):
        return ".csv"
    delimiter = _names_columns(first, second)
    if extension in (".csv", ".tsv"):
        is_json = not delimiter and _is_json(first)
        return ".jsonl" if is_json else extension
    if delimiter and first[:1] not in ("{", "["):
        return ".tsv" if delimiter == "\t" else ".csv"
    if extension in ("", ".txt"):
        return ".jsonl" if _is_json(first) else extension
    return extension


def _first_lines(feed: Feed) -> tuple[str, str]:
    """The first two lines that are not blank, as far as they are at hand."""
    while b"\n" not in feed.held[:HEAD].lstrip() and len(feed.held) <= HEAD and feed.more():
        pass
    lines = [
        line.strip()
        for line in feed.held[:HEAD].decode(errors="ignore").split("\n")
        if line.strip()
    ]
    first, second, *_ = (*lines, "", "")
    return first, second


def _is_json(line: str) -> bool:
    if not line.startswith(("{", "[")):
        return False
    try:
        return isinstance(orjson.loads(line), (dict, list))
    except orjson.JSONDecodeError:  # printed over several lines, or broken: then it is said where
        return bool(_JSON.match(line))


def _names_columns(first: str, second: str) -> str:
    """The delimiter of a first line that is nothing but names of columns, a question's and its
    answer's among them; '' where it is none."""
    for delimiter in DELIMITERS:
        cells, below = ([*csv.reader([line], delimiter=delimiter)] for line in (first, second))
        names = {cell.strip().lower() for cell in (cells[0] if cells else [])}
        asked = any(set(pair) <= names for pair in PAIRS)
        asked = asked or ("instruction" in names and not names.isdisjoint(ANSWERS))
        width = len(cells[0]) if cells else 0
        if asked and all(map(is_column, names)) and below and len(below[0]) == width:
            return delimiter
    return ""


# --- no data at all -------------------------------------------------------------------------------


def not_the_data(
    head: bytes,
    whole: bool,
    label: str,
) -> Fault | None:
    """Why these first bytes of a file (`whole`: all of them) are something in place of it."""
    if head.startswith(_LFS):
        return _pointer(label)
    if whole and is_link_text(head):
        return _fault(
            label,
            shown(head.decode()),
            Text(
                "This is the target of a link, written out as text: give the file that it names.",
                "这里只有链接指向的路径，没有内容：请给出它指向的那个文件。",
            ),
        )
    if _PAGE.match(head):
        return _page(label)
    if _XML.match(head):
        return _of_xml(head[:HEAD], label)
    if whole and (said := _message(head)):
        return _fault(
            label,
            Text(f"an error message: {shown(said)}", f"一条报错：`{shown(said)}`"),
            _ANSWER,
        )
    return None


_ANSWER = Text(
    "This is what a server answered in place of the file. Log in there if it asks for that, "
    "download again, and look at the size.",
    "这是服务器的报错信息，不是文件本身。如果需要登录，请先登录，再重新下载，并核对文件大小。",
)


def is_link_text(head: bytes) -> bool:
    """Whether a file's whole content is the path of another data file."""
    return b"/" in head and len(head) <= LINK and bool(_TARGET.fullmatch(head))


def _message(head: bytes) -> str:
    text = head.decode(errors="replace").strip()
    if text.startswith("{"):
        try:
            value: Any = orjson.loads(text)
        except orjson.JSONDecodeError:
            return ""
        if isinstance(value, dict) and not (KNOWN & value.keys() or _holds_rows(value)):
            found = [value[name] for name in _ERRORS if name in value]
            return str(found[0]) if found and isinstance(found[0], (str, dict)) else ""
        return ""
    plain = len(head) <= SMALL and _REFUSAL.match(text)
    return text if plain else ""


def _holds_rows(value: dict[str, Any]) -> bool:
    """Whether an object has a list of objects or lists, as `data` or in it: then what it says
    beside it (`message: success`) is about these."""
    held = [item for name, item in value.items() if name not in _ERRORS]
    inside = [item for one in held if isinstance(one, dict) for item in one.values()]
    lists = [item for item in (*held, *inside) if isinstance(item, list) and item]
    return any(isinstance(item[0], (dict, list)) for item in lists)


def _pointer(label: str) -> Fault:
    folder, name = os.path.split(label)
    command = f"git -C {shlex.quote(folder or '.')} lfs pull --include {shlex.quote(name)}"
    return _fault(
        label,
        Text("a Git LFS pointer", "Git LFS 指针文件"),
        Text(
            f"Only the pointer was cloned; fetch the file: `{command}`, or download it from"
            " the hub.",
            f"只克隆到了指针，请取回文件本身：`{command}`，或从下载站重新下载。",
        ),
    )


def _page(label: str) -> Fault:
    return _fault(
        label,
        Text("a web page", "网页"),
        Text(
            "The page about the file was saved, not the file. Use its download link (on a hub: "
            "`resolve` or `raw` in place of `blob`).",
            "保存下来的是网页，不是文件本身。请用下载链接（在下载站上：把网址里的 `blob` 换成 "
            "`resolve` 或 `raw`）。",
        ),
    )


def _of_xml(head: bytes, label: str) -> Fault:
    """What a server answers in XML is an error or a page, by the name of its first element; any
    other is somebody's data."""
    root = _ROOT.match(head)
    name = root[1] if root else b""
    if name.lower() == b"html":
        return _page(label)
    if _ANSWERS.fullmatch(name):
        said = shown(", ".join(part.decode(errors="replace") for part in _SAID.findall(head)))
        found = Text(f"XML: {said or 'no rows'}", f"XML：{said or '没有数据'}")
        return _fault(label, found, _ANSWER)
    hint = Text(
        "XML is not read.",
        "不支持 XML。",
    )
    return Fault("unknown-format", Origin(label, 0), found="XML", hint=hint)


def _fault(label: str, found: str | Text, hint: Text) -> Fault:
    return Fault(
        "not-the-data",
        Origin(label, 0),
        found=found,
        hint=hint,
    )
