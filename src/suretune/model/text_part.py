"""The language model inside a checkpoint of several parts (text and vision), loaded by itself.

transformers opens some such checkpoints whole, some by their text part, some not at all. Here every
one whose family is known is opened by its text part: nothing of the rest is loaded, adapted or
computed, and what a row of text gives is the same.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from transformers import AutoConfig, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from suretune.data.parts import is_text
from suretune.data.weights import header, weight_files
from suretune.families import is_wrapper


def opened_config(folder: Path) -> tuple[PretrainedConfig, bool]:
    """The configuration of the model that is opened there, and whether a checkpoint of several
    parts holds it. What transformers raises for a configuration that is none, it raises."""
    whole = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    wrapped = is_wrapped(whole)  # else nobody asks for the names
    names = {name for path in weight_files(folder) for name in header(path)} if wrapped else ()
    return text_config(whole, names), wrapped


def is_wrapped(config: PretrainedConfig) -> bool:
    """Whether this is a checkpoint of several parts whose text model is opened by itself."""
    return is_wrapper(config.model_type) and config.get_text_config() is not config


def text_config(config: PretrainedConfig, names: Collection[str]) -> PretrainedConfig:
    """The configuration of the model that is loaded; the given one where that is the whole.

    `names`: of the checkpoint's tensors. A head that it has not is the embedding where the whole
    says so: the text part need not repeat that.
    """
    text: PretrainedConfig = config.get_text_config()
    if text is config:
        return config
    if is_wrapped(config):
        has_head = any(name.endswith("lm_head.weight") for name in names)
        if not has_head and getattr(config, "tie_word_embeddings", False):
            text.tie_word_embeddings = True
        return text
    kind = model_class(config)
    return text if kind is not None and kind.config_class is type(text) else config


def model_class(config: PretrainedConfig) -> type[PreTrainedModel] | None:
    """The language model that transformers has for a configuration; None: it has none."""
    kind: type[PreTrainedModel] | None = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    return kind


def of_text(name: str, model: PreTrainedModel) -> bool:
    """Whether a tensor of a checkpoint of several parts belongs to its text model, by the name that
    it has in the file or by the one that it was given."""
    parts = {f"model.{part}." for part, _ in model.base_model.named_children()}
    return is_text(name) or name.startswith(tuple(parts))
