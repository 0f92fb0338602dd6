"""A checkpoint of each architecture that `families_speed.py` measures: the sizes that its
config.json has on the hub, copied as figures, since nothing is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SLIDING, FULL = "sliding_attention", "full_attention"
LLAMA3 = {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Whose sizes they are, what config.json says, and what was changed, in words."""

    name: str
    config: Mapping[str, Any]
    changed: str = ""

    def narrow(self) -> dict[str, Any]:
        """Two narrow layers of the same kind, one of each where there are two kinds: for a CPU."""
        alike = self.config["num_attention_heads"] == self.config["num_key_value_heads"]
        values = {
            **self.config, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 4 if alike else 2, "head_dim": 32,
            "vocab_size": 2000, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None,
        }  # fmt: skip
        for name in ("layer_types", "no_rope_layers"):
            if kinds := values.get(name):
                values[name] = [kinds[0], next((k for k in kinds if k != kinds[0]), kinds[0])]
        if values.get("sliding_window"):
            values["sliding_window"] = 16
        return values


def layers(count: int, of: int) -> list[str]:
    """So many layers of which every `of`-th attends to everything."""
    return [SLIDING if (at + 1) % of else FULL for at in range(count)]


CHECKPOINTS = {
    "qwen2": Checkpoint("Qwen2.5-3B", {
        "hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16,
        "num_key_value_heads": 2, "intermediate_size": 11008, "vocab_size": 151936,
        "rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": True,
    }),
    "llama": Checkpoint("Llama-3.2-1B", {
        "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 8192,
        "vocab_size": 128256, "rms_norm_eps": 1e-5, "tie_word_embeddings": True,
        "rope_parameters": {**LLAMA3, "rope_theta": 5e5, "factor": 32.0},
    }),
    "gemma3_text": Checkpoint("gemma-3-1b", {
        "hidden_size": 1152, "num_hidden_layers": 26, "num_attention_heads": 4,
        "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 6912,
        "vocab_size": 262144, "query_pre_attn_scalar": 256, "sliding_window": 512,
        "layer_types": layers(26, 6), "tie_word_embeddings": True,
        "rope_parameters": {SLIDING: {"rope_type": "default", "rope_theta": 1e4},
                            FULL: {"rope_type": "default", "rope_theta": 1e6}},
    }),
    "smollm3": Checkpoint("SmolLM3-3B", {
        "hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16,
        "num_key_value_heads": 4, "intermediate_size": 11008, "vocab_size": 128256,
        "rope_theta": 5e6, "no_rope_layers": [1, 1, 1, 0] * 9, "tie_word_embeddings": True,
    }),
    "ministral3": Checkpoint("Ministral-3-3B", {
        "hidden_size": 3072, "num_hidden_layers": 26, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 9216,
        "vocab_size": 131072, "sliding_window": None, "tie_word_embeddings": True,
        "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 1e6, "factor": 16.0, "beta_fast": 32.0,
            "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1,
            "original_max_position_embeddings": 16384,
        },
    }, "its text part"),
    "granite": Checkpoint("granite-3.3-2b", {
        "hidden_size": 2048, "num_hidden_layers": 40, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 49159,
        "rms_norm_eps": 1e-5, "rope_theta": 1e7, "embedding_multiplier": 12.0,
        "residual_multiplier": 0.22, "attention_multiplier": 0.015625, "logits_scaling": 8.0,
        "tie_word_embeddings": True,
    }),
    "exaone4": Checkpoint("EXAONE-4.0-1.2B", {
        "hidden_size": 2048, "num_hidden_layers": 30, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 4096,
        "vocab_size": 102400, "sliding_window": None, "layer_types": [FULL] * 30,
        "rope_parameters": {**LLAMA3, "rope_theta": 1e6, "factor": 16.0},
        "tie_word_embeddings": True,
    }),
    "olmo2": Checkpoint("OLMo-2-0425-1B", {
        "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 16,
        "num_key_value_heads": 16, "intermediate_size": 8192, "vocab_size": 100352,
        "rms_norm_eps": 1e-6, "rope_theta": 5e5, "tie_word_embeddings": False,
    }),
    "olmo3": Checkpoint("Olmo-3-1025-7B", {
        "hidden_size": 4096, "num_hidden_layers": 12, "num_attention_heads": 32,
        "num_key_value_heads": 32, "intermediate_size": 11008, "vocab_size": 100278,
        "rms_norm_eps": 1e-6, "sliding_window": 4096, "layer_types": layers(12, 4),
        "rope_parameters": {
            SLIDING: {"rope_type": "default", "rope_theta": 5e5},
            FULL: {"rope_type": "yarn", "rope_theta": 5e5, "factor": 8.0, "beta_fast": 32.0,
                   "beta_slow": 1.0, "attention_factor": 1.2079441541679836,
                   "original_max_position_embeddings": 8192},
        },
        "tie_word_embeddings": False,
    }, "12 of its 32 layers: none of its size is smaller"),
}  # fmt: skip
