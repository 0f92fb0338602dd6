"""`--to merged`: the base's own files with the adapter added to the weights that it changes.

Shard by shard: every header stays as it is, every tensor that the adapter does not touch is copied
byte for byte (a vision tower, further heads), and each touched one is W + s B A, of DoRA with the
lengths of rows that were learned, summed in float32 and rounded once to the type that it had.
Nothing is loaded as a model, so the memory needed is that of one weight.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
import torch
from torch import Tensor

from suretune import rundir, typed
from suretune.data.base import INDEX
from suretune.data.weights import header, weight_files
from suretune.export.copied import copy_words
from suretune.export.delta import (
    Delta,
    base_tensors,
    layers,
    more_than_lora,
    places,
    where_it_goes,
    whole_changes,
)
from suretune.export.door import Asked, Carried, Conversations, Heard, Written, cannot
from suretune.export.plain import ask_plain
from suretune.facts import ExportFacts, SetupFacts
from suretune.refusal import Refusal
from suretune.types import Text

DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
BLOCK = 1 << 24  # bytes that are copied at once
HEAD, EMBEDDING = "lm_head", "embed_tokens"


@dataclass(frozen=True, slots=True)
class Merged:
    """`merged`."""

    name: str = "merged"
    quants: Sequence[str] = ()

    def lacks(self, quant: str) -> str:
        """See `Target`."""
        return ""

    def why_not(
        self,
        carried: Carried,
        quant: str,
    ) -> SetupFacts | None:
        """See `Target`."""
        return unmergeable(carried, self.name, dora=True)

    def write(
        self,
        carried: Carried,
        quant: str,
        folder: Path,
    ) -> Written:
        """See `Target`."""
        return write_merged(carried, folder)

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """See `Target`."""

        def ask(conversations: Conversations, tokens: int) -> Heard:
            return ask_plain(carried, folder, conversations, tokens)

        return ask

    def commands(
        self,
        carried: Carried,
        folder: Path,
    ) -> Sequence[str]:
        """See `Target`."""
        return [f"vllm serve {typed.path(folder)}", f"suretune ask --model {typed.path(folder)}"]


def unmergeable(
    carried: Carried,
    target: str,
    *,
    dora: bool = False,
) -> SetupFacts | None:
    """Why the adapter cannot be added to the base's weights; None if it can. dora: what is written
    is the sum alone, which can have other lengths."""
    if (more := more_than_lora(carried, dora=dora)) is not None:
        return cannot(target, more, carried, "" if dora else where_it_goes(carried))
    head = [layer for layer in layers(carried) if layer.rpartition(".")[2] == HEAD]
    if head and carried.tied:
        told = Text(
            "the adapter changes `lm_head`, which in this base is the embedding: adding to one"
            " would change the other",
            "适配器改动了 `lm_head`，而这个原模型的 `lm_head` 就是词嵌入：改一个，另一个也会变",
        )
        return cannot(target, told, carried)
    there = base_tensors(carried.base.folder)
    try:
        found = places(there, layers(carried))
    except LookupError as error:
        told = Text(
            f"the base's files have no single tensor for {error}",
            f"原模型的文件里没有与 {error} 对应的唯一张量",
        )
        return cannot(target, told, carried)
    odd = [n for n in found.values() if there[n].dtype not in DTYPES]
    if odd:
        told = Text(
            f"`{odd[0]}` is {there[odd[0]].dtype}", f"`{odd[0]}` 的类型是 {there[odd[0]].dtype}"
        )
        return cannot(target, told, carried)
    for layer, name in found.items():
        b, a = carried.tensors[_of(layer, "B")], carried.tensors[_of(layer, "A")]
        if (b[0], a[1]) != there[name].shape:
            told = Text(
                f"`{name}` is {there[name].shape}, the adapter's {(b[0], a[1])}",
                f"`{name}` 的形状是 {there[name].shape}，适配器的是 {(b[0], a[1])}",
            )
            return cannot(target, told, carried)
    return None


def _of(layer: str, part: str) -> str:
    return f"base_model.model.{layer}.lora_{part}.weight"


def write_merged(carried: Carried, folder: Path) -> Written:
    """The whole folder that transformers loads, and what rounding did to the weights."""
    changes = whole_changes(carried)
    where = places(base_tensors(carried.base.folder), list(changes))
    by_tensor = {name: changes[layer] for layer, name in where.items()}
    counts = _Counts()
    for path in weight_files(carried.base.folder):
        _shard(path, folder / path.name, by_tensor, counts)
    copy_words(carried, folder)
    if (carried.base.folder / INDEX).is_file():
        shutil.copyfile(carried.base.folder / INDEX, folder / INDEX)
    rundir.write_json(folder / "config.json", with_old_names(carried.base.config))
    _read_back(carried, folder, by_tensor)
    if carried.whole:
        told = Text(
            f"{counts.copied} tensors copied byte for byte: the model that was trained",
            f"逐字节复制了 {counts.copied} 个张量：就是训练好的模型",
        )
        return Written([told], dict(counts.types), figures={"tensors_copied": counts.copied})
    said = Text(
        f"{counts.touched} tensors changed, {counts.copied} copied byte for byte; of"
        f" {counts.meant:,} weights that the adapter changes, rounding left {counts.swallowed:,}"
        f" as they were ({counts.share:.1%})",
        f"改动了 {counts.touched} 个张量，{counts.copied} 个逐字节复制；适配器要改动的"
        f" {counts.meant:,} 个权重中，有 {counts.swallowed:,} 个因舍入而没有变化"
        f"（{counts.share:.1%}）",
    )
    figures = {
        "tensors_changed": counts.touched,
        "tensors_copied": counts.copied,
        "weights_meant": counts.meant,
        "weights_swallowed": counts.swallowed,
    }
    return Written([said], dict(counts.types), figures=figures)


class _Counts:
    """What became of the weights, so far."""

    def __init__(self) -> None:
        self.touched = self.copied = self.meant = self.swallowed = 0
        self.types: dict[str, int] = {}

    @property
    def share(self) -> float:
        """Of the weights that were meant to change, those that did not."""
        return self.swallowed / max(self.meant, 1)


def _shard(
    source: Path,
    target: Path,
    changes: Mapping[str, Delta],
    counts: _Counts,
) -> None:
    """One file anew: its header as it is, its tensors in the order in which they lie there."""
    with source.open("rb") as old, target.open("wb") as new:
        length = old.read(8)
        about: dict[str, Any] = orjson.loads(old.read(int.from_bytes(length, "little")))
        start = 8 + int.from_bytes(length, "little")
        old.seek(0)
        _copy(old, new, start)
        about.pop("__metadata__", None)
        for name, told in sorted(about.items(), key=lambda item: item[1]["data_offsets"]):
            first, end = told["data_offsets"]
            old.seek(start + first)
            new.seek(start + first)
            counts.types[told["dtype"]] = counts.types.get(told["dtype"], 0) + 1
            if name not in changes:
                _copy(old, new, end - first)
                counts.copied += 1
                continue
            weight = _tensor(old.read(end - first), told)
            new.write(_bytes(_added(name, weight, changes[name], counts)))
            counts.touched += 1


def _copy(old: IO[bytes], new: IO[bytes], count: int) -> None:
    while count:
        block = old.read(min(BLOCK, count))
        if not block:
            raise ValueError("the file ends before its last tensor")
        new.write(block)
        count -= len(block)


def _tensor(data: bytes, told: Mapping[str, Any]) -> Tensor:
    flat = torch.frombuffer(bytearray(data), dtype=DTYPES[told["dtype"]])
    return flat.reshape(told["shape"])


def _bytes(tensor: Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def _added(
    name: str,
    weight: Tensor,
    delta: Delta,
    counts: _Counts,
) -> Tensor:
    """The sum, rounded; Refusal where it has no finite number in that type."""
    total = delta.added_to(weight)
    rounded = total.to(weight.dtype)
    if not rounded.isfinite().all():
        kind = str(weight.dtype).removeprefix("torch.")
        raise Refusal(ExportFacts("export-unlike", "merged", f"{name}: not finite in {kind}"))
    start = delta.start(weight)
    meant = total != start
    counts.meant += int(meant.sum())
    counts.swallowed += int((meant & (rounded == start.to(weight.dtype))).sum())
    return rounded


def with_old_names(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config with the rotary embedding where older programs look for it, too.

    transformers 5 writes `rope_parameters`; a program that does not know that takes its own default
    of `rope_theta` without a word, and answers otherwise.
    """
    told = config.get("rope_parameters")
    if not isinstance(told, dict) or "rope_theta" not in told or "rope_theta" in config:
        return config
    scaled = told.get("rope_type", "default") != "default"
    scaling = {name: value for name, value in told.items() if name != "rope_theta"}
    more = {"rope_scaling": scaling} if scaled and not config.get("rope_scaling") else {}
    return {**config, "rope_theta": told["rope_theta"], **more}


