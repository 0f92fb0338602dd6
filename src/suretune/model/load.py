"""Base weights from disk, strictly: every tensor the model has, and no other."""

from __future__ import annotations

import logging
import re
import threading
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from suretune.because import in_words
from suretune.data.base import PACKED as BASE_PACKED
from suretune.data.base import Base
from suretune.data.parts import KEYS
from suretune.data.weights import weight_files, wrong_weights
from suretune.facts import SetupFacts
from suretune.model import weight_stream
from suretune.model.attention import PACKED, answering_attention, attention_for, mixing
from suretune.model.device import DTYPES, out_of_memory
from suretune.model.nf4 import parameters_of
from suretune.model.nf4_loading import Nf4Config, settled
from suretune.model.text_part import model_class, of_text, opened_config
from suretune.refusal import Refusal
from suretune.tuning.qlora import NF4
from suretune.types import Text

# Below this many parameters a second thread costs more than it brings: the pocket model answers
# 450 questions in 2.7 s on one thread, in 23 s on two of a machine whose cores have other work.
SMALL = 50_000_000
FEW = 64  # layers that are built whatever the weights have: what is missing is told by name
# While transformers loads a model it replaces `tie_weights` of the class and torch's default dtype:
# of two threads that load at once, one finds no head in its model, and the other leaves it so.
LOADING = threading.Lock()
LAYER = re.compile(r"\.(?:layers|h|blocks)\.(\d+)\.")
# What transformers lets through when a config or a shard is not what it should be.
UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    ArithmeticError,
    TypeError,
    AttributeError,
    AssertionError,
    SafetensorError,
    StrictDataclassError,
)


def load_base(
    base: Base,
    device: torch.device,
    dtype: str,
    attention: str | None = None,
) -> PreTrainedModel:
    """The model in evaluation mode, frozen; of a checkpoint of several parts its text model. Only
    safetensors, never code from the folder.

    Packed as `base.packed` says, weight by weight as they come. Without a word about `attention` it
    gets the one for training; "sdpa" is eager where the architecture has none. Raises Refusal for
    weights that are not whole, and where memory runs out.
    """
    if (wrong := wrong_weights(base, fetched=True)) is not None:
        raise Refusal(wrong)
    if wrong_depth := _too_deep(base):
        raise Refusal(SetupFacts("model-incomplete", str(base.folder), found=wrong_depth))
    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)  # what it warns of is checked below
    try:
        config, wrapped = opened_config(base.folder)
        how: dict[str, Any] = {
            "config": config,
            "dtype": DTYPES[dtype],
            "attn_implementation": _attention(config, attention),
            "device_map": {"": device},
            "output_loading_info": True,
            "key_mapping": KEYS if wrapped else None,
        }
        if base.packed == NF4:
            how["quantization_config"] = Nf4Config()
        elif base.packed:  # of a later version: without it, the numbers would be others
            raise ValueError(f"{BASE_PACKED}: {base.packed}")
        with LOADING:
            model, about = _loaded(base, config, how)
    except (*UNREADABLE, MemoryError) as error:
        raise Refusal(_trouble(base, error)) from error
    more = [n for n in about["unexpected_keys"] if not wrapped or of_text(n, model)]
    odd = [*about["missing_keys"], *more, *about["mismatched_keys"]]
    if odd:
        named = ", ".join(map(str, odd[:5]))
        raise Refusal(SetupFacts("model-incomplete", str(base.folder), found=named))
    settled(model)
    if device.type == "cpu" and parameters_of(model) < SMALL and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
    if how["attn_implementation"] == PACKED and mixing(model):
        model.set_attn_implementation("eager")  # then rows go one by one
    model.requires_grad_(False)
    return model.eval()


def _trouble(base: Base, error: Exception) -> SetupFacts:
    if told := out_of_memory(error):
        return SetupFacts("out-of-memory", str(base.folder), found=in_words(told))
    return SetupFacts("model-incomplete", str(base.folder), found=in_words(error))


def _loaded(base: Base, config: PretrainedConfig, how: dict[str, Any]) -> tuple[Any, Any]:
    there, kind = weight_stream.take(base.folder), model_class(config)
    if there is not None and kind is not None:
        model, about = kind.from_pretrained(None, state_dict=there, **how)
    else:
        model, about = AutoModelForCausalLM.from_pretrained(
            base.folder,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            **how,
        )
    return model, about


def _attention(config: PretrainedConfig, asked: str | None) -> str:
    kind = model_class(config)  # none: told where it is loaded
    if asked == "sdpa" and kind is not None:
        return answering_attention(kind)
    return asked or attention_for(config)


def _too_deep(base: Base) -> str | Text:
    """More layers than the weights have are not even built: a billion of them take for ever."""
    asked = base.layers
    if asked <= FEW:
        return ""
    there = {0}
    for path in weight_files(base.folder):
        try:
            with safe_open(path, "pt") as file:
                names = list(file.keys())
            there |= {int(found[1]) for name in names if (found := LAYER.search(name))}
        except (OSError, SafetensorError):  # told by whoever reads its tensors
            return ""
    if asked <= max(there) + 1:
        return ""
    return Text(
        f"config.json: num_hidden_layers = {asked}, and the weights have {max(there) + 1}",
        f"config.json 写着 num_hidden_layers = {asked}，而权重里有 {max(there) + 1} 层",
    )
