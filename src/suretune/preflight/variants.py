"""Ways to train beside what they do not go with, and what cannot serve them."""

from __future__ import annotations

from collections.abc import Iterator

from suretune.config import Resolved
from suretune.facts import FlagFacts, SetupFacts
from suretune.options import EngineOptions
from suretune.options_lora import LoraOptions
from suretune.tuning import TUNERS
from suretune.types import Text

SERVED_RANK = 16  # the largest that vLLM takes unless told


def of_variants(lora: LoraOptions, engine: EngineOptions) -> Iterator[FlagFacts]:
    """What a way to train needs of the base's weights and does not find there, or cannot read."""
    if lora.layers is not None and not lora.layers:
        yield FlagFacts(
            "bad-value",
            "--layers_to_transform",
            " ".join(lora.layers_to_transform),
            hint=Text(
                "layers are counted from 0 on: `--layers_to_transform 5-24`, `0 2 5-7` or `all`",
                "层从 0 数起：`--layers_to_transform 5-24`、`0 2 5-7` 或 `all`",
            ),
        )
    yield from _packed_twice(lora.tuner, engine.base_dtype)
    packed = f"--train_type {lora.tuner}" if TUNERS[lora.tuner].packed else ""
    if lora.use_dora and (other := packed or _fp8(engine)):
        yield FlagFacts(
            "conflicting-flags",
            "--use_dora true",
            other,
            hint=Text(
                "DoRA measures the lengths of the base's rows at every pass, in the precision that"
                " they were trained in",
                "DoRA 每次计算都要量原模型各行的长度，需要原来的精度",
            ),
        )
    if lora.from_base and packed:
        yield FlagFacts(
            "conflicting-flags",
            f"--init_weights {lora.init_weights}",
            packed,
            hint=Text(
                "on a packed base PiSSA packs what is left of it, and that would be another base"
                " than the one that was asked for",
                "原模型要压缩时，PiSSA 压缩的是取走分量后的剩余部分，那就不再是所要求的原模型",
            ),
        )


def _packed_twice(tuner: str, base_dtype: str | None) -> Iterator[FlagFacts]:
    """Two ways to hold the base."""
    if TUNERS[tuner].packed and base_dtype:
        yield FlagFacts(
            "conflicting-flags",
            "--base_dtype",
            f"--train_type {tuner}",
            hint=Text(
                f"the base is multiplied by in 8 bits ({base_dtype}) for speed, or packed into 4"
                " for memory",
                f"要么为了速度用 8 位（{base_dtype}）相乘，要么为了省显存压缩成 4 位",
            ),
        )


def _fp8(engine: EngineOptions) -> str:
    return f"--base_dtype {engine.base_dtype}" if engine.base_dtype else ""


def served_notes(resolved: Resolved) -> Iterator[SetupFacts]:
    """Which servers refuse the adapter, or want to be told; a chosen rank's reason says it."""
    lora = resolved.config.lora
    if lora.use_dora:
        yield SetupFacts("served-merged-only", "--use_dora true", found="DoRA")
    elif resolved.given("lora_rank") and lora.saved_rank > SERVED_RANK:
        asked = SERVED_RANK // (lora.saved_rank // lora.lora_rank)
        yield SetupFacts(
            "rank-needs-a-flag",
            str(lora.saved_rank),
            found=str(SERVED_RANK),
            nearest=str(asked),
        )
