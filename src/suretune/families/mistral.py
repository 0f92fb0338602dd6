"""Mistral: one sliding window for all layers, said by the config.

Ministral 3 scales its queries by their position; its checkpoints have a vision part, too.
"""

from suretune.families.family import Architecture, Config, Family, FusedLayers, window_of_config
from suretune.types import Text


def _stretch(config: Config) -> tuple[float, int]:
    told = config.rope_parameters
    return told["llama_4_scaling_beta"], told["original_max_position_embeddings"]


FAMILY = Family(
    "mistral",
    ("Mistral",),
    (
        Architecture(
            "mistral",
            fused=FusedLayers(window=window_of_config),
            special=Text("one sliding window, or none", "统一的滑动窗口，或没有"),
        ),
        Architecture(
            "ministral3",
            fused=FusedLayers(window=window_of_config, stretch=_stretch),
            special=Text("queries scaled by their position", "查询按位置缩放"),
            unsaid={  # as transformers reads it: a text part may leave out what is usual
                "num_hidden_layers": 34,
                "hidden_size": 4096,
                "intermediate_size": 14336,
                "num_attention_heads": 32,
                "num_key_value_heads": 8,
                "head_dim": 128,
                "vocab_size": 131_072,
                "max_position_embeddings": 262_144,
            },
        ),
    ),
    wrappers=("mistral3",),
)
