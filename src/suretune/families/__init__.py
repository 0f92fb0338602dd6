"""Families of models: one file is one family, found by lying in this folder.

`qwen.py` holds `FAMILY`: what its models and makers are called, where its pages on the hubs are,
and how its architectures differ from the layers that the fast engine computes. No torch here:
`check` and `init` read these files, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from suretune.families.family import Architecture, Family, FusedLayers

BESIDE = frozenset({"family"})  # what lies here and is no family


@cache
def all_families() -> tuple[Family, ...]:
    """Every family of this folder, in the order of the files' names."""
    names = sorted(module.name for module in iter_modules(__path__) if module.name not in BESIDE)
    return tuple(import_module(f"{__name__}.{name}").FAMILY for name in names)


@cache
def architectures() -> dict[str, Architecture]:
    """`model_type` -> what is known of it. ValueError where two families have the same one."""
    found: dict[str, Architecture] = {}
    for family in all_families():
        for architecture in family.architectures:
            if architecture.model_type in found:
                raise ValueError(f"two families have {architecture.model_type}")
            found[architecture.model_type] = architecture
    return found


def is_packed(model_type: object) -> bool:
    """Whether rows of this architecture may share a pass; False for one that is not known."""
    architecture = architectures().get(str(model_type))
    return architecture is not None and architecture.packed


def fused_layers(model_type: object) -> FusedLayers | None:
    """How the fast engine computes this architecture; None: it does not, or it is not known."""
    architecture = architectures().get(str(model_type))
    return None if architecture is None else architecture.fused


@cache
def fused_types() -> tuple[str, ...]:
    """Every `model_type` that has a fast path, in alphabetical order."""
    return tuple(sorted(name for name, about in architectures().items() if about.fused))


@cache
def wrappers() -> frozenset[str]:
    """Every `model_type` of a checkpoint of several parts whose text model is known: that part is
    trained, by itself."""
    return frozenset(name for family in all_families() for name in family.wrappers)


def is_wrapper(model_type: object) -> bool:
    """Whether it is one of `wrappers`, whatever a config.json has there."""
    return str(model_type) in wrappers()


def text_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a config.json says of its language model: `text_config` where it describes several
    parts, with the sizes that are left out there, else all of it."""
    text = config.get("text_config")
    if not isinstance(text, dict) or "num_hidden_layers" in config:
        return config
    # The whole may say for its text part that head and embedding are one.
    tied = {"tie_word_embeddings": True} if config.get("tie_word_embeddings") is True else {}
    about = architectures().get(str(text.get("model_type")))
    return {**(about.unsaid if about else {}), **text, **tied}


@cache
def hub_names() -> dict[str, str]:
    """Names of models in small letters, without the owner -> their ids on the hubs."""
    return {
        name.lower(): f"{family.hub_owner}/{name}"
        for family in all_families()
        for name in family.hub_names
    }


def hub_id(name: str) -> str:
    """The id on the hubs of a model's name without an owner; empty where no family has it."""
    for family in all_families():
        if family.hub_stems and name.lower().startswith(family.hub_stems):
            return f"{family.hub_owner}/{name}"
    return ""
