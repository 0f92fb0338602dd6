"""What an adapter adds to each weight: W' = W + s B A, and where W lies in the base's files.

Of DoRA each row of that sum is given the length that was learned.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from suretune.data.weights import Tensor as Header
from suretune.data.weights import header, weight_files
from suretune.export.door import Carried, export_again
from suretune.model.device import DTYPES
from suretune.model.lora import KNOWN_STARTS, STRANGE, WEIGHTS
from suretune.model.nf4 import pack, unpack_into
from suretune.model.nf4_loading import packed_layers
from suretune.types import Text

PREFIX = "base_model.model."
A, B = ".lora_A.weight", ".lora_B.weight"
MAGNITUDE = ".lora_magnitude_vector"
DORA = "use_dora"


@dataclass(frozen=True, slots=True)
class Delta:
    """What is added to one weight: scale * b @ a, a (r, in), b (out, r).

    `packed`: to its numbers in NF4, on which the adapter was trained; r is 0 where it has no part.
    `magnitude` (out,): the lengths of the sum's rows, where they are learned (DoRA).
    """

    a: Tensor
    b: Tensor
    scale: float
    packed: bool = False
    dtype: torch.dtype = torch.float32  # of the run, in which the base was packed and unpacked
    magnitude: Tensor | None = None

    def start(self, weight: Tensor) -> Tensor:
        """(out, in) in float32: to what is added."""
        if not self.packed:
            return weight.to(torch.float32)
        taken = weight.to(self.dtype)
        out = torch.empty_like(taken)
        unpack_into(pack(taken), out)
        return out.to(torch.float32)

    def added_to(self, weight: Tensor) -> Tensor:
        """The sum (out, in) in float32; it is rounded by whoever writes it, once."""
        product = self.b.to(torch.float32) @ self.a.to(torch.float32)
        total = self.start(weight) + self.scale * product
        if self.magnitude is not None:
            lengths = torch.linalg.vector_norm(total, dim=1)
            total *= (self.magnitude.to(torch.float32) / lengths)[:, None]
        return total


def more_than_lora(carried: Carried, *, dora: bool = False) -> Text | None:
    """What makes the adapter more than A and B of linear layers, in words; None if it is not.

    dora: the lengths of DoRA's rows are no more than that, either.
    """
    if carried.whole:
        return None
    for setting in (*STRANGE, "bias"):
        if (value := carried.config.get(setting)) and value != "none":
            if dora and setting == DORA:
                continue
            kind = "DoRA" if setting == DORA else f"`{setting}`"
            return Text(f"the adapter uses {kind}", f"适配器使用了 {kind}")
    if (start := carried.config.get("init_lora_weights", True)) not in KNOWN_STARTS:
        return Text(
            f"its start ({start}) changed the base's weights as well",
            f"它的初始化方式（{start}）还改动了原模型的权重",
        )
    known = (A, B, MAGNITUDE) if dora and carried.config.get(DORA) else (A, B)
    odd = [name for name in carried.tensors if not name.endswith(known)]
    if odd:
        return Text(f"the adapter has `{odd[0]}`", f"适配器里有 `{odd[0]}`")
    return None


def where_it_goes(carried: Carried) -> str:
    """The command that carries what is more than A and B; empty where none does."""
    return "" if more_than_lora(carried, dora=True) else export_again(carried, "merged")


def layers(carried: Carried) -> list[str]:
    """Names of the layers that the adapter changes, as the model has them."""
    return [
        name.removeprefix(PREFIX).removesuffix(A) for name in carried.tensors if name.endswith(A)
    ]


def scale_of(
    config: Mapping[str, Any],
    layer: str,
    rank: int,
) -> float:
    """alpha / r of one layer (alpha / sqrt(r) with rsLoRA), as PEFT finds it by its patterns."""
    alpha = float(config.get("lora_alpha") or 8)
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*\.)?{re.escape(pattern.lstrip('^'))}", layer):
            alpha = float(value)
            break
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def deltas(carried: Carried) -> Mapping[str, Delta]:
    """What is added, by the layer that it belongs to."""
    made: dict[str, Delta] = {}
    if carried.whole:
        return made
    with safe_open(carried.adapter / WEIGHTS, "pt") as file:
        for layer in layers(carried):
            a = file.get_tensor(f"{PREFIX}{layer}{A}")
            b = file.get_tensor(f"{PREFIX}{layer}{B}")
            length = f"{PREFIX}{layer}{MAGNITUDE}"
            made[layer] = Delta(
                a,
                b,
                scale_of(carried.config, layer, a.shape[0]),
                magnitude=file.get_tensor(length) if length in carried.tensors else None,
            )
    return made


def whole_changes(carried: Carried) -> Mapping[str, Delta]:
    """What makes the model that was proven of the base's files, by layer: what the adapter adds,
    and, where the base was packed, that every packed layer is rounded as it was."""
    made = dict(rounded(carried))
    for layer, delta in deltas(carried).items():
        made[layer] = replace(delta, packed=layer in made, dtype=DTYPES[carried.dtype])
    return made


def rounded(carried: Carried) -> Mapping[str, Delta]:
    """The packed layers of the base, nothing added; none where it is not packed."""
    if not carried.base.packed:
        return {}
    names = packed_layers(carried.base.folder)
    there = base_tensors(carried.base.folder)
    made: dict[str, Delta] = {}
    for layer, name in places(there, names).items():
        rows, columns = there[name].shape
        made[layer] = Delta(
            torch.zeros(0, columns),
            torch.zeros(rows, 0),
            1.0,
            packed=True,
            dtype=DTYPES[carried.dtype],
        )
    return made


def base_tensors(folder: Path) -> dict[str, Header]:
    """Type and shape of every tensor of the base, by name."""
    found: dict[str, Header] = {}
    for path in weight_files(folder):
        found.update(header(path))
    return found


def places(found: Iterable[str], names: Sequence[str]) -> dict[str, str]:
    """The base's tensor of each layer. A checkpoint of several parts (vision, text) puts a prefix
    of its own in front of what the text part alone is called.

    Raises LookupError for a layer of which there is none, or more than one.
    """
    there = set(found)
    return {layer: place_of(there, f"{layer}.weight") for layer in names}


def place_of(there: Collection[str], tensor: str) -> str:
    """The base's name for one tensor of the model; see `places`."""
    if tensor in there:
        return tensor
    inner = tensor.removeprefix("model.")
    ends = (f"language_model.{inner}", f"language_model.model.{inner}")
    near = [name for name in there if name.endswith(ends)]
    if len(near) != 1:
        raise LookupError(tensor)
    return near[0]


def even(changes: Mapping[str, Delta], multiple: int = 1) -> dict[str, Delta]:
    """The same changes, all of one rank, a multiple of that, and of one scale, that of the first.

    Programs read one rank and one scale for all layers. Rows and columns of zeros add nothing, and
    the rest of a layer's own scale goes into its B.
    """
    most = max((delta.a.shape[0] for delta in changes.values()), default=0)
    rank = -(-most // multiple) * multiple
    scale = next((delta.scale for delta in changes.values()), 1.0)
    made = {}
    for layer, delta in changes.items():
        more = rank - delta.a.shape[0]
        b = delta.b
        if delta.scale != scale:
            b = (b.to(torch.float32) * (delta.scale / scale)).to(b.dtype)
        a = functional.pad(delta.a, (0, 0, 0, more)) if more else delta.a
        made[layer] = Delta(
            a,
            functional.pad(b, (0, more)) if more else b,
            scale,
        )
    return made
