"""Hunyuan, dense: queries and keys are normed behind the rotary embedding."""

from suretune.families.family import Architecture, Family
from suretune.types import Text

FAMILY = Family(
    "hunyuan",
    ("Hunyuan", "混元", "腾讯", "Tencent"),
    (
        Architecture(
            "hunyuan_v1_dense",
            special=Text(
                "queries and keys normed behind the rotary embedding",
                "查询和键在旋转编码之后归一化",
            ),
        ),
    ),
)
