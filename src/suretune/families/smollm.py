"""SmolLM: rows share a pass; transformers' own modules compute its layers."""

from suretune.families.family import Architecture, Family

FAMILY = Family(
    "smollm",
    ("SmolLM", "Hugging Face"),
    (Architecture("smollm3"),),
)
