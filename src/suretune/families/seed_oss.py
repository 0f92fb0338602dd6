"""Seed-OSS: the plain decoder layer with biases; transformers' own modules compute it."""

from suretune.families.family import Architecture, Family
from suretune.types import Text

FAMILY = Family(
    "seed-oss",
    ("Seed-OSS", "字节跳动", "ByteDance"),
    (
        Architecture(
            "seed_oss",
            special=Text(
                "biases of queries, keys and values; row by row where its config has dropout",
                "查询、键、值带偏置；配置里带 dropout 时逐行计算",
            ),
        ),
    ),
)
