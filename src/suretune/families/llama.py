"""Llama: the plain decoder layer."""

from suretune.families.family import Architecture, Family, FusedLayers

FAMILY = Family(
    "llama",
    ("Llama", "Meta"),
    (Architecture("llama", fused=FusedLayers()),),
)
