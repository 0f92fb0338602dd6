"""What can be said of full fine-tuning before anything is loaded: its flags, and what learns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from suretune import phrases
from suretune.config import Resolved
from suretune.data.base import Base
from suretune.data.learning import Learning, learning_of
from suretune.data.parts import frozen_parts
from suretune.facts import FlagFacts, SetupFacts
from suretune.options_full import FullOptions
from suretune.options_lora import LoraOptions
from suretune.train.place import here
from suretune.tuning import TUNERS
from suretune.tuning.full import ADAMW_8BIT
from suretune.types import Text

BOTH = ("tuner", "adapter_dose")  # of the adapters' options: what full training heeds as well
ALONE = Text(
    "no adapter is trained with `--train_type {}`",
    "`--train_type {}` 不训练适配器",
)
FROZEN = Text(
    "beside adapters the whole base is frozen as it is; its own weights learn with"
    " `--train_type full`",
    "训练适配器时整个原模型本来就是冻结的；要训练它自身的权重，请用 `--train_type full`",
)
SMALL = Text(
    "training is by AdamW, and its moments are small beside adapters: they stay in float32",
    "训练用的是 AdamW；适配器的动量本来就很小，保持 float32",
)


def is_whole(resolved: Resolved) -> bool:
    """Whether the base's own weights learn."""
    return TUNERS[resolved.config.lora.tuner].whole


def processes_of(resolved: Resolved) -> int:
    """How many compute a run: asked for, or started by torchrun."""
    return max(resolved.config.engine.num_gpus, here().size)


def whole_flags(resolved: Resolved) -> Iterator[FlagFacts]:
    """Flags of adapters without any, of full training where there is none, and what excludes it."""
    config, name = resolved.config, resolved.config.lora.tuner
    if not is_whole(resolved):
        yield from _without_full(resolved)
        return
    alone = Text(ALONE.en.format(name), ALONE.zh.format(name))
    for item in fields(LoraOptions):
        if item.name not in BOTH and resolved.given(item.name):
            value = _typed(getattr(config.lora, item.name))
            yield FlagFacts("harmless-no-effect", f"--{item.name}", value, hint=alone)
    asked = (
        ("--base_dtype", config.engine.base_dtype or ""),
        ("--fused", "true" if config.engine.fused else ""),
    )
    for flag, value in asked:
        if value:
            hint = Text(
                "the fast engine needs a frozen base; full training goes by the plain one",
                "快速引擎只在冻结的原模型旁计算；全参数微调用普通引擎",
            )
            yield FlagFacts("conflicting-flags", flag, f"--train_type {name}", hint=hint)
    processes = processes_of(resolved)
    if processes > 1 and config.full.optim == ADAMW_8BIT:
        hint = Text(
            "on several GPUs each has a part of the moments, in float32: blocks of 8 bits are not"
            " cut",
            "多块 GPU 各存一部分动量，用 float32；8 位的块不做切分",
        )
        given = f"--num_gpus {processes}"
        yield FlagFacts("conflicting-flags", given, f"--optim {ADAMW_8BIT}", hint=hint)


def _without_full(resolved: Resolved) -> Iterator[FlagFacts]:
    for item in fields(FullOptions):
        value = getattr(resolved.config.full, item.name)
        if not value or not resolved.given(item.name):  # other tools' 0 means nothing frozen
            continue
        flag, given = f"--{item.name}", _typed(value)
        if item.name == "optim":
            if value == ADAMW_8BIT:
                yield FlagFacts("harmless-no-effect", flag, given, hint=SMALL)
        elif item.name == "trainable_parameters":
            yield FlagFacts("no-effect", flag, given, hint=FROZEN)
        else:
            yield FlagFacts("harmless-no-effect", flag, given, hint=FROZEN)


def _typed(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def whole_notes(resolved: Resolved, base: Base) -> Iterator[SetupFacts]:
    """What stays as it is, in numbers; or what is wrong with the names that were given."""
    found = learning_of(base, resolved.config.full)
    if isinstance(found, SetupFacts):
        yield found
        return
    parts = [part.name for part in frozen_parts(base)]
    if found.frozen or parts:
        en, zh = learns(found).en, learns(found).zh
        also = Text(
            "".join(f"; {part.en}" for part in parts), "".join(f"；{part.zh}" for part in parts)
        )
        yield SetupFacts("weights-frozen", base.name, found=Text(en + also.en, zh + also.zh))


def learns(found: Learning) -> Text:
    """`2,107,136 of 5,183,744 numbers learn (40.7 %), 3,076,608 stay`."""
    stay = sum(found.frozen.values())
    every = phrases.count(found.count + stay)
    count, left, share = phrases.count(found.count), phrases.count(stay), f"{found.share:.1%}"
    if not stay:
        return Text(f"all {every} numbers learn", f"全部 {every} 个参数都参与训练")
    return Text(
        f"{count} of {every} numbers learn ({share}), {left} stay as they are",
        f"{every} 个参数中训练 {count} 个（{share}），其余 {left} 个保持不变",
    )
