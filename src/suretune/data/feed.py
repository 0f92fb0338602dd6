"""A file as a stream of valid UTF-8 whose lines end in \\n, decompressed on the way, bounded."""

from __future__ import annotations

import codecs
import gzip
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from suretune.because import in_words
from suretune.data.encodings import SAMPLE, advice, is_utf8, wide_instead
from suretune.data.refusal import Refused, shown
from suretune.types import Fault, Origin, Text

BLOCK = 1 << 18
LIMIT = 16 << 20  # bytes of one line, element, record or parquet row
# A compressed file may grow this much (bytes, times); text rarely reaches 50, bombs start at 1,000.
FREE_GROWTH = 64 << 20
MAX_GROWTH = 200
_PIECE = 1 << 10  # zstd can turn 4 bytes into 128 KiB, so it is fed little at a time

_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
_MAGIC = (  # (where it stands, the bytes, what it is)
    (0, b"PK\x03\x04", "a zip archive or an Excel or Word file", "压缩包，或 Excel、Word 文件"),
    (0, b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "旧版 Excel 或 Word 文件"),
    (0, b"%PDF", "a PDF", "PDF 文件"),
    (257, b"ustar", "a tar archive", "tar 归档文件"),
)
_UNNAMED = (
    (0, _GZIP, "gzip data without .gz in its name", "gzip 数据，但文件名没有 .gz"),
    (0, _ZSTD, "zstd data without .zst in its name", "zstd 数据，但文件名没有 .zst"),
    (
        0,
        _PARQUET,
        "a parquet file without .parquet in its name",
        "Parquet 文件，但扩展名不是 .parquet",
    ),
)
_TWICE = (
    (0, _GZIP, "packed twice, inside with gzip", "压缩了两次的文件，里面一层是 gzip"),
    (0, _ZSTD, "packed twice, inside with zstd", "压缩了两次的文件，里面一层是 zstd"),
    (0, _PARQUET, "a parquet file inside of another compression", "又压缩了一次的 Parquet 文件"),
)


@dataclass(slots=True)
class Feed:
    """Blocks with a look ahead: `held` was read and not yet used, `more` adds to it."""

    blocks: Iterator[bytes]
    held: bytes = b""
    encoding: str = "utf-8"  # by which the text was read
    last: bool = False  # `lines` is giving the last line, and no line end follows it

    def more(self) -> bool:
        """Read one more block behind what is held; False at the end."""
        for block in self.blocks:
            if block:
                self.held += block
                return True
        return False


def lines(feed: Feed) -> Iterator[bytes | None]:
    """Every line without its end, the blank ones too; None for one that is over LIMIT."""
    while True:
        *whole, feed.held = feed.held.split(b"\n")
        for line in whole:
            yield line if len(line) <= LIMIT else None
        if len(feed.held) > LIMIT:
            while (end := feed.held.find(b"\n")) < 0:
                feed.held = b""
                if not feed.more():
                    yield None
                    return
            feed.held = feed.held[end + 1 :]
            yield None
        elif not feed.more():
            break
    if feed.held:
        feed.last = True
        yield feed.held