def _read_back(
    carried: Carried,
    folder: Path,
    changes: Mapping[str, Delta],
) -> None:
    """Every tensor of what was written against base and adapter; Refusal where one differs."""
    for path in weight_files(carried.base.folder):
        if header(path) != header(folder / path.name):
            raise Refusal(ExportFacts("export-unlike", "merged", f"{path.name}: header"))
        with path.open("rb") as old, (folder / path.name).open("rb") as new:
            size = int.from_bytes(old.read(8), "little")
            about: dict[str, Any] = orjson.loads(old.read(size))
            about.pop("__metadata__", None)
            for name, told in about.items():
                first, end = told["data_offsets"]
                old.seek(8 + size + first)
                new.seek(8 + size + first)
                was, now = old.read(end - first), new.read(end - first)
                if name in changes:
                    weight = _tensor(was, told)
                    was = _bytes(changes[name].added_to(weight).to(weight.dtype))
                if was != now:
                    raise Refusal(ExportFacts("export-unlike", "merged", name))


def bound(
    dtypes: Mapping[str, int],
    touched: int,
    scale: float,
) -> float:
    """How far apart the logits of merged and adapter may be.

    Rounding moves a weight by up to half a unit in its last place, 2**-8 of it in bfloat16, and by
    half of that in the mean; so is what each of the `touched` products puts out. Such errors are
    independent, so they add up as the root of their number; `scale` is the largest logit. Float32
    is given 2**-18: its sums are made in another order.
    """
    units = {"BF16": 2.0**-9, "F16": 2.0**-12}
    return max(units.get(kind, 2.0**-18) for kind in dtypes) * math.sqrt(touched) * scale


def seal_folder(folder: Path) -> Mapping[str, str]:
    """SHA-256 of every file of an export, by its name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return rundir.digests(
        folder,
        [path.relative_to(folder).as_posix() for path in files],
    )
