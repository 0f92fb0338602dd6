"""NF4 while a model is loaded: each weight is packed as it comes from its file, then let go.

By transformers' own door for formats (`register_quantizer`): what it renames, converts and ties is
as in any model, and one matrix at a time is there in full. Packed are the linear layers of the
decoder; embeddings, norms, biases, the head and experts kept as one tensor stay in the run's dtype.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.core_model_loading import ConversionOps
from transformers.quantizers import HfQuantizer, register_quantization_config, register_quantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from suretune.model.lora import APART
from suretune.model.nf4 import Nf4Linear, pack
from suretune.model.text_part import opened_config
from suretune.tuning.qlora import NF4, nf4_bytes

METHOD = f"suretune-{NF4}"


@register_quantization_config(METHOD)
@dataclass
class Nf4Config(QuantizationConfigMixin):  # type: ignore[misc]
    """What `from_pretrained` is told, for a model of files that are not packed."""

    quant_method: str = METHOD


@register_quantizer(METHOD)
class Nf4Quantizer(HfQuantizer):  # type: ignore[misc]
    """Puts packed layers in place of linear ones before the weights come, and packs what comes."""

    def param_element_size(
        self,
        model: PreTrainedModel,
        param_name: str,
        param: torch.Tensor,
    ) -> float:
        """Of transformers, which takes the room for all of them before the first one comes."""
        if self.param_needs_quantization(model, param_name):
            return nf4_bytes()
        return param.element_size()

    def _process_model_before_weight_loading(
        self,
        model: PreTrainedModel,
        **kwargs: Any,
    ) -> None:
        kept = self.get_modules_to_not_convert(model, None, model._keep_in_fp32_modules)
        for name, module in list(model.named_modules()):
            if type(module) is nn.Linear and not (_within(name, kept) or APART.search(name)):
                layer = Nf4Linear(module)
                # transformers may cast a weight to the dtype of what stands in its place before it
                # is packed (5.17 does): that must not be the dtype of the codes.
                layer.weight = torch.empty_like(module.weight, requires_grad=False)
                model.set_submodule(name, layer)

    def param_needs_quantization(
        self,
        model: PreTrainedModel,
        param_name: str,
        **kwargs: Any,
    ) -> bool:
        """Of transformers: whether `get_quantize_ops` shall have it."""
        module, _, name = param_name.rpartition(".")
        return name == "weight" and isinstance(model.get_submodule(module), Nf4Linear)

    def get_quantize_ops(self) -> ConversionOps:
        """Of transformers: what makes the parts of a packed layer from its weight."""
        return _Pack()

    def is_serializable(self) -> bool:
        """The base is never saved."""
        return False

    @property
    def is_trainable(self) -> bool:
        """Adapters are what is trained."""
        return True


class _Pack(ConversionOps):  # type: ignore[misc]
    def convert(
        self,
        input_dict: dict[str, Any],
        model: Any = None,
        **kwargs: Any,
    ) -> dict[str, torch.Tensor]:
        made: dict[str, torch.Tensor] = {}
        for name, given in input_dict.items():
            weight = given[0] if isinstance(given, list) else given
            inside = name.rpartition(".")[0]
            module = model.get_submodule(inside)
            if weight.shape != (module.out_features, module.in_features):
                raise ValueError(f"{name}: {tuple(weight.shape)}")
            if not weight.is_floating_point():
                raise ValueError(f"{name}: {weight.dtype}")
            packed = pack(weight)
            made |= {
                name: packed.codes,
                f"{inside}.scales": packed.scales,
                f"{inside}.steps": packed.steps,
                f"{inside}.mean": packed.mean,
            }
        return made


def _within(name: str, kept: list[str]) -> bool:
    return any(f".{one}." in f".{name}." for one in kept)


def packed_layers(folder: Path) -> list[str]:
    """Names of the layers of a base that are packed, as the model has them; no weight is read."""
    config, _ = opened_config(folder)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    quantizer = Nf4Quantizer(Nf4Config(), pre_quantized=False)
    quantizer.preprocess_model(model)
    return [name for name, module in model.named_modules() if isinstance(module, Nf4Linear)]


def settled(model: PreTrainedModel) -> None:
    """What transformers notes of a format on a model goes: nothing asks it, and PEFT would."""
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is not None:
        quantizer.remove_quantization_config(model)
