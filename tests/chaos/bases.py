"""Bases to do things to: the pocket model, and a toy of the same tokenizer that runs in a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from suretune.pocket import MODEL

WIDTH, LAYERS = 64, 2


def words(folder: Path) -> Path:
    """The pocket model's folder by links, without its weights and skills."""
    folder.mkdir(parents=True)
    for path in MODEL.iterdir():
        if path.name not in ("skills.jsonl", "model.safetensors", "config.json"):
            (folder / path.name).symlink_to(path)
    return folder


def pocket(folder: Path, *, skills: bool = False) -> Path:
    """The pocket model as a folder of its own; every file but the words is a copy."""
    words(folder)
    for name in ("config.json", "model.safetensors", *(("skills.jsonl",) if skills else ())):
        (folder / name).write_bytes((MODEL / name).read_bytes())
    return folder


def toy(folder: Path, *, seed: int = 0, layers: int = LAYERS, **changed: Any) -> Path:
    """A random Qwen2 of a few thousand parameters beside the embedding."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    words(folder)
    about = json.loads((MODEL / "config.json").read_bytes())
    about |= {
        "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": layers,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, **changed,
    }  # fmt: skip
    about.pop("layer_types", None)
    kind = about.pop("model_type")
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **about))
    model.to(torch.float32).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "generation_config.json").symlink_to(MODEL / "generation_config.json")
    return folder


def edit(folder: Path, change: Any) -> Path:
    """Let `change` have the tensors of a base or adapter; what it leaves is saved in their place."""
    from safetensors.torch import load_file, save_file

    (path,) = folder.glob("*model.safetensors")
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})
    return folder
