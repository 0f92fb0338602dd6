"""Which encoding bytes that are not UTF-8 look like: a suggestion, never a guess acted on.

The multi-byte sets put their commonest characters in one stretch of lead bytes. Text read with the
right codec falls into that stretch; text read with a wrong one is scattered over the whole table.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable

from suretune.types import Text

SAMPLE = 1 << 16
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OF_ORDER = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "utf-16-le": (codecs.BOM_UTF16_LE,),
    "utf-16-be": (codecs.BOM_UTF16_BE,),
    "utf-32-le": (codecs.BOM_UTF32_LE,),
    "utf-32-be": (codecs.BOM_UTF32_BE,),
}
_UNMARKED = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# codec to read with, codec whose lead bytes are looked at, the lead bytes of common characters
# (punctuation first), and the share of characters that must fall there
_CANDIDATES = (
    ("euc_kr", "euc_kr", (range(0xA1, 0xA4), range(0xB0, 0xC9)), 0.97),
    ("gb18030", "gb2312", (range(0xA1, 0xA4), range(0xB0, 0xD8)), 0.85),
    ("big5", "big5", (range(0xA1, 0xA4), range(0xA4, 0xC7)), 0.85),
    ("shift_jis", "shift_jis", (range(0x81, 0x84), range(0x88, 0x98)), 0.85),
)


def wide(head: bytes) -> str:
    """`utf-16...` or `utf-32...` when the first bytes of a file say so, else nothing."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    sample = head[:4096]
    if len(sample) < 4 or 0 not in sample:
        return ""
    # Every other byte of English or Russian is a control character. Chinese has few zeros, those of
    # its commas and line ends, but it is no UTF-8 either.
    controls = sum(byte < 0x20 and byte not in b"\t\r\n" for byte in sample)
    if controls < len(sample) // 4 and _decoded(sample, "utf-8"):
        return ""
    ascii_in = {name: _ascii_in(_decoded(sample, name)) for name in _UNMARKED}
    best = max(ascii_in, key=lambda name: ascii_in[name])
    return best if ascii_in[best] else ""


def wide_instead(head: bytes, asked: str) -> str:
    """What `wide` says of the first bytes, where `asked` does not read them: as an encoding of one
    byte a character it would give text, with a NUL beside each letter, or other letters."""
    name, plain = wide(head), codecs.lookup(asked).name
    if head.startswith(_OF_ORDER.get(plain, ())):
        return ""
    return name if name != plain and not _ascii_in(_decoded(head[:4096], asked)) else ""


def is_utf8(head: bytes, asked: str) -> bool:
    """Whether a file's first bytes are UTF-8 for sure though `asked` is another encoding: behind
    three bytes of a character comes the next, where others would have half of one."""
    try:
        other = not codecs.lookup(asked).name.startswith("utf")
    except LookupError:  # the reader says so
        return False
    return other and not head.isascii() and max(_decoded(head, "utf-8"), default="") >= "\u0800"


def _ascii_in(text: str) -> int:
    """How many of its characters are ASCII, as every table and every JSON has some; none where the
    text cannot be meant: read in the wrong order, a line end is a letter that does not exist."""
    odd = sum(not (c.isprintable() or c in "\t\r\n\u3000") for c in text)
    return 0 if odd * 50 > len(text) else sum(c.isascii() and c != "\0" for c in text)


def likely(sample: bytes) -> str:
    """The name to give `--encoding`, or nothing when no encoding is plausible."""
    if found := wide(sample):
        return found
    for codec, table, leads, share in _CANDIDATES:
        text = _decoded(sample, codec)
        if text and _plausible(text, table, leads) >= share:
            return codec
    foreign = sum(byte > 0x7F for byte in sample)
    if b"\0" in sample:  # no text of one byte a character has such
        return ""
    if foreign * 3 < len(sample) and _decoded(sample, "cp1252"):
        return "cp1252"
    return ""


def advice(
    sample: bytes,
    asked: str,
    looks: str,
    already_utf8: bool,
) -> Text:
    """What to do about bytes that are not `asked`.

    `looks`: the encoding, where it is known; `already_utf8`: other text of the file was UTF-8.
    """
    if asked not in ("utf-8", "utf-8-sig") and _decoded(sample, "utf-8"):
        return Text(
            f"This is UTF-8, not {asked}: leave out `--encoding`.",
            f"这是 UTF-8，不是 {asked}：请去掉 `--encoding`。",
        )
    name = looks or likely(sample)
    if name and not (already_utf8 and name == "cp1252"):
        return Text(
            f"It reads well as {name}; if that is what it is, add `--encoding {name}`.",
            f"按 {name} 解码是通顺的；如果确实是它，请加上 `--encoding {name}`。",
        )
    if already_utf8:
        return Text(
            "The text before this byte is UTF-8, so only this part came from somewhere else. "
            "Retype or remove it.",
            "在这个字节之前的内容都是 UTF-8，只有这一处来自别的编码。请重新输入或删除这一处。",
        )
    return Text(
        "Save the file as UTF-8, or name its encoding with `--encoding`.",
        "请把文件另存为 UTF-8，或者用 `--encoding` 指明它的编码。",
    )


def _decoded(sample: bytes, codec: str) -> str:
    """The text, without a last character that the sample may have cut; empty if it cannot be."""
    try:
        return codecs.getincrementaldecoder(codec)().decode(sample)
    except UnicodeError:
        return ""


def _plausible(
    text: str,
    table: str,
    leads: Iterable[range],
) -> float:
    foreign = [c for c in text if ord(c) > 0x7F]
    if not foreign:
        return 0.0
    common = 0
    for character in foreign:
        code = character.encode(table, "ignore")
        common += len(code) == 2 and any(code[0] in lead for lead in leads)
    return common / len(foreign)
