"""A decoder as the fast path sees it: its layers' groups, norms and shapes, read from the model.

For architectures of the plain kind: RMS norm, rotary attention, gated MLP, one after the other.
What one of them has otherwise is in `families/`. Anything else has a reason why not and is computed
by transformers' own modules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from suretune.families import fused_layers, fused_types
from suretune.families.family import FusedLayers, Groups
from suretune.model.groups import Group, Mirror, make_group
from suretune.model.ops import GELU_TANH, SILU, precise


@dataclass(frozen=True, slots=True)
class Norm:
    """RMS norm: weight (K,) as it multiplies.

    The model's own tensor, or a copy: (own + plus) * times, which does not change where `own` does.
    """

    weight: Tensor
    eps: float
    own: Tensor | None = None  # None: `weight` is the model's own
    plus: float = 0.0
    times: float = 1.0

    def reread(self) -> None:
        """What the copy is of may have changed."""
        if self.own is not None:
            self.weight.copy_((precise(self.own) + self.plus) * self.times)


class Angles(NamedTuple):
    """By which queries and keys of T positions are turned, at least float32."""

    cos: Tensor  # (T, D)
    sin: Tensor
    stretch: Tensor | None = None  # (T,), what queries are multiplied with besides

    def at(self, positions: Tensor) -> Angles:
        """Those of some of the positions."""
        stretch = None if self.stretch is None else self.stretch[positions]
        return Angles(self.cos[positions], self.sin[positions], stretch)


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer; a norm that is None does not stand there.

    Behind attention or MLP may be a number instead, which what they give is multiplied with.
    """

    before_attention: Norm | None
    qkv: Group
    query_norm: Norm | None
    key_norm: Norm | None
    o: Group
    behind_attention: Norm | float | None  # before the sum with the layer's input
    before_mlp: Norm | None
    gate_up: Group
    down: Group
    behind_mlp: Norm | float | None
    window: int | None
    rope: int  # which of `Stack.ropes` turns its queries and keys

    @property
    def groups(self) -> tuple[Group, ...]:
        """In the order in which they compute."""
        return self.qkv, self.o, self.gate_up, self.down


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything between token ids and logits. H query heads, H_kv key heads, D their size."""

    layers: tuple[Layer, ...]
    embedding: nn.Embedding
    embedding_factor: float
    rotary: nn.Module
    ropes: tuple[str | None, ...]  # as `rotary` calls them; empty: its only one; None: no turn
    stretch: tuple[float, int] | None  # of queries: see `FusedLayers`
    norm: Norm
    head: nn.Linear
    heads: int
    kv_heads: int
    head_dim: int
    scale: float
    act: str
    mirror: Mirror
    names: Groups  # of a layer's linear maps, as transformers has them

    @property
    def cuts(self) -> tuple[int, int]:
        """Where keys and where values begin among the columns of q, k and v side by side."""
        return self.heads * self.head_dim, (self.heads + self.kv_heads) * self.head_dim

    @property
    def groups(self) -> list[Group]:
        """Every group of products, layer by layer: q/k/v, output, gate and up, down."""
        return [group for layer in self.layers for group in layer.groups]

    @property
    def still(self) -> int:
        """How many of the lowest layers have no adapters: none of their gradients is needed."""
        learning = (i for i, layer in enumerate(self.layers) if any(g.r for g in layer.groups))
        return next(learning, len(self.layers) - 1)

    @property
    def members(self) -> Iterator[tuple[str, Group, int]]:
        """(a linear layer's name in the model, its group, its place in it)."""
        for index, layer in enumerate(self.layers):
            for group, members in zip(layer.groups, self.names, strict=True):
                for place, name in enumerate(members):
                    yield f"model.layers.{index}.{name}", group, place

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Zero B of every group meanwhile, so that the base alone speaks; B is back on exit."""
        for group in self.groups:
            group.zero_b()
        try:
            yield
        finally:
            self.refresh()

    def refresh(self) -> None:
        """Adapters' masters -> groups; call after every optimizer step and every load."""
        self.mirror.refresh()

    @property
    def norms(self) -> Iterator[Norm]:
        """Every norm, layer by layer; the last one stands before the head."""
        for layer in self.layers:
            around = layer.before_attention, layer.behind_attention
            inside = layer.query_norm, layer.key_norm, layer.before_mlp, layer.behind_mlp
            yield from (norm for norm in (*around, *inside) if isinstance(norm, Norm))
        yield self.norm

    def reread(self) -> None:
        """The model's own weights -> what is a copy of them; all else here is a view of them."""
        for norm in self.norms:
            norm.reread()

    def embed(self, ids: Tensor) -> Tensor:
        """ids (T,) -> what the first layer takes, (T, K)."""
        x: Tensor = self.embedding(ids)
        return x if self.embedding_factor == 1 else x * self.embedding_factor

    def angles(
        self,
        positions: Tensor,
        like: Tensor,
    ) -> tuple[Angles, ...]:
        """Of positions (T,), by each of `ropes`."""
        wide = like.new_empty(0, dtype=torch.promote_types(like.dtype, torch.float32))
        stretch = None
        if self.stretch is not None:
            beta, length = self.stretch
            stretch = (1 + beta * torch.log(1 + torch.floor(positions / length))).to(wide.dtype)
        turns = (self._turn(rope, positions, wide) for rope in self.ropes)
        return tuple(Angles(*turn, stretch) for turn in turns)

    def _turn(
        self,
        rope: str | None,
        positions: Tensor,
        wide: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """A layer without positions is turned by nothing: so every layer takes the same kernels."""
        if rope is None:
            sin = wide.new_zeros(len(positions), self.head_dim)
            return torch.ones_like(sin), sin
        cos, sin = self.rotary(wide, positions[None], *([rope] if rope else []))
        return cos[0].contiguous(), sin[0].contiguous()


def why_not(model: Any) -> str:
    """Why a model cannot take the fast path; nothing if it can. Changes nothing."""
    config = model.config
    how = fused_layers(config.model_type)
    if how is None:
        return f"{config.model_type} is not one of {', '.join(fused_types())}"
    for rope in _ropes_told(config):
        if (
            rope.get("rope_type", "default") not in how.ropes
            or rope.get("partial_rotary_factor", 1) != 1
        ):
            return f"rotary embedding of kind {rope.get('rope_type')}"
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if head_dim & (head_dim - 1):
        return f"heads of {head_dim}, which is no power of two"
    act = how.activation(config)
    if act not in (SILU, GELU_TANH):
        return f"activation {act}"
    if getattr(config, "attention_dropout", 0) or getattr(config, "resid_pdrop", 0):
        return "dropout inside the base"
    return how.why_not(config)


def _ropes_told(config: Any) -> list[dict[str, Any]]:
    """What the config says of its rotary embedding, or of each where kinds of layers have one."""
    told = getattr(config, "rope_parameters", None) or {}
    apart = [rope for rope in told.values() if isinstance(rope, dict)]
    return apart or [told]


def make_stack(model: Any, *, learning: bool = True) -> Stack | str:
    """Lay the model's linear layers into groups, or say why the fast path cannot take it.

    `model` is a transformers causal model, with PEFT's LoRA layers or without. Its own modules keep
    working: their weights are views into the groups, so a weight that is changed in place is heard
    here (after `reread` also where a norm is a copy). A stack that only answers (not `learning`)
    need not know dropout.
    """
    config = model.config
    how, reason = fused_layers(config.model_type), why_not(model)
    if how is None or reason:
        return reason
    inner = model.model
    if type(model.lm_head) is not nn.Linear or not isinstance(inner.embed_tokens, nn.Embedding):
        return "adapters on the embedding or the head"
    turns = [how.rope(config, layer.self_attn) for layer in inner.layers]
    ropes = tuple(dict.fromkeys(turns))
    layers = []
    for layer, turn in zip(inner.layers, turns, strict=True):
        made = _layer(layer, how, config, ropes.index(turn), learning=learning)
        if isinstance(made, str):
            return made
        layers.append(made)
    attention, factors = inner.layers[0].self_attn, how.factors(config)
    return Stack(
        layers=tuple(layers),
        embedding=inner.embed_tokens,
        embedding_factor=factors.embedding,
        rotary=inner.rotary_emb,
        ropes=ropes,
        stretch=how.stretch(config),
        # The head has no bias: what its input is multiplied with, it is, too.
        norm=_norm(inner.norm, how, factors.logits),
        head=model.lm_head,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_dim=attention.head_dim,
        scale=attention.scaling,
        act=how.activation(config),
        mirror=Mirror([group for layer in layers for group in layer.groups]),
        names=how.groups,
    )


def _norm(module: Any, how: FusedLayers, times: float = 1.0) -> Norm:
    """A module's norm, what it gives multiplied with `times`."""
    own, eps = module.weight.data, getattr(module, "variance_epsilon", None)
    eps, plus = module.eps if eps is None else eps, 1.0 if how.norm_adds_one else 0.0
    if not plus and times == 1:
        return Norm(own, eps)
    norm = Norm(torch.empty_like(precise(own)), eps, own, plus, times)
    norm.reread()
    return norm


def _layer(
    layer: Any,
    how: FusedLayers,
    config: Any,
    rope: int,
    *,
    learning: bool,
) -> Layer | str:
    attention = layer.self_attn
    groups = []
    for names in how.groups:
        group = make_group([layer.get_submodule(name) for name in names], learning)
        if isinstance(group, str):
            return group
        groups.append(group)
    heads = [getattr(attention, name, None) for name in ("q_norm", "k_norm")]
    query_norm, key_norm = (None if n is None else _norm(n, how) for n in heads)
    norms = [_norm(getattr(layer, name), how) if name else None for name in how.norms]
    share = how.factors(config).residual
    between = None if share == 1 else share
    return Layer(
        before_attention=norms[0],
        qkv=groups[0],
        query_norm=query_norm,
        key_norm=key_norm,
        o=groups[1],
        behind_attention=norms[1] or between,
        before_mlp=norms[2],
        gate_up=groups[2],
        down=groups[3],
        behind_mlp=norms[3] or between,
        window=how.window(config, attention),
        rope=rope,
    )
