"""SmolLM3: the plain decoder layer, of which every fourth is turned by no position."""

from typing import Any

from suretune.families.family import Architecture, Config, Family, FusedLayers
from suretune.types import Text


def _rope(config: Config, attention: Any) -> str | None:
    return "" if attention.use_rope else None


FAMILY = Family(
    "smollm",
    ("SmolLM", "Hugging Face"),
    (
        Architecture(
            "smollm3",
            fused=FusedLayers(rope=_rope, tied=True),
            special=Text("every fourth layer knows no position", "每四层有一层不用位置编码"),
        ),
    ),
)
