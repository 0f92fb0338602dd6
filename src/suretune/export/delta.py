"""What an adapter adds to each weight: W' = W + s B A, and where W lies in the base's files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from suretune.data.weights import Tensor as Header
from suretune.data.weights import header, weight_files
from suretune.export.door import Carried
from suretune.model.lora import WEIGHTS
from suretune.types import Text

PREFIX = "base_model.model."
A, B = ".lora_A.weight", ".lora_B.weight"
# Settings under which a layer computes something else than x W' + s (x A') B'.
MORE = (
    "use_dora",
    "lora_bias",
    "modules_to_save",
    "trainable_token_indices",
    "fan_in_fan_out",
    "layer_replication",
    "target_parameters",
    "alora_invocation_tokens",
    "use_qalora",
    "use_bdlora",
)


@dataclass(frozen=True, slots=True)
class Delta:
    """What is added to one weight: scale * b @ a, a (r, in), b (out, r)."""

    a: Tensor
    b: Tensor
    scale: float

    def added_to(self, weight: Tensor) -> Tensor:
        """The sum (out, in) in float32; it is rounded by whoever writes it, once."""
        product = self.b.to(torch.float32) @ self.a.to(torch.float32)
        return weight.to(torch.float32) + self.scale * product


def more_than_lora(carried: Carried) -> Text | None:
    """What makes the adapter more than A and B of linear layers, in words; None if it is not."""
    for setting in (*MORE, "bias"):
        if (value := carried.config.get(setting)) and value != "none":
            kind = "DoRA" if setting == "use_dora" else f"`{setting}`"
            return Text(f"the adapter uses {kind}", f"适配器使用了 {kind}")
    odd = [name for name in carried.tensors if not name.endswith((A, B))]
    if odd:
        return Text(f"the adapter has `{odd[0]}`", f"适配器里有 `{odd[0]}`")
    return None


def layers(carried: Carried) -> list[str]:
    """Names of the layers that the adapter changes, as the model has them."""
    return [
        name.removeprefix(PREFIX).removesuffix(A) for name in carried.tensors if name.endswith(A)
    ]


def scale_of(config: Mapping[str, Any], layer: str, rank: int) -> float:
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
    with safe_open(carried.adapter / WEIGHTS, "pt") as file:
        for layer in layers(carried):
            a = file.get_tensor(f"{PREFIX}{layer}{A}")
            b = file.get_tensor(f"{PREFIX}{layer}{B}")
            made[layer] = Delta(a, b, scale_of(carried.config, layer, a.shape[0]))
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
    made: dict[str, str] = {}
    for layer in names:
        weight = f"{layer}.weight"
        inner = weight.removeprefix("model.")
        near = [
            name
            for name in there
            if name.endswith(f"language_model.{inner}")
            or name.endswith(f"language_model.model.{inner}")
        ]
        if weight in there:
            made[layer] = weight
        elif len(near) == 1:
            made[layer] = near[0]
        else:
            raise LookupError(weight)
    return made
