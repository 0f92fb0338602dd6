"""Llama: the plain decoder layer."""

from suretune.families.family import Architecture, Family, FusedLayers
from suretune.types import Text

FAMILY = Family(
    "llama",
    ("Llama", "Meta"),
    (
        Architecture(
            "llama",
            fused=FusedLayers(),
            special=Text("the plain decoder layer", "标准的解码层"),
        ),
    ),
)
