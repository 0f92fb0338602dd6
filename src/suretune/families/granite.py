"""Granite: rows share a pass; transformers' own modules compute its layers."""

from suretune.families.family import Architecture, Family
from suretune.types import Text

FAMILY = Family(
    "granite",
    ("Granite", "IBM"),
    (
        Architecture(
            "granite",
            special=Text(
                "embedding, residual, attention and logits are multiplied",
                "嵌入、残差、注意力和输出各乘一个系数",
            ),
        ),
    ),
)
