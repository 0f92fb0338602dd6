"""Why the tensors of an adapter do not fit a base, told from the heads of both files. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from suretune.because import in_words
from suretune.data.base import PACKED, Base
from suretune.data.weights import Tensor, header, weight_files
from suretune.facts import SetupFacts
from suretune.types import Text

APART = "apart"  # in `nearest`: the base is there, in another packing
OTHER_PACKING = Text(
    "one of the two was packed into 4 bits (`--train_type qlora`), the other is as its files have"
    " it",
    "两者之一压缩成了 4 位（`--train_type qlora`），另一个保持文件里的数值",
)
_PART = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")


def wrong_base(
    base: Base,
    about: Mapping[str, object],
    weights: Path | None = None,
) -> SetupFacts:
    """What is said of an adapter that is not this base's; `about`: what its files say of it;
    `weights`: its file of tensors, where these show it."""
    told = about.get("base")
    found = told if isinstance(told, str) else ""
    if str(about.get(PACKED) or "") != base.packed:
        return SetupFacts("wrong-base", base.name, found, APART, hint=OTHER_PACKING)
    hint = None if weights is None else misfit(weights, base)
    return SetupFacts("wrong-base", base.name, found=found, hint=hint)


def misfit(weights: Path, base: Base) -> Text:
    """The first tensor that has no place in this base, or the first layer that lacks one."""
    try:
        saved = header(weights)
        there = {name: t for path in weight_files(base.folder) for name, t in header(path).items()}
    except (OSError, ValueError) as error:
        why = in_words(error)
        return Text(f"its tensors cannot be read: {why.en}", f"它的张量无法读取：{why.zh}")
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in saved.items():
        if not (part := _PART.fullmatch(name)):
            return Text(f"`{name}` belongs to no layer of it", f"`{name}` 不属于它的任何一层")
        layers.setdefault(part[1], {})[part[2]] = tensor
    for layer, halves in sorted(layers.items()):
        if wrong := _misfit(layer, halves, there.get(f"{layer}.weight")):
            return wrong
    return Text(
        f"it has no tensors for `{gap}`"
        if (gap := _gap(layers, there))
        else "the layers that its configuration names are not those of its tensors",
        f"它没有 `{gap}` 的张量" if gap else "它的配置所写的层与张量不一致",
    )


def _misfit(
    layer: str,
    halves: Mapping[str, Tensor],
    there: Tensor | None,
) -> Text | None:
    if there is None or len(there.shape) != 2:
        return Text(f"the base has no layer `{layer}`", f"原模型中没有 `{layer}` 这一层")
    if lacking := {"A", "B"} - halves.keys():
        name = f"{layer}.lora_{min(lacking)}"
        return Text(f"it has no tensor `{name}`", f"它没有 `{name}` 这个张量")
    given = (halves["B"].shape[0], halves["A"].shape[-1])
    if given != there.shape:
        return Text(
            f"`{layer}` is {_by(there.shape)} in this base, and the adapter was made for"
            f" {_by(given)}",
            f"这个原模型的 `{layer}` 是 {_by(there.shape)}，适配器对应的是 {_by(given)}",
        )
    if (ranks := (halves["A"].shape[0], halves["B"].shape[-1]))[0] != ranks[1]:
        return Text(
            f"the halves of `{layer}` have ranks {ranks[0]} and {ranks[1]}",
            f"`{layer}` 两半的秩是 {ranks[0]} 和 {ranks[1]}",
        )
    return None


def _gap(layers: Mapping[str, object], there: Mapping[str, Tensor]) -> str:
    """A layer of the base without tensors, although its siblings in other blocks have them."""
    kinds = {re.sub(r"\.\d+\.", ".*.", layer) for layer in layers}
    names = (name.removesuffix(".weight") for name in there if name.endswith(".weight"))
    gaps = (n for n in names if n not in layers and re.sub(r"\.\d+\.", ".*.", n) in kinds)
    return min(gaps, default="")


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
