"""OLMo 2 and 3: norms behind attention and MLP; queries and keys are normed as one vector each."""

from typing import Any

from suretune.families.family import BEHIND, Architecture, Config, Family, FusedLayers
from suretune.types import Text


def _rope_of_kind(config: Config, attention: Any) -> str | None:
    """Sliding and full layers may be turned by other angles."""
    return str(attention.attention_type)


_NORMS = Text(
    "norms behind attention and MLP, queries and keys normed over the whole width",
    "归一化在注意力和 MLP 之后，查询和键按整个宽度归一化",
)
FAMILY = Family(
    "olmo",
    ("OLMo", "Allen Institute"),
    (
        Architecture("olmo2", fused=FusedLayers(norms=BEHIND), special=_NORMS),
        Architecture(
            "olmo3",
            fused=FusedLayers(norms=BEHIND, rope=_rope_of_kind),
            special=Text(
                f"{_NORMS.en}; sliding and full layers", f"{_NORMS.zh}；滑动窗口层与全注意力层"
            ),
        ),
    ),
)
