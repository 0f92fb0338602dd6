"""What a family of models is: its names, its pages on the hubs, its architectures. No torch.

`Config` is transformers' configuration of a model, or anything with the same attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from suretune.types import Text

Config = Any
Groups = tuple[tuple[str, ...], ...]

APART: Groups = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
"""A layer's linear maps as transformers names them, those with one input together."""
MERGED: Groups = (
    ("self_attn.qkv_proj",),
    ("self_attn.o_proj",),
    ("mlp.gate_up_proj",),
    ("mlp.down_proj",),
)
"""The same of an architecture that has merged them itself."""

Norms = tuple[str, str, str, str]
BEFORE: Norms = ("input_layernorm", "", "post_attention_layernorm", "")
"""A layer's norms as transformers names them: before attention and behind it, before the MLP and
behind it; empty: none stands there."""
BEHIND: Norms = ("", "post_attention_layernorm", "", "post_feedforward_layernorm")
"""The same of an architecture that norms what attention and MLP give, and not what they take."""

# Kinds of rotary embedding (`rope_type`) whose angles depend on the position and nothing else.
ROPES = frozenset({"default", "linear", "llama3", "yarn"})


def activation_named(config: Config) -> str:
    """The gate's activation as the config names it."""
    return str(getattr(config, "hidden_activation", None) or config.hidden_act)


def window_of_attention(config: Config, attention: Any) -> int | None:
    """The sliding window, in tokens, that a layer's own attention module has; None: it has none."""
    window: int | None = getattr(attention, "sliding_window", None)
    return window


def window_of_config(config: Config, attention: Any) -> int | None:
    """The sliding window, in tokens, that the config gives to every layer alike; None: none."""
    window: int | None = getattr(config, "sliding_window", None)
    return window


def one_rope(config: Config, attention: Any) -> str | None:
    """Every layer is turned alike, by the only rotary embedding that the model has."""
    return ""


def not_stretched(config: Config) -> tuple[float, int] | None:
    """Queries are what they are, wherever they stand."""
    return None


@dataclass(frozen=True, slots=True)
class Factors:
    """What an architecture multiplies by numbers of its configuration; 1: by none."""

    embedding: float = 1.0
    residual: float = 1.0  # what attention and MLP give, in their sums
    logits: float = 1.0


def no_factors(config: Config) -> Factors:
    """Nothing is multiplied."""
    return Factors()


def nothing(config: Config) -> str:
    """No reason against the fused layers but those that hold for every architecture."""
    return ""


@dataclass(frozen=True, slots=True)
class FusedLayers:
    """How an architecture differs from the decoder layer that the fast engine computes.

    That layer is x + o(attention(norm(x))), then x + down(act(gate) * up) of norm(x): RMS norm,
    rotary attention, gated MLP. Each of its norms may be missing, and another may stand behind
    attention and MLP, before their sums with x.
    """

    groups: Groups = APART  # q k v, o, gate and up, down
    norms: Norms = BEFORE
    norm_adds_one: bool = False  # RMS norm multiplies by 1 + weight in place of weight
    activation: Callable[[Config], str] = activation_named
    window: Callable[[Config, Any], int | None] = window_of_attention  # of (config, its attention)
    ropes: frozenset[str] = ROPES
    # Of (config, a layer's attention): which of several rotary embeddings turns it, as the model's
    # own module calls that; empty: the only one; None: the layer knows no position.
    rope: Callable[[Config, Any], str | None] = one_rope
    # Queries of position p times 1 + beta log(1 + floor(p / length)): (beta, length) of a config.
    stretch: Callable[[Config], tuple[float, int] | None] = not_stretched
    factors: Callable[[Config], Factors] = no_factors
    tied: bool = False  # whether head and embedding are one where config.json does not say
    why_not: Callable[[Config], str] = nothing  # this config cannot be computed, and why


@dataclass(frozen=True, slots=True)
class Architecture:
    """One `model_type` of config.json, as far as the engines know it.

    An architecture that is not here at all is trained by the plain engine, row by row.
    """

    model_type: str
    packed: bool = True  # attention takes nothing but queries, keys, values, scale and window
    fused: FusedLayers | None = None  # None: transformers' own modules compute it
    special: Text | None = None  # what its layers have that a plain decoder's have not
    unsaid: Mapping[str, int] = field(default_factory=dict)  # sizes that config.json may leave out


@dataclass(frozen=True, slots=True)
class Family:
    """Models of one maker under one name.

    `called` is looked for as words of their own, see `whole_names`.
    """

    name: str  # as a word of a model's name or `model_type`, in small letters
    called: tuple[str, ...]  # its models and their makers, as answers have them
    architectures: tuple[Architecture, ...] = ()
    wrappers: tuple[str, ...] = ()  # `model_type` of checkpoints that have one of them inside
    hub_owner: str = ""  # whose page on the hubs has these models
    hub_stems: tuple[str, ...] = ()  # what their names there begin with, in small letters
    hub_names: tuple[str, ...] = ()  # some of these names, for somebody who mistypes one
