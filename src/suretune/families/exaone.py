"""EXAONE 4: norms behind attention and MLP; full attention knows no position in hybrid models."""

from suretune.families.family import Architecture, Family
from suretune.types import Text

FAMILY = Family(
    "exaone",
    ("EXAONE", "LG AI"),
    (
        Architecture(
            "exaone4",
            special=Text(
                "norms behind attention and MLP; sliding and full layers, the full ones without "
                "positions",
                "归一化在注意力和 MLP 之后；滑动窗口层与全注意力层交替，后者不用位置编码",
            ),
        ),
    ),
)
