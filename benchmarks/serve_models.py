"""What benchmarks/serve.py serves: a random adapter, and the same adapter merged into its base.

    python benchmarks/serve_models.py adapter BASE FOLDER
    python benchmarks/serve_models.py merge BASE ADAPTER FOLDER

PEFT's format, rank 8 on every linear layer; a process of its own, so that whoever measures holds no
memory of the GPU.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

RANK, ALPHA = 8, 32
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."


def linear(name: str) -> bool:
    """Whether this tensor of the base has an adapter."""
    parts = name.split(".")
    return parts[-1] == "weight" and parts[-2] in LINEAR


def shapes(base: Path) -> dict[str, list[int]]:
    """Of every linear layer's weight."""
    found: dict[str, list[int]] = {}
    for file in sorted(base.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            names = [name for name in tensors.keys() if linear(name)]  # noqa: SIM118
            found |= {name: list(tensors.get_slice(name).get_shape()) for name in names}
    return found


def make_adapter(base: Path, folder: Path) -> None:
    """Random, and large enough to change every answer."""
    draw = torch.Generator().manual_seed(7)
    tensors: dict[str, Tensor] = {}
    for name, (rows, columns) in shapes(base).items():
        stem = PREFIX + name.removesuffix(".weight")
        a = torch.randn(RANK, columns, generator=draw) * columns**-0.5
        tensors |= {f"{stem}.lora_A.weight": a}
        tensors |= {f"{stem}.lora_B.weight": torch.randn(rows, RANK, generator=draw) * 0.01}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    about = {
        "base_model_name_or_path": str(base), "peft_type": "LORA", "task_type": "CAUSAL_LM",
        "r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.0, "bias": "none",
        "target_modules": list(LINEAR), "use_rslora": False, "use_dora": False,
        "fan_in_fan_out": False, "inference_mode": True, "modules_to_save": None,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(about, indent=1), "utf-8")


def merge(base: Path, adapter: Path, folder: Path) -> None:
    """The base's files with the adapter added to its weights, in their precision."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    values = load_file(adapter / WEIGHTS, device)
    folder.mkdir(parents=True, exist_ok=True)
    for path in base.iterdir():
        if path.suffix != ".safetensors":
            shutil.copy(path, folder)
    for file in sorted(base.glob("*.safetensors")):
        tensors = load_file(file, device)
        for name in filter(linear, tensors):
            stem = PREFIX + name.removesuffix(".weight")
            a, b = (values[f"{stem}.lora_{x}.weight"] for x in "AB")
            tensors[name] = (tensors[name].float() + b @ a * (ALPHA / RANK)).to(tensors[name].dtype)
        save_file(tensors, folder / file.name, {"format": "pt"})


def main() -> None:
    """The command line."""
    what, *paths = sys.argv[1:]
    start = time.perf_counter()
    folders = [Path(path) for path in paths]
    if what == "adapter":
        make_adapter(folders[0], folders[1])
    else:
        merge(folders[0], folders[1], folders[2])
    print(json.dumps({what: round(time.perf_counter() - start, 2)}))


if __name__ == "__main__":
    main()
