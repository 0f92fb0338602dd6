"""What `--dataset` may name: a file, a folder, or an id on a hub.

`[hf::|ms::]path_or_id[:subset1/subset2][@revision][#N]`. What exists on disk wins over the grammar,
and what looks like a file is never taken for an id: a typing mistake must not end in a download
error.
A dataset is its path. What people see of it is the shortest end of that path which no other dataset
of the run has.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from suretune.data.feed import not_a_file
from suretune.data.folders import LEARNED, listed
from suretune.data.formats import COMPRESSIONS, FOREIGN, FORMATS
from suretune.data.nearby import broken_link, near_names
from suretune.data.refusal import Refused, printable
from suretune.facts import FlagFacts
from suretune.hubs.names import parse_name, which_hub
from suretune.typed import path as as_typed
from suretune.types import Fault, Origin, Text

DATASET = "--dataset"


@dataclass(frozen=True, slots=True)
class Source:
    """One dataset as the user named it. `files` is empty until one of a hub was fetched."""

    spec: str
    name: str  # what the ledger and people know it by
    files: tuple[Path, ...]
    hub: str  # '', 'hf' or 'ms'
    subsets: tuple[str, ...]
    count: int | None  # of `#N`
    folder: Path | None = None  # that the files were found in
    notes: tuple[Fault, ...] = ()  # what of the folder is not read
    revision: str = ""  # of a hub: the branch, tag or commit that was named
    flag: str = DATASET  # what named it

    @property
    def typed(self) -> str:
        """The path as the user gave it."""
        return self.spec if self.count is None else self.spec.rpartition("#")[0]

    def label(self, file: Path) -> str:
        """The file as the user would type it."""
        if self.folder is None:
            return printable(self.typed)
        return printable(os.path.join(self.typed, file.relative_to(self.folder)))


def parse_sources(*groups: tuple[Sequence[str], str, str]) -> list[list[Source | Fault]]:
    """The datasets of each group (names, what they are for, and the flag that names them), told
    apart over all of them."""
    parsed = [[parse_source(spec, role, flag) for spec in specs] for specs, role, flag in groups]
    _tell_once(parsed, [role for _, role, _ in groups])
    paths = [_parts(item) for items in parsed for item in items if isinstance(item, Source)]
    names, times = _names(set(paths)), Counter[tuple[str, ...]]()
    made: list[list[Source | Fault]] = []
    for items in parsed:
        made.append([])
        for item in items:
            if isinstance(item, Source) and item.files:
                path = _parts(item)
                times[path] += 1
                again = f" ({times[path]})" if times[path] > 1 else ""
                item = replace(item, name=printable(names[path]) + again)
            made[-1].append(item)
    return made


def _tell_once(parsed: Sequence[list[Source | Fault]], roles: Sequence[str]) -> None:
    """Leave out of what is told of folders whatever another name reads, or is told of before."""
    files = [file for items in parsed for item in items for file in _files_of(item)]
    known = {place for file in files for place in (file, file.parent)}
    for items, role in zip(parsed, roles, strict=True):
        for at, item in enumerate(items):
            if isinstance(item, Source) and item.folder is not None and item.notes:
                notes = listed(item.folder, item.typed, role, item.flag, known).notes
                items[at] = replace(item, notes=notes)
                known.update(item.folder.iterdir())


def _files_of(item: Source | Fault) -> tuple[Path, ...]:
    return item.files if isinstance(item, Source) else ()


def is_counted(spec: str) -> bool:
    """Whether the name says how many rows to take, `#N`."""
    return _count(spec) is not None


def _count(spec: str) -> int | None:
    source = parse_source(spec)
    return source.count if isinstance(source, Source) else None


def none_drawn(*named: Sequence[str]) -> Iterator[FlagFacts]:
    """What `--dataset`, `--val_dataset` and `--general` name with `#0`, which takes no row."""
    for flag, specs in zip((DATASET, "--val_dataset", "--general"), named, strict=True):
        none = [spec for spec in specs if _count(spec) == 0]
        others = [spec for spec in specs if spec not in none]
        whole = [spec.rpartition("#")[0] for spec in none]
        instead = " ".join((flag, *map(shlex.quote, others or whole)))
        mend = Text(f"without it: `{instead}`", f"去掉它：`{instead}`")
        if not others:
            mend = Text(f"all of them: `{instead}`", f"要用全部数据：`{instead}`")
        hint = Text(f"`#0` takes none of its rows; {mend.en}", f"`#0` 表示一条也不取；{mend.zh}")
        if none:
            yield FlagFacts("bad-value", flag, " ".join(none), hint=hint)


def _parts(source: Source) -> tuple[str, ...]:
    """The absolute path, as it was typed, in pieces; a name on a hub is its own."""
    if source.hub:
        return (source.hub, source.name)
    return Path(os.path.abspath(os.path.expanduser(source.typed))).parts


def _names(paths: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The shortest end of each path that no other has."""
    ends = Counter(path[-k:] for path in paths for k in range(1, len(path) + 1))
    made = {}
    for path in paths:
        number = next((k for k in range(1, len(path)) if ends[path[-k:]] == 1), len(path))
        made[path] = os.path.join(*path[-number:]) if path else ""
    return made


