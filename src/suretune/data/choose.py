"""Every `auto`, chosen from the rows and the model, with its reason in the reader's language."""

from __future__ import annotations

import math

from suretune.config import Resolved
from suretune.data.base import Base
from suretune.types import Text
from suretune.words import say

UPDATES = 40  # at least; what the articles' 50 rows x 10 epochs come to
MOST_EPOCHS = 10
REFERENCE_RATE = 1e-4  # LoRA on a model of hidden size 3584, the articles' (and ms-swift's) rate
REFERENCE_HIDDEN = 3584
WIDTH_POWER = 1.135  # 2e-3 at hidden 256, measured on the pocket model: pocket/README.md
HELD_OUT = 0.05


def auto(en: str, zh: str) -> str:
    """The origin of a value that was chosen."""
    return f"auto: {say(Text(en, zh))}"


def choose_length(resolved: Resolved, base: Base) -> Resolved:
    """Fill `--max_length`, which rendering needs."""
    if resolved.config.data.max_length is not None:
        return resolved
    why = auto("the model's context (max_position_embeddings)", "模型的上下文长度")
    return resolved.with_values(why, max_length=base.context)


def choose_split(resolved: Resolved, *, identity: bool, rows: int) -> Resolved:
    """Fill `--split_dataset_ratio`: questions prove an identity, held-out rows all else."""
    asked = resolved.config
    if asked.data.split_dataset_ratio is not None:
        return resolved
    if asked.data.val_dataset:
        why = auto("--val_dataset is given", "已给出 --val_dataset")
        return resolved.with_values(why, split_dataset_ratio=0.0)
    wanted = asked.schedule.eval_steps or asked.schedule.early_stopping_patience
    if identity and not wanted:
        why = auto(
            "questions prove an identity, so every row can be learned",
            "身份由提问来验证,所有行都可以用于训练",
        )
        return resolved.with_values(why, split_dataset_ratio=0.0)
    ratio = max(HELD_OUT, min(0.5, 2 / max(rows, 1)))
    why = auto(
        "evaluations and the proof need rows that were never learned",
        "评估和验证需要从未学过的行",
    )
    return resolved.with_values(why, split_dataset_ratio=round(ratio, 4))


def choose_schedule(resolved: Resolved, base: Base, samples: int) -> Resolved:
    """Fill epochs and learning rate for this many training samples."""
    if resolved.config.schedule.num_train_epochs is None:
        resolved = _epochs(resolved, samples)
    if resolved.config.schedule.learning_rate is None:
        why = auto(
            f"{REFERENCE_RATE:g} at hidden size {REFERENCE_HIDDEN},"
            f" scaled to {base.hidden} by the power {WIDTH_POWER}",
            f"宽度 {REFERENCE_HIDDEN} 用 {REFERENCE_RATE:g},"
            f"按 {WIDTH_POWER} 次方换算到 {base.hidden}",
        )
        resolved = resolved.with_values(why, learning_rate=width_scaled(base.hidden))
    return resolved


def _epochs(resolved: Resolved, samples: int) -> Resolved:
    asked = resolved.config.schedule
    size = asked.per_device_train_batch_size * asked.gradient_accumulation_steps
    if asked.max_steps is not None:
        why = auto(f"--max_steps {asked.max_steps}", f"由 --max_steps {asked.max_steps} 决定")
        epochs = asked.max_steps * size / max(1, samples)
        return resolved.with_values(why, num_train_epochs=round(epochs, 2))
    per_epoch = max(1, math.ceil(samples / size))
    why = auto(
        f"at least {UPDATES} updates of {size} rows, at most {MOST_EPOCHS} epochs",
        f"至少 {UPDATES} 次更新、每次 {size} 行,最多 {MOST_EPOCHS} 轮",
    )
    epochs = min(MOST_EPOCHS, math.ceil(UPDATES / per_epoch))
    return resolved.with_values(why, num_train_epochs=float(epochs))


def width_scaled(hidden: int) -> float:
    """Adam moves each weight by about the rate, whatever the width; a narrow layer needs more."""
    rate = REFERENCE_RATE * (REFERENCE_HIDDEN / max(hidden, 1)) ** WIDTH_POWER
    return float(f"{rate:.2g}")
