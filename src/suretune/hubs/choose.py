"""Which files of a repository are wanted: a model's words and weights, a dataset's rows.

A dataset's card says which file belongs to which subset and split (`configs` in its front matter);
where it does not, names do, by the rule of Hugging Face's `datasets`. Scripts are never run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

import yaml

from suretune.hubs.door import File
from suretune.splits import SPLITS, is_split, is_topic, splits_of

CARD = "README.md"
PARQUET = "refs/convert/parquet"  # the branch in which Hugging Face keeps converted datasets
ENDS = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".ndjson")
PACKED = ("", ".gz", ".zst")
# Files about data, which come with it and hold no row.
ABOUT = {
    "configuration.json",
    "croissant.json",
    "dataset_dict.json",
    "dataset_info.json",
    "dataset_infos.json",
    "license.txt",
    "metadata.json",
    "readme.txt",
    "requirements.txt",
    "state.json",
}
MODEL_WORDS = ("*.json", "*.jinja", "*.txt", "tokenizer.model")
MODEL_WEIGHTS = ("*.safetensors",)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files that are read, the subset they are of, and the splits that are not."""

    files: tuple[File, ...]
    subset: str = ""
    others: tuple[str, ...] = ()  # subsets that could have been named
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # split -> paths
    scripts: tuple[str, ...] = ()


def model_files(files: Sequence[File], *, weights: bool) -> list[File]:
    """Config, tokenizer and template; with the weights where they are asked for, as safetensors."""
    patterns = MODEL_WORDS + (MODEL_WEIGHTS if weights else ())
    top = [file for file in files if "/" not in file.path]
    return [f for f in top if any(fnmatchcase(f.path, pattern) for pattern in patterns)]


def choose(
    files: Sequence[File],
    card: Callable[[], str],
    subsets: Sequence[str],
    role: str,
) -> Chosen:
    """The data files of a dataset. `card`: reads its README, asked only where there is one;
    `role`: "train" for rows to learn, "validation" for rows to measure with."""
    readable = [file for file in files if is_data(file.path)]
    scripts = tuple(f.path for f in files if f.path.endswith(".py") and "/" not in f.path)
    has_card = any(file.path == CARD for file in files)
    configs = _configs(card()) if has_card else {}
    names = tuple(configs)
    if configs:
        subset = subsets[0] if subsets else ("default" if "default" in configs else names[0])
        if subset not in configs:
            return Chosen((), subset, names, {}, scripts)
        by_split = {
            split: [f for f in readable if any(_fits(f.path, p) for p in patterns)]
            for split, patterns in configs[subset].items()
        }
    else:
        subset = subsets[0] if subsets else ""
        inside = [file for file in readable if _is_of(file.path, subset)]
        by_split = _by_name(inside, role)
        names = tuple(sorted({f.path.partition("/")[0] for f in readable if "/" in f.path}))
    order = ("train", "validation", "test") if role == "train" else ("validation", "test", "train")
    by_split = {split: found for split, found in by_split.items() if found}
    first = next((split for split in order if split in by_split), next(iter(by_split), ""))
    chosen = by_split.pop(first, [])
    kept = {split: tuple(f.path for f in found) for split, found in by_split.items()}
    return Chosen(
        tuple(chosen),
        subset,
        tuple(n for n in names if n != subset),
        kept,
        scripts,
    )


def _is_of(path: str, subset: str) -> bool:
    """Whether a file is of this subset by its folder or the beginning of its name."""
    *folders, name = PurePosixPath(path).parts
    return not subset or subset in folders or name.startswith(subset)


def is_data(path: str) -> bool:
    """Whether a file of this name holds rows that can be read."""
    name = PurePosixPath(path).name.lower()
    if name in ABOUT or name.startswith(".") or any(p[0] == "." for p in PurePosixPath(path).parts):
        return False
    return any(name.endswith(end + packed) for end in ENDS for packed in PACKED)


def _by_name(files: Sequence[File], role: str) -> dict[str, list[File]]:
    """By the words of their paths; where no name says `train`, only a name that is nothing else
    but a split's word sets a file apart. Rows to learn may be about testing."""
    by_split: dict[str, list[File]] = {}
    names = {part for file in files for part in PurePosixPath(file.path).parts}
    topics = {name for name in names if role == "train" and is_topic(name, names)}
    strict = not any("train" in splits_of(file.path) for file in files)
    for file in files:
        parts = PurePosixPath(file.path).parts
        found = splits_of("/".join(part for part in parts if part not in topics))
        if strict and not is_split(parts[-1]):
            found = [split for split in found if split not in ("validation", "test")]
        by_split.setdefault(found[-1] if found else "train", []).append(file)
    return by_split


def _fits(path: str, pattern: str) -> bool:
    """A glob of a card: `*` stays in a folder, `**` does not."""
    pattern = pattern.removeprefix("./")
    made = "".join(
        {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece))
        for piece in re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    )
    return re.fullmatch(made, path) is not None


def _configs(card: str) -> dict[str, dict[str, list[str]]]:
    """subset -> split -> patterns, of a card's front matter; {} where it says nothing usable."""
    found = re.match(
        r"---\s*\n(.*?)\n---\s*(?:\n|$)",
        card,
        re.DOTALL,
    )
    try:
        head = yaml.safe_load(found[1][:100_000]) if found else None
    except (yaml.YAMLError, RecursionError):  # a card is for people: names decide then
        return {}
    configs = head.get("configs") if isinstance(head, dict) else None
    made: dict[str, dict[str, list[str]]] = {}
    for config in configs if isinstance(configs, list) else ():
        if isinstance(config, dict) and (splits := _data_files(config.get("data_files"))):
            made[str(config.get("config_name", "default"))] = splits
    return made


def _data_files(told: Any) -> dict[str, list[str]]:
    """`data_files` in any of its forms: a pattern, a list of them, or a split and path each."""
    if isinstance(told, str):
        return {"train": [told]}
    made: dict[str, list[str]] = {}
    for item in told if isinstance(told, list) else ():
        if isinstance(item, str):
            made.setdefault("train", []).append(item)
        elif isinstance(item, dict):
            paths = item.get("path")
            split = SPLITS.get(str(item.get("split", "train")).lower(), str(item.get("split")))
            for path in [paths] if isinstance(paths, str) else paths or ():
                made.setdefault(split, []).append(str(path))
    return made
