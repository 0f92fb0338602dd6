"""What `--dataset` may name: a file, a folder, or an id on a hub.

`[hf::|ms::]path_or_id[:subset1/subset2][#N]`. What exists on disk wins over the grammar, and what
looks like a file is never taken for an id: a typing mistake must not end in a download error.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from suretune.data.feed import not_a_file
from suretune.types import Fault, Origin, Text

FORMATS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".txt")
COMPRESSIONS = (".gz", ".zst")
_FOREIGN = (".zip", ".xlsx", ".xls", ".docx", ".pdf", ".arrow", ".rar", ".7z", ".tar", ".tgz")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_DEFAULT_HUB = "ms"  # as in the grammar this one follows


@dataclass(frozen=True, slots=True)
class Source:
    """One dataset as the user named it. `files` is empty when it lies on a hub."""

    spec: str
    name: str
    files: tuple[Path, ...]
    hub: str  # '', 'hf' or 'ms'
    subsets: tuple[str, ...]
    count: int | None  # of `#N`

    def label(self, file: Path) -> str:
        """The file as the user would type it."""
        typed = self.spec if self.count is None else self.spec.rpartition("#")[0]
        return typed if os.path.basename(typed) == file.name else os.path.join(typed, file.name)


def format_of(name: str) -> tuple[str, str]:
    """The extension that decides how a file is read, and that of its compression; '' if unknown."""
    stem, last = os.path.splitext(name.lower())
    compression = last if last in COMPRESSIONS else ""
    extension = os.path.splitext(stem)[1] if compression else last
    return (extension if extension in FORMATS else ""), compression


def parse_source(spec: str) -> Source | Fault:
    """Relative to the current directory; `~` is the home directory."""
    if (path := _on_disk(spec)) is not None:
        return _local(spec, path, None)
    rest, mark, number = spec.rpartition("#")
    count = int(number) if mark and re.fullmatch(r"[0-9]{1,12}", number) else None
    base = spec if count is None else rest
    if count is not None and (path := _on_disk(base)) is not None:
        return _local(spec, path, count)
    hub, separator, bare = base.partition("::")
    explicit = bool(separator) and hub in ("hf", "ms")
    identity, _, subsets = (bare if explicit else base).partition(":")
    if explicit or not _is_file_like(base, identity):
        if identity and (explicit or _HUB_ID.fullmatch(identity)):
            parts = tuple(part for part in subsets.split("/") if part)
            return Source(spec, identity, (), hub if explicit else _DEFAULT_HUB, parts, count)
    elif subsets and _on_disk(identity) is not None:
        return _no_subsets(spec, subsets)
    return _missing(spec, base)


def _on_disk(name: str) -> Path | None:
    """The absolute path, if something is there. Links stay as they were typed."""
    if not name or "\0" in name:
        return None
    path = Path(os.path.abspath(os.path.expanduser(name)))
    try:
        return path if path.exists() else None
    except OSError:  # a name too long, a folder that may not be entered: nothing we could read
        return None


def _is_file_like(base: str, identity: str) -> bool:
    """Whether this must be meant as a path, though nothing is there."""
    if base.startswith(("/", "./", "../", "~", ".\\", "..\\")) or "\\" in base or "://" in base:
        return True
    if any(
        name.lower().endswith((*FORMATS, *COMPRESSIONS, *_FOREIGN)) for name in (base, identity)
    ):
        return True
    folder, _, last = identity.rpartition("/")
    return bool(folder) and _on_disk(identity) is None and bool(_near(_on_disk(folder), last))


def _local(spec: str, path: Path, count: int | None) -> Source | Fault:
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return Source(spec, path.name, (path,), "", (), count)
    if not stat.S_ISDIR(mode):
        return not_a_file(spec)
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        hint = Text("This folder cannot be listed.", "无法列出这个文件夹的内容。")
        return Fault("file-missing", Origin(spec, 0), found=error.strerror or "", hint=hint)
    readable = (f for f in entries if format_of(f.name)[0] and f.name[0] != "." and f.is_file())
    files = tuple(readable)
    if files:
        return Source(spec, path.name, files, "", (), count)
    hint = Text(
        f"The folder has no file that ends in {', '.join(FORMATS)} (or .gz, .zst of these).",
        f"文件夹里没有以 {'、'.join(FORMATS)}（或其 .gz、.zst）结尾的文件。",
    )
    return Fault("no-rows", Origin(spec, 0), found=f"{len(entries)} other entries", hint=hint)


def _no_subsets(spec: str, subsets: str) -> Fault:
    hint = Text(
        f"Files on disk have no subsets; leave out ':{subsets}'.",
        f"本地文件没有子集，请去掉“:{subsets}”。",
    )
    return Fault("file-missing", Origin(spec, 0), found=f":{subsets}", hint=hint)


def _missing(spec: str, base: str) -> Fault:
    path = os.path.abspath(os.path.expanduser(base))
    folder, name = os.path.split(path)
    if "://" in base:
        hint = Text(
            "Addresses are not read; download the file and give its path.",
            "不支持网址；请先下载文件，再给出它的路径。",
        )
        path = base
    elif not os.path.isdir(folder):
        hint = Text(f"The folder {folder} does not exist.", f"文件夹 {folder} 不存在。")
    elif near := _near(Path(folder), name):
        hint = Text(
            f"In that folder there is {', '.join(near)}.",
            f"该文件夹中有 {'、'.join(near)}。",
        )
    else:
        hint = Text(
            "Nothing in that folder has a similar name. A hub dataset is written org/name.",
            "该文件夹中没有名字相近的文件。平台上的数据集写作 组织/名称。",
        )
    return Fault("file-missing", Origin(spec, 0), found=path, hint=hint)


def _near(folder: Path | None, name: str) -> list[str]:
    """Up to three names in the folder that could have been meant; the case does not matter."""
    if folder is None:
        return []
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError:  # not a folder, or one we may not list: then there is nothing to suggest
        return []
    return _closest(name, names)


def _closest(name: str, names: Iterable[str]) -> list[str]:
    by_folded = {candidate.lower(): candidate for candidate in sorted(names, reverse=True)}
    stems = {folded.partition(".")[0]: real for folded, real in by_folded.items()}
    folded = name.lower()
    found = [by_folded[m] for m in get_close_matches(folded, by_folded, 3, 0.75)]
    same_stem = stems.get(folded.partition(".")[0])
    return found if not same_stem or same_stem in found else [same_stem, *found][:3]
