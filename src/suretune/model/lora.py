"""LoRA adapters in PEFT's format: attach, list, save, load strictly."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, PeftType, get_peft_model
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from suretune import rundir
from suretune.facts import SetupFacts
from suretune.model import variants
from suretune.options_lora import ALL_LINEAR, LoraOptions
from suretune.refusal import Refusal
from suretune.types import Text

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
MATCHED = ("rank_pattern", "alpha_pattern", "layers_pattern", "exclude_modules", "modules_to_save")
KNOWN_STARTS = (True, False, "gaussian", "orthogonal")  # others change the base as well
# Settings under which a model computes something else than x W' + s (x A') B' in some layers.
STRANGE = (
    "alora_invocation_tokens",
    "arrow_config",
    "fan_in_fan_out",
    "kasa_config",
    "layer_replication",
    "lora_bias",
    "megatron_config",
    "modules_to_save",
    "monteclora_config",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
    "velora_config",
)
BLOCK = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks|block)\.(\d+)\.")
APART = re.compile(
    r"(^|\.)(router|gate|shared_expert_gate|vision\w*|visual|audio\w*|embed_(vision|audio)"
    r"|multi_modal_projector)(\.|$)"
)
NAME = re.compile(r"\^?[\w.-]+")  # of a layer, or the end of one


@dataclass(frozen=True, slots=True)
class Match:
    """How the tensors of an adapter file met the model's: `odd` are on one side only, or differ."""

    saved: int
    matched: int
    odd: tuple[str, ...]
    non_finite: tuple[str, ...]


def linear_names(model: nn.Module) -> list[str]:
    """Last names of the model's linear layers, each once, in order: q_proj, k_proj, ..."""
    names = (
        name.rsplit(".", 1)[-1] for name, m in model.named_modules() if isinstance(m, nn.Linear)
    )
    return list(dict.fromkeys(names))


def _is_meant(name: str, target: str) -> bool:
    """Whether a layer is called so, or ends so: as PEFT reads a target."""
    return f".{name}".endswith(f".{target}")


def unmatched(model: nn.Module, targets: Sequence[str]) -> SetupFacts | None:
    """The first target that names no linear layer; a list partly wrong or empty is wrong."""
    if tuple(targets) == (ALL_LINEAR,):
        return None
    if not targets:
        return SetupFacts(
            "trains-nothing",
            "--target_modules",
            found="0",
        )
    every = [name for name, m in model.named_modules() if isinstance(m, nn.Linear)]
    linear = [name for name in every if name in _as_peft_reads(model, every)]
    for target in targets:
        if not any(_is_meant(name, target) for name in linear):
            return SetupFacts(
                "target-matches-nothing",
                target,
                found=", ".join(linear_names(model)),
            )
    return None


SEEDING = threading.Lock()


def attach(
    model: PreTrainedModel,
    asked: LoraOptions,
    base_name: str,
    seed: int,
    revision: str | None = None,
) -> PeftModel:
    """The base with fresh adapters, float32: A random by the seed and B zero, or as their variant
    begins (`variants`). They add nothing yet, and the base's own weights are as they were.

    `base_name`, `revision`: of the base, as PEFT's loaders ask Hugging Face for it.

    The random numbers are the process's: runs on several threads draw one after the other.
    Refusal where the layers that are asked for have nothing to put an adapter on.
    """
    config = LoraConfig(
        r=asked.saved_rank,
        lora_alpha=asked.saved_alpha,
        lora_dropout=asked.lora_dropout,
        use_rslora=asked.use_rslora,
        use_dora=asked.use_dora,
        task_type="CAUSAL_LM",
        **_asked_for(model, asked),
    )
    with SEEDING, _quiet():
        torch.manual_seed(seed)
        peft_model = get_peft_model(model, config)
        variants.begin(peft_model, asked)
    config.base_model_name_or_path, config.revision = base_name, revision
    return peft_model


def adaptable(model: nn.Module) -> list[str]:
    """Names of the linear layers that adapters go on where all are asked for.

    Those of the blocks, without the head; without routers, whose choice of experts an adapter would
    change, and towers for images and sound, which no row of text passes; and without what PEFT
    reads as the names of experts and puts adapters on the experts for: they stay frozen.
    """
    head = getattr(model, "get_output_embeddings", lambda: None)()
    linear = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and m is not head]
    inside = [name for name in linear if BLOCK.search(name)] or linear
    left = [name for name in inside if not APART.search(name)]
    return [name for name in left if name in _as_peft_reads(model, left)]


