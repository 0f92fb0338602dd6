"""OLMo: rows share a pass; transformers' own modules compute its layers."""

from suretune.families.family import Architecture, Family
from suretune.types import Text

BEHIND = Text(
    "norms behind attention and MLP, queries and keys normed over the whole width",
    "归一化在注意力和 MLP 之后，查询和键按整个宽度归一化",
)
FAMILY = Family(
    "olmo",
    ("OLMo", "Allen Institute"),
    (
        Architecture("olmo2", special=BEHIND),
        Architecture(
            "olmo3",
            special=Text(
                f"{BEHIND.en}; sliding and full layers", f"{BEHIND.zh}；滑动窗口层与全注意力层"
            ),
        ),
    ),
)
