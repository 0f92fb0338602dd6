"""What can be said of full fine-tuning before anything is loaded: its flags, and what learns."""

from __future__ import annotations

from collections.abc import Iterator

from suretune import phrases
from suretune.config import Resolved
from suretune.data.base import Base
from suretune.data.learning import Learning, learning_of
from suretune.data.parts import frozen_parts
from suretune.facts import FlagFacts, SetupFacts
from suretune.preflight.again import of_other_training, word_of
from suretune.train.place import here
from suretune.tuning import TUNERS
from suretune.tuning.full import ADAMW_8BIT
from suretune.types import Text

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
    for option in of_other_training(name):
        if resolved.given(option):
            value = getattr(config.lora, option)
            yield _idle(resolved, option, value, alone)
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
    for name in of_other_training(resolved.config.lora.tuner):
        value = getattr(resolved.config.full, name)
        if not value or not resolved.given(name):  # other tools' 0 means nothing frozen
            continue
        if name == "optim":
            if value == ADAMW_8BIT:
                yield _idle(resolved, name, value, SMALL)
        elif name == "trainable_parameters":
            yield FlagFacts("no-effect", f"--{name}", _typed(value), hint=FROZEN)
        else:
            yield _idle(resolved, name, value, FROZEN)


def _idle(
    resolved: Resolved,
    name: str,
    value: object,
    why: Text,
) -> FlagFacts:
    beside = f"--train_type {resolved.config.lora.tuner}"
    return FlagFacts(
        "harmless-no-effect",
        f"--{name}",
        _typed(value),
        beside,
        why,
    )


def _typed(value: object) -> str:
    return " ".join(map(word_of, value if isinstance(value, tuple) else (value,)))


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
