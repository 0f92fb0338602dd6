"""Granite: rows share a pass; transformers' own modules compute its layers."""

from suretune.families.family import Architecture, Family

FAMILY = Family(
    "granite",
    ("Granite", "IBM"),
    (Architecture("granite"),),
)
