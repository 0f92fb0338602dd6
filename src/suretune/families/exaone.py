"""EXAONE 4: norms behind attention and MLP; full attention knows no position in hybrid models."""

from typing import Any

from suretune.families.family import BEHIND, Architecture, Config, Family, FusedLayers
from suretune.types import Text


def _window(config: Config, attention: Any) -> int | None:
    window: int | None = attention.sliding_window if attention.is_sliding else None
    return window


def _rope(config: Config, attention: Any) -> str | None:
    hybrid = attention.sliding_window is not None
    return None if hybrid and not attention.is_sliding else ""


FAMILY = Family(
    "exaone",
    ("EXAONE", "LG AI"),
    (
        Architecture(
            "exaone4",
            fused=FusedLayers(norms=BEHIND, window=_window, rope=_rope),
            special=Text(
                "norms behind attention and MLP; sliding and full layers, the full ones without "
                "positions",
                "归一化在注意力和 MLP 之后；滑动窗口层与全注意力层交替，后者不用位置编码",
            ),
        ),
    ),
)
