"""Bytes before they are needed: what a run takes on the card, what its layers can afford to keep.

Predicted from the shapes alone, so a run that cannot fit is refused before its weights are loaded;
the engine then proves the prediction by running the largest pass first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from suretune.families import fused_layers
from suretune.model.recompute import HEAD_ROWS, Keep, Policy, soft_rows
from suretune.tuning import packing_bytes
from suretune.tuning.full import FEW, MASTER, MOMENTS, MOMENTS_8BIT, learned_bytes
from suretune.tuning.qlora import AT_ONCE, NF4

GIB = 2**30
CONTEXT = 0.6 * GIB  # CUDA's own, the libraries' kernels and work space
SLACK = 0.3 * GIB  # what the allocator rounds up and splits
HOST = 0.3 * GIB  # of the host, by torch and transformers themselves
SPLITS = 5  # copies of dq that deterministic attention sums on a card of 132 processors
TILES = (1024, 512)  # tokens at once of an MLP that keeps nothing
STATES = 1 / 16  # of the room: what the base's kept states may take on the card
WORSE = {Keep.ALL: Keep.MLP_AGAIN, Keep.MLP_AGAIN: Keep.INPUT, Keep.INPUT: Keep.HOST}


@dataclass(frozen=True, slots=True)
class Shape:
    """A decoder's sizes, as its config.json gives them."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int  # of the MLP
    vocabulary: int
    tied: bool
    bytes: int  # per value
    before: bool = True  # whether norms stand before attention and MLP
    behind: bool = False  # and behind them
    packed: str = ""  # how the layers' linear maps lie there: `Base.packed`
    lengths: bool = False  # DoRA: whether the lengths of their rows are measured at every pass
    learned: float = 0.0  # share of the base's own values that learn; 0: adapters do
    moments: float = MOMENTS  # bytes of a learned value's two moments
    processes: int = 1  # among which what learns is sharded

    @property
    def layer_weights(self) -> int:
        """Values in one layer's linear maps."""
        attention = self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        return attention + 3 * self.hidden * self.inner

    @property
    def values(self) -> int:
        """All of them, but for norms and biases."""
        tables = (1 if self.tied else 2) * self.vocabulary * self.hidden
        return tables + self.layers * self.layer_weights

    @property
    def moments_8bit(self) -> float:
        """Bytes of a value's two moments under `adamw_8bit`, where all values learn: those of the
        embedding are in float32."""
        embedding = self.vocabulary * self.hidden
        packed = 0 if self.hidden**2 < FEW else self.values - embedding
        return MOMENTS + packed / self.values * (MOMENTS_8BIT - MOMENTS)

    def flops(self, tokens: int, learned: int, still: int = 0) -> float:
        """Of the base's matrix products in one update: forward, and back to the inputs, but of the
        lowest `still` layers, below which nothing learns.

        Attention and the adapters, 2 to 8 % more, are left out, and so is what is computed twice:
        this is the least that any engine has to do.
        """
        ways = 2 * self.layers - still
        return 2.0 * (
            ways * self.layer_weights * tokens + 2 * self.hidden * self.vocabulary * learned
        )

    def lora(self, rank: int) -> int:
        """Values in one layer's adapters, all linear layers adapted."""
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        pairs = ((self.hidden, q), (self.hidden, kv), (self.hidden, kv), (q, self.hidden))
        mlp = ((self.hidden, self.inner),) * 3
        return rank * sum(a + b for a, b in (*pairs, *mlp))


def shape_of(config: Mapping[str, Any], bytes_each: int) -> Shape:
    """From config.json, at `bytes_each` a value; KeyError where it does not give a size."""
    layers = fused_layers(config.get("model_type"))
    heads = int(config["num_attention_heads"])
    hidden = int(config["hidden_size"])
    return Shape(
        layers=int(config["num_hidden_layers"]),
        hidden=hidden,
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or hidden // heads),
        inner=int(config["intermediate_size"]),
        vocabulary=int(config["vocab_size"]),
        tied=bool(config.get("tie_word_embeddings", layers is not None and layers.tied)),
        bytes=bytes_each,
        before=layers is None or bool(layers.norms[0]),
        behind=layers is not None and bool(layers.norms[1]),
    )


