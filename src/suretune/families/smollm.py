"""SmolLM: rows share a pass; transformers' own modules compute its layers."""

from suretune.families.family import Architecture, Family
from suretune.types import Text

FAMILY = Family(
    "smollm",
    ("SmolLM", "Hugging Face"),
    (
        Architecture(
            "smollm3",
            special=Text("every fourth layer knows no position", "每四层有一层不用位置编码"),
        ),
    ),
)
