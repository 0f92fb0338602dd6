"""Tiny random models of every architecture that people tune, written as their checkpoints are.

`write` makes a folder: config.json, safetensors under the names that the hub's files have (text
models inside a wrapper under `model.language_model.`, with tensors of a vision tower beside
them), a byte tokenizer, a chat template. Sizes are the least with which every kind of layer is
there: sliding and full attention, linear attention, layers that share keys and values, experts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from conftest import SHARED
from families import FAMILIES, make_tokenizer

WORDS = 320  # bytes, and room for control tokens
COMMON: dict[str, Any] = {
    "vocab_size": WORDS, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "max_position_embeddings": 1024, "bos_token_id": None, "eos_token_id": None,
    "pad_token_id": None,
}  # fmt: skip
SLIDING = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
CHATML = "Qwen-Qwen2.5-7B-Instruct"
MISTRAL = "mistralai-Mistral-Nemo-Instruct-2407"
LLAMA = "meta-llama-Llama-3.1-8B-Instruct"
R1 = "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B"
PHI = "microsoft-Phi-3.5-mini-instruct"
GEMMA = "google-gemma-2-2b-it"
# Of families whose own template does not lie at hand.
PLAIN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# What the R1 distils' template puts behind a prompt and writes before no answer: it can teach none
# until that is taken out, as P008 says.
OPENINGS = ("<think>\\n", "{% if not enable_thinking %}{{- '</think>' -}}{% endif %}")
VISION = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Tiny:
    """One architecture: its `model_type`, what differs from `COMMON`, its template's name."""

    kind: str
    more: dict[str, Any] = field(default_factory=dict)
    template: str = ""  # in shared/data/chat_templates; else a plain one
    wrapper: str = ""  # `model_type` of the checkpoint that has this text model inside
    vision: dict[str, Any] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """What the text model's configuration says."""
        return {k: v for k, v in {**COMMON, **self.more}.items() if v is not ...}

    def text_config(self) -> Any:
        """transformers' configuration of the text model alone."""
        return AutoConfig.for_model(self.kind, **self.told())

    def config(self) -> Any:
        """transformers' configuration, of the wrapper where there is one."""
        told = self.told()
        if not self.wrapper:
            return self.text_config()
        text = {"model_type": self.kind, **told}
        vision = {**VISION, **self.vision}
        tied = {k: v for k, v in told.items() if k == "tie_word_embeddings"}
        return AutoConfig.for_model(self.wrapper, text_config=text, vision_config=vision, **tied)