def fixed(
    shape: Shape,
    rank: int,
    base_bytes: float | None = None,
) -> float:
    """Weights, adapters (master, gradient, two moments, the copy beside the weights), context. Of a
    base whose own values learn: masters, gradients and moments of those that do."""
    if shape.learned and shape.processes > 1:
        own = shape.learned * (2 * MASTER + shape.moments) + (1 - shape.learned) * shape.bytes
        return shape.values * own / shape.processes + CONTEXT + SLACK
    if shape.learned:
        return (
            shape.values * (shape.bytes + learned_bytes(shape.bytes, shape.moments) * shape.learned)
            + CONTEXT
            + SLACK
        )
    each = packing_bytes(shape.packed, shape.bytes) if base_bytes is None else base_bytes
    tables = (1 if shape.tied else 2) * shape.vocabulary * shape.hidden * shape.bytes
    lora = shape.layers * shape.lora(rank)
    body = shape.layers * shape.layer_weights * each
    # Value, gradient and two moments in float32; the copies that are computed with, in which the
    # blocks between q, k and v or gate and up are zero: three times the values at most.
    return body + tables + lora * (16 + 3 * shape.bytes) + CONTEXT + SLACK


def host_needed(
    every: int,
    learned: int,
    bytes_each: int,
    moments: float,
    processes: int = 1,
    share: float = 1.0,
    *,
    on_card: bool,
) -> float:
    """Bytes of the host's own memory for a base of so many values of which so many learn, each with
    moments of so many bytes. `processes` of this machine have so large a `share` of the shards.

    Beside a card: what the learned ones were; what recovery goes back to, which is all that an
    update changes; and values and gradient once more while that state is asked. Without a card the
    weights themselves, masters, gradient and moments lie there as well. Passes come on top.
    """
    beside = bytes_each + MASTER + moments + 2 * MASTER
    if on_card:
        return HOST * processes + learned * beside * share
    own = learned_bytes(bytes_each, moments)
    return (HOST + every * bytes_each) * processes + learned * (own + beside) * share


def unpacking(shape: Shape) -> float:
    """Bytes that come and go where the layers are packed: the matrix of the largest group while it
    is multiplied with, and beside it codes of 4 bytes and levels of 8 for each pair of values that
    are looked up together."""
    attention = (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    largest = shape.hidden * max(2 * shape.inner, attention)
    return largest * shape.bytes + 6 * min(largest, AT_ONCE)


def measuring(shape: Shape) -> float:
    """Bytes that come and go while PEFT measures the rows of DoRA's largest matrix, all in float32:
    the matrix (a copy, where the base is in less), B A, its multiple, the sum, and the identity
    that B A is made with."""
    inner, hidden = shape.inner, shape.hidden
    copies = 3 if shape.bytes == 4 else 4
    return 4.0 * max(inner**2 + copies * inner * hidden, hidden**2 + copies * inner * hidden)


def saved(shape: Shape) -> float:
    """Bytes that a run would take less, were its base packed; 0 where it is."""
    if shape.packed:
        return 0.0
    each = shape.bytes - packing_bytes(NF4, shape.bytes)
    return shape.layers * shape.layer_weights * each - unpacking(shape)


def kept(shape: Shape, keep: Keep) -> int:
    """Bytes per token that a layer keeps from its forward to its backward pass."""
    if keep is Keep.HOST:
        return 0
    if keep is Keep.INPUT:
        return shape.hidden * shape.bytes
    attention = shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)
    values = 2 * shape.hidden + attention + (2 * shape.inner if keep is Keep.ALL else 0)
    norms = 2 if keep is Keep.ALL else 1  # attention's, and the MLP's unless it is computed again
    values += norms * shape.hidden if shape.behind else 0  # what these took
    return values * shape.bytes + 4 * (shape.heads + norms * (shape.before + shape.behind))


def passing(
    shape: Shape,
    policy: Policy,
    tokens: int,
    learned: int,
    soft: int = 0,
) -> float:
    """Bytes that come and go while one layer, or the head, is computed: the larger of the two.

    `soft` tokens are held to the base, beside those that are learned.
    """
    heads = shape.heads * shape.head_dim
    wide = 8 if shape.behind else 6  # of a token's: two more go through a norm behind
    attention = wide * shape.hidden + 8 * heads + 6 * shape.kv_heads * shape.head_dim
    sums = 4 * heads * SPLITS
    again = any(keep is not Keep.ALL for keep in policy.keep)
    tile = min(tokens, policy.tile) if again else tokens
    whole = tokens if any(keep is Keep.ALL for keep in policy.keep) else tile
    mlp = (5 * tile if again else 0, 3 * whole)
    layer = max(
        tokens * (attention * shape.bytes + sums),
        max(mlp) * shape.inner * shape.bytes + wide * tokens * shape.hidden * shape.bytes,
    )
    rows = max(min(learned, policy.head_rows), 2 * min(soft, soft_rows(policy.head_rows)))
    lines = 4 * learned + 5 * soft  # of a learned token's size; of the base's states one more
    head = rows * shape.vocabulary * shape.bytes + lines * shape.hidden * shape.bytes
    matrix = unpacking(shape) if shape.packed else 0
    matrix += measuring(shape) if shape.lengths else 0
    return max(layer, head) + matrix + 4 * tokens * shape.head_dim * 2