def parse_source(
    spec: str,
    role: str = LEARNED,
    flag: str = DATASET,
) -> Source | Fault:
    """Relative to the current directory; `~` is the home directory. `role`: which files of a folder
    are meant, those to be learned or those to measure with. `flag`: what names it."""
    return replace(_parsed(spec, role, flag), flag=flag)


def _parsed(
    spec: str,
    role: str,
    flag: str,
) -> Source | Fault:
    if printable(spec) != spec:
        return _not_utf8(spec, flag)
    if (path := _on_disk(spec)) is not None:
        return _local(spec, path, None, role, flag)
    rest, mark, number = spec.rpartition("#")
    count = int(number) if mark and re.fullmatch(r"[0-9]{1,12}", number) else None
    base = spec if count is None else rest
    if count is not None and (path := _on_disk(base)) is not None:
        return _local(spec, path, count, role, flag)
    if broken := _broken_on_way(spec, base, flag):
        return broken  # though the rest of the name may be like one of a hub
    meant = parse_name(base)
    if meant and (meant.hub or not _is_file_like(base, meant.id)):
        hub, _ = which_hub(meant, "dataset")
        return Source(
            spec,
            meant.id,
            (),
            hub,
            meant.subsets,
            count,
            revision=meant.revision,
        )
    identity, _, subsets = base.partition(":")
    if subsets and _on_disk(identity) is not None:
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
    if any(name.lower().endswith((*FORMATS, *COMPRESSIONS, *FOREIGN)) for name in (base, identity)):
        return True
    folder, _, last = identity.rpartition("/")
    return bool(folder) and _on_disk(identity) is None and bool(near_names(_on_disk(folder), last))


def _local(
    spec: str,
    path: Path,
    count: int | None,
    role: str,
    flag: str,
) -> Source | Fault:
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return Source(spec, path.name, (path,), "", (), count)
    if not stat.S_ISDIR(mode):
        return not_a_file(spec)
    typed = spec if count is None else spec.rpartition("#")[0]
    try:
        found = listed(path, typed, role, flag)
    except Refused as refusal:
        return refusal.fault
    return Source(
        spec=spec,
        name=path.name,
        files=found.files,
        hub="",
        subsets=(),
        count=count,
        folder=path,
        notes=found.notes,
    )