def _as_peft_reads(model: nn.Module, targets: str | list[str]) -> frozenset[str]:
    """These targets, without those that PEFT takes for parameters of experts."""
    asked = LoraConfig(target_modules=targets)
    convert_peft_config_for_transformers(asked, model, None)
    kept = asked.target_modules
    return frozenset({kept} if isinstance(kept, str) else kept or ())


def _asked_for(model: PreTrainedModel, asked: LoraOptions) -> dict[str, Any]:
    """What PEFT is told of where adapters go, as short as it means the same."""
    if asked.layers is None:
        every = tuple(asked.target_modules) == (ALL_LINEAR,)
        return {"target_modules": _every_linear(model) if every else list(asked.target_modules)}
    names = _in_layers(model, asked)
    flag = f"--layers_to_transform {' '.join(asked.layers_to_transform)}"
    if not names:
        raise Refusal(SetupFacts("trains-nothing", flag, found="0", spare="layers"))
    for target in asked.target_modules:
        if target != ALL_LINEAR and not any(_is_meant(name, target) for name in names):
            there = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in adaptable(model)))
            raise Refusal(SetupFacts("target-matches-nothing", f"{target} ({flag})", found=there))
    ends = sorted({name.rpartition(".")[2] for name in names})
    short = {"target_modules": ends, "layers_to_transform": sorted(asked.layers)}
    by_ends = LoraConfig(**short)
    meant = [n for n, _ in model.named_modules() if check_target_module_exists(by_ends, n)]
    return short if meant == names else {"target_modules": names}


def _in_layers(model: nn.Module, asked: LoraOptions) -> list[str]:
    """Full names of what is asked for in some of the layers, see `adaptable`."""
    targets, layers = tuple(asked.target_modules), asked.layers or frozenset()
    return [
        name
        for name in adaptable(model)
        if (inside := BLOCK.search(name))
        and int(inside[1]) in layers
        and (targets == (ALL_LINEAR,) or any(_is_meant(name, target) for target in targets))
    ]


def _every_linear(model: nn.Module) -> str | list[str]:
    """What PEFT is asked for: its own word for all of them, where that means the same."""
    names, head = adaptable(model), getattr(model, "get_output_embeddings", lambda: None)()
    every = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and m is not head]
    same = names == every and _as_peft_reads(model, ALL_LINEAR) == {ALL_LINEAR}
    return ALL_LINEAR if same else names


@contextmanager
def _quiet() -> Iterator[None]:
    """PEFT still asks transformers for a name that it is about to lose; not the user's business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """What the optimizer moves, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def save_adapter(model: PeftModel, folder: Path) -> None:
    """The two files that PEFT, vLLM and others read, byte for byte the same of the same adapter."""
    save_weights(model, folder)
    config = copy(model.peft_config["default"])
    if isinstance(config.target_modules, set):  # in another order in every process
        config.target_modules = sorted(config.target_modules)
    config.save_pretrained(str(folder))


def save_weights(model: PeftModel, folder: Path) -> None:
    """The adapters' tensors as they are, without their configuration."""
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: t.detach().to("cpu").contiguous() for name, t in state.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def load_weights(model: PeftModel, folder: Path) -> None:
    """Put saved adapter weights into an attached model; ValueError unless they match exactly."""
    saved = load_file(folder / WEIGHTS)
    there = get_peft_model_state_dict(model, save_embedding_layers=False)
    if saved.keys() != there.keys():
        raise ValueError(f"{folder}: {sorted(saved.keys() ^ there.keys())[:3]}")
    set_peft_model_state_dict(model, saved)


def load_adapter(model: PreTrainedModel, folder: Path) -> tuple[PeftModel, Match]:
    """A saved adapter on its base, by plain PEFT, and how its tensors matched.

    `Damaged` if its config names other ranks than its tensors have: PEFT would allocate them.
    """
    saved = load_file(folder / WEIGHTS)
    compare_ranks(folder / CONFIG, saved)
    config = PeftConfig.from_pretrained(str(folder))
    if isinstance(config.target_modules, str) and config.target_modules != ALL_LINEAR:
        config.target_modules = _targets(model, saved)
    with _quiet():
        peft_model = PeftModel.from_pretrained(
            model,
            folder,
            config=config,
            autocast_adapter_dtype=True,
        )
    there: dict[str, Tensor] = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
    if saved.keys() - there.keys():  # an adapter of the embedding has that beside it, too
        whole = get_peft_model_state_dict(peft_model, save_embedding_layers=True)
        there |= {name: whole[name] for name in saved if name in whole}
    matched = [
        name
        for name, tensor in saved.items()
        if name in there and torch.equal(there[name].to(tensor).cpu(), tensor)
    ]
    odd = tuple(sorted((saved.keys() ^ there.keys()) | (saved.keys() - set(matched))))
    bad = tuple(name for name, tensor in saved.items() if not tensor.isfinite().all())
    return peft_model.eval(), Match(len(saved), len(matched), odd, bad)


