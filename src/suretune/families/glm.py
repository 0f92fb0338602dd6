"""GLM-4: rotary embedding of half the head, in pairs; transformers' modules compute its layers."""

from suretune.families.family import Architecture, Family
from suretune.types import Text

FAMILY = Family(
    "glm",
    ("GLM", "智谱", "Zhipu", "Z.ai"),
    (
        Architecture(
            "glm4",
            special=Text(
                "rotary embedding of half the head, in pairs; gate and up merged; four norms each",
                "旋转编码只作用于半个头，成对排列；gate 与 up 合并；每层四个归一化",
            ),
        ),
    ),
)
