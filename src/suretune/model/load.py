"""Base weights from disk, strictly: every tensor the model has, and no other."""

from __future__ import annotations

import logging

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from suretune.data.base import Base
from suretune.model.attention import attention_for
from suretune.options import ModelOptions
from suretune.types import SetupFacts

# Below this many parameters a second thread costs more than it brings: the pocket model answers
# 450 questions in 2.7 s on one thread, in 23 s on two of a machine whose cores have other work.
SMALL = 50_000_000
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


def choose_device(asked: str | None) -> torch.device | SetupFacts:
    """CUDA where there is one, unless a device was asked for."""
    if asked == "cuda" and not torch.cuda.is_available():
        return SetupFacts("device-missing", "cuda", found=torch.__version__)
    return torch.device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))


def choose_dtype(asked: ModelOptions, device: torch.device) -> str | SetupFacts:
    """The precision of the base: as asked if the device has it, else the best it has."""
    flags = [name for name, on in (("bfloat16", asked.bf16), ("float16", asked.fp16)) if on]
    wish = asked.torch_dtype or (flags[0] if flags else None)
    if device.type == "cpu":
        if wish == "float16":
            return SetupFacts("dtype-unsupported", "float16", found="cpu", nearest="float32")
        return wish or "float32"
    if wish == "bfloat16" and not torch.cuda.is_bf16_supported():
        name = torch.cuda.get_device_name(device)
        return SetupFacts("dtype-unsupported", "bfloat16", found=name, nearest="float16")
    return wish or ("bfloat16" if torch.cuda.is_bf16_supported() else "float16")


def load_base(
    base: Base, device: torch.device, dtype: str, attention: str | None = None
) -> PreTrainedModel | SetupFacts:
    """The model in evaluation mode, frozen. Only safetensors, never code from the folder.

    Without a word about `attention` it gets the one for training.
    """
    if not list(base.folder.glob("*.safetensors")):
        return SetupFacts("model-incomplete", str(base.folder), found="*.safetensors")
    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)  # what it warns of is checked below
    try:
        config = AutoConfig.from_pretrained(
            base.folder, trust_remote_code=False, local_files_only=True
        )
        model, about = AutoModelForCausalLM.from_pretrained(
            base.folder,
            config=config,
            dtype=DTYPES[dtype],
            attn_implementation=attention or attention_for(config),
            device_map={"": device},
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        return SetupFacts("model-incomplete", str(base.folder), found=str(error).split("\n")[0])
    wrong = [*about["missing_keys"], *about["unexpected_keys"], *about["mismatched_keys"]]
    if wrong:
        return SetupFacts(
            "model-incomplete", str(base.folder), found=", ".join(map(str, wrong[:5]))
        )
    if device.type == "cpu" and model.num_parameters() < SMALL:
        torch.set_num_threads(1)
    model.requires_grad_(False)
    return model.eval()
