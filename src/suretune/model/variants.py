"""What the variants of LoRA do otherwise: how they start, what of them stays as it was, and what a
share of their strength is.

**PiSSA** (Meng et al. 2024, arXiv 2404.02948) takes a matrix apart, W = R + s B0 A0 with the r
largest singular values in B0 and A0, and learns B and A from there. Its users take B0 A0 out of the
base, so that the base without the adapter is R: another model. Here the base stays, and the adapter
has twice the rank: [B, -B0] and [A; A0], of which the second halves never move. W + s B A - s B0 A0
is the same matrix, without the adapter it is W, and the file is plain LoRA for every program.

**DoRA** (Liu et al. 2024, arXiv 2402.09353): row i of the matrix is m_i u / |u| with
u = W_i + s (B A)_i, and the magnitudes m are learned, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

from suretune.options_lora import PISSA, LoraOptions

NAME = "default"  # of the adapter, as PEFT calls it


def begin(model: PeftModel, asked: LoraOptions) -> None:
    """Fresh adapters made those of the variant; what they add to the base is still nothing."""
    for _, layer in lora_layers(model):
        weight = layer.get_base_layer().weight.data
        if asked.from_base:
            a, b = principal(weight, asked.lora_rank, layer.scaling[NAME], asked.init_weights)
            layer.lora_A[NAME].weight.data = torch.cat([a, a])
            layer.lora_B[NAME].weight.data = torch.cat([b, -b], dim=1)
        if asked.use_dora:  # PEFT takes them in the base's precision, in which they would not fit
            layer.lora_magnitude_vector[NAME].weight.data = weight.float().norm(dim=1)


def lora_layers(model: nn.Module) -> Iterator[tuple[str, LoraLayer]]:
    """The adapted layers, by name."""
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            yield name, module


def principal(
    weight: Tensor,
    rank: int,
    scale: float,
    how: str,
) -> tuple[Tensor, Tensor]:
    """A (rank, in) and B (out, rank) in float32, of which scale * B A is what the largest singular
    values make of a weight (out, in).

    `how`: `pissa`, exactly; `pissa_niter_N`, by N steps of a randomised search (Halko et al. 2009),
    whose random numbers are the process's. Where the matrix has fewer values, the rest is zero.
    """
    whole, least = weight.float(), min(rank, *weight.shape)
    if how == PISSA:
        u, s, vh = torch.linalg.svd(whole, full_matrices=False)
    else:
        u, s, v = torch.svd_lowrank(whole, least, niter=int(how.rpartition("_")[2]))
        vh = v.t()
    root = (s[:least] / scale).sqrt()
    a, b = whole.new_zeros(rank, weight.shape[1]), whole.new_zeros(weight.shape[0], rank)
    a[:least], b[:, :least] = root[:, None] * vh[:least], u[:, :least] * root
    return a, b


def still(model: PeftModel, asked: LoraOptions) -> dict[str, Tensor]:
    """Which numbers of the trained parameters never move: True there, by name; none but PiSSA's."""
    found: dict[str, Tensor] = {}
    for name, layer in lora_layers(model) if asked.from_base else ():
        for part in ("lora_A", "lora_B"):
            stays = torch.zeros_like(getattr(layer, part)[NAME].weight, dtype=torch.bool)
            half = stays[asked.lora_rank :] if part == "lora_A" else stays[:, asked.lora_rank :]
            half.fill_(True)
            found[f"{name}.{part}.{NAME}.weight"] = stays
    return found


def dosed(model: PeftModel, dose: float) -> dict[str, Tensor]:
    """The parameters by which DoRA's layers are W + dose (W' - W), by name; none of plain LoRA's,
    whose B is multiplied.

    With c_i = m_i / |u_i|, row i of that is (1 - dose + dose c_i) W_i + dose c_i s (B A)_i: DoRA
    again, of another B and of other magnitudes.
    """
    found: dict[str, Tensor] = {}
    for name, layer in lora_layers(model):
        if NAME not in layer.lora_magnitude_vector:
            continue
        weight = layer.get_base_layer().weight.data.float()
        a, b = layer.lora_A[NAME].weight.data, layer.lora_B[NAME].weight.data
        scale, magnitude = layer.scaling[NAME], layer.lora_magnitude_vector[NAME].weight.data
        ratio = magnitude / (weight + scale * (b @ a)).norm(dim=1)
        kept = 1 - dose + dose * ratio
        less = b * (dose * ratio / kept)[:, None]
        found[f"{name}.lora_B.{NAME}.weight"] = less
        length = (weight + scale * (less @ a)).norm(dim=1)
        found[f"{name}.lora_magnitude_vector.{NAME}.weight"] = kept * length
    return found
