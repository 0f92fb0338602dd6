"""What a folder given as a dataset holds: the files that are read, and all that is passed over.

Hubs keep train, validation and test rows of a dataset in files of one folder, told by their names.
Rows that were set aside for measuring are not learned because they lie beside the others: a folder
after `--dataset` means its training files, one after `--val_dataset` those for validation.
A folder that `datasets.save_to_disk` wrote is read as its own `state.json` says.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from suretune.because import in_words
from suretune.data.contents import LINK, is_link_text
from suretune.data.formats import FORMATS, format_of
from suretune.data.refusal import Refused, printable, shown
from suretune.data.saved import DICT, INFO, STATE, saved_files
from suretune.splits import is_split, is_topic, splits_of
from suretune.types import Fault, Origin, Text

LEARNED, MEASURED = "train", "validation"  # what a dataset is for
ORDERS = {  # the splits that are meant, the likeliest first
    LEARNED: ("train", "validation", "test"),
    MEASURED: ("validation", "test", "train"),
}
# Files about data, which come with it and hold no row.
_ABOUT = {
    INFO,
    STATE,
    DICT,
    "dataset_infos.json",
    "configuration.json",
    "metadata.json",
    "croissant.json",
    "license.txt",
    "readme.txt",
    "requirements.txt",
}
_SILENT = re.compile(
    r"readme.*|license.*|notice.*|.*\.md|\.git.*|\.ds_store|thumbs\.db|desktop\.ini|\.cache"
    r"|\.huggingface|\.ipynb_checkpoints|__pycache__|__macosx|\.m(?:dl|sc|v)|.*\.lock"
    r"|configuration\.json|dataset_infos?\.json|metadata\.json|croissant\.json|requirements\.txt",
    re.IGNORECASE,
)
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".tgz", ".tar.gz", ".bz2", ".xz")
_SHEETS = (".xlsx", ".xls", ".ods")
_NAMED = 30  # of one kind, in a sentence


@dataclass(frozen=True, slots=True)
class Listing:
    """The files that are read, in order, and what is to be told."""

    files: tuple[Path, ...]
    notes: tuple[Fault, ...] = ()


def listed(
    folder: Path,
    spec: str,
    role: str,
    flag: str,
    known: Collection[Path] = (),
) -> Listing:
    """The files of a folder given as `spec` after `flag`; `Refused` where there is none to read.
    Of `known`, which is read by another name or told already, nothing is told."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        hint = Text("This folder cannot be listed.", "无法列出这个文件夹的内容。")
        fault = Fault(
            "file-missing",
            Origin(spec, 0),
            found=in_words(error),
            hint=hint,
        )
        raise Refused(fault) from error
    names = {entry.name for entry in entries}
    if DICT in names:
        return _of_dict(folder, entries, spec, role, flag, known)
    if STATE in names:
        return Listing(saved_files(folder, spec, flag))
    readable = [entry for entry in entries if _is_data(entry)]
    files, apart = _of_role(readable, role)
    over = [entry for entry in entries if entry not in readable]
    if not files:
        raise Refused(_nothing(over, spec, flag))
    over = [entry for entry in over if entry not in known]
    return Listing(tuple(files), tuple(_told(over, _without(known, apart), spec, role, flag)))


def _without(known: Collection[Path], apart: dict[str, list[Path]]) -> dict[str, list[Path]]:
    left = {split: [f for f in files if f not in known] for split, files in apart.items()}
    return {split: files for split, files in left.items() if files}


def _is_data(entry: Path) -> bool:
    known = bool(format_of(entry.name)[0]) and entry.name[0] != "."
    cached = entry.name.startswith("cache-") and entry.suffix == ".arrow"
    if not known or cached or entry.name.lower() in _ABOUT or not entry.is_file():
        return False
    return not _leads_nowhere(entry)


def _leads_nowhere(entry: Path) -> bool:
    """A link to nothing, or what a clone without links made of one."""
    if entry.is_symlink() and not entry.exists():
        return True
    try:
        small = entry.is_file() and 0 < entry.stat().st_size <= LINK
        return small and is_link_text(entry.read_bytes())
    except OSError:  # the reader says why it cannot be read
        return False


# --- train, validation, test ----------------------------------------------------------------------


def split_of(name: str, *, strict: bool) -> str:
    """The split that a file's name tells, else nothing. `strict`: the word has to be all of it, but
    for numbers."""
    found = [] if strict and not is_split(name) else splits_of(name)
    return found[0] if found else ""


def _of_role(files: Sequence[Path], role: str) -> tuple[list[Path], dict[str, list[Path]]]:
    """(the files to read, those that are kept apart by split)."""
    # Beside files that are called train, any file that names another split is of that split.
    strict = not any(split_of(file.name, strict=False) == "train" for file in files)
    by_split: dict[str, list[Path]] = {}
    names = [file.name for file in files]
    for file in files:
        split = split_of(file.name, strict=strict)
        if role == LEARNED and is_topic(file.name, names):
            split = ""
        by_split.setdefault(split or "train", []).append(file)
    chosen = next((split for split in ORDERS[role] if split in by_split), "")
    return by_split.pop(chosen, []), by_split


def _of_dict(
    folder: Path,
    entries: Sequence[Path],
    spec: str,
    role: str,
    flag: str,
    known: Collection[Path],
) -> Listing:
    """A `DatasetDict`: a folder for each split."""
    inside = [entry for entry in entries if (entry / STATE).is_file()]
    chosen, apart = _of_role(inside, role)
    if not chosen:
        raise Refused(_nothing(list(entries), spec, flag))
    files = [file for split in chosen for file in saved_files(split, spec, flag)]
    return Listing(tuple(files), tuple(_told([], _without(known, apart), spec, role, flag)))


