"""Mistral: one sliding window for all layers, said by the config."""

from suretune.families.family import Architecture, Family, FusedLayers, window_of_config

FAMILY = Family(
    "mistral",
    ("Mistral",),
    (Architecture("mistral", fused=FusedLayers(window=window_of_config)),),
)
