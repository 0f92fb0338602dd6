"""Mistral: one sliding window for all layers, said by the config.

Ministral 3 scales its queries by their position; its checkpoints have a vision part, too.
"""

from suretune.families.family import Architecture, Family, FusedLayers, window_of_config
from suretune.types import Text

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
            special=Text("queries scaled by their position", "查询按位置缩放"),
        ),
    ),
    wrappers=("mistral3",),
)
