"""Granite: the plain decoder layer, with factors at the embedding, the sums and the head."""

from suretune.families.family import Architecture, Config, Factors, Family, FusedLayers
from suretune.types import Text


def _factors(config: Config) -> Factors:
    return Factors(
        float(config.embedding_multiplier),
        float(config.residual_multiplier),
        1 / config.logits_scaling,
    )


FAMILY = Family(
    "granite",
    ("Granite", "IBM"),
    (
        Architecture(
            "granite",
            fused=FusedLayers(factors=_factors),
            special=Text(
                "embedding, residual, attention and logits are multiplied",
                "嵌入、残差、注意力和输出各乘一个系数",
            ),
        ),
    ),
)
