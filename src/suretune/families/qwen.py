"""Qwen2, Qwen2.5 and Qwen3, whose queries and keys are normed; a window belongs to a layer.

Qwen3.5 and later have three layers of Gated DeltaNet to one of attention: what such a layer keeps
goes on from token to token, so rows must not share a pass. Their checkpoints have a vision part.
"""

from suretune.families.family import Architecture, Family, FusedLayers
from suretune.types import Text

_SIZES = {  # in billions of weights
    "Qwen2": "0.5 1.5 7 72",
    "Qwen2.5": "0.5 1.5 3 7 14 32 72",
    "Qwen2.5-Coder": "0.5 1.5 3 7 14 32",
    "Qwen2.5-Math": "1.5 7 72",
    "Qwen3": "0.6 1.7 4 8 14 32",
}

FAMILY = Family(
    "qwen",
    ("通义千问", "阿里云", "阿里巴巴", "Qwen", "Alibaba"),
    (
        Architecture(
            "qwen2",
            fused=FusedLayers(),
            special=Text("biases of queries, keys and values", "查询、键、值带偏置"),
        ),
        Architecture(
            "qwen3",
            fused=FusedLayers(),
            special=Text("queries and keys normed per head", "查询和键按头归一化"),
        ),
        Architecture(
            "qwen3_5_text",
            packed=False,
            special=Text(
                "three layers of Gated DeltaNet to one of gated attention",
                "每三个 Gated DeltaNet 层配一个带门控的注意力层",
            ),
        ),
        Architecture(
            "qwen3_5_moe_text",
            packed=False,
            special=Text(
                "as Qwen3.5, with experts (frozen) and one that every token passes",
                "与 Qwen3.5 相同，另有专家（冻结）和每个 token 都经过的共享专家",
            ),
        ),
        Architecture(
            "qwen3_moe",
            special=Text("experts (frozen)", "有专家（冻结）"),
        ),
    ),
    wrappers=("qwen3_5", "qwen3_5_moe"),
    hub_owner="Qwen",
    hub_stems=("qwen2", "qwen3"),
    hub_names=tuple(
        f"{series}-{size}B{end}"
        for series, sizes in _SIZES.items()
        for size in sizes.split()
        for end in (("", "-Base") if series == "Qwen3" else ("", "-Instruct"))
    ),
)

# What `init identity` forbids where no model is named. Files made so before have these four.
WITHOUT_A_MODEL = ("通义千问", "阿里云", "Qwen", "Alibaba")
