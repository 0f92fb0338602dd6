"""OLMo: rows share a pass; transformers' own modules compute its layers."""

from suretune.families.family import Architecture, Family

FAMILY = Family(
    "olmo",
    ("OLMo", "Allen Institute"),
    (Architecture("olmo2"),),
)
