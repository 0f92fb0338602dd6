"""gpt-oss: attention has sinks, which no pack knows; its experts are frozen."""

from suretune.families.family import Architecture, Family
from suretune.types import Text

FAMILY = Family(
    "gpt-oss",
    ("ChatGPT", "OpenAI"),
    (
        Architecture(
            "gpt_oss",
            packed=False,
            special=Text(
                "attention sinks, sliding and full layers in turn, experts (frozen)",
                "注意力汇点，滑动窗口层与全注意力层交替，有专家（冻结）",
            ),
        ),
    ),
)
