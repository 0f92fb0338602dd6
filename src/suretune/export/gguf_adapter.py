"""The adapter alone as GGUF, for whoever has the base in that format: written, read back tensor by
tensor, and asked on such a base where llama.cpp is installed.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from suretune.data.weights import bytes_on_disk
from suretune.export.delta import rounded
from suretune.export.door import OTHER, Carried, NotAsked
from suretune.export.gguf_file import Plan
from suretune.export.gguf_layers import RECIPES, turned
from suretune.facts import ExportFacts
from suretune.refusal import Refusal
from suretune.types import Text

BASE = "base.gguf"  # of which nothing is left


def write_alone(plan: Plan, path: Path) -> None:
    """A and B of each layer, with the one scale that GGUF has for all."""
    import gguf

    writer = gguf.GGUFWriter(path, plan.recipe.arch)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", _alpha(plan))
    for name, tensor in _tensors(plan):
        writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _alpha(plan: Plan) -> float:
    """What llama.cpp divides by the rank of a layer: the largest rank gets the first scale."""
    first = next(delta for delta in plan.changes.values() if delta.a.shape[0])
    return first.scale * plan.carried.rank


def _tensors(plan: Plan) -> Iterator[tuple[str, Tensor]]:
    """(GGUF's name, float32) of each. A layer of another scale has the rest of it in its B."""
    alpha = _alpha(plan)
    for layer, delta in plan.changes.items():
        if not delta.a.shape[0]:
            continue  # of the base alone: see `delta.rounded`
        name = plan.called(f"{layer}.weight")
        b = delta.b.to(torch.float32) * (delta.scale * delta.a.shape[0] / alpha)
        if plan.recipe.pairs and layer.endswith(("q_proj", "k_proj")):
            b = turned(f"{layer}.weight", b, plan.config, plan.recipe)
        yield f"{name}.lora_a", delta.a.to(torch.float32).contiguous()
        yield f"{name}.lora_b", b.contiguous()


def read_alone_back(plan: Plan, path: Path) -> None:
    """Every tensor of the file, and its scale, against the adapter; Refusal where one differs."""
    import gguf
    import numpy as np

    reader = gguf.GGUFReader(path)
    there = {tensor.name: tensor for tensor in reader.tensors}
    told = reader.fields.get("adapter.lora.alpha")
    if told is None or np.float32(told.contents()) != np.float32(_alpha(plan)):
        raise Refusal(ExportFacts("export-unlike", "gguf", f"{path.name}: adapter.lora.alpha"))
    seen = set()
    for name, tensor in _tensors(plan):
        seen.add(name)
        found = there.get(name)
        meant = tensor.numpy()
        if found is None or found.data.shape != meant.shape or (found.data != meant).any():
            raise Refusal(ExportFacts("export-unlike", "gguf", f"{path.name}: {name}"))
    if seen != set(there):
        odd = sorted(set(there) - seen)[0]
        raise Refusal(ExportFacts("export-unlike", "gguf", f"{path.name}: {odd}"))


@contextmanager
def base_beside(
    carried: Carried,
    quant: str,
    folder: Path,
) -> Iterator[Path]:
    """The base alone as GGUF in its own type, until the end of the block. Raises NotAsked where the
    disk has no room for it."""
    if bytes_on_disk(carried.base.folder) * 1.1 > shutil.disk_usage(folder).free:
        how = Text(
            "the disk has no room for the base in GGUF, which the adapter alone is asked on",
            "磁盘放不下 GGUF 格式的原模型，而单独的适配器要加在它上面提问",
        )
        raise NotAsked("adapter.gguf", how, "", OTHER)
    base = folder / BASE
    try:
        Plan(carried, RECIPES[carried.architecture], quant, rounded(carried)).write(base)
        yield base
    finally:
        base.unlink(missing_ok=True)
