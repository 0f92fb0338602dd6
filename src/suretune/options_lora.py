"""Options of the adapter that is trained; part of options.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from suretune.option import option
from suretune.tuning import TUNERS
from suretune.types import Text

AS_FULL = Text(
    "Some of the base's own weights: `--train_type full` with `--freeze_parameters_ratio 0.8`, or"
    " with their names behind `--freeze_parameters` and `--trainable_parameters`",
    "训练原模型自身的一部分权重：`--train_type full` 加 `--freeze_parameters_ratio 0.8`，或者用"
    " `--freeze_parameters` 和 `--trainable_parameters` 写明名字",
)
NO_VARIANT = Text(
    "The adapters are LoRA; of its variants there are rsLoRA (`--use_rslora true`), DoRA"
    " (`--use_dora true`), LoRA+ (`--lorap_lr_ratio 16`) and PiSSA (`--init_weights pissa`)",
    "适配器是 LoRA；它的变体有 rsLoRA（`--use_rslora true`）、DoRA（`--use_dora true`）、"
    "LoRA+（`--lorap_lr_ratio 16`）和 PiSSA（`--init_weights pissa`）",
)
NO_START = Text(
    "An adapter starts with a change of nothing, A random, or from the base's largest components"
    " (`pissa`, or `pissa_niter_16`, which finds them faster)",
    "适配器要么从零改动、A 随机开始，要么从原模型最大的奇异分量开始"
    "（`pissa`，或更快的 `pissa_niter_16`）",
)
NO_BITS = Text(
    "A base can be packed into 4 bits (`--train_type qlora`), and no other number of them",
    "原模型只能压缩成 4 位（`--train_type qlora`），不能是别的位数",
)
FULL = dict.fromkeys(("fullft", "full_finetune", "full_finetuning"), "full")
VARIANTS = (
    *("dora", "rslora", "adalora", "longlora", "lora_ga", "lora+", "loraplus", "pissa", "lokr"),
    *("loha", "oft", "boft", "vera", "ia3", "galore", "q_galore", "llamapro", "adapter", "reft"),
    *("qdora", "fourierft", "bone", "prefix", "prompt", "p_tuning", "ptuning"),
)
USUAL, PISSA = "true", "pissa"
STARTS = ("gaussian", "orthogonal", "olora", "eva", "corda", "loftq", "lora_ga", "mica", "false")
NO_TUNER = {
    "freeze": AS_FULL,
    **dict.fromkeys(VARIANTS, NO_VARIANT),
    **dict.fromkeys(("2", "3", "8"), NO_BITS),
}

ALL_LINEAR = "all-linear"
ALL_LAYERS = "all"
_LAYERS = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


def layer_numbers(words: Sequence[str]) -> frozenset[int]:
    """Of `5-24`, or `0`, `2` and `5-7`; empty where a word names no layer."""
    found: set[int] = set()
    for word in " ".join(words).split():
        told = _LAYERS.fullmatch(word)
        some = range(int(told[1]), int(told[2] or told[1]) + 1) if told else ()
        if not some:
            return frozenset()
        found.update(some)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class LoraOptions:
    """LoRA"""

    tuner: str = option(
        "lora",
        "what is trained: lora; qlora, whose base is packed into 4 bits (NF4) for less memory; or"
        " full, the base's own weights",
        "训练方式：lora；qlora，把原模型压缩成 4 位（NF4），更省显存；full，训练原模型自身的权重",
        "train_type",
        "tuner_type",
        "finetuning_type",
        choices=tuple(TUNERS),
        values=FULL,
        elsewhere=NO_TUNER,
    )
    lora_rank: int = option(
        8,
        "rank r of the adapters; 32 for plain LoRA in layers that were chosen",
        "适配器的秩 r；普通 LoRA 自动选择层时默认 32",
        "lora_r",
        least=1,
    )
    lora_alpha: float = option(
        32,
        "the adapters are scaled by alpha / r; 64 for plain LoRA in layers that were chosen",
        "适配器按 alpha / r 缩放；普通 LoRA 自动选择层时默认 64",
        above=0,
    )
    adapter_dose: float | None = option(
        None,
        "the share of the trained strength that is published: the smallest at which what is asked"
        " on the way still passes, and a margin more, when not given; 1: all of it, as for plain"
        " LoRA in layers that were chosen",
        "发布的适配器取训练所得强度的几成；不写则取途中提问仍能通过的最小值，再留一些余量；"
        "1 表示全部，普通 LoRA 自动选择层时默认 1",
        above=0,
        most=1,
    )
    lora_dropout: float = option(
        0.0,
        "dropout before the adapters",
        "适配器前的 dropout",
        least=0,
        most=0.9,
    )
    use_rslora: bool = option(
        False,
        "scale by alpha / sqrt(r)",
        "改用 `alpha / sqrt(r)` 缩放",
    )
    use_dora: bool = option(
        False,
        "DoRA: each row of a matrix has its length learned apart from its direction; slower",
        "DoRA：矩阵每一行的长度与方向分开学习；更慢",
    )
    lorap_lr_ratio: float | None = option(
        None,
        "LoRA+: B learns at this many times the rate of A, e.g. 16; at the same when not given",
        "LoRA+：B 的学习率是 A 的几倍，例如 16；不写则相同",
        "loraplus_lr_ratio",
        above=0,
    )
    init_weights: str = option(
        USUAL,
        "how the adapters start: true (A random, B zero), or from the base's largest components by"
        " pissa or pissa_niter_N (N steps of a faster search); these are saved with twice the rank",
        "适配器如何开始：true（A 随机、B 为零）；pissa 或 pissa_niter_N 则取原模型最大的奇异分量"
        "（后者用 N 步近似，更快），保存时秩加倍",
        "init_lora_weights",
        choices=(USUAL, PISSA, "pissa_niter_16"),
        pattern=r"pissa_niter_[1-9]\d?",
        elsewhere=dict.fromkeys(STARTS, NO_START),
    )
    target_modules: tuple[str, ...] = option(
        (ALL_LINEAR,),
        "linear layers that get an adapter: all-linear, or names (q_proj v_proj)",
        "给哪些线性层加适配器：all-linear，或写名字（q_proj v_proj）",
        "lora_target",
        "lora_target_modules",
        once=True,
    )
    layers_to_transform: tuple[str, ...] = option(
        (),
        "of which layers, counted from 0: all, or 5-24, or 0 2 5-7; chosen when not given",
        "这些线性层属于哪几层，从 0 数起：all、5-24 或 0 2 5-7；不写则自动选择",
        once=True,
    )

    @property
    def layers(self) -> frozenset[int] | None:
        """The numbers of the layers that get adapters: None for all, none for other words."""
        words = " ".join(self.layers_to_transform) or ALL_LAYERS
        return None if words.lower() == ALL_LAYERS else layer_numbers((words,))

    @property
    def is_plain(self) -> bool:
        """Whether it is LoRA as first described, on the base as it is, and no variant."""
        if self.tuner != "lora" or self.lorap_lr_ratio:
            return False
        return not (self.use_rslora or self.use_dora or self.from_base)

    @property
    def from_base(self) -> bool:
        """Whether the adapters start from the base's own components (PiSSA)."""
        return self.init_weights.startswith(PISSA)

    @property
    def saved_rank(self) -> int:
        """The rank that the files have: of what starts from the base, its start taken off again is
        as much as what is learned."""
        return 2 * self.lora_rank if self.from_base else self.lora_rank

    @property
    def saved_alpha(self) -> float:
        """The alpha that the files have, so that the scale is as it was asked for."""
        times = (2**0.5 if self.use_rslora else 2) if self.from_base else 1
        return self.lora_alpha * times
