"""What a way to train makes of a base, whichever it is: adapters on it, or itself with weights that
learn. Who asks the base meanwhile, and what is saved and read again, is the same to everybody else.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

from peft import PeftModel
from torch import nn

from suretune import rundir
from suretune.data.weights import weight_files
from suretune.model import lora
from suretune.model.full import (
    Whole,
    load_whole_weights,
    save_whole,
    save_whole_weights,
)
from suretune.model.nf4 import parameters_of

Tuned: TypeAlias = PeftModel | Whole


def without(model: Tuned) -> AbstractContextManager[Any]:
    """Inside, the model is its base, bit for bit; afterwards what it was, bit for bit."""
    return model.without() if isinstance(model, Whole) else model.disable_adapter()


def inner(model: nn.Module) -> Any:
    """transformers' own model inside; a model that has learned nothing is that itself."""
    if isinstance(model, Whole):
        return model.model
    return model.get_base_model() if isinstance(model, PeftModel) else model


def save(model: Tuned, folder: Path) -> dict[str, rundir.Written]:
    """What was learned, as other programs load it: an adapter's two files, or a model's. What was
    written into those that were hashed on the way, by their names."""
    if isinstance(model, Whole):
        return save_whole(model, folder)
    lora.save_adapter(model, folder)
    return {}


def save_weights(model: Tuned, folder: Path) -> dict[str, rundir.Written]:
    """The tensors alone, in place of those that lie there; as of `save`."""
    if isinstance(model, Whole):
        return save_whole_weights(model, folder)
    lora.save_weights(model, folder)
    return {}


def load_weights(model: Tuned, folder: Path) -> None:
    """Put saved tensors in place; ValueError unless they match exactly."""
    if isinstance(model, Whole):
        load_whole_weights(model, folder)
    else:
        lora.load_weights(model, folder)


def trained_files(folder: Path) -> list[Path]:
    """The files of a folder that hold what was learned."""
    return weight_files(folder) if rundir.is_whole(folder) else [folder / lora.WEIGHTS]


def folder_name(model: Tuned) -> str:
    """Of a run's folder for what was learned."""
    return rundir.MODEL if isinstance(model, Whole) else rundir.ADAPTER


def layer_names(model: Tuned, parameters: Iterable[str]) -> list[str]:
    """Last names of the layers that these parameters of it belong to, each once, in order."""
    mark = "." if isinstance(model, Whole) else ".lora_"
    ends = (name.rpartition(".")[0] if mark == "." else name.split(mark)[0] for name in parameters)
    return sorted({name.rpartition(".")[2] for name in ends})


def trained_digest(folder: Path) -> str:
    """SHA-256 of what was learned; of several files, of their digests."""
    each = list(rundir.sha256_each(trained_files(folder)))
    return each[0] if len(each) == 1 else rundir.digest_of(each)


def base_numbers(model: Tuned) -> int:
    """Numbers of the base, each once."""
    if isinstance(model, Whole):
        return parameters_of(model)
    return parameters_of(model) - sum(p.numel() for p in lora.trainable(model).values())