def _not_utf8(spec: str, flag: str) -> Fault:
    """A name that no log, ledger or configuration could repeat."""
    spec = re.sub(r"#[0-9]+$", "", spec)
    raw = os.fsencode(os.path.expanduser(spec))
    new = "data" + "".join(s for s in Path(spec).suffixes if s.isascii())
    for codec in ("gb18030", "big5", "shift_jis", "cp1252"):
        try:
            name = raw.decode(codec)
        except UnicodeDecodeError:
            continue
        if name.isprintable():
            new = os.path.basename(name)
            break
    quoted = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}" for byte in raw
    )
    folder = os.path.dirname(spec)
    target = shlex.quote(os.path.join(folder, new) if printable(folder) == folder else new)
    hint = Text(
        f"Give it a name that is: `mv -- $'{quoted}' {target}`, then `{flag} {target}`.",
        f"请改名：`mv -- $'{quoted}' {target}`，再用 `{flag} {target}`。",
    )
    where = Origin(printable(spec), 0)
    return Fault(
        "not-utf8",
        where,
        field="name",
        found=printable(os.path.basename(spec)),
        hint=hint,
    )


def _no_subsets(spec: str, subsets: str) -> Fault:
    hint = Text(
        f"Files on disk have no subsets; leave out ':{subsets}'.",
        f"本地文件没有子集，请去掉 `:{subsets}`。",
    )
    return Fault(
        "file-missing",
        Origin(spec, 0),
        found=f":{subsets}",
        hint=hint,
    )


def too_few(
    source: Source,
    sources: Sequence[Source | Fault],
    asked: int,
    there: int,
) -> Fault:
    """The fault of a dataset with fewer rows than are asked for; the flag that asks for all of them
    names the other `sources` as they are."""
    spec = printable(source.spec)
    found, instead = f"--dataset_sample {asked}", f"--dataset_sample {there}"
    if source.count is not None:
        found, fewer = f"#{asked}", f"{printable(source.typed)}#{there}"
        specs = [one.origin.file if isinstance(one, Fault) else one.spec for one in sources]
        words = [fewer if printable(one) == spec else printable(one) for one in specs]
        instead = " ".join((source.flag, *map(shlex.quote, words)))
    hint = Text(
        f"It has {there} row{'s' * (there != 1)}: `{instead}`",
        f"实际只有 {there} 行：`{instead}`",
    )
    return Fault("rows-repeat", Origin(spec, 0), found=found, hint=hint)


def _broken(
    spec: str,
    link: str,
    leads: Text,
    flag: str,
) -> Fault:
    """A link, on the way or at its end, that leads to nothing."""
    made = f"ln -sfn TARGET {as_typed(link)}"
    hint = Text(
        f"Let it lead to what is there, `{made}`, or name that after `{flag}`.",
        f"让它指向实际存在的文件或文件夹：`{made}`；或者在 `{flag}` 后面直接写出那个路径。",
    )
    return Fault(
        "file-missing",
        Origin(spec, 0),
        found=Text(f"{link} is a {leads.en}", f"{link} 是{leads.zh}"),
        hint=hint,
    )


def _broken_on_way(spec: str, base: str, flag: str) -> Fault | None:
    """About the first link that leads to nothing, of the path as it was typed."""
    if not base or "\0" in base:
        return None
    path = Path(os.path.expanduser(base))
    for each in (*reversed(path.parents), path):
        if leads := broken_link(each):
            return _broken(spec, str(each), leads, flag)
    return None


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
    elif near := [each for each in near_names(Path(folder), name) if _on_disk(f"{folder}/{each}")]:
        there = [f"`{as_typed(os.path.join(os.path.dirname(base), each))}`" for each in near]
        hint = Text(f"There is {', '.join(there)}.", f"有 {'、'.join(there)}。")
    else:
        hint = Text(
            "Nothing in that folder has a similar name. A hub dataset is written org/name.",
            "该文件夹中没有名字相近的文件。下载站上的数据集写作 组织/名称。",
        )
    return Fault(
        "file-missing",
        Origin(spec, 0),
        found=path,
        hint=hint,
    )
