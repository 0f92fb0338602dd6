"""The base model as files: where it lies, its config, its fingerprint. No weights are loaded."""

from __future__ import annotations

import difflib
import hashlib
import os
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from suretune import pocket, rundir, typed
from suretune.because import in_words
from suretune.data.elsewhere import trouble
from suretune.data.vocabulary import MOST_BYTES, read_bounded
from suretune.facts import SetupFacts
from suretune.families import hub_names, text_part
from suretune.hubs.door import HubError
from suretune.hubs.names import HubName, parse_name, which_hub
from suretune.hubs.pull import Fetched, pull_model
from suretune.refusal import Refusal
from suretune.types import Text

PACKED = "base_packed"  # in an adapter's suretune.json: `Base.packed` of what it was trained on
INDEX = "model.safetensors.index.json"
CODE = ("auto_map", "_implementation_internal")  # ends of names of fields that point at code
POINTER = b"version https://git-lfs"
WINDOW = 1 << 20  # bytes of a shard that the fingerprint reads at each of its places
PLACES = 16


@dataclass(frozen=True, slots=True)
class Base:
    """A base model on this machine; `name` is what the user called it: of a hub's its id alone, as
    other programs know it."""

    name: str
    folder: Path
    config: Mapping[str, Any]
    fetched: Fetched | None = None  # of a hub: at which commit, and what lies here
    packed: str = ""  # how its linear layers lie in memory: as a train type packs them, or as here

    @property
    def spec(self) -> str:
        """What finds the same files again, here and elsewhere."""
        return self.fetched.spec if self.fetched else self.name

    @property
    def where(self) -> str:
        """What finds these very files again on this machine."""
        return self.name if self.name == "pocket" else str(self.folder)

    def packed_as(self, packed: str) -> Base:
        """The same files, to be loaded in this packing."""
        return replace(self, packed=packed)

    @property
    def text(self) -> Mapping[str, Any]:
        """What `config` says of the language model, where it describes further parts, too."""
        return text_part(self.config)

    @property
    def context(self) -> int:
        """Tokens that the model was built for."""
        return int(self.text.get("max_position_embeddings") or 2048)

    @property
    def hidden(self) -> int:
        """The model's width, `hidden_size`; 0 where its configuration does not say."""
        return int(self.text.get("hidden_size") or 0)

    @property
    def layers(self) -> int:
        """Blocks of the language model, `num_hidden_layers`; 0 where that is not said."""
        told = self.text.get("num_hidden_layers")
        return told if isinstance(told, int) else 0

    @property
    def code(self) -> list[str]:
        """Fields of the config, however deep, that point at code to be run."""
        found: list[str] = []
        left: list[tuple[str, Any]] = [("", self.config)]
        while left:
            path, value = left.pop()
            if isinstance(value, list):
                value = {str(place): item for place, item in enumerate(value)}
            for name, item in value.items() if isinstance(value, dict) else ():
                if name.endswith(CODE):
                    found.append(path + name)
                else:
                    left.append((f"{path}{name}.", item))
        return sorted(found)

    def fingerprint(self) -> str:
        """Names these weights: the config, each shard's size and 17 windows of 1 MiB, the packing.

        A whole 15 GB base takes 10 s to hash; the windows (head with all names and shapes, then
        evenly spread) take 0.1 s and tell any two trainings of one shape apart.
        """
        digest = hashlib.sha256(orjson.dumps(dict(self.config), option=orjson.OPT_SORT_KEYS))
        for shard in sorted(self.folder.glob("*.safetensors")):
            size = shard.stat().st_size
            digest.update(f"{shard.name}:{size}".encode())
            with shard.open("rb") as file:
                for place in range(PLACES + 1):
                    file.seek(max(0, size - WINDOW) * place // PLACES)
                    digest.update(file.read(WINDOW))
        if self.packed:  # other numbers: what was trained on the one is no adapter of the other
            digest.update(f"packed:{self.packed}".encode())
        return digest.hexdigest()


def need_same_base(base: Base, fingerprint: str, who: str) -> None:
    """Refusal where process `who` finds other files at the path of the base than the first one."""
    if (there := base.fingerprint()) != fingerprint:
        found = Text(f"base {there[:12]}", f"原模型 {there[:12]}")
        raise Refusal(SetupFacts("processes-differ", who, found=found, nearest=fingerprint[:12]))


def find_base(name: str, *, weights: bool) -> Base:
    """A folder, `pocket`, or a hub id: from the hub's cache, else fetched (words only if asked).

    Raises Refusal for what is not there, or cannot be read.
    """
    if name == "pocket":
        return _base(name, pocket.MODEL)
    folder = typed.place(name)
    if os.path.isdir(folder):  # says no to a name that no file system takes, where Path raises
        return _base(name, folder.absolute())
    meant = parse_name(name)
    if meant is None:
        here, close = str(folder.absolute()), _nearest(folder)
        raise Refusal(SetupFacts("model-missing", here, nearest=close, spare=name))
    return _from_hub(name, meant, weights)


def _nearest(folder: Path) -> str:
    """Names a user may have meant."""
    known = hub_names()
    if close := difflib.get_close_matches(folder.name.lower(), known, n=1, cutoff=0.85):
        return known[close[0]]
    beside = [path.name for path in folder.parent.glob("*") if path.is_dir()]
    return ", ".join(difflib.get_close_matches(folder.name, beside, n=3))


def _from_hub(name: str, meant: HubName, weights: bool) -> Base:
    """From the cache, else fetched. What is said of a folder is about the name on the hub."""
    hub, why = which_hub(meant, "model")
    repo = meant.repo("model", hub)
    try:
        pulled = pull_model(repo, weights=weights)
    except HubError as error:
        raise Refusal(trouble(error, repo)) from error
    snapshot = pulled.snapshot
    spec = replace(repo, revision=snapshot.commit).spec
    got = Fetched(
        name,
        spec,
        snapshot,
        why,
        pulled.offline,
    )
    return replace(_base(meant.id, snapshot.folder), fetched=got)


def _base(name: str, folder: Path) -> Base:
    path = folder / "config.json"
    try:
        config = orjson.loads(read_bounded(path))
        orjson.dumps(config)  # by which it is fingerprinted: nested beyond reason, it cannot be
    except (OSError, ValueError, TypeError) as error:
        if is_pointer(path):
            raise Refusal(pointed(path)) from error
        with suppress(OSError, rundir.Damaged):  # then it is a folder like any other
            if (ours := _made_here(folder)) is not None:
                raise Refusal(ours) from error
        found = _of(path.name, in_words(error))
        raise Refusal(not_whole(folder, found)) from error
    if not isinstance(config, dict):
        raise Refusal(not_whole(folder, "config.json"))
    text = text_part(config)
    for size in ("hidden_size", "max_position_embeddings", "vocab_size"):
        if not isinstance(text.get(size, 1), (int, type(None))):
            odd = f"config.json: {size} = {text[size]!r}"
            raise Refusal(not_whole(folder, odd))
    if wrong := _wrong_index(folder / INDEX):
        raise Refusal(not_whole(folder, _of(INDEX, wrong)))
    return Base(name, folder, config)


def not_whole(folder: Path, found: str | Text) -> SetupFacts:
    """The facts for a folder in which something is missing; with the command that downloads it
    again, where its name says which model it is."""
    known = hub_names().get(folder.name.lower())
    again = f"hf download {known} --local-dir {typed.path(folder)}" if known else ""
    return SetupFacts(
        "model-incomplete",
        str(folder),
        found=found,
        nearest=again,
    )


def _made_here(folder: Path) -> SetupFacts | None:
    """The facts where a run, or an adapter, was named for a model: `found` is its adapter, `spare`
    the model that it has, or that the command `nearest` makes of it."""
    runs = rundir.runs_in(folder)
    own = rundir.is_run(folder)
    if not (own or runs or rundir.is_trained(folder)):
        return None
    meant = folder if own or not runs else runs[-1]
    facts = SetupFacts(
        "model-incomplete",
        str(folder),
        hint=_kind(folder, meant, own),
    )
    made = rundir.find_adapter(meant)
    if made is None:
        return facts
    if rundir.is_whole(made):
        return replace(facts, spare=typed.path(made))
    near = (meant, *meant.parents[:2])
    run = next(filter(rundir.is_run, near), None)
    sealed = run and (run / rundir.SEAL).is_file()
    if meant.parent.name == "checkpoints":
        sealed = False
    word = typed.path(meant)
    more = "" if sealed else " --unverified"
    name = (run or meant).name
    return replace(
        facts,
        found=word,
        nearest=f"suretune export {word} --to merged{more}",
        spare=typed.path(f"{name}-merged"),
    )


def _kind(folder: Path, meant: Path, own: bool) -> Text:
    """What was named for a model, in words."""
    if meant != folder:
        return Text(
            f"{folder} is a folder of runs, not a model; the newest is {meant}.",
            f"{folder} 是存放运行的文件夹，不是模型；最新的运行是 {meant}。",
        )
    if own:
        return Text(f"{folder} is a run, not a model.", f"{folder} 是一次运行，不是模型。")
    return Text(
        f"{folder} is an adapter, not a whole model.",
        f"{folder} 是适配器，不是完整的模型。",
    )


def _of(file: str, wrong: Text | str) -> Text:
    """What is wrong with a file of the folder."""
    en, zh = (wrong.en, wrong.zh) if isinstance(wrong, Text) else (wrong, wrong)
    return Text(f"{file}: {en}", f"{file}：{zh}")


def _wrong_index(path: Path) -> Text | str:
    """The first shard that does not lie beside its index, by its name; empty if all do."""
    if not path.is_file():
        return ""
    try:
        index = orjson.loads(read_bounded(path, MOST_BYTES))
    except (OSError, ValueError) as error:
        return in_words(error)
    shards = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(shards, dict):
        return "weight_map"
    for shard in shards.values():
        if not isinstance(shard, str) or set(shard) & {"/", "\\", "\0"} or shard in ("", ".", ".."):
            return repr(shard)
    return ""


def is_pointer(path: Path) -> bool:
    """Whether Git LFS has left a pointer where the file should be."""
    try:
        with path.open("rb") as file:
            return file.read(len(POINTER)) == POINTER
    except OSError:
        return False


def pointed(path: Path) -> SetupFacts:
    """What is said of a pointer."""
    cure = f"git -C {shlex.quote(str(path.parent))} lfs pull"
    found = Text(
        f"{path.name} is a Git LFS pointer, not the file",
        f"{path.name} 只是 Git LFS 指针，不是文件本身",
    )
    return SetupFacts(
        "model-incomplete",
        str(path.parent),
        found=found,
        nearest=cure,
    )
