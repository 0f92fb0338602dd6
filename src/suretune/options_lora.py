"""Options of the adapter that is trained; part of options.py."""

from __future__ import annotations

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
    "The adapters are plain LoRA, or rsLoRA (`--use_rslora true`)",
    "适配器是普通 LoRA，或 rsLoRA（`--use_rslora true`）",
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
NO_TUNER = {
    "freeze": AS_FULL,
    **dict.fromkeys(VARIANTS, NO_VARIANT),
    **dict.fromkeys(("2", "3", "8"), NO_BITS),
}


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
        "rank r of the adapters",
        "适配器的秩 r",
        "lora_r",
        least=1,
    )
    lora_alpha: float = option(
        32,
        "the adapters are scaled by alpha / r",
        "适配器按 alpha / r 缩放",
        above=0,
    )
    adapter_dose: float | None = option(
        None,
        "the share of the trained strength that is published: the smallest at which what is asked"
        " on the way still passes, and two steps more, when not given; 1: all of it",
        "发布的适配器取训练所得强度的几成；不写则取途中提问仍能通过的最小值，再留两级余量；"
        "1 表示全部",
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
    target_modules: tuple[str, ...] = option(
        ("all-linear",),
        "linear layers that get an adapter: all-linear, or names (q_proj v_proj)",
        "给哪些线性层加适配器：all-linear，或写名字（q_proj v_proj）",
        "lora_target",
        "lora_target_modules",
        once=True,
    )