def opened(path: Path, label: str) -> BinaryIO:
    """The file, if it is a regular one. Opened once; nothing is ever read from a pipe or device."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except OSError as error:
        raise Refused(unreadable(label, error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused(not_a_file(label))
    return os.fdopen(descriptor, "rb")


def feed(
    handle: BinaryIO,
    compression: str,
    encoding: str,
    label: str,
) -> Feed:
    """`compression` is '', '.gz' or '.zst'. What is UTF-8 for sure is read as that, whatever
    `encoding` is asked for: it is one for many files."""
    stored = _text(_bounded(handle, compression, label), bool(compression), label)
    head = next(stored, b"")
    encoding = "utf-8" if is_utf8(head, encoding) else encoding
    text = _utf8(chain((head,), stored), encoding, label)
    return Feed(_one_line_end(text), encoding=encoding)


# --- bytes --------------------------------------------------------------------------------------


def _stored(handle: BinaryIO) -> Iterator[bytes]:
    while block := handle.read(BLOCK):
        yield block


def _gzip(handle: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=handle) as unpacked:
        while block := unpacked.read(BLOCK):
            yield block


def _zstd(handle: BinaryIO) -> Iterator[bytes]:
    """Frame after frame by hand: the stream reader takes a file that was cut off for complete."""
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdDecompressor as Frame
    else:
        from zstandard import ZstdDecompressor

        def Frame() -> Any:  # noqa: N802 - stands in for a class
            return ZstdDecompressor().decompressobj()

    frame, pending, unpacked = Frame(), b"", bytearray()
    while pending := pending or handle.read(_PIECE):
        if frame.eof:
            frame = Frame()
        unpacked += frame.decompress(pending)
        pending = frame.unused_data if frame.eof else b""
        if len(unpacked) >= BLOCK:
            yield bytes(unpacked)
            unpacked.clear()
    yield bytes(unpacked)
    if not frame.eof:
        raise EOFError("the data ends inside a frame")


_UNPACK = {"": _stored, ".gz": _gzip, ".zst": _zstd}


def _bounded(
    handle: BinaryIO,
    compression: str,
    label: str,
) -> Iterator[bytes]:
    """The unpacked blocks, as long as they stay in proportion to the file; errors as faults."""
    written = 0
    try:
        for block in _UNPACK[compression](handle):
            written += len(block)
            if compression:
                refuse_growth(label, handle.tell(), written)
            yield block
    except ImportError as error:
        raise Refused(_no_zstd(label)) from error
    except OSError as error:
        if compression and error.errno is None:
            raise Refused(_damaged(label, compression, error)) from error
        raise Refused(unreadable(label, error)) from error
    except Exception as error:
        # zlib.error, EOFError and the error of whichever zstd is installed share no base class
        if not compression or isinstance(error, Refused):
            raise
        raise Refused(_damaged(label, compression, error)) from error


def _text(
    blocks: Iterator[bytes],
    unpacked: bool,
    label: str,
) -> Iterator[bytes]:
    """The blocks, unless their first bytes are those of something that is not text."""
    head = next(blocks, b"")
    for at, magic, english, chinese in (*_MAGIC, *(_TWICE if unpacked else _UNNAMED)):
        if head.startswith(magic, at):
            hint = Text(
                f"This is {english}. Unpack it, rename it, or save it as .jsonl, .json or .csv.",
                f"这是{chinese}。请解压、改名，或另存为 .jsonl、.json 或 .csv。",
            )
            raise Refused(
                Fault("unknown-format", Origin(label, 0), found=Text(english, chinese), hint=hint)
            )
    return chain((head,), blocks)


# --- characters ---------------------------------------------------------------------------------


def _utf8(
    blocks: Iterator[bytes],
    encoding: str,
    label: str,
) -> Iterator[bytes]:
    """The same text, known to be UTF-8; the file is refused at the first byte that is not
    `encoding`, after the good text before it."""
    try:
        "".encode(encoding)  # refuses codecs that are not of text
        decoder = codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError) as error:
        raise Refused(_no_such_encoding(label, encoding)) from error
    place = _Place(
        label,
        encoding,
        plain=codecs.lookup(encoding).name == "utf-8",
    )
    for block in chain(blocks, (b"",)):
        if not place.read and (name := wide_instead(block, encoding)):
            raise Refused(place.fault(block, 0, looks=name))
        pending = len(decoder.getstate()[0])
        try:
            if place.plain and not pending and block.isascii():
                good = block
            else:
                good = decoder.decode(block, final=not block).encode()
                good = block if place.plain else good
        except UnicodeDecodeError as error:
            start = error.start + len(block) - len(error.object)  # within this block, or before
            if place.plain:
                yield block[: max(start, 0)]
            raise Refused(place.fault(block, start)) from error
        except UnicodeError as error:  # no mark in UTF-16, half a pair that a codec let through
            raise Refused(place.fault(block, 0)) from error
        yield good
        place.passed(block, good)


@dataclass(slots=True)
class _Place:
    """How far the decoding of one file has come, for the fault that may end it."""

    label: str
    encoding: str
    plain: bool
    read: int = 0
    line: int = 1
    foreign: bool = False  # characters beyond ASCII came and were fine
    before: bytes = b""  # the block before this one

    def passed(self, block: bytes, good: bytes) -> None:
        self.line += _line_ends(good) - (good[:1] == b"\n" and self.before[-1:] == b"\r")
        self.foreign = self.foreign or not good.isascii()
        self.read += len(block)
        self.before = block

    def fault(
        self,
        block: bytes,
        start: int,
        looks: str = "",
    ) -> Fault:
        good = block[: max(start, 0)]
        near = self.before + block
        at = len(self.before) + start
        sample = near[max(0, at - SAMPLE) : at + SAMPLE]
        if at > SAMPLE:
            sample = sample[sample.find(b"\n") + 1 :]  # not from the middle of a character
        return Fault(
            "not-utf8",
            Origin(self.label, self.line + _line_ends(good)),
            found=Text(
                f"byte 0x{near[at]:02x} at offset {self.read + start}",
                f"第 {self.read + start + 1:,} 个字节是 0x{near[at]:02x}",
            ),
            hint=advice(sample, self.encoding, looks, self.foreign or not good.isascii()),
        )


def _line_ends(text: bytes) -> int:
    """The line ends of all three kinds."""
    ends = text.count(b"\n")
    return ends + text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else ends


def _one_line_end(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """\r\n and \r become \n, as in every text file that Python opens."""
    held = b""
    for fresh in blocks:
        block, held = held + fresh, b""
        if b"\r" in block:
            if block.endswith(b"\r"):
                block, held = block[:-1], b"\r"
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield block
    if held:
        yield b"\n"


# --- faults -------------------------------------------------------------------------------------


def unreadable(label: str, error: OSError) -> Fault:
    """The fault of a file that the system does not give."""
    kind = "file-missing" if isinstance(error, FileNotFoundError) else "unknown-format"
    hint = Text("The system could not read this file.", "系统无法读取这个文件。")
    return Fault(
        kind,
        Origin(label, 0),
        found=in_words(error),
        hint=hint,
    )


def not_a_file(label: str) -> Fault:
    """The fault of a device, a pipe or a socket."""
    hint = Text(
        "Only regular files and folders are read; save the data into a file first.",
        "只读取普通文件和文件夹；请先把数据存成文件。",
    )
    found = Text("a device, pipe or socket", "设备、管道或套接字")
    return Fault(
        "unknown-format",
        Origin(label, 0),
        found=found,
        hint=hint,
    )


def _damaged(label: str, compression: str, error: Exception) -> Fault:
    name = {".gz": "gzip", ".zst": "zstd"}[compression]
    hint = Text(
        f"This {name} file is damaged or was cut off. Copy or compress it again.",
        f"这个 {name} 文件已损坏或不完整，请重新复制或压缩。",
    )
    return Fault(
        "unknown-format",
        Origin(label, 0),
        found=in_words(error),
        hint=hint,
    )


def refuse_growth(label: str, read: int, written: int) -> None:
    """Refuse so many bytes that became so many: it would fill disk or memory."""
    if written <= max(FREE_GROWTH, MAX_GROWTH * read):
        return
    hint = Text(
        f"Text does not compress over {MAX_GROWTH} times. If this is data, write it uncompressed.",
        f"文本不会压缩到 {MAX_GROWTH} 分之一以下。如果确实是数据，请先存成未压缩的文件。",
    )
    found = Text(f"{read:,} bytes became {written:,}", f"{read:,} 字节解开后成了 {written:,} 字节")
    raise Refused(Fault("unknown-format", Origin(label, 0), found=found, hint=hint))


def _no_zstd(label: str) -> Fault:
    hint = Text("Install zstandard, or unpack the file.", "请安装 zstandard，或先解压该文件。")
    return Fault(
        "unknown-format",
        Origin(label, 0),
        found=".zst",
        hint=hint,
    )


def _no_such_encoding(label: str, encoding: str) -> Fault:
    hint = Text(
        f"There is no encoding {shown(encoding)}. Common ones: utf-8, gb18030, big5, utf-16.",
        f"没有名为 {shown(encoding)} 的编码。常用的有：utf-8、gb18030、big5、utf-16。",
    )
    return Fault(
        "not-utf8",
        Origin(label, 0),
        found=shown(encoding),
        hint=hint,
    )