# --- what is told ---------------------------------------------------------------------------------


def _told(
    over: Sequence[Path],
    apart: dict[str, list[Path]],
    spec: str,
    role: str,
    flag: str,
) -> Iterator[Fault]:
    """One note for all that lies in the folder and is not read."""
    loud = [entry for entry in over if not _SILENT.fullmatch(entry.name)]
    if role == MEASURED:  # nobody expects training rows to be measured
        apart = {split: files for split, files in apart.items() if split != LEARNED}
    kept = [file for files in apart.values() for file in files]
    if not loud and not kept:
        return
    hints = [*_apart_hint(apart, spec, role, flag), *_over_hints(loud, spec, flag)]
    found = shown(", ".join(printable(e.name) for e in (*kept, *loud)), 2000)
    yield Fault(
        "passed-over",
        Origin(spec, 0),
        found=found,
        hint=_joined(hints),
    )


def _apart_hint(
    apart: dict[str, list[Path]],
    spec: str,
    role: str,
    flag: str,
) -> Iterator[Text]:
    for split, files in apart.items():
        paths = _paths(files, spec)
        if role == MEASURED:
            yield Text(
                f"For the {split} rows in its place: `{flag} {paths}`.",
                f"如果要改用 {split} 数据：`{flag} {paths}`。",
            )
            continue
        yield Text(
            f"The {split} rows are not learned, so that they can measure: `--val_dataset {paths}`; "
            f"to learn them too, name each file after `--dataset`.",
            f"{split} 数据没有参与训练，可以用来评估：`--val_dataset {paths}`；"
            f"确实也要训练，就在 `--dataset` 后面逐个写出文件名。",
        )


def _over_hints(
    loud: Sequence[Path],
    spec: str,
    flag: str,
) -> Iterator[Text]:
    dangling = [e for e in loud if _leads_nowhere(e)]
    folders = [e for e in loud if e.is_dir()]
    rest = [e for e in loud if e not in dangling and e not in folders]
    hidden = [e for e in rest if e.name[0] == "." and format_of(e.name)[0]]
    packed = [e for e in rest if e.name.lower().endswith(_ARCHIVES)]
    sheets = [e for e in rest if e.name.lower().endswith(_SHEETS)]
    if dangling:
        names = _names(dangling)
        ends = [f"{printable(e.name)} → {_end(e)}" for e in dangling[:_NAMED] if e.is_symlink()]
        names = shown(", ".join(ends), 2000) if len(ends) == len(dangling) else names
        yield Text(
            f"Links to files that are not there: {names}.", f"链接指向的文件不存在：{names}。"
        )
    if inside := [e for e in folders if any(map(_is_data, _entries(e)))]:
        way = _inside(inside, spec, flag)
        yield Text(
            f"Folders in a folder are not entered: `{way}`.", f"不会进入下一级文件夹：`{way}`。"
        )
    if hidden:
        yield Text(
            f"Hidden files have to be named: `{flag} {_paths(hidden, spec)}`.",
            f"隐藏文件要写出名字才会读：`{flag} {_paths(hidden, spec)}`。",
        )
    if packed:
        yield Text(f"Unpack {_names(packed)} first.", f"请先解压 {_names(packed)}。")
    if sheets:
        yield Text(
            f"Save {_names(sheets)} as CSV (UTF-8).", f"请把 {_names(sheets)} 另存为 CSV（UTF-8）。"
        )


def _inside(folders: Sequence[Path], spec: str, flag: str) -> str:
    """The flags for these folders; those that are called for measuring measure, beside others."""
    role = LEARNED if flag == "--dataset" else MEASURED
    meant, apart = _of_role(folders, role)
    measured = [folder for split in ORDERS[MEASURED] for folder in apart.get(split, ())]
    words = f"{flag} {_paths(meant, spec)}"
    if role == MEASURED or not measured:
        return words
    return f"{words} --val_dataset {_paths(measured, spec)}"


def _end(link: Path) -> str:
    return printable(os.readlink(link))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # one that may not be listed has nothing that could be read
        return []


def _names(entries: Sequence[Path]) -> str:
    return shown(", ".join(printable(e.name) for e in entries[:_NAMED]), 2000)


def _paths(entries: Sequence[Path], spec: str) -> str:
    """As they would be typed after a flag."""
    return " ".join(shlex.quote(os.path.join(spec, printable(e.name))) for e in entries[:_NAMED])


def _joined(hints: Sequence[Text]) -> Text:
    return Text(" ".join(hint.en for hint in hints), "".join(hint.zh for hint in hints))


def _nothing(over: Sequence[Path], spec: str, flag: str) -> Fault:
    """There is no file to read in this folder; a folder below may have some."""
    ways = list(_over_hints([e for e in over if not _SILENT.fullmatch(e.name)], spec, flag))
    names = [printable(entry.name) for entry in over]
    ends = ", ".join(FORMATS)
    general = Text(
        f"The folder has no file that ends in {ends} (or .gz, .zst of these).",
        f"文件夹里没有以 {'、'.join(FORMATS)}（或其 .gz、.zst）结尾的文件。",
    )
    found = shown(", ".join(names), 400) if names else Text("nothing", "空文件夹")
    return Fault(
        "no-rows",
        Origin(spec, 0),
        found=found,
        hint=_joined([general, *ways]),
    )
