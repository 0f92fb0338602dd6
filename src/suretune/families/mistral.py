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
        ),
    ),
    wrappers=("mistral3",),
)
