"""Gemma 1: norms of 1 + weight, a GELU gate, head and embedding in one.

Gemma 2 and later have norms behind attention and MLP, too, and soft-capped scores: they are trained
by the plain engine.
"""

from suretune.families.family import (
    Architecture,
    Config,
    Family,
    FusedLayers,
    activation_named,
)


def _activation(config: Config) -> str:
    """Old configs say `gelu`, which transformers reads as the tanh form: so was Gemma built."""
    name = activation_named(config)
    return "gelu_pytorch_tanh" if name == "gelu" else name


FAMILY = Family(
    "gemma",
    ("Gemma", "Google"),
    (
        Architecture(
            "gemma", fused=FusedLayers(norm_adds_one=True, activation=_activation, tied=True)
        ),
    ),
)