def _not_lora(kind: object) -> Text:
    return Text(f"peft_type = {kind!r}, not LORA", f"peft_type 是 {kind!r}，不是 LORA")


def kind_of_adapter(folder: Path) -> str:
    """`LORA`, or another kind that PEFT knows; `Damaged` where it is none."""
    kind = _settings(folder).get("peft_type")
    if not isinstance(kind, str) or kind not in {known.value for known in PeftType}:
        raise rundir.Damaged(folder / CONFIG, _not_lora(kind))
    return kind


def unlike_lora(folder: Path) -> str:
    """What makes a LoRA more than that on linear layers of the blocks: a setting, or a layer."""
    config = _settings(folder)
    for setting in (*STRANGE, "bias"):
        if (value := config.get(setting)) and value != "none":
            return setting
    if config.get("init_lora_weights", True) not in KNOWN_STARTS:
        return "init_lora_weights"
    with safe_open(folder / WEIGHTS, "pt") as file:
        names = sorted(file.keys())
    outside = [name for name in names if not re.search(r"\.layers\.\d+\.", name)]
    return next(iter(sorted(layers_of(outside), key=len)), "")


def _settings(folder: Path) -> Mapping[str, Any]:
    config = rundir.read_json(folder / CONFIG)
    if not isinstance(config, dict):
        raise rundir.Damaged(folder / CONFIG, Text("no object", "不是 JSON 对象"))
    return config


def compare_ranks(path: Path, saved: Mapping[str, Tensor]) -> None:
    """What the config says of ranks, against the tensors that lie beside it; `Damaged` where they
    differ."""
    config = rundir.read_json(path)
    kind, rank, others = (config.get(k) for k in ("peft_type", "r", "rank_pattern"))
    if kind != "LORA":
        raise rundir.Damaged(path, _not_lora(kind))
    if found := expressions(config):
        raise rundir.Damaged(
            path,
            Text(
                f"{found[0]!r} is an expression, not a layer's name",
                f"{found[0]!r} 是表达式，不是层的名字",
            ),
        )
    ranks = {tensor.shape[0] for name, tensor in saved.items() if ".lora_A." in name}
    ranks |= {tensor.shape[0] for name, tensor in saved.items() if ".lora_embedding_A" in name}
    named = [rank, *(others.values() if isinstance(others, dict) else ())]
    whole = all(type(each) is int and 0 < each <= max(ranks, default=0) for each in named)
    if not whole or (not others and ranks != {rank}):
        there = ", ".join(map(str, sorted(ranks))) or "none"
        said = ", ".join(map(repr, named))
        raise rundir.Damaged(
            path,
            Text(
                f"rank {said}, and the tensors have {there}", f"秩写的是 {said}，张量里却是 {there}"
            ),
        )


def expressions(config: Mapping[str, Any]) -> list[str]:
    """What PEFT would match as a regular expression and is more than a name: some never end."""
    words: list[Any] = []
    for setting in MATCHED:
        value = config.get(setting) or ()
        words += [value] if isinstance(value, str) else value
    return [str(word) for word in words if not NAME.fullmatch(str(word))]


def layers_of(saved: Iterable[str]) -> set[str]:
    """The layers that these tensors belong to."""
    return {name.removeprefix("base_model.model.").split(".lora_")[0] for name in saved}


def _targets(model: nn.Module, saved: Mapping[str, Tensor]) -> list[str]:
    """The layers that an adapter has tensors for.

    Instead of a regular expression from its config: one can be written that never ends.
    """
    modules = {name for name, _ in model.named_modules()}
    layers = layers_of(saved)
    if not (found := sorted(layers & modules)):
        raise ValueError(f"no layer is called {min(layers, default='')}")
    return found
