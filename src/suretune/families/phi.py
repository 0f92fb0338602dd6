"""Phi: from Phi-3 on the plain decoder layer, with q, k, v and gate, up merged already.

Phi 1 and 2 compute attention and MLP from one norm, side by side: transformers' modules do that.
"""

from suretune.families.family import MERGED, Architecture, Family, FusedLayers, window_of_config
from suretune.types import Text

FAMILY = Family(
    "phi",
    ("Phi", "Microsoft"),
    (
        Architecture(
            "phi",
            special=Text("attention and MLP from one norm", "注意力和 MLP 共用一个归一化"),
        ),
        Architecture(
            "phi3",
            fused=FusedLayers(groups=MERGED, window=window_of_config),
            special=Text(
                "q, k, v merged, gate and up too; fast where the rotary embedding is whole",
                "q、k、v 合并，gate 与 up 也合并；旋转编码作用于整个头时才能加速",
            ),
        ),
    ),
)