ROPE = {"rope_type": "default", "rope_theta": 10000.0}
QWEN35 = {
    "num_hidden_layers": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "tie_word_embeddings": True,
    "rope_parameters": {**ROPE, "partial_rotary_factor": 0.5, "mrope_section": [1, 1, 0]},
}  # fmt: skip
QWEN35_MOE = {**QWEN35, **EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 16}
QWEN35_VISION = {
    "depth": 1, "num_heads": 2, "out_hidden_size": 32, "patch_size": 4,
    "num_position_embeddings": 16,
}  # fmt: skip
LLAMA3_ROPE = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 256,
}  # fmt: skip
MINISTRAL3 = {
    "rope_parameters": {  # so short that the rows of the tests lie beyond what is not scaled
        "rope_type": "yarn", "rope_theta": 10000.0, "factor": 16.0, "beta_fast": 32.0,
        "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 8, "llama_4_scaling_beta": 0.5,
    },
}  # fmt: skip
PIXTRAL = {"model_type": "pixtral", "head_dim": 8, "image_size": 16, "patch_size": 4}
GEMMA3 = {**SLIDING, "query_pre_attn_scalar": 8}
SIGLIP = {"image_size": 16, "patch_size": 4}
GEMMA4 = {
    **SLIDING, "global_head_dim": 16, "hidden_size_per_layer_input": 0,
    "num_global_key_value_heads": None, "final_logit_softcapping": 30.0, "pad_token_id": 0,
}  # fmt: skip
GEMMA4_VISION = {"head_dim": 8, "num_key_value_heads": 2}
GEMMA4_E2B = {
    **GEMMA4, "num_hidden_layers": 4, "layer_types": ["sliding_attention", "full_attention"] * 2,
    "num_kv_shared_layers": 2, "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": WORDS, "use_double_wide_mlp": True,
}  # fmt: skip
GEMMA4_MOE = {
    **GEMMA4, "enable_moe_block": True, "num_experts": 4, "top_k_experts": 2,
    "moe_intermediate_size": 16,
}  # fmt: skip
GEMMA4_K_EQ_V = {**GEMMA4, "attention_k_eq_v": True, "num_global_key_value_heads": 1}
NO_HEAD_DIM: dict[str, Any] = {"head_dim": ...}
PHI4_MINI = {
    **NO_HEAD_DIM, "tie_word_embeddings": True,
    "rope_parameters": {**ROPE, "partial_rotary_factor": 0.5},
}  # fmt: skip
SMOLLM3 = {
    **NO_HEAD_DIM, "num_hidden_layers": 4, "pad_token_id": 0,
    "max_position_embeddings": 4096,  # its template says a lot
}  # fmt: skip
GRANITE = {
    **NO_HEAD_DIM, "embedding_multiplier": 12.0, "residual_multiplier": 0.22,
    "attention_multiplier": 0.3, "logits_scaling": 8.0,
}  # fmt: skip
GPT_OSS = {**SLIDING, "num_local_experts": 4, "num_experts_per_tok": 2, "rope_parameters": ROPE}
TINY: dict[str, Tiny] = {
    "qwen2": Tiny("qwen2", NO_HEAD_DIM, CHATML),
    "qwen3": Tiny("qwen3", {}, "Qwen-Qwen3-0.6B"),
    "qwen3_5": Tiny("qwen3_5_text", QWEN35),
    "qwen3_5-wrapped": Tiny("qwen3_5_text", QWEN35, "", "qwen3_5", QWEN35_VISION),
    "qwen3_5_moe-wrapped": Tiny("qwen3_5_moe_text", QWEN35_MOE, "", "qwen3_5_moe", QWEN35_VISION),
    "qwen3_moe": Tiny("qwen3_moe", {**EXPERTS, "num_experts": 4}, "Qwen-Qwen3-0.6B"),
    "llama3": Tiny("llama", {"rope_parameters": LLAMA3_ROPE}, LLAMA),
    "r1-llama": Tiny("llama", {}, R1),
    "r1-qwen": Tiny("qwen2", NO_HEAD_DIM, R1),
    "mistral": Tiny("mistral", {"sliding_window": 8}, MISTRAL),
    "mistral-wrapped": Tiny("mistral", {"sliding_window": None}, MISTRAL, "mistral3", PIXTRAL),
    "ministral3": Tiny("ministral3", MINISTRAL3, MISTRAL),
    "ministral3-wrapped": Tiny("ministral3", MINISTRAL3, MISTRAL, "mistral3", PIXTRAL),
    "gemma": Tiny("gemma", {}, GEMMA),
    "gemma2": Tiny("gemma2", {**SLIDING, "query_pre_attn_scalar": 8}, GEMMA),
    "gemma3": Tiny("gemma3_text", GEMMA3, GEMMA),
    "gemma3-wrapped": Tiny("gemma3_text", GEMMA3, GEMMA, "gemma3", SIGLIP),
    "gemma4": Tiny("gemma4_text", GEMMA4),
    "gemma4-wrapped": Tiny("gemma4_text", GEMMA4, "", "gemma4", GEMMA4_VISION),
    "gemma4-e2b": Tiny("gemma4_text", GEMMA4_E2B, "", "gemma4", GEMMA4_VISION),
    "gemma4-k_eq_v": Tiny("gemma4_text", GEMMA4_K_EQ_V),
    "gemma4-moe": Tiny("gemma4_text", GEMMA4_MOE),
    "phi": Tiny("phi", {**NO_HEAD_DIM, "num_key_value_heads": 4}),
    "phi3": Tiny("phi3", {**NO_HEAD_DIM, "sliding_window": 8}, PHI),
    "phi4-mini": Tiny("phi3", PHI4_MINI, PHI),
    "glm4": Tiny("glm4", {"attention_bias": True}),
    "smollm3": Tiny("smollm3", SMOLLM3, "HuggingFaceTB-SmolLM3-3B"),
    "seed_oss": Tiny("seed_oss", {"attention_dropout": 0.0, "residual_dropout": 0.0}),
    "hunyuan": Tiny("hunyuan_v1_dense"),
    "olmo2": Tiny("olmo2", NO_HEAD_DIM),
    "olmo3": Tiny("olmo3", SLIDING),
    "exaone4": Tiny("exaone4", {**SLIDING, "sliding_window_pattern": "LG"}),
    "granite": Tiny("granite", GRANITE),
    "gpt_oss": Tiny("gpt_oss", GPT_OSS),
}  # fmt: skip


