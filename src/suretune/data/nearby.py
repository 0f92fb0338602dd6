"""A file that is not there: where it was looked for, and what lies near it by name."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from suretune.data.refusal import printable
from suretune.typed import path as as_typed
from suretune.typed import place
from suretune.types import Text


def not_there(typed: str, flag: str) -> Text:
    """What is said of a file that `flag` names and nobody finds: its folder, and the flag with the
    file that may have been meant."""
    if link := broken_link(Path(place(typed))):
        return Text(f"There is no such file: it is a {link.en}.", f"没有这个文件：它是{link.zh}。")
    folder = os.path.dirname(os.path.abspath(place(typed)))
    if not os.path.isdir(folder):
        return Text(
            f"There is no such file: the folder {folder} does not exist.",
            f"没有这个文件：文件夹 {folder} 不存在。",
        )
    meant = [f"`{flag} {as_typed(each)}`" for each in files_near(typed)]
    if not meant:
        return Text(
            f"There is no such file, and no other in {folder} has a similar name.",
            f"没有这个文件，{folder} 里也没有名字相近的。",
        )
    return Text(
        f"There is no such file. Was {', '.join(meant)} meant?",
        f"没有这个文件。是不是 {'、'.join(meant)}？",
    )


def broken_link(path: Path) -> Text | None:
    """What a link is that leads to no file; None where it leads to one, or is none."""
    try:
        if not path.is_symlink():
            return None
    except OSError:  # a name too long, a folder that may not be entered
        return None
    target = printable(os.readlink(path))
    try:
        path.stat()
    except FileNotFoundError:
        return Text(
            f"link to {target}, and nothing is there", f"指向 {target} 的链接，而那里没有文件"
        )
    except OSError as error:  # a loop; or the way to it may not be taken
        if error.errno == errno.ELOOP:
            return Text(
                f"link to {target}, which leads back to itself",
                f"指向 {target} 的链接，最后又绕回它自己",
            )
        return Text(
            f"link to {target}, which cannot be reached", f"指向 {target} 的链接，而那里进不去"
        )
    return None


def files_near(typed: str) -> list[str]:
    """Up to three files that lie where `typed` should, by names like it; as they are typed."""
    folder, name = os.path.split(os.path.abspath(place(typed)))
    near = [each for each in near_names(Path(folder), name) if Path(folder, each).is_file()]
    return [os.path.join(os.path.dirname(typed), each) for each in near]


def near_names(folder: Path | None, name: str) -> list[str]:
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
