"""Gemma: norms of 1 + weight, a GELU gate, head and embedding in one.

Gemma 2 and later have norms behind attention and MLP, too. Gemma 2 caps its scores, which no
attention kernel here does: its rows do not share a pass. From Gemma 3 on, the larger checkpoints
have a text model inside.
"""

from typing import Any

from suretune.families.family import (
    Architecture,
    Config,
    Family,
    FusedLayers,
    activation_named,
)
from suretune.types import Text


def _activation(config: Config) -> str:
    """Old configs say `gelu`, which transformers reads as the tanh form: so was Gemma built."""
    name = activation_named(config)
    return "gelu_pytorch_tanh" if name == "gelu" else name


def _rope_of_kind(config: Config, attention: Any) -> str | None:
    """Sliding and full layers are turned by other angles."""
    return str(attention.layer_type)


def _odd(config: Config) -> str:
    """What Gemma 3's configuration knows and none of its models has."""
    for name in ("attn_logit_softcapping", "final_logit_softcapping"):
        if getattr(config, name, None) is not None:
            return f"soft-capped scores ({name})"
    return "tokens that see later ones" if config.use_bidirectional_attention else ""


FAMILY = Family(
    "gemma",
    ("Gemma", "Google"),
    (
        Architecture(
            "gemma",
            fused=FusedLayers(norm_adds_one=True, activation=_activation, tied=True),
            special=Text("norms of 1 + weight, GELU", "归一化乘以 1 + 权重，GELU"),
        ),
        Architecture(
            "gemma2",
            packed=False,
            special=Text(
                "soft-capped scores, four norms a layer", "注意力分数有软上限，每层四个归一化"
            ),
        ),
        Architecture(
            "gemma3_text",
            fused=FusedLayers(
                norms=(
                    "input_layernorm",
                    "post_attention_layernorm",
                    "pre_feedforward_layernorm",
                    "post_feedforward_layernorm",
                ),
                norm_adds_one=True,
                rope=_rope_of_kind,
                tied=True,
                why_not=_odd,
            ),
            special=Text(
                "five sliding layers to a full one, two rotary bases, four norms a layer",
                "每五个滑动窗口层配一个全注意力层，两种旋转基数，每层四个归一化",
            ),
            unsaid={  # as transformers reads it; the published files of 4B have only the others
                "num_attention_heads": 8,
                "num_key_value_heads": 4,
                "head_dim": 256,
                "vocab_size": 262_208,
                "max_position_embeddings": 131_072,
            },
        ),
        Architecture(
            "gemma4_text",
            special=Text(
                "heads of two sizes; the last layers may share keys and values; embeddings of "
                "each layer; experts beside the MLP in one size",
                "两种注意力头尺寸；末尾几层可共用 K、V；每层各有嵌入；一种规格在 MLP 旁有专家",
            ),
        ),
    ),
    wrappers=("gemma3", "gemma4"),
)