def write(folder: Path, name: str, dtype: torch.dtype = torch.float32) -> Path:
    """The checkpoint of `TINY[name]`, with its words."""
    tiny = TINY[name]
    torch.manual_seed(0)
    config = tiny.config()
    auto = AutoModelForImageTextToText if tiny.wrapper else AutoModelForCausalLM
    model = auto.from_config(config, dtype=dtype)
    for key, weight in model.named_parameters():
        if "norm" in key:  # all one, or all zero: a norm that is left out would not be seen
            weight.data += torch.randn_like(weight) * 0.1
        elif weight.dim() > 1:  # the default is so small that no token can be told from another
            weight.data.normal_(0, 0.2)
    model.save_pretrained(folder)
    if tiny.wrapper.startswith(
        "qwen3_5"
    ):  # tokens ahead: their files have these, no class of ours does
        path = folder / "model.safetensors"
        ahead = {"mtp.fc.weight": torch.zeros(32, 64), "mtp.norm.weight": torch.zeros(32)}
        save_file({**load_file(path), **ahead}, path, metadata={"format": "pt"})
    (folder / "generation_config.json").unlink(missing_ok=True)
    family = tiny.template if tiny.template in FAMILIES else CHATML
    path = SHARED / "chat_templates" / f"{tiny.template}.jinja"
    real = path.read_text("utf-8") if tiny.template and path.exists() else ""
    for opening in OPENINGS:
        real = real.replace(opening, "")
    make_tokenizer(folder, family if real else CHATML, real or PLAIN_TEMPLATE)
    return folder


_ATTENTION = {f"self_attn.{each}_proj" for each in "qkvo"}
_MLP = {f"mlp.{each}_proj" for each in ("gate", "up", "down")}
_DELTA = {f"linear_attn.{each}" for each in ("in_proj_qkv", "in_proj_z", "in_proj_a", "in_proj_b")}
_MIXED = _ATTENTION | _MLP | _DELTA | {"linear_attn.out_proj"}
_SHARED = {f"mlp.shared_expert.{each}_proj" for each in ("gate", "up", "down")}
_MERGED = {"self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj"}
# What `all-linear` is, inside a layer; of those that are not named, the first.
EXPECTED: dict[str, set[str]] = {
    "": _ATTENTION | _MLP,
    "qwen3_5": _MIXED,
    "qwen3_5-wrapped": _MIXED,
    "qwen3_5_moe-wrapped": _MIXED - _MLP | _SHARED,
    "qwen3_moe": _ATTENTION,
    "gpt_oss": _ATTENTION,
    "phi": _ATTENTION - {"self_attn.o_proj"} | {"self_attn.dense", "mlp.fc1", "mlp.fc2"},
    "phi3": _MERGED,
    "phi4-mini": _MERGED,
    "glm4": _ATTENTION | {"mlp.gate_up_proj", "mlp.down_proj"},
    "gemma4-e2b": _ATTENTION | _MLP | {"per_layer_input_gate", "per_layer_projection"},
}
