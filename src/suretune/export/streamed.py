"""A base whose weights are read from its files while it computes, one module at a time.

What an export is compared with is computed in float32 by base and adapter, which for a large model
is more memory than the export itself needs. Here each module has its weights from just before it
computes until just after, so that the whole takes the memory of the largest one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights  # type: ignore[import-untyped]
from safetensors import safe_open
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from suretune.data.base import Base
from suretune.data.weights import header, weight_files
from suretune.export.delta import place_of

DTYPES = ("BF16", "F16", "F32", "F64")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a weight lies."""

    path: Path
    name: str
    device: torch.device

    def read(self) -> Tensor:
        with safe_open(self.path, "pt") as file:
            weight: Tensor = file.get_tensor(self.name)
        return weight.to(self.device, torch.float32)


def streamed(base: Base, device: torch.device) -> PreTrainedModel | None:
    """The model in float32 with eager attention, its weights in its files; None where the model has
    a weight that lies there under no such name and shape (experts that are packed as they are
    loaded, numbers that are unpacked): such a one has to be loaded whole. So has one whose scores
    are no numbers: somebody computed with a weight of a module that was not asked."""
    if base.packed:  # its numbers are not those of its files
        return None
    config = AutoConfig.from_pretrained(
        base.folder,
        trust_remote_code=False,
        local_files_only=True,
    )
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING or config.get_text_config() is not config:
        return None
    with init_empty_weights(include_buffers=False):
        model = AutoModelForCausalLM.from_config(
            config,
            dtype=torch.float32,
            attn_implementation="eager",
            trust_remote_code=False,
        )
    model.tie_weights()
    found = _places(model, base.folder, device)
    if found is None:
        return None
    for prefix, module in model.named_modules():
        inner = f"{prefix}." if prefix else ""
        mine = {name: found[inner + name] for name, p in module.named_parameters(recurse=False)}
        if mine:
            _stream(module, mine)
    made: PreTrainedModel = model.requires_grad_(False).to(device).eval()
    return made


def _places(
    model: nn.Module,
    folder: Path,
    device: torch.device,
) -> Mapping[str, _Place] | None:
    """Where each parameter lies, by its name; a tied one where the one lies that it is."""
    files = weight_files(folder)
    there = {name: (path, told) for path in files for name, told in header(path).items()}
    by_identity: dict[int, _Place] = {}
    names = list(model.named_parameters(remove_duplicate=False))
    for name, parameter in names:
        try:
            at = place_of(there, name)
        except LookupError:
            continue
        path, told = there[at]
        if told.dtype in DTYPES and tuple(told.shape) == tuple(parameter.shape):
            by_identity.setdefault(id(parameter), _Place(path, at, device))
    if any(id(parameter) not in by_identity for _, parameter in names):
        return None
    return {name: by_identity[id(parameter)] for name, parameter in names}


def _stream(module: nn.Module, places: Mapping[str, _Place]) -> None:
    """Give the module its weights while it computes; else it has their shapes and no memory."""
    empty = {}
    for name, place in places.items():
        shape = module._parameters[name].shape  # type: ignore[union-attr]
        nothing = torch.full((), torch.nan, device=place.device)  # seen where it is computed with
        empty[name] = nothing.expand(shape)
        module._parameters[name] = nn.Parameter(empty[name], requires_grad=False)

    def load(module: nn.Module, given: Any) -> None:
        for name, place in places.items():
            module._parameters[name].data = place.read()  # type: ignore[union-attr]

    def drop(module: nn.Module, given: Any, made: Any) -> None:
        for name in places:
            module._parameters[name].data = empty[name]  # type: ignore[union-attr]

    module.register_forward_pre_hook(load)
    module.register_forward_hook(drop, always_call=True)
