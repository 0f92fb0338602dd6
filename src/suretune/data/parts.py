"""Which parts of a checkpoint are not trained, and what its own class calls the others. No torch.

Told by the names and shapes in its files; where those are not here yet, by its config.json.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from suretune.data.base import Base
from suretune.data.weights import header, weight_files
from suretune.families import is_wrapper
from suretune.types import Text

# In front of a text model's layers in the files of a checkpoint of several parts.
_TEXT = re.compile(r"^((?:model\.)?language_model\.(?:model\.)?)layers\.\d+\.")
WHOLE = "model.language_model."
_OF_TEXT = re.compile(r"^(?:model\.)?language_model\.|^lm_head\.")
KEYS = {  # of the text model's tensors, as checkpoints of both generations have them
    r"^language_model\.lm_head\.": "lm_head.",
    r"^(?:model\.)?language_model\.(?:model\.)?": "model.",
}
_EXPERTS = re.compile(r"\.experts\.|\.(?:router|gate|shared_expert_gate)\.")
_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts")
_EXPERTS_SAID = Text("experts and routers", "专家和路由")
_OTHERS_SAID = Text("everything for images and sound", "图像和声音部分")


@dataclass(frozen=True, slots=True)
class Frozen:
    """A part that stays as it is: its name in words, and its share of all numbers; 0: not known."""

    name: Text
    share: float


def is_text(name: str) -> bool:
    """Whether a tensor of a checkpoint of several parts belongs to its text model, by the name that
    it has in the files: of both generations, with the prefix in front of the part or inside it."""
    return _OF_TEXT.search(name) is not None


def model_name(name: str) -> str:
    """What the text model by itself calls a tensor of a checkpoint of several parts."""
    for pattern, short in KEYS.items():
        name = re.sub(pattern, short, name)
    return name


def is_expert(name: str) -> bool:
    """Whether a tensor belongs to experts, or to what chooses among them."""
    return _EXPERTS.search(name) is not None


def frozen_parts(base: Base) -> list[Frozen]:
    """The parts of a base that no adapter is put on, beside embeddings, norms and the like."""
    if not (sizes := _sizes(base)):
        return _by_config(base)
    whole = sum(sizes.values())
    wrapped = is_wrapper(base.config.get("model_type"))
    experts = sum(size for name, size in sizes.items() if _EXPERTS.search(name))
    others = sum(
        size
        for name, size in sizes.items()
        if wrapped and not is_text(name) and not name.startswith("mtp.")
    )
    found = ((_EXPERTS_SAID, experts), (_OTHERS_SAID, others))
    return [Frozen(name, size / whole) for name, size in found if size]


def file_prefix(base: Base) -> str:
    """What stands in front of `layers.0.` in the base's own files, where its text model by itself
    has `model.`; empty where the two agree. Before the files are here, as transformers' class of
    the whole has it."""
    if not (sizes := _sizes(base)):
        return WHOLE if is_wrapper(base.config.get("model_type")) else ""
    found = {m[1] for name in sizes if (m := _TEXT.search(name))}
    return min(found, default="")


def _sizes(base: Base) -> Mapping[str, int]:
    """Numbers in each tensor of the base's files."""
    return {
        name: math.prod(tensor.shape)
        for path in weight_files(base.folder)
        if path.is_file()
        for name, tensor in header(path).items()
    }


def _by_config(base: Base) -> list[Frozen]:
    found = []
    if any(base.text.get(count) for count in _COUNTS):
        found.append(Frozen(_EXPERTS_SAID, 0.0))
    if is_wrapper(base.config.get("model_type")):
        found.append(Frozen(_OTHERS_SAID, 0.0))
    return found


def linear_layers(base: Base) -> list[str]:
    """Last names of the layers of the text model that adapters can be put on, as far as the files
    tell."""
    wrapped = is_wrapper(base.config.get("model_type"))
    names: list[str] = []
    for path in weight_files(base.folder):
        for name, tensor in header(path).items():
            layer = name.removesuffix(".weight")
            mine = layer != name and not (wrapped and not is_text(name))
            if mine and len(tensor.shape) == 2 and "embed" not in layer:
                names.append(layer.rpartition(".")[2])
    return list(dict.fromkeys([*names, "lm_head"]))  # which may be the embedding's own matrix