def needed(
    shape: Shape,
    policy: Policy,
    tokens: int,
    learned: int,
    soft: int = 0,
) -> float:
    """Bytes of one pass beside what is fixed."""
    return passing(shape, policy, tokens, learned, soft) + tokens * sum(
        kept(shape, keep) for keep in policy.keep
    )


def least_needed(
    shape: Shape,
    rank: int,
    tokens: int,
    learned: int,
    base_bytes: float | None = None,
) -> float:
    """Bytes of a run whose longest row is this one: every layer's input on the host, or, where the
    base's own values learn, on the card."""
    if shape.learned:
        computing = plain_needed(shape, tokens, learned)
        if shape.processes > 1:  # asked, saved and proven, all weights are there, and no pass is
            computing = max(computing + gathered(shape), shape.values * shape.bytes)
        return fixed(shape, rank) + computing
    least = Policy((Keep.HOST,) * shape.layers, TILES[-1], 512)
    return fixed(shape, rank, base_bytes) + needed(shape, least, tokens, learned)


def gathered(shape: Shape) -> float:
    """Bytes that come and go where what learns is sharded: the weights of two layers and of the
    tables, gradients of a layer and of the tables, and the larger of both in float32 on their way
    to those who keep them."""
    tables = (1 if shape.tied else 2) * shape.vocabulary * shape.hidden
    layer = shape.layer_weights
    return (3 * layer + 2 * tables) * shape.bytes + 2 * MASTER * max(layer, tables)


def plain_needed(
    shape: Shape,
    tokens: int,
    learned: int,
) -> float:
    """Bytes of one pass by transformers' own layers, each computed a second time: their inputs, one
    layer in full, and of the head every word's score of each learned token: in the run's dtype, in
    float32, their log-likelihoods and the gradient of both; the gradient of the largest table."""
    inputs = Policy((Keep.INPUT,) * shape.layers, max(tokens, 1), HEAD_ROWS)
    layers = needed(shape, inputs, tokens, 0)
    scores = learned * shape.vocabulary * (2 * shape.bytes + 3 * 4)
    return layers + scores + shape.vocabulary * shape.hidden * shape.bytes


def states_bytes(shape: Shape, learned: int) -> int:
    """What the base's hidden states of so many tokens take, kept for the whole run."""
    return learned * shape.hidden * shape.bytes


def choose_policy(
    shape: Shape,
    room: float,
    tokens: int,
    learned: int,
    least: Keep = Keep.ALL,
    soft: int = 0,
) -> Policy | None:
    """The cheapest policy whose pass fits into `room` bytes; None if even the smallest does not.

    Gate and up of one layer after the other are given up first: they are 71 % of what is kept for
    58 % of the work of a layer's second forward pass. `least` is where every layer begins.
    """
    level: Keep | None = least
    while level is not None:
        below = WORSE.get(level)
        for tile in TILES:
            for worse in range(shape.layers if below else 1):
                keep = (below or level,) * worse + (level,) * (shape.layers - worse)
                policy = Policy(
                    keep,
                    tile,
                    HEAD_ROWS if level is Keep.ALL else HEAD_ROWS // 2,
                )
                if needed(shape, policy, tokens, learned, soft) <= room:
                    return policy
            if level is Keep.ALL:
                break  # a smaller tile matters where something is computed again
        level = below
    return None


def parse_bytes(text: str) -> int | None:
    """`24GiB`, `24GB`, `24g`, `25769803776`: bytes; None if it is none of these."""
    match = re.fullmatch(
        r"\s*([\d.]+)\s*([kmgt]?)(i?)b?\s*",
        text,
        re.IGNORECASE,
    )
    if not match or match[1].count(".") > 1 or match[1] == ".":
        return None
    power = " kmgt".index(match[2].lower() or " ")
    # "24GB" on a card's box means 24 GiB of memory; read both alike.
    return math.floor(float(match[1]) * 1024**power) or None
