"""Many adapters over one base in one batch: their ranks side by side, each row's own not silenced.

All adapters of a group are one wide A (R, K) and one wide B (N, R), in memory that is there from
the start. A product is computed over all ranks in use, and what a row takes in by ranks that are
not its adapter's is set to zero. So an adapter comes and goes while others answer. Ranks are given
out in blocks of 8, any that are free; a group of m members has m blocks of its own for each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite, nan
from pathlib import Path

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file
from torch import Tensor

from suretune.model.cuda_graph import sent
from suretune.model.groups import ALIGN, Foreign, Group
from suretune.model.lora import (
    CONFIG,
    KNOWN_STARTS,
    STRANGE,
    WEIGHTS,
    Match,
    expressions,
    layers_of,
)
from suretune.model.stack import Stack
from suretune.options_lora import ALL_LINEAR

OUTSIDE = ("lm_head", "model.embed_tokens")  # linear or nearly so, and in no group


@dataclass(frozen=True, slots=True)
class Pair:
    """One linear layer's LoRA: A (r, K), B (N, r) with the scale in it."""

    a: Tensor
    b: Tensor


class LoraPool:
    """Up to `count` adapters of together up to `ranks` ranks over a stack that has none itself.

    `rows`: slots of a batch. ValueError where the stack has adapters of its own.
    """

    def __init__(
        self,
        stack: Stack,
        count: int,
        ranks: int,
        rows: int,
    ) -> None:
        if any(group.adapters for group in stack.groups):
            raise ValueError("this stack has adapters of its own")
        self.stack = stack
        self.count = count
        self.free = list(range(-(-ranks // ALIGN)))  # blocks, ascending
        self.capacity = len(self.free)
        self.blocks: dict[str, list[int]] = {}
        self.wide = [_wide(group, self.capacity) for group in stack.groups]
        device = stack.embedding.weight.device
        # Fixed addresses: CUDA graphs read them. A row without an adapter has no rank of its own.
        self.foreign: dict[int, Tensor] = {
            n: torch.ones(rows, n * self.capacity * ALIGN, dtype=torch.bool, device=device)
            for n in {len(group.sizes) for group in stack.groups}
        }
        self._narrow()

    @property
    def used(self) -> int:
        """Blocks up to the last that an adapter has; those behind it are not computed."""
        return max((max(blocks) + 1 for blocks in self.blocks.values()), default=0)

    def load(self, name: str, folder: Path) -> Match:
        """Put an adapter in, unless something about it does not match; ValueError without room.

        An unreadable file raises what its reader raises.
        """
        if name in self.blocks:
            raise ValueError(f"an adapter named {name} is loaded already")
        if len(self.blocks) >= self.count:
            raise ValueError(f"{self.count} adapters are loaded, and no more may be")
        pairs, match = read_adapter(self.stack, folder)
        if match.odd or match.non_finite:
            return match
        wanted = max(-(-len(pair.a) // ALIGN) for pair in pairs.values())
        if wanted > len(self.free):
            raise ValueError(
                f"{name} needs {wanted * ALIGN} ranks, {len(self.free) * ALIGN} of "
                f"{self.capacity * ALIGN} are free"
            )
        blocks = self.free[:wanted]
        self._write(pairs, blocks)
        self.blocks[name] = blocks
        del self.free[:wanted]
        self._narrow()
        return match

    def unload(self, name: str) -> None:
        """Give its ranks back; no row may use it. KeyError if it is not loaded."""
        self.free = sorted(self.free + self.blocks.pop(name))
        self._narrow()

    def assign(
        self,
        rows: Sequence[int],
        names: Sequence[str | None],
    ) -> None:
        """Unmask the ranks of `names[i]` in slot `rows[i]`, and mask all others; None: base only.

        The copy to the device is synchronous. KeyError where a name is not loaded.
        """
        for n, foreign in self.foreign.items():
            lines = torch.ones(
                len(rows),
                foreign.shape[1],
                dtype=torch.bool,
            )
            for line, name in zip(lines, names, strict=True):
                for block in self.blocks[name] if name is not None else ():
                    line[block * n * ALIGN : (block + 1) * n * ALIGN] = False
            foreign[sent(rows, torch.long, foreign.device)] = lines.to(foreign.device)

    def of(
        self,
        rows: slice | Sequence[int],
        names: Iterable[str | None],
    ) -> Foreign | None:
        """Masks of ranks foreign to these rows, by members of a group, (rows, ranks) bool: True is
        silenced. None where every row uses every rank, as `names` says."""
        used = self.used
        if all(len(self.blocks[name] if name is not None else ()) == used for name in names):
            return None
        return {n: foreign[rows] for n, foreign in self.foreign.items()}

    def _write(
        self,
        pairs: Mapping[str, Pair],
        blocks: Sequence[int],
    ) -> None:
        wide = {id(g): pair for g, pair in zip(self.stack.groups, self.wide, strict=True)}
        every = torch.arange(len(blocks) * ALIGN)
        start = torch.tensor(blocks)[every // ALIGN]
        for name, group, place in self.stack.members:
            a, b = wide[id(group)]
            ranks = ((start * len(group.sizes) + place) * ALIGN + every % ALIGN).to(a.device)
            a[ranks] = 0
            b[:, ranks] = 0
            if name in pairs:
                ranks = ranks[: len(pairs[name].a)]
                first = sum(group.sizes[:place])
                a[ranks] = pairs[name].a.to(a)
                b[first : first + group.sizes[place], ranks] = pairs[name].b.to(b)

    def _narrow(self) -> None:
        """Let the groups compute the ranks in use."""
        used = self.used * ALIGN
        for group, (a, b) in zip(self.stack.groups, self.wide, strict=True):
            ranks = used * len(group.sizes)
            group.a, group.b = a[:ranks], b[:, :ranks]


def _wide(group: Group, blocks: int) -> tuple[Tensor, Tensor]:
    ranks = blocks * ALIGN * len(group.sizes)
    like = group.weight.like
    return like.new_zeros(ranks, group.k), like.new_zeros(group.n, ranks)


def read_adapter(stack: Stack, folder: Path) -> tuple[dict[str, Pair], Match]:
    """A saved adapter by its layers' names, and how it met the stack; nothing is loosely matched.

    What is odd is a tensor, a layer outside the groups, or a setting that `Pair` cannot express.
    """
    saved = load_file(folder / WEIGHTS)
    bad = tuple(name for name, tensor in saved.items() if not tensor.isfinite().all())
    config, odd = _read_config(folder)
    if isinstance(config.target_modules, str) and config.target_modules.lower() != ALL_LINEAR:
        config.target_modules = layers_of(saved)  # an expression may never end
    odd |= {name for name in OUTSIDE if not odd and _targeted(config, name)}
    pairs: dict[str, Pair] = {}
    fitting: set[str] = set()
    for name, group, place in stack.members if not odd else ():
        if not _targeted(config, name):
            continue
        rank, scale = _rank_and_scale(config, name)
        a, b = (f"base_model.model.{name}.lora_{half}.weight" for half in "AB")
        shapes = {a: (rank, group.k), b: (group.sizes[place], rank)}
        met = {key for key, shape in shapes.items() if key in saved and saved[key].shape == shape}
        odd |= shapes.keys() - met
        fitting |= met
        if not isfinite(scale):
            odd.add("lora_alpha")
        elif len(met) == 2:
            pairs[name] = Pair(saved[a], _scaled(saved[b], scale))
    odd |= saved.keys() - fitting
    if not pairs:
        odd.add("target_modules")
    return pairs, Match(len(saved), len(fitting), tuple(sorted(odd)), bad)


def _read_config(folder: Path) -> tuple[LoraConfig, set[str]]:
    """The settings, and which of them ask for another computation than plain LoRA's."""
    written = json.loads((folder / CONFIG).read_text("utf-8"))
    if not isinstance(written, dict):
        raise TypeError(f"{folder / CONFIG} is not an object")
    known = {field.name for field in fields(LoraConfig)}
    odd = {name for name, value in written.items() if value and name not in known}
    if written["peft_type"] != "LORA":
        odd.add("peft_type")
    odd |= set(expressions(written))
    if odd:
        return LoraConfig(), odd
    config = LoraConfig.from_pretrained(str(folder))
    odd = {name for name in STRANGE if getattr(config, name, None)}
    if config.bias != "none":
        odd.add("bias")
    if config.init_lora_weights not in KNOWN_STARTS:
        odd.add("init_lora_weights")
    return config, odd


def _targeted(config: LoraConfig, name: str) -> bool:
    """As PEFT reads the lists and layers of a config."""
    if str(config.target_modules).lower() == ALL_LINEAR:
        return name not in OUTSIDE
    return bool(check_target_module_exists(config, name))


def _rank_and_scale(config: LoraConfig, name: str) -> tuple[int, float]:
    rank = config.rank_pattern.get(get_pattern_key(config.rank_pattern.keys(), name), config.r)
    alphas = config.alpha_pattern
    alpha = alphas.get(get_pattern_key(alphas.keys(), name), config.lora_alpha)
    if rank < 1:
        return rank, nan
    return rank, alpha / (rank**0.5 if config.use_rslora else rank)


def _scaled(b: Tensor, scale: float) -> Tensor:
    """At least in float32, as training's own copies are made."""
    return b.to(torch.promote_types(b.dtype, torch.float32)) * scale
